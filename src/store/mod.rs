//! Object storage narrowed to what publishing needs.
//!
//! Get, list, put, create-if-absent, delete, and uploads in parts. Local folders today; the
//! cloud stores find their place in [`open`] without a change for callers.
//!
//! **Invariant:** every path is a [`Key`], so nothing outside the opened location is read or
//! written. After an error of a write other than [`Created::AlreadyExists`] it is *unknown*
//! whether the write happened: callers read the key.

use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

mod error;
mod key;
mod local;
mod upload;

pub use error::{Cause, StoreError};
pub use key::{InvalidKey, Key};
pub use upload::Upload;

/// An opened location: a folder of a disk or, later, a prefix of a bucket.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Arc<dyn ObjectStore>,
    url: Arc<Url>,
    place: Place,
    /// Overwrites where it should refuse, as some object stores do.
    #[cfg(test)]
    careless: bool,
}

/// What kind of store it is, where that matters.
#[derive(Clone)]
enum Place {
    Folder(Arc<FilePath>),
}

/// What a listing tells of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Where it is.
    pub key: Key,
    /// Its size, in bytes.
    pub size: u64,
    /// The store's own mark of this content; copying may change it.
    pub etag: Option<String>,
    /// When it was last written, in microseconds since 1970 UTC.
    pub modified_micros: i64,
}

/// Whether a create-if-absent made the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object was not there and is now, with the given content.
    Yes,
    /// The object is there; perhaps by an earlier try of the same caller.
    AlreadyExists,
}

/// Opens `location`: a path, seen from `base`, or a `file://` URL.
///
/// Nothing is read or made: a folder that does not exist is an empty store.
///
/// # Errors
///
/// Returns [`StoreError::InvalidLocation`] for any other kind of location.
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "every store is made here, of a folder and never a file"
)]
pub fn open(location: &str, base: &FilePath) -> Result<Store, StoreError> {
    let path = local_path(location)?;
    let invalid = |reason: String| StoreError::InvalidLocation { location: location.to_owned(), reason };
    let root = local::resolve(&path, base).map_err(|cause| invalid(cause.to_string()))?;
    if root.is_file() {
        return Err(invalid("it is a file, not a folder".to_owned()));
    }
    let url = Url::from_directory_path(&root);
    let url = url.map_err(|()| invalid("it cannot be written as a URL".to_owned()))?;
    let prefix = Path::from_absolute_path(&root).map_err(|cause| invalid(cause.to_string()))?;
    Ok(Store {
        client: Arc::new(PrefixStore::new(object_store::local::LocalFileSystem::new(), prefix)),
        url: Arc::new(url),
        place: Place::Folder(Arc::from(root)),
        #[cfg(test)]
        careless: false,
    })
}

fn local_path(location: &str) -> Result<PathBuf, StoreError> {
    let invalid = |reason: &str| StoreError::InvalidLocation {
        location: location.to_owned(),
        reason: reason.to_owned(),
    };
    if location.is_empty() {
        return Err(invalid("it is empty"));
    }
    if !location.contains("://") {
        return Ok(PathBuf::from(location));
    }
    let url = Url::parse(location).map_err(|cause| invalid(&cause.to_string()))?;
    match url.scheme() {
        "file" => url.to_file_path().map_err(|()| invalid("it is not a path of this machine")),
        "s3" | "s3a" | "az" | "abfs" | "abfss" | "gs" => {
            Err(invalid("object stores come in a later version; use a folder of this machine"))
        }
        _ => Err(invalid("use a path or a file:// URL")),
    }
}

impl Store {
    /// The address of the store, ending in `/`.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The whole address of `key`, for people and for other programs.
    #[must_use]
    pub fn locate(&self, key: &Key) -> String {
        match &self.place {
            Place::Folder(root) => root.join(key.as_str()).to_string_lossy().into_owned(),
        }
    }

    /// The URL of `key` without escapes, as Spark and Trino want it: `file:///a folder/x`.
    #[must_use]
    pub fn plain_url(&self, key: &Key) -> String {
        match &self.place {
            Place::Folder(_) => format!("file://{}", self.locate(key)),
        }
    }

