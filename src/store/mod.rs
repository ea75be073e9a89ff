//! Object storage narrowed to what publishing needs.
//!
//! Get, list, put, create-if-absent, delete, and uploads in parts, on folders of this machine and
//! on S3, Azure Blob Storage and Google Cloud Storage.
//!
//! **Invariant:** every path is a [`Key`], so nothing outside the opened location is read or
//! written. An answer holds what was asked for, all of it, or is an error. After an error of a
//! write it is *unknown* whether the write happened: callers read the key.

use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

mod access;
mod answers;
mod cloud;
mod create;
mod error;
mod faults;
mod key;
mod local;
mod location;
mod patience;
mod upload;

use location::{Location, Place};
use patience::Patience;

pub use access::Access;
pub use error::{Cause, StoreError};
pub use key::{InvalidKey, Key};
pub use upload::Upload;

/// An opened location: a folder of a disk or a prefix of a bucket.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Arc<dyn ObjectStore>,
    url: Arc<Url>,
    place: Place,
    patience: Duration,
    /// Overwrites where it should refuse, as some object stores do.
    #[cfg(test)]
    careless: bool,
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

/// Opens `location`: a path, seen from `base`, or a `file://`, `s3://`, `az://` or `gs://` URL,
/// with what `access` grants.
///
/// Nothing is read or made: a folder that does not exist is an empty store.
///
/// # Errors
///
/// Returns [`StoreError::InvalidLocation`] for any other kind of location, and
/// [`StoreError::Setting`] if a variable of the environment cannot be used.
#[expect(clippy::disallowed_types, reason = "every store is made here")]
pub fn open(location: &str, base: &FilePath, access: &Access) -> Result<Store, StoreError> {
    let location = Location::parse(location, base)?;
    let client: Arc<dyn ObjectStore> = match location.place {
        Place::Folder(_) => {
            Arc::new(PrefixStore::new(object_store::local::LocalFileSystem::new(), location.prefix.clone()))
        }
        Place::Bucket(cloud) => cloud::client(cloud, &location, access)?,
    };
    Ok(Store {
        client,
        url: Arc::new(location.url),
        place: location.place,
        patience: access.patience(),
        #[cfg(test)]
        careless: false,
    })
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
            Place::Bucket(_) => self.plain_url(key),
        }
    }

    /// The URL of `key` without escapes, as Spark and Trino want it: `file:///a folder/x`.
    #[must_use]
    pub fn plain_url(&self, key: &Key) -> String {
        match &self.place {
            Place::Folder(_) => format!("file://{}", self.locate(key)),
            Place::Bucket(_) => {
                let path = self.url.path().trim_matches('/');
                let path = percent_decoded(path);
                let rest = if path.is_empty() { key.to_string() } else { format!("{path}/{key}") };
                let user = self.url.username();
                let at = if user.is_empty() { "" } else { "@" };
                format!(
                    "{}://{user}{at}{}/{rest}",
                    self.url.scheme(),
                    self.url.host_str().unwrap_or_default()
                )
            }
        }
    }

    /// Reads a whole object.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`] if there is none.
    pub async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.get_with(key, GetOptions::default(), None).await
    }

    /// Reads the bytes `range` of an object; with `etag` only if the object still bears it.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::NotFound`] if there is no such object, [`StoreError::Changed`] if it
    /// is another one now, and an error if the range starts past its end.
    pub async fn get_range(
        &self,
        key: &Key,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Bytes, StoreError> {
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        self.get_with(key, options, etag).await
    }

    /// Reads, and takes no less than what the store said it would send, and of no other object
    /// than the one that bears `etag`.
    async fn get_with(
        &self,
        key: &Key,
        options: GetOptions,
        etag: Option<&str>,
    ) -> Result<Bytes, StoreError> {
        let path = &key.to_path()?;
        let read = || async {
            let found = self.client.get_opts(path, options.clone()).await?;
            let sent = found.meta.e_tag.as_deref().map(bare);
            if etag.zip(sent.as_deref()).is_some_and(|(etag, sent)| etag != sent) {
                let source = "another object has its place".into();
                return Err(object_store::Error::Precondition { path: path.to_string(), source });
            }
            let promised = found.range.end - found.range.start;
            let content = found.bytes().await?;
            if u64::try_from(content.len()) == Ok(promised) {
                return Ok(content);
            }
            let short = format!("it sent {} of {promised} bytes", content.len());
            Err(object_store::Error::Generic { store: "store", source: short.into() })
        };
        self.patiently(key, read).await
    }

    /// Does what can be done twice, again and again while the store does not answer. A disk
    /// answers once and for all.
    async fn patiently<T, F>(&self, key: &Key, work: impl Fn() -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, object_store::Error>> + Send,
    {
        let mut patience = Patience::of(self.patience);
        loop {
            let cause = match work().await {
                Ok(done) => return Ok(done),
                Err(cause) => self.failed(key, cause),
            };
            let is_final = matches!(self.place, Place::Folder(_)) || !cause.may_pass();
            if is_final || !patience.once_more().await {
                return Err(cause);
            }
        }
    }

    /// What the store tells of an object; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be asked.
    pub async fn head(&self, key: &Key) -> Result<Option<ObjectInfo>, StoreError> {
        let path = &key.to_path()?;
        match self.patiently(key, || self.client.head(path)).await {
            // Not the location that is answered: a local store with a root answers an absolute one.
            Ok(found) => Ok(Some(info(key.clone(), &found))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Every object below `folder`, at any depth, by key.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be asked; a missing folder is an empty one.
    pub async fn list(&self, folder: &Key) -> Result<Vec<ObjectInfo>, StoreError> {
        let prefix = &self.listed(folder)?;
        let found = self.patiently(folder, || self.client.list(Some(prefix)).try_collect::<Vec<_>>()).await?;
        infos(folder, &found)
    }

    /// The names of the folders right below `folder`, sorted.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be asked; a missing folder is an empty one.
    pub async fn list_folders(&self, folder: &Key) -> Result<Vec<String>, StoreError> {
        let prefix = &self.listed(folder)?;
        let found = self.patiently(folder, || self.client.list_with_delimiter(Some(prefix))).await?;
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
        let path = &key.to_path()?;
        self.patiently(key, || self.client.put(path, content.clone().into())).await.map(drop)
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
            Place::Bucket(_) => create::create(self, key, &content).await,
        }
    }

    /// Removes an object; none there is as good as removed.
    ///
    /// # Errors
    ///
    /// Returns an error after which it is unknown whether the object is there.
    #[expect(clippy::disallowed_methods, reason = "stores are written here and nowhere else")]
    pub async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let path = &key.to_path()?;
        match self.patiently(key, || self.client.delete(path)).await {
            Err(cause) if !cause.is_not_found() => Err(cause),
            _ => Ok(()),
        }
    }

    /// Starts to write an object in parts.
    ///
    /// # Errors
    ///
    /// Returns an error if the client refuses the key; the store is asked later.
    pub fn upload(&self, key: &Key) -> Result<Upload, StoreError> {
        key.to_path()?;
        Ok(Upload::new(self.clone(), key.clone()))
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
            Place::Bucket(_) => Ok(()),
        }
    }

    /// The storage client, which the engine's sessions ask for; paths come from
    /// [`Store::object_path`]. Data is read through [`Store::get_range`].
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

    /// A bucket in memory: the stand-in for Google Cloud Storage, for which there is no server
    /// that speaks the requests of the storage client.
    #[cfg(test)]
    #[expect(clippy::disallowed_types, reason = "every store is made here")]
    pub(crate) fn in_memory() -> Self {
        let url = Url::parse("gs://in-memory/").unwrap_or_else(|_| unreachable!("it is a URL"));
        Self {
            client: Arc::new(object_store::memory::InMemory::new()),
            url: Arc::new(url),
            place: Place::Bucket(location::Cloud::Google),
            patience: Duration::from_secs(1),
            careless: false,
        }
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
        etag: found.e_tag.as_deref().map(bare),
        modified_micros: found.last_modified.timestamp_micros(),
    }
}

fn infos(folder: &Key, found: &[ObjectMeta]) -> Result<Vec<ObjectInfo>, StoreError> {
    let infos: Result<Vec<ObjectInfo>, InvalidKey> =
        found.iter().map(|found| Ok(info(Key::from_listing(&found.location)?, found))).collect();
    let mut infos = infos.map_err(|cause| StoreError::unlisted(folder, &cause))?;
    infos.sort_by(|a, b| a.key.cmp(&b.key));
    // A store may tell an object on two pages.
    infos.dedup_by(|a, b| a.key == b.key);
    Ok(infos)
}

/// The mark without quotes: Azure's listings leave out those its other answers have.
fn bare(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

fn percent_decoded(path: &str) -> String {
    Path::from_url_path(path).map_or_else(|_| path.to_owned(), |path| path.to_string())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests have a runtime and a folder of their own")]
mod tests;
