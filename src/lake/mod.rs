//! The published format: layout, commits, attempts, Delta logs, views.
//!
//! ```text
//! <root>/tables/<table>/_delta_log/…                     one Delta table each
//!        tables/<table>/data/<attempt>/part-00000.parquet  immutable, never used again
//!        views/{duckdb,spark,trino}.sql, powerbi.m       the exact files of one commit
//!        _goodwill/commits/00000000000000000042.json     the commits, without gaps
//!        _goodwill/parts/<table>/<sha256>.json.zst       chunks: parts that commits name, never changed
//!        _goodwill/attempts/<attempt>/…                  intent, journal and end
//!        _goodwill/locks/<pipeline>.json                 who is at work; decides nothing
//!        _goodwill/gc/…                                  from which version on all files are kept
//!        _goodwill/runs/<run_id>/…                       receipts and reports
//! ```
//!
//! **Invariant:** the commit alone decides, with the chunks it names. Everything else (Delta logs, views) is derived from
//! commits, with the same bytes whoever writes it, and [`Lake::roll_forward`] brings it up to
//! the last commit from any state a kill can leave. Only create-if-absent is relied on.
//! Nothing here reads a clock or rolls dice: times and names come from the caller.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ident::{AttemptId, NodeName};
use crate::store::{Created, Key, Store, StoreError};

mod attempt;
mod chunk;
mod clean;
mod commit;
mod delta;
mod end;
mod error;
mod gc;
mod layout;
mod lease;
mod movement;
mod publish;
mod recover;
mod restore;
mod statistics;
mod stored;
mod tidy;
mod verify;
mod views;

pub use attempt::{Intent, JournalEntry};
pub use clean::{Cleaned, Failed};
pub use commit::{
    ColumnStatistics, Commit, DeltaPosition, Extra, FileEntry, MadeFrom, Part, Slice, TableColumn,
    TableContract, TableEntry, TableType,
};
pub use delta::APPLICATION;
pub use error::LakeError;
pub use gc::{Cleanup, Reason, Removal, Retention, Stray, Undecided};
pub use layout::FORMAT;
pub use lease::{Birth, FoundLease, Holder, Lease};
pub use movement::TableMovement;
pub use publish::CommitOutcome;
pub use recover::{Orphan, Recovered, RolledForward};
pub use restore::Restorer;
pub use statistics::FileStatistics;
pub use stored::Encoded;
pub use verify::{DerivedFault, FileFault};

/// The names given to [`step`] in this module, in the order a publication meets them.
pub const STEPS: [&str; 9] = [
    "after_intent",
    "after_journal",
    "after_chunks",
    "before_commit",
    "after_commit",
    "between_versions",
    "between_tables",
    "before_views",
    "after_views",
];

/// The names given to [`step`] by a clean-up, in the order it meets them.
pub const CLEAN_STEPS: [&str; 5] =
    ["after_horizon", "after_abandon", "between_removals", "before_notes", "between_notes"];

/// Marks a moment at which a kill must do no harm; tests stop or kill the program there.
///
/// Costs a disabled log line; the fail point exists in test builds only, and only after the
/// program's edge has set up `fail::FailScenario`.
pub fn step(name: &'static str) {
    tracing::debug!(step = name, "step");
    fail::fail_point!(name);
}

/// A published root. What was read of it once and never changes is shared by its clones.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Store,
    chunks: Arc<chunk::Chunks>,
}

impl Lake {
    /// The root in `store`, at which nobody has looked yet.
    #[must_use]
    pub fn at(store: Store) -> Self {
        Self { store, chunks: Arc::default() }
    }

    /// Opens a root to read it; an empty one has no commit.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::FormatTooNew`] if a newer program published last.
    pub async fn open(store: Store) -> Result<Self, LakeError> {
        let lake = Self::at(store);
        lake.last_stored().await?;
        Ok(lake)
    }

    /// Opens a root to publish to it, after proving that the store honours create-if-absent.
    ///
    /// `attempt` makes the name of the probe; it may be one that is used afterwards. Returns the last
    /// commit too.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::PreconditionsIgnored`] if a second write was taken, and what
    /// [`Lake::open`] returns.
    pub async fn open_to_publish(
        store: Store,
        attempt: &AttemptId,
    ) -> Result<(Self, Option<Commit>), LakeError> {
        let lake = Self::at(store);
        let last = lake.last_commit().await?;
        lake.prove(attempt).await?;
        Ok((lake, last))
    }

    /// The store the root lies in.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The folder of a table: the root of its Delta table.
    ///
    /// # Errors
    ///
    /// Never: every checked name makes a key.
    #[expect(clippy::unused_self, reason = "where a table lies is the root's to say")]
    pub fn table_folder(&self, table: &NodeName) -> Result<Key, LakeError> {
        Ok(layout::table(table)?)
    }

