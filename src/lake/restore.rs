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

impl Commit {
    /// The commit after this one, the last, that takes back what `rollback` restored, as far as that
    /// still stands; `before` is the commit it followed on. `None` if nothing of it stands.
    #[must_use]
    pub fn undoing(&self, rollback: &Self, before: &Self, by: Restorer) -> Option<Self> {
        let stands = |entry: &TableEntry| entry.built_in == rollback.version;
        let mut target = before.clone();
        target.tables.retain(|name, _| self.tables.get(name).is_some_and(stands));
        self.restoring(&target, by)
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

#[cfg(test)]
mod tests {
    use super::super::tests::{attempt, name, next, root};
    use super::*;
    use crate::lake::CommitOutcome;

    fn by(last: &Commit, word: &str) -> Restorer {
        Restorer {
            pipeline: last.pipeline.clone(),
            attempt: attempt(word),
            run_id: word.to_owned(),
            committed_at: last.committed_at,
            engine_version: last.engine_version.clone(),
        }
    }

    async fn publish(lake: &Lake, commit: &Commit) {
        assert_eq!(lake.try_commit(commit).await.unwrap(), CommitOutcome::Committed);
    }

    #[tokio::test]
    async fn what_others_published_after_a_rollback_is_not_taken_back_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        let first = next(&lake, None, &["a", "b"], "t1").await;
        publish(&lake, &first).await;
        let second = next(&lake, Some(&first), &["a", "b"], "t2").await;
        publish(&lake, &second).await;
        let rollback = second.restoring(&first, by(&second, "back")).expect("both tables differ");
        publish(&lake, &rollback).await;
        assert_eq!(rollback.restores, Some(1));
        assert_eq!(rollback.tables[&name("a")].parts, first.tables[&name("a")].parts);
        assert_eq!(rollback.restoring(&first, by(&rollback, "again")), None);

        let fourth = next(&lake, Some(&rollback), &["a"], "t4").await;
        publish(&lake, &fourth).await;
        let undone = fourth.undoing(&rollback, &second, by(&fourth, "undo")).expect("`b` still stands");
        assert_eq!(undone.tables[&name("a")], fourth.tables[&name("a")], "another built it");
        assert_eq!(undone.tables[&name("b")].parts, second.tables[&name("b")].parts);
        publish(&lake, &undone).await;
        assert_eq!(undone.undoing(&rollback, &second, by(&undone, "undo2")), None);
    }
}