    /// Reads a whole object.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`] if there is none.
    pub async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let path = key.to_path()?;
        let read = async { self.client.get(&path).await?.bytes().await };
        read.await.map_err(|cause| self.failed(key, cause))
    }

    /// Reads the bytes `range` of an object.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`] if there is no such object, and an error if the range
    /// starts past its end.
    pub async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let read = self.client.get_range(&key.to_path()?, range).await;
        read.map_err(|cause| self.failed(key, cause))
    }

    /// What the store tells of an object; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be asked.
    pub async fn head(&self, key: &Key) -> Result<Option<ObjectInfo>, StoreError> {
        match self.client.head(&key.to_path()?).await {
            // Not the location that is answered: a local store with a root answers an absolute one.
            Ok(found) => Ok(Some(info(key.clone(), &found))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(self.failed(key, cause)),
        }
    }

    /// Every object below `folder`, at any depth, by key.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be asked; a missing folder is an empty one.
    pub async fn list(&self, folder: &Key) -> Result<Vec<ObjectInfo>, StoreError> {
        let prefix = self.listed(folder)?;
        let listing = self.client.list(Some(&prefix));
        let listing = listing.map(|found| found.map_err(|cause| self.failed(folder, cause)));
        let found: Vec<ObjectMeta> = listing.try_collect().await?;
        infos(folder, &found)
    }

    /// The names of the folders right below `folder`, sorted.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be asked; a missing folder is an empty one.
    pub async fn list_folders(&self, folder: &Key) -> Result<Vec<String>, StoreError> {
        let prefix = self.listed(folder)?;
        let found = self.client.list_with_delimiter(Some(&prefix)).await;
        let found = found.map_err(|cause| self.failed(folder, cause))?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        let mut names: Vec<String> = found.common_prefixes.iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// Writes an object, over an older one if there is one; readers see the one or the other.
    ///
    /// # Errors
    ///
    /// Returns an error after which it is unknown whether the object was written.
    #[expect(clippy::disallowed_methods, reason = "stores are written here and nowhere else")]
    pub async fn put(&self, key: &Key, content: Bytes) -> Result<(), StoreError> {
        let written = self.client.put(&key.to_path()?, content.into()).await;
        written.map(drop).map_err(|cause| self.failed(key, cause))
    }

    /// Writes an object unless there is one. On local folders it is on the disk afterwards.
    ///
    /// # Errors
    ///
    /// Returns an error after which it is unknown whether the object was written.
    pub async fn create(&self, key: &Key, content: Bytes) -> Result<Created, StoreError> {
        key.to_path()?;
        #[cfg(test)]
        if self.careless {
            return self.put(key, content).await.map(|()| Created::Yes);
        }
        match &self.place {
            Place::Folder(root) => {
                let (root, path) = (Arc::clone(root), root.join(key.as_str()));
                self.blocking(key, move || local::create(&root, &path, &content)).await
            }
        }
    }

    /// Removes an object; none there is as good as removed.
    ///
    /// # Errors
    ///
    /// Returns an error after which it is unknown whether the object is there.
    #[expect(clippy::disallowed_methods, reason = "stores are written here and nowhere else")]
    pub async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        match self.client.delete(&key.to_path()?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(self.failed(key, cause)),
        }
    }

    /// Starts to write an object in parts.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot start.
    #[expect(clippy::disallowed_methods, reason = "stores are written here and nowhere else")]
    pub async fn upload(&self, key: &Key) -> Result<Upload, StoreError> {
        let started = self.client.put_multipart(&key.to_path()?).await;
        let client = started.map_err(|cause| self.failed(key, cause))?;
        Ok(Upload::new(self.locate(key), client))
    }

    /// Makes sure that objects survive a power cut, with their folders. Other stores than local
    /// folders promise that anyway.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`] if one is not there.
    pub async fn sync(&self, keys: &[Key]) -> Result<(), StoreError> {
        let Some(first) = keys.first() else { return Ok(()) };
        match &self.place {
            Place::Folder(root) => {
                let root = Arc::clone(root);
                let paths: Vec<PathBuf> = keys.iter().map(|key| root.join(key.as_str())).collect();
                self.blocking(first, move || local::sync(&root, &paths)).await
            }
        }
    }

    /// The storage client, for the engine's readers; paths come from [`Store::object_path`].
    #[must_use]
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.client)
    }

    /// The path of `key` for [`Store::object_store`].
    ///
    /// # Errors
    ///
    /// Returns an error if the client refuses the key, which no key from a listing is.
    #[expect(clippy::unused_self, reason = "a path is of this store's client and no other")]
    pub fn object_path(&self, key: &Key) -> Result<Path, StoreError> {
        Ok(key.to_path()?)
    }

    /// The same store, ignoring create-if-absent.
    #[cfg(test)]
    pub(crate) fn careless(self) -> Self {
        Self { careless: true, ..self }
    }

    fn listed(&self, folder: &Key) -> Result<Path, StoreError> {
        if *folder == Key::root() { Ok(Path::default()) } else { self.object_path(folder) }
    }

    fn failed(&self, key: &Key, cause: object_store::Error) -> StoreError {
        StoreError::from_client(self.locate(key), cause)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        key: &Key,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed = |cause: Cause| StoreError::from_cause(self.locate(key), cause);
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(|cause| failed(Box::new(cause))),
            Err(cause) => Err(failed(Box::new(cause))),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.url)
    }
}

fn info(key: Key, found: &ObjectMeta) -> ObjectInfo {
    ObjectInfo {
        key,
        size: found.size,
        etag: found.e_tag.clone(),
        modified_micros: found.last_modified.timestamp_micros(),
    }
}

fn infos(folder: &Key, found: &[ObjectMeta]) -> Result<Vec<ObjectInfo>, StoreError> {
    let infos: Result<Vec<ObjectInfo>, InvalidKey> =
        found.iter().map(|found| Ok(info(Key::from_listing(&found.location)?, found))).collect();
    let mut infos = infos.map_err(|cause| StoreError::unlisted(folder, &cause))?;
    infos.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(infos)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests have a runtime and a folder of their own")]
mod tests;