    /// The folder an attempt writes a table's files to, seen from the store.
    ///
    /// # Errors
    ///
    /// Never: every checked name makes a key.
    #[expect(clippy::unused_self, reason = "where a table lies is the root's to say")]
    pub fn data_folder(&self, table: &NodeName, attempt: &AttemptId) -> Result<Key, LakeError> {
        Ok(layout::table(table)?.join_key(&layout::data(attempt)?))
    }

    /// The key of a published file, seen from the store.
    ///
    /// # Errors
    ///
    /// Never: every checked name makes a key.
    #[expect(clippy::unused_self, reason = "where a table lies is the root's to say")]
    pub fn file_key(&self, table: &NodeName, file: &FileEntry) -> Result<Key, LakeError> {
        Ok(layout::table(table)?.join_key(&file.path))
    }

    /// Writes a document of a run (receipt, report), over an older one of that name.
    ///
    /// # Errors
    ///
    /// Returns an error if a name cannot be a key or the store fails.
    pub async fn put_run_document(
        &self,
        run_id: &str,
        name: &str,
        content: Vec<u8>,
    ) -> Result<Key, LakeError> {
        let key = layout::run_document(run_id, name)?;
        self.store.put(&key, content.into()).await?;
        Ok(key)
    }

    /// Reads a document of a run; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// Returns an error if a name cannot be a key or the store fails.
    pub async fn run_document(&self, run_id: &str, name: &str) -> Result<Option<Vec<u8>>, LakeError> {
        self.read(&layout::run_document(run_id, name)?).await
    }

    /// Where a document of a run is.
    ///
    /// # Errors
    ///
    /// Returns an error if a name cannot be a key.
    #[expect(clippy::unused_self, reason = "where a document lies is the root's to say")]
    pub fn run_document_key(&self, run_id: &str, name: &str) -> Result<Key, LakeError> {
        Ok(layout::run_document(run_id, name)?)
    }

    /// The runs that left documents, by name.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn runs(&self) -> Result<Vec<String>, LakeError> {
        Ok(self.store.list_folders(&layout::runs()?).await?)
    }

    /// Proves that the store honours create-if-absent; `attempt` names the object that is written for it.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::PreconditionsIgnored`] if a second write was taken.
    pub async fn prove(&self, attempt: &AttemptId) -> Result<(), LakeError> {
        let key = layout::probe(attempt)?;
        let ignored = || LakeError::PreconditionsIgnored { url: self.store.url().to_string() };
        let no_folder = |cause: StoreError| match cause {
            StoreError::NotFound { .. } => StoreError::InvalidLocation {
                location: self.store.url().to_string(),
                reason: "no folder can be made there".to_owned(),
            },
            other => other,
        };
        // A probe left by a kill is a first write as good as any.
        self.store.create(&key, b"1\n".as_slice().into()).await.map_err(no_folder)?;
        // On a bucket it says that there is one already only after it has read other content.
        let second = self.store.create(&key, b"2\n".as_slice().into()).await?;
        self.store.delete(&key).await?;
        if second == Created::AlreadyExists { Ok(()) } else { Err(ignored()) }
    }

    async fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, LakeError> {
        match self.store.get(key).await {
            Ok(content) => Ok(Some(content.to_vec())),
            Err(cause) if cause.is_not_found() => Ok(None),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Reads a control file, after a look at its format.
    async fn read_document<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, LakeError> {
        match self.read(key).await? {
            Some(content) => decode(key, &content, FORMAT).map(Some),
            None => Ok(None),
        }
    }
}

/// A control file as it is written.
fn encoded(key: &Key, document: &impl Serialize) -> Result<Vec<u8>, LakeError> {
    let content = serde_json::to_vec_pretty(document);
    let mut content =
        content.map_err(|cause| LakeError::Corrupt { key: key.clone(), reason: cause.to_string() })?;
    content.push(b'\n');
    Ok(content)
}

/// What every control file says of itself.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    format: Option<u64>,
}

/// Reads a control file, after a look at its format: one newer than `newest` may hold anything else.
fn decode<T: DeserializeOwned>(key: &Key, content: &[u8], newest: u32) -> Result<T, LakeError> {
    let corrupt = |cause: serde_json::Error| LakeError::Corrupt {
        key: key.clone(),
        // The text of the error could show a value; its place is enough.
        reason: format!("{:?} error at line {} column {}", cause.classify(), cause.line(), cause.column()),
    };
    let told: Told = serde_json::from_slice(content).map_err(corrupt)?;
    match told.format {
        None => Err(LakeError::Corrupt { key: key.clone(), reason: "it has no `format`".to_owned() }),
        Some(found) if found > u64::from(newest) => {
            Err(LakeError::FormatTooNew { key: key.clone(), found, known: newest })
        }
        Some(_) => serde_json::from_slice(content).map_err(corrupt),
    }
}

#[cfg(test)]
mod tests;
