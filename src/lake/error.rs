//! What can go wrong with a published root.

use crate::diagnostic::{Diagnostic, code};
use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::store::{InvalidKey, Key, StoreError};

/// A published root that cannot be read or written as asked.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A control file has a format this program does not know.
    #[error("{key} has format {found}, this program knows formats up to {known}")]
    FormatTooNew {
        /// The control file.
        key: Key,
        /// Its format.
        found: u64,
        /// The newest format this program knows.
        known: u32,
    },
    /// A control file is not what Goodwill writes.
    #[error("{key} cannot be read: {reason}")]
    Corrupt {
        /// The control file.
        key: Key,
        /// What is wrong with it; never a customer's value.
        reason: String,
    },
    /// A commit is missing between others.
    #[error("commit {missing} is missing, though later commits are there")]
    Gap {
        /// The missing commit.
        missing: u64,
    },
    /// The store takes a second write where it was told to refuse it.
    #[error("{url} does not honour create-if-absent: two runs at once could lose a version")]
    PreconditionsIgnored {
        /// The address of the store.
        url: String,
    },
    /// Another program wrote the Delta log of a published table.
    #[error("version {version} of the Delta log of `{table}` was not written by Goodwill")]
    ForeignLog {
        /// The table.
        table: NodeName,
        /// The version of its Delta log.
        version: u64,
    },
    /// The table belongs to another pipeline.
    #[error("table `{table}` belongs to pipeline `{owner}`")]
    ForeignTable {
        /// The table.
        table: NodeName,
        /// The pipeline that first published it.
        owner: PipelineName,
    },
    /// A clean-up took the attempt for dead before it could publish.
    #[error("attempt `{attempt}` took so long that a clean-up removed its staged files")]
    Abandoned {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A commit that must not be written: a bug of the caller.
    #[error("commit {version} must not be written: {reason}")]
    InvalidCommit {
        /// The commit.
        version: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl LakeError {
    /// Whether the same request may succeed later without any change to project or root.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(cause) => cause.is_transient(),
            Self::Abandoned { .. } => true,
            _ => false,
        }
    }

    /// The finding a person is shown.
    #[must_use]
    pub fn to_diagnostic(&self) -> Diagnostic {
        let message = self.to_string();
        match self {
            Self::Store(cause) => cause.to_diagnostic(),
            Self::FormatTooNew { .. } => Diagnostic::error(code::FORMAT_TOO_NEW, message)
                .help("a newer Goodwill published here: use that version or a newer one"),
            Self::Corrupt { .. } => Diagnostic::error(code::CORRUPT_ROOT, message)
                .help("restore the file from a backup; nothing was changed"),
            Self::Gap { .. } => Diagnostic::error(code::CORRUPT_ROOT, message)
                .help("restore the file below `_goodwill/commits` from a backup; nothing was changed"),
            Self::PreconditionsIgnored { .. } => {
                Diagnostic::error(code::STORE_IGNORES_PRECONDITIONS, message)
                    .help("publish to a local folder or to a store with conditional writes")
            }
            Self::ForeignLog { table, .. } => Diagnostic::error(code::CORRUPT_ROOT, message).help(format!(
                "move `tables/{table}/_delta_log` away and run `goodwill recover`: it is written anew"
            )),
            Self::ForeignTable { .. } => Diagnostic::error(code::FOREIGN_TABLE, message)
                .help("give the model another name, or publish to another root"),
            Self::Abandoned { .. } => {
                Diagnostic::error(code::ATTEMPT_ABANDONED, message).help("nothing was published; run again")
            }
            Self::InvalidCommit { .. } => Diagnostic::error(code::BUG, message),
        }
    }
}

impl From<InvalidKey> for LakeError {
    fn from(cause: InvalidKey) -> Self {
        Self::Store(StoreError::InvalidKey(cause))
    }
}
