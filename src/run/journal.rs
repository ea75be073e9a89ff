//! Which steps of an attempt are done: written as they end, read by whoever goes on with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Job, commit};
use crate::diagnostic::Diagnostics;
use crate::ident::{AttemptId, NodeName};
use crate::lake::{FORMAT, FileEntry, JournalEntry, Lake, Slice};
use crate::plan::Step;
use crate::store::Key;

/// A table that an attempt has written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The model.
    pub model: NodeName,
    /// Which of its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
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
    finished: BTreeMap<(NodeName, Option<Slice>), Finished>,
    /// The last place in its journal.
    last: u32,
    /// Tables whose files are not as they were written.
    pub damaged: Vec<NodeName>,
}

impl Resumed {
    /// The files of a table, or of one interval of it, that need not be written again: made from the same,
    /// all rules kept.
    pub(super) fn files(&self, model: &NodeName, slice: Slice, fingerprint: &str) -> Option<&[FileEntry]> {
        let finished = |slice| self.finished.get(&(model.clone(), slice));
        // Of an older program it is not known which rows they are; their fingerprint tells it.
        let finished = finished(Some(slice)).or_else(|| finished(None))?;
        let is_same = finished.fingerprint == fingerprint && finished.broken == 0;
        is_same.then_some(finished.files.as_slice())
    }

    /// Whether nothing of a step need be done again.
    #[must_use]
    pub fn is_done(&self, step: &Step) -> bool {
        match &step.intervals {
            None => {
                let slice = step.snapshot.map_or(Slice::Whole, |as_of| Slice::Snapshot { as_of });
                self.files(&step.model, slice, &step.fingerprint).is_some()
            }
            Some(intervals) => intervals
                .iter()
                .all(|interval| self.files(&step.model, interval.slice(), &interval.fingerprint).is_some()),
        }
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
            resumed.finished.insert((finished.model.clone(), finished.slice), finished);
        } else {
            resumed.damaged.push(finished.model);
        }
    }
    Ok(resumed)
}

/// How many places in the journal each of several plans has that an attempt does together.
const PLACES: u32 = 100_000;

/// The place in the journal before the first that a job may take.
pub(super) fn place_before(job: &Job<'_>) -> u32 {
    let taken = job.resumed.as_ref().map_or(0, Resumed::last);
    match (job.turn.is_intended, u32::try_from(job.turn.number)) {
        (true, Ok(number)) => (taken / PLACES + 1 + number).saturating_mul(PLACES),
        _ => taken,
    }
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
