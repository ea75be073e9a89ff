//! Create-if-absent on object stores, where an answer can be lost.
//!
//! **Invariant:** [`Created::Yes`] means that the object holds the caller's content. A transport
//! error and "there already" both mean *unknown*: the key is read and the contents compared, so
//! whoever puts a name of its own into the content recognises its own write.

use bytes::Bytes;
use object_store::{ObjectStore, PutMode};

use super::patience::Patience;
use super::{Created, Key, Store, StoreError};

/// Writes `content` to `key` unless something is there; tries again for the store's patience while
/// it is unknown whether it did.
#[expect(clippy::disallowed_methods, reason = "stores are written here and nowhere else")]
pub(super) async fn create(store: &Store, key: &Key, content: &Bytes) -> Result<Created, StoreError> {
    let path = key.to_path()?;
    let mut patience = Patience::of(store.patience);
    loop {
        let sent = store.client.put_opts(&path, content.clone().into(), PutMode::Create.into()).await;
        let unknown = match sent.map_err(|cause| store.failed(key, cause)) {
            Ok(_) => return Ok(Created::Yes),
            Err(unknown) if unknown.may_pass() => unknown,
            Err(refused) => return Err(refused),
        };
        match store.get(key).await {
            Ok(found) if found == *content => return Ok(Created::Yes),
            Ok(_) => return Ok(Created::AlreadyExists),
            // Nothing was written, whatever the answer said: a conflict with a write that failed.
            Err(StoreError::NotFound { .. }) => {}
            Err(cause) => return Err(cause),
        }
        if !patience.once_more().await {
            return Err(unknown);
        }
    }
}
