//! What exists now, looked at once: files, sizes, etags, schemas, the last commit.
//!
//! **Invariant:** after [`pin`] nobody lists or asks again what the sources are. `check` uses
//! [`locked`] instead and touches no store.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use crate::engine::FileMetadata;
use crate::ident::NodeName;
use crate::lake::Commit;
use crate::store::{ObjectInfo, Store};

mod lock;
mod pin;

pub use lock::{LockedColumn, SchemaLock, locked};
pub use pin::{moved, pin};

/// The world a plan is made for.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The sources, by name.
    pub sources: BTreeMap<NodeName, SourceState>,
    /// The last commit of the root; `None` for an empty root or when nobody looked.
    pub last: Option<Commit>,
}

/// One source, frozen.
#[derive(Debug, Clone)]
pub struct SourceState {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its files, in the order of their keys; none when the schema comes from a lock.
    pub files: Vec<PinnedFile>,
    /// All rows, from the footers.
    pub rows: u64,
    /// All bytes of the files.
    pub bytes: u64,
    /// Changes when a file is added, removed or written again.
    pub fingerprint: String,
}

/// One file of a source.
#[derive(Debug, Clone)]
pub struct PinnedFile {
    /// The store it lies in.
    pub store: Store,
    /// Its key, size and etag.
    pub info: ObjectInfo,
    /// Its rows.
    pub rows: u64,
    /// What its footer says, unless that is too much to keep.
    pub metadata: Option<FileMetadata>,
}

impl State {
    /// The schemas of the sources.
    #[must_use]
    pub fn schemas(&self) -> BTreeMap<NodeName, SchemaRef> {
        self.sources
            .iter()
            .map(|(name, source)| (name.clone(), std::sync::Arc::clone(&source.schema)))
            .collect()
    }
}
