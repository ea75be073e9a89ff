//! What exists now, looked at once: files, sizes, etags, schemas, the last commit.
//!
//! **Invariant:** after [`pin`] nobody lists or asks again what the sources are. `check` uses
//! [`locked`] instead and touches no store.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use crate::diagnostic::Diagnostic;
use crate::engine::{Extent, FileMetadata, Reading};
use crate::ident::NodeName;
use crate::lake::Commit;
use crate::store::{ObjectInfo, Store};

mod drift;
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
    /// Its columns: the contract's if it has one, else those of its files.
    pub schema: SchemaRef,
    /// Whether it is there.
    pub standing: Standing,
    /// Its files, in the order of their keys; none when the schema comes from a lock.
    pub files: Vec<PinnedFile>,
    /// The kinds of files it has, if it has a contract.
    pub kinds: Vec<FileKind>,
    /// How its files differ from its contract, as far as a person wants to know.
    pub warning: Option<Diagnostic>,
    /// All rows, from the footers.
    pub rows: u64,
    /// All bytes of the files.
    pub bytes: u64,
    /// Changes when a file is added, removed or written again.
    pub fingerprint: String,
}

/// Whether a source is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has files, or nobody looked.
    Present,
    /// It is optional and has none.
    Absent,
}

/// Files of one source with the same columns.
#[derive(Debug, Clone)]
pub struct FileKind {
    /// The columns.
    pub schema: SchemaRef,
    /// How each column of the contract is read from them.
    pub readings: Vec<Reading>,
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
    /// Which of its source's kinds of files it is; 0 without a contract.
    pub kind: usize,
    /// Tells it from every other file, and from itself when it was another: a few letters.
    pub mark: String,
    /// Between which values the columns lie that tell times and keys, as far as intervals ask for it.
    pub extents: BTreeMap<String, Extent>,
    /// What its footer says, unless that is too much to keep.
    pub metadata: Option<FileMetadata>,
}

impl State {
    /// Whether the source `name` is optional and has no files.
    #[must_use]
    pub fn is_absent(&self, name: &NodeName) -> bool {
        self.sources.get(name).is_some_and(|source| source.standing == Standing::Absent)
    }

    /// What is told of the sources before anything is read.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.sources.values().filter_map(|source| source.warning.as_ref())
    }

    /// The schemas of the sources.
    #[must_use]
    pub fn schemas(&self) -> BTreeMap<NodeName, SchemaRef> {
        self.sources
            .iter()
            .map(|(name, source)| (name.clone(), std::sync::Arc::clone(&source.schema)))
            .collect()
    }
}
