//! An old version restored: a new commit that points to its files again. History is never
//! rewritten, and no file is written or copied.

use std::collections::BTreeSet;

use super::{Cleanup, Commit, DeltaPosition, FORMAT, Lake, LakeError, TableEntry, layout};
use crate::ident::{AttemptId, PipelineName};
use crate::interval::Instant;
use crate::store::Key;

/// Who restores, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restorer {
    /// The pipeline whose tables are restored; those of others stay.
    pub pipeline: PipelineName,
    /// The attempt; never used before.
    pub attempt: AttemptId,
    /// Its run.
    pub run_id: String,
    /// When.
    pub committed_at: Instant,
    /// The program.
    pub engine_version: String,
}

impl Commit {
    /// The commit after this one, the last, in which the restorer's tables are those of `target`.
    ///
    /// Tables that `target` did not have stay as they are. `None` if nothing differs.
    #[must_use]
    pub fn restoring(&self, target: &Self, by: Restorer) -> Option<Self> {
        let version = self.version.saturating_add(1);
        let mut tables = self.tables.clone();
        let mut is_changed = false;
        for (name, entry) in tables.iter_mut().filter(|(_, entry)| entry.owner == by.pipeline) {
            let Some(old) = target.tables.get(name).filter(|old| !is_same(old, entry)) else { continue };
            let delta = DeltaPosition::after(Some(entry), name, &by.attempt);
            *entry = TableEntry { owner: entry.owner.clone(), built_in: version, delta, ..old.clone() };
            is_changed = true;
        }
        is_changed.then(|| Self {
            format: FORMAT,
            version,
            parent: Some(self.version),
            pipeline: by.pipeline,
            attempt: by.attempt,
            run_id: by.run_id,
            committed_at: by.committed_at,
            as_of: target.as_of,
            known_at: target.known_at,
            project_fingerprint: target.project_fingerprint.clone(),
            parameters_fingerprint: target.parameters_fingerprint.clone(),
            engine_version: by.engine_version,
            restores: Some(target.version),
            tables,
        })
    }
}

/// Whether both promise the same and lie in the same files.
fn is_same(old: &TableEntry, new: &TableEntry) -> bool {
    old.contract == new.contract && old.parts == new.parts && old.fingerprint == new.fingerprint
}

impl Lake {
    /// The files that versions name which `cleanup` did not see.
    ///
    /// A version that was restored meanwhile may need files it takes for superseded. Asked after
    /// the clean-up's note of the oldest version it keeps: whoever restores looks for such a note
    /// after the commit, so one of the two sees the other.
    pub(super) async fn restored_since(&self, cleanup: &Cleanup) -> Result<BTreeSet<Key>, LakeError> {
        let seen = cleanup.last.unwrap_or(0);
        let mut named = BTreeSet::new();
        let Some(last) = self.last_commit().await? else { return Ok(named) };
        for version in seen.saturating_add(1)..=last.version {
            for (table, entry) in &self.required_commit(version).await?.tables {
                let folder = layout::table(table)?;
                named.extend(entry.files().map(|file| folder.join_key(&file.path)));
            }
        }
        Ok(named)
    }
}
