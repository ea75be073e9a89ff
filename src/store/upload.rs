//! Writing one large object in parts.

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStoreExt};
use tokio::task::JoinSet;

use super::{Key, Store, StoreError};

/// The size of a part, in bytes; stores want at least 5 MiB and all but the last alike.
const PART_BYTES: usize = 8 << 20;

/// How many parts are under way at once; with [`PART_BYTES`] this bounds an upload's memory.
const PARTS_UNDER_WAY: usize = 4;

/// One object being written; nobody sees it before [`Upload::finish`].
///
/// An object smaller than a part is put at once. Memory: at most five parts of 8 MiB. Dropped
/// without `finish` or `abort` it may leave staged parts that no listing shows.
pub struct Upload {
    store: Store,
    key: Key,
    /// Begun with the first whole part.
    multipart: Option<Box<dyn MultipartUpload>>,
    rest: BytesMut,
    /// What went into parts, in bytes.
    sent: u64,
    parts: JoinSet<object_store::Result<()>>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({})", self.store.locate(&self.key))
    }
}

impl Upload {
    pub(super) fn new(store: Store, key: Key) -> Self {
        Self { store, key, multipart: None, rest: BytesMut::new(), sent: 0, parts: JoinSet::new() }
    }

    /// Adds `content`; waits while too many parts are under way.
    ///
    /// # Errors
    ///
    /// Returns the failure of any part so far; the upload can then only be aborted.
    pub async fn write(&mut self, content: Bytes) -> Result<(), StoreError> {
        self.rest.extend_from_slice(&content);
        while self.rest.len() >= PART_BYTES {
            let part = self.rest.split_to(PART_BYTES).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "stores are written here and nowhere else")]
    async fn send(&mut self, part: Bytes) -> Result<(), StoreError> {
        self.wait_below(PARTS_UNDER_WAY).await?;
        let multipart = match &mut self.multipart {
            Some(begun) => begun,
            None => {
                let path = &self.key.to_path()?;
                let begun = self.store.patiently(&self.key, || self.store.client.put_multipart(path)).await?;
                self.multipart.insert(begun)
            }
        };
        self.sent += u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.parts.spawn(multipart.put_part(part.into()));
        Ok(())
    }

    /// Completes the object: from now on it is there, whole.
    ///
    /// # Errors
    ///
    /// Returns the failure of any part or of the completion; staged parts are removed.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        let completed = self.complete().await;
        if completed.is_err() {
            // The first failure is what a person needs; a failed clean-up leaves hidden parts only.
            let _ = self.abort().await;
        }
        completed
    }

    async fn complete(&mut self) -> Result<(), StoreError> {
        let rest = self.rest.split().freeze();
        if self.multipart.is_some() && !rest.is_empty() {
            self.send(rest.clone()).await?;
        }
        self.wait_below(1).await?;
        let Some(multipart) = &mut self.multipart else {
            return self.store.put(&self.key, rest).await;
        };
        match multipart.complete().await {
            Ok(_) => Ok(()),
            // The answer to a completion that was done may be lost; the second try finds no upload.
            Err(cause) => match self.store.head(&self.key).await {
                Ok(Some(found)) if found.size == self.sent => Ok(()),
                _ => Err(self.store.failed(&self.key, cause)),
            },
        }
    }

    /// Gives the object up and removes its staged parts.
    ///
    /// # Errors
    ///
    /// Returns why the parts could not be removed; the object is not there in any case.
    pub async fn abort(mut self) -> Result<(), StoreError> {
        self.parts.shutdown().await;
        let Some(multipart) = &mut self.multipart else { return Ok(()) };
        let aborted = multipart.abort().await;
        aborted.map_err(|cause| self.store.failed(&self.key, cause))
    }

    async fn wait_below(&mut self, limit: usize) -> Result<(), StoreError> {
        while self.parts.len() >= limit {
            match self.parts.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(cause))) => {
                    return Err(self.store.failed(&self.key, cause));
                }
                Some(Err(cause)) => {
                    return Err(StoreError::from_cause(self.store.locate(&self.key), Box::new(cause)));
                }
                None => break,
            }
        }
        Ok(())
    }
}
