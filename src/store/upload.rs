//! Writing one large object in parts.

use bytes::{Bytes, BytesMut};
use object_store::MultipartUpload;
use tokio::task::JoinSet;

use super::StoreError;

/// The size of a part, in bytes; stores want at least 5 MiB and all but the last alike.
const PART_BYTES: usize = 8 << 20;

/// How many parts are under way at once; with [`PART_BYTES`] this bounds an upload's memory.
const PARTS_UNDER_WAY: usize = 4;

/// One object being written; nobody sees it before [`Upload::finish`].
///
/// Memory: at most five parts of 8 MiB. Dropped without `finish` or `abort` it leaves
/// staged parts that no listing shows.
pub struct Upload {
    location: String,
    client: Box<dyn MultipartUpload>,
    rest: BytesMut,
    parts: JoinSet<object_store::Result<()>>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({})", self.location)
    }
}

impl Upload {
    pub(super) fn new(location: String, client: Box<dyn MultipartUpload>) -> Self {
        Self { location, client, rest: BytesMut::new(), parts: JoinSet::new() }
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
            self.wait_below(PARTS_UNDER_WAY).await?;
            self.parts.spawn(self.client.put_part(part.into()));
        }
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
        if !rest.is_empty() {
            self.parts.spawn(self.client.put_part(rest.into()));
        }
        self.wait_below(1).await?;
        let completed = self.client.complete().await;
        completed.map(drop).map_err(|cause| StoreError::from_client(self.location.clone(), cause))
    }

    /// Gives the object up and removes its staged parts.
    ///
    /// # Errors
    ///
    /// Returns why the parts could not be removed; the object is not there in any case.
    pub async fn abort(mut self) -> Result<(), StoreError> {
        self.parts.shutdown().await;
        let aborted = self.client.abort().await;
        aborted.map_err(|cause| StoreError::from_client(self.location.clone(), cause))
    }

    async fn wait_below(&mut self, limit: usize) -> Result<(), StoreError> {
        while self.parts.len() >= limit {
            match self.parts.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(cause))) => {
                    return Err(StoreError::from_client(self.location.clone(), cause));
                }
                Some(Err(cause)) => {
                    return Err(StoreError::from_cause(self.location.clone(), Box::new(cause)));
                }
                None => break,
            }
        }
        Ok(())
    }
}
