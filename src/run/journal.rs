//! Which steps of an attempt are done: written as they end, read by whoever goes on with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Job, commit};
use crate::diagnostic::Diagnostics;
use crate::ident::{AttemptId, NodeName};
use crate::lake::{FORMAT, FileEntry, JournalEntry, Lake};
use crate::plan::Step;
use crate::store::Key;

/// A table that an attempt has written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The model.
    pub model: NodeName,
    /// The fingerprint of all it was made from.
    pub fingerprint: String,
    /// Rows that break its rules, those that were checked while it was written.
    pub broken: u64,
    /// Its files.
    pub files: Vec<FileEntry>,
}

/// What an attempt that is gone on with has done already.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resumed {
    finished: BTreeMap<NodeName, Finished>,
    /// The last place in its journal.
    last: u32,
    /// Tables whose files are not as they were written.
    pub damaged: Vec<NodeName>,
}

impl Resumed {
    /// The files of a step that need not be done again: made from the same, all rules kept.
    #[must_use]
    pub fn files(&self, step: &Step) -> Option<&[FileEntry]> {
        let finished = self.finished.get(&step.model)?;
        let is_same = finished.fingerprint == step.fingerprint && finished.broken == 0;
        is_same.then_some(finished.files.as_slice())
    }

    /// The last place that is taken in the journal.
    pub(super) const fn last(&self) -> u32 {
        self.last
    }
}

/// Reads what `attempt` has done, and each of its files through: what is not as it was written counts
/// as not done.
///
/// # Errors
///
/// Returns an error if the journal cannot be read or the store fails.
pub async fn resumed(lake: &Lake, attempt: &AttemptId) -> Result<Resumed, Diagnostics> {
    let mut resumed = Resumed::default();
    for entry in lake.journal(attempt).await.map_err(commit::found)? {
        resumed.last = resumed.last.max(entry.sequence);
        // What an older program wrote of a step is too little to go on with.
        let Ok(finished) = serde_json::from_value::<Finished>(entry.step) else { continue };
        if is_whole(lake, &finished).await? {
            resumed.finished.insert(finished.model.clone(), finished);
        } else {
            resumed.damaged.push(finished.model);
        }
    }
    Ok(resumed)
}

async fn is_whole(lake: &Lake, finished: &Finished) -> Result<bool, Diagnostics> {
    for file in &finished.files {
        let key = lake.file_key(&finished.model, file).map_err(commit::found)?;
        if lake.check_file(&key, file).await.map_err(commit::found)?.is_some() {
            return Ok(false);
        }
    }
    Ok(!finished.files.is_empty())
}

/// Writes that a step is done, with its files' hashes.
pub(super) async fn write(job: &Job<'_>, sequence: u32, finished: &Finished) -> Result<(), Diagnostics> {
    let entry = JournalEntry {
        format: FORMAT,
        sequence,
        finished_at: (job.clock)(),
        step: serde_json::to_value(finished).unwrap_or_default(),
    };
    let key = |file: &FileEntry| job.staging.file_key(&finished.model, file);
    let keys = finished.files.iter().map(key).collect::<Result<Vec<Key>, _>>().map_err(commit::found)?;
    job.staging.write_journal(&job.attempt, &entry, &keys).await.map_err(commit::found)
}
