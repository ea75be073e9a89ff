//! Brings everything that is derived from commits up to the last commit.
//!
//! **Invariant:** safe from any state a kill can leave and with any number of callers at once.
//! A version of a Delta log is created only when all before it are there, so no log ever has a
//! gap; views are read against the last commit after they were written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::delta::checkpoint::{self, Tombstones};
use super::delta::{self, CHECKPOINT_EVERY, Change};
use super::{Commit, Lake, LakeError, layout, step, views};
use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::interval::Instant;
use crate::store::{Created, Key};

/// What a recovery found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last commit, which everything agrees with now; `None` on an empty root.
    pub version: Option<u64>,
    /// The Delta logs that were behind.
    pub tables: BTreeMap<NodeName, RolledForward>,
    /// The generated files that were written.
    pub views: BTreeSet<Key>,
    /// Attempts that published nothing; their files are still there.
    pub orphans: Vec<Orphan>,
}

/// The versions a Delta log was rolled forward by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledForward {
    /// The first version that was missing.
    pub from: u64,
    /// The last version, which is there now.
    pub to: u64,
}

/// An attempt that set out and published nothing: it failed, was killed, or is still at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// When it set out.
    pub started_at: Instant,
}

/// How many tables, or views, are looked at together.
const TOGETHER: usize = 32;

/// The commits read so far, so that none is read twice.
#[derive(Default, Clone)]
pub(super) struct Commits(BTreeMap<u64, Arc<Commit>>);

impl Commits {
    async fn get(&mut self, lake: &Lake, version: u64) -> Result<Arc<Commit>, LakeError> {
        if let Some(known) = self.0.get(&version) {
            return Ok(Arc::clone(known));
        }
        let commit = Arc::new(lake.required_commit(version).await?);
        self.0.insert(version, Arc::clone(&commit));
        Ok(commit)
    }
}

impl Lake {
    /// Rolls every Delta log and the views forward to the last commit, and tells which attempts
    /// published nothing. Removes nothing.
    ///
    /// # Errors
    ///
    /// Returns what [`Lake::roll_forward`] returns.
    pub async fn recover(&self) -> Result<Recovered, LakeError> {
        let mut recovered = self.roll_forward().await?;
        recovered.orphans = self.orphans().await?;
        Ok(recovered)
    }

    /// Rolls every Delta log forward to the last commit, oldest version first, then the views.
    ///
    /// Repeats itself until no other program has published meanwhile.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::ForeignLog`], after the other tables and the views, if another
    /// program wrote to a table's log; and any failure of the store, after which the same call
    /// goes on where this one stopped.
    pub async fn roll_forward(&self) -> Result<Recovered, LakeError> {
        self.roll_forward_to(self.last_commit().await?).await
    }

    /// As [`Lake::roll_forward`], where `last` was the last commit a moment ago.
    ///
    /// # Errors
    ///
    /// As [`Lake::roll_forward`].
    pub async fn roll_forward_to(&self, last: Option<Commit>) -> Result<Recovered, LakeError> {
        let mut done = Recovered::default();
        let mut commits = Commits::default();
        let mut known = last;
        loop {
            let Some(last) = known.map(Arc::new) else { return Ok(done) };
            commits.0.insert(last.version, Arc::clone(&last));
            let foreign = self.roll_tables(&last, &commits, &mut done).await?;
            step("before_views");
            self.write_views(&last, &mut done).await?;
            step("after_views");
            if self.is_last(last.version).await? {
                done.version = Some(last.version);
                return foreign.map_or(Ok(done), Err);
            }
            known = self.last_commit().await?;
        }
    }

