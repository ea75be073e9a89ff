//! Create-if-absent on object stores, where an answer can be lost.
//!
//! **Invariant:** [`Created::Yes`] means that the object holds the caller's content. A transport
//! error and "there already" both mean *unknown*: the key is read and the contents compared, so
//! whoever puts a name of its own into the content recognises its own write.

use std::time::Duration;

use super::Created;
use super::patience::Patience;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};

/// Writes `content` to `path` unless something is there; tries again for `patience` while it is
/// unknown whether it did.
#[expect(clippy::disallowed_methods, reason = "stores are written here and nowhere else")]
pub(super) async fn create(
    client: &dyn ObjectStore,
    path: &Path,
    content: &Bytes,
    patience: Duration,
) -> Result<Created, Error> {
    let mut patience = Patience::of(patience);
    loop {
        let sent = client.put_opts(path, content.clone().into(), PutMode::Create.into()).await;
        let unknown = match sent {
            Ok(_) => return Ok(Created::Yes),
            Err(
                refused @ (Error::PermissionDenied { .. }
                | Error::Unauthenticated { .. }
                | Error::NotFound { .. }),
            ) => return Err(refused),
            Err(unknown) => unknown,
        };
        let cause = match read(client, path).await {
            Ok(found) if found == *content => return Ok(Created::Yes),
            Ok(_) => return Ok(Created::AlreadyExists),
            // Nothing was written, whatever the answer said: a conflict with a write that failed.
            Err(Error::NotFound { .. }) => unknown,
            Err(cause) => cause,
        };
        if !patience.once_more().await {
            return Err(cause);
        }
    }
}

async fn read(client: &dyn ObjectStore, path: &Path) -> Result<Bytes, Error> {
    client.get(path).await?.bytes().await
}