    /// Attempts with an intent and without a commit, by name.
    ///
    /// # Errors
    ///
    /// Returns an error if an intent or a commit cannot be read.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, LakeError> {
        let attempts = self.attempts().await?;
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        let history = self.stored_history().await?;
        let published: BTreeSet<_> = history.into_iter().map(|commit| commit.attempt).collect();
        let mut orphans = Vec::new();
        for attempt in attempts.into_iter().filter(|attempt| !published.contains(attempt)) {
            let intent = self.intent(&attempt).await?;
            orphans.extend(intent.map(|intent| Orphan {
                attempt,
                pipeline: intent.pipeline,
                started_at: intent.started_at,
            }));
        }
        Ok(orphans)
    }

    /// Rolls all tables, some together; a log that another program wrote is told after the others
    /// are done.
    async fn roll_tables(
        &self,
        last: &Commit,
        commits: &Commits,
        done: &mut Recovered,
    ) -> Result<Option<LakeError>, LakeError> {
        let mut foreign = None;
        let tables: Vec<NodeName> = last.tables.keys().cloned().collect();
        let rolls = tables.into_iter().map(|table| {
            let mut commits = commits.clone();
            async move {
                let rolled = self.roll_table(last, &table, &mut commits).await;
                (table, rolled)
            }
        });
        let mut rolls = stream::iter(rolls).buffered(TOGETHER);
        while let Some((table, rolled)) = rolls.next().await {
            match rolled {
                Ok(Some(rolled)) => {
                    let earlier = done.tables.get(&table).map(|earlier| earlier.from);
                    let from = earlier.unwrap_or(rolled.from);
                    done.tables.insert(table, RolledForward { from, ..rolled });
                    step("between_tables");
                }
                Ok(None) => {}
                Err(cause @ LakeError::ForeignLog { .. }) => foreign = foreign.or(Some(cause)),
                Err(cause) => return Err(cause),
            }
        }
        Ok(foreign)
    }

    async fn roll_table(
        &self,
        last: &Commit,
        table: &NodeName,
        commits: &mut Commits,
    ) -> Result<Option<RolledForward>, LakeError> {
        let Some(entry) = last.tables.get(table) else { return Ok(None) };
        let to = entry.delta.version;
        let missing = self.missing_versions(table, to, entry.built_in);
        let (missing, due) = futures::try_join!(missing, self.due_checkpoint(table, to))?;
        let Some(from) = missing.first().copied().into_iter().chain(due).min() else {
            return Ok(None);
        };
        let changes = self.changes(last, table, from, commits).await?;
        if let Some(first) = changes.first() {
            self.refuse_foreign_tip(first).await?;
        }
        for change in changes {
            if missing.contains(&change.entry.delta.version) {
                self.write_version(&change).await?;
                step("between_versions");
            }
            if change.entry.delta.version.is_multiple_of(CHECKPOINT_EVERY) {
                self.write_checkpoint(&change).await?;
            }
        }
        Ok(missing.first().map(|from| RolledForward { from: *from, to }))
    }

    /// The versions up to `to` that are not there: usually none, after a commit the last.
    ///
    /// A log grows by a version a night, so it is listed only if more than its last version is
    /// missing: each is created only when all before it are there.
    async fn missing_versions(
        &self,
        table: &NodeName,
        to: u64,
        commit: u64,
    ) -> Result<BTreeSet<u64>, LakeError> {
        let key = layout::delta_version(table, to)?;
        let (found, is_next) = futures::try_join!(self.read(&key), self.has_version_before(table, to))?;
        if let Some(content) = found {
            return if delta::is_ours(&content, commit) {
                Ok(BTreeSet::new())
            } else {
                Err(LakeError::ForeignLog { table: table.clone(), version: to })
            };
        }
        if is_next {
            return Ok(BTreeSet::from([to]));
        }
        let listed = self.store().list(&layout::delta_log(table)?).await?;
        let numbers = |suffix| listed.iter().filter_map(move |info| layout::numbered(&info.key, suffix));
        let present: BTreeSet<u64> = numbers(".json").collect();
        // Versions below a checkpoint may have been cleaned away.
        let first = numbers(".checkpoint.parquet").min().unwrap_or(0);
        Ok((first..=to).filter(|version| !present.contains(version)).collect())
    }

    /// Whether the version before `to` is there; nothing is missing before the first.
    async fn has_version_before(&self, table: &NodeName, to: u64) -> Result<bool, LakeError> {
        let Some(before) = to.checked_sub(1) else { return Ok(true) };
        Ok(self.store().head(&layout::delta_version(table, before)?).await?.is_some())
    }

    /// The last version up to `to` whose checkpoint should be there and is not.
    async fn due_checkpoint(&self, table: &NodeName, to: u64) -> Result<Option<u64>, LakeError> {
        let version = to - to % CHECKPOINT_EVERY;
        if version == 0 {
            return Ok(None);
        }
        let hint = self.read(&layout::last_checkpoint(table)?).await?;
        let hinted = hint.as_deref().and_then(checkpoint::hinted_version);
        Ok(hinted.is_none_or(|hinted| hinted < version).then_some(version))
    }

    /// The changes of a table from version `from` of its log to its state in `last`, oldest
    /// first, found by walking back through the commits that changed it.
    pub(super) async fn changes(
        &self,
        last: &Commit,
        table: &NodeName,
        from: u64,
        commits: &mut Commits,
    ) -> Result<Vec<Change>, LakeError> {
        let mut changes = Vec::new();
        let mut next = last.tables.get(table).cloned();
        while let Some(entry) = next.take().filter(|entry| entry.delta.version >= from) {
            let commit = commits.get(self, entry.built_in).await?;
            let parent = match commit.parent {
                Some(parent) => Some(commits.get(self, parent).await?),
                None => None,
            };
            let previous = parent.and_then(|parent| parent.tables.get(table).cloned());
            refuse_jump(previous.as_ref().map(|entry| entry.delta.version), entry.delta.version, &commit)?;
            next.clone_from(&previous);
            changes.push(Change { commit, table: table.clone(), entry, previous });
        }
        changes.reverse();
        Ok(changes)
    }

    /// Refuses to go on behind a version that another program wrote.
    async fn refuse_foreign_tip(&self, change: &Change) -> Result<(), LakeError> {
        let Some(tip) = &change.previous else { return Ok(()) };
        let version = tip.delta.version;
        match self.read(&layout::delta_version(&change.table, version)?).await? {
            Some(content) if !delta::is_ours(&content, tip.built_in) => {
                Err(LakeError::ForeignLog { table: change.table.clone(), version })
            }
            _ => Ok(()),
        }
    }

    async fn write_version(&self, change: &Change) -> Result<(), LakeError> {
        let version = change.entry.delta.version;
        let key = layout::delta_version(&change.table, version)?;
        let content = change.encode().map_err(|cause| LakeError::InvalidCommit {
            version: change.commit.version,
            reason: cause.to_string(),
        })?;
        match self.store().create(&key, content.into()).await? {
            Created::Yes => Ok(()),
            Created::AlreadyExists => {
                let found = self.store().get(&key).await?;
                if delta::is_ours(&found, change.commit.version) {
                    Ok(())
                } else {
                    Err(LakeError::ForeignLog { table: change.table.clone(), version })
                }
            }
        }
    }

    /// Writes the checkpoint of a version that is there, then the hint to it.
    ///
    /// Two programs may write hints in any order: readers list the log from there on.
    async fn write_checkpoint(&self, change: &Change) -> Result<(), LakeError> {
        let version = change.entry.delta.version;
        if version == 0 {
            return Ok(());
        }
        let key = layout::delta_checkpoint(&change.table, version)?;
        let corrupt = |cause: parquet::errors::ParquetError| LakeError::Corrupt {
            key: key.clone(),
            reason: cause.to_string(),
        };
        let tombstones = self.tombstones(&change.table, version).await?;
        let checkpoint = checkpoint::encode(change, tombstones).map_err(corrupt)?;
        self.store().create(&key, checkpoint.content.into()).await?;
        let hint = layout::last_checkpoint(&change.table)?;
        self.store().put(&hint, checkpoint.hint.into()).await?;
        Ok(())
    }

    /// What the versions up to `version` removed: from the checkpoint before, if it can be
    /// read, else from all versions.
    pub(super) async fn tombstones(&self, table: &NodeName, version: u64) -> Result<Tombstones, LakeError> {
        let mut tombstones = Tombstones::default();
        let mut read = version - CHECKPOINT_EVERY;
        let key = layout::delta_checkpoint(table, read)?;
        match self.read(&key).await? {
            Some(content) => {
                if tombstones.add_checkpoint(content.into()).is_err() {
                    read = 0;
                }
            }
            None => read = 0,
        }
        for version in read + 1..=version {
            let content = self.read(&layout::delta_version(table, version)?).await?;
            tombstones.add_version(&content.unwrap_or_default());
        }
        Ok(tombstones)
    }

    async fn write_views(&self, commit: &Commit, done: &mut Recovered) -> Result<(), LakeError> {
        // Where a table changed, its name stands before other files.
        let is_new = !done.tables.is_empty();
        let written = views::generate(self, commit)?.into_iter().map(|view| async move {
            if !is_new && self.read(&view.key).await?.as_deref() == Some(view.content.as_bytes()) {
                return Ok(None);
            }
            self.store().put(&view.key, view.content.into()).await?;
            Ok::<_, LakeError>(Some(view.key))
        });
        let written: Vec<_> = stream::iter(written).buffered(TOGETHER).try_collect().await?;
        done.views.extend(written.into_iter().flatten());
        Ok(())
    }
}

/// Refuses commits whose Delta versions of a table do not follow on each other.
fn refuse_jump(before: Option<u64>, version: u64, commit: &Commit) -> Result<(), LakeError> {
    let expected = before.map_or(0, |before| before.saturating_add(1));
    if version == expected {
        return Ok(());
    }
    Err(LakeError::Corrupt {
        key: layout::commit(commit.version)?,
        reason: format!("a table's Delta version is {version}, {expected} was due"),
    })
}

#[cfg(test)]
#[path = "recover_tests.rs"]
mod tests;
