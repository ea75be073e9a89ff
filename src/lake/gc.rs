//! What a clean-up would remove, and why.
//!
//! **Invariant:** what goes is named by a commit or an intent, never guessed from a listing: a
//! listing only tells what is still there. What nobody named stays and is told. [`Seen::plan`]
//! is plain arithmetic over what was seen; `clean` does what it says.

use std::collections::{BTreeMap, BTreeSet};

use super::chunk::ChunkRef;
use super::end::{End, Kind};
use super::stored::StoredCommit;
use super::{Intent, Lake, LakeError, Orphan, Part, layout};
use crate::ident::{AttemptId, NodeName};
use crate::interval::Instant;
use crate::store::{Key, ObjectInfo};

/// One day, in microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// An attempt is not taken for dead before this time, in microseconds.
const LEAST_PATIENCE: i64 = 2 * DAY;

/// How long superseded files stay: both conditions must have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    versions: u64,
    days: u64,
}

impl Retention {
    /// The least a clean-up keeps: the last 3 versions, and 7 days.
    pub const LEAST: Self = Self { versions: 3, days: 7 };

    /// Keeps the last `versions` versions, and whatever was superseded in the last `days` days.
    /// `None` for less than [`Retention::LEAST`].
    #[must_use]
    pub fn try_new(versions: u64, days: u64) -> Option<Self> {
        let enough = versions >= Self::LEAST.versions && days >= Self::LEAST.days;
        enough.then_some(Self { versions, days })
    }

    /// How many versions stay, whatever their age.
    #[must_use]
    pub const fn versions(self) -> u64 {
        self.versions
    }

    /// How many days a superseded file stays.
    #[must_use]
    pub const fn days(self) -> u64 {
        self.days
    }
}

/// Why a file goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No version that is kept names it.
    Superseded {
        /// The table it belonged to.
        table: NodeName,
        /// The last version that named it.
        version: u64,
    },
    /// The attempt that wrote it published nothing.
    Orphan {
        /// The attempt.
        attempt: AttemptId,
    },
}

/// A data file to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Where it is.
    pub key: Key,
    /// Its size.
    pub bytes: u64,
    /// Why it goes.
    pub reason: Reason,
}

/// An object that is in nobody's books: it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Where it is.
    pub key: Key,
    /// Its size.
    pub bytes: u64,
}

/// An attempt that died while it published: it may go once another has its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The attempt.
    pub attempt: AttemptId,
    /// The version it was about to publish.
    pub version: u64,
}

/// What a clean-up would remove, frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleanup {
    /// When it was planned.
    pub now: Instant,
    /// The last version; `None` on a root nobody published to.
    pub last: Option<u64>,
    /// The oldest version whose files all stay.
    pub oldest_kept: u64,
    /// Data files that go, by key.
    pub removals: Vec<Removal>,
    /// Attempts that published nothing and are taken for dead, by name.
    pub dead: Vec<Orphan>,
    /// Attempts that published nothing and are too young to be taken for dead.
    pub young: Vec<Orphan>,
    /// Attempts that may still publish, whatever their age.
    pub undecided: Vec<Undecided>,
    /// Objects nobody named: they stay.
    pub unknown: Vec<Stray>,
    /// What each dead attempt set out to do.
    pub(super) intended: BTreeMap<AttemptId, Intended>,
    /// Journals, intents and ends that go, in this order.
    pub(super) notes: Notes,
}

/// What a dead attempt set out to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intended {
    pub version: u64,
    pub tables: Vec<NodeName>,
}

/// An attempt's control files, by the attempt. They go after its data files, in this order, so
/// that a clean-up that was killed finds its way back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub journals: Vec<(AttemptId, Key)>,
    pub intents: Vec<(AttemptId, Key)>,
    pub ends: Vec<(AttemptId, Key)>,
}

impl Cleanup {
    /// The bytes of all data files that go.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.removals.iter().map(|removal| removal.bytes).sum()
    }

    /// Attempts of which an earlier clean-up left the end only.
    pub(super) fn forgotten(&self) -> impl Iterator<Item = &AttemptId> {
        let ends = self.notes.ends.iter().map(|(attempt, _)| attempt);
        ends.filter(|attempt| !self.intended.contains_key(*attempt))
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.dead.is_empty() && self.notes.ends.is_empty()
    }
}

/// What all commits together tell of attempts and files.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Each version's attempt and when it was committed.
    versions: BTreeMap<u64, (AttemptId, Instant)>,
    /// The attempts of all versions.
    published: BTreeSet<AttemptId>,
    /// The last version that names each file, with its table.
    files: BTreeMap<Key, (NodeName, u64)>,
    /// The last version that names each chunk, with its table; what it holds is not yet among the files.
    chunks: BTreeMap<Key, (NodeName, ChunkRef, u64)>,
}

impl History {
    /// Adds a commit; in any order.
    pub(super) fn add(&mut self, commit: &StoredCommit) -> Result<(), LakeError> {
        self.published.insert(commit.attempt.clone());
        self.versions.insert(commit.version, (commit.attempt.clone(), commit.committed_at));
        for (table, entry) in &commit.tables {
            self.add_parts(table, entry.parts.as_deref().unwrap_or_default(), commit.version)?;
        }
        for (table, named) in commit.chunks() {
            let found = self.chunks.entry(named.key(table)?);
            let last = found.or_insert_with(|| (table.clone(), named.clone(), commit.version));
            last.2 = last.2.max(commit.version);
        }
        Ok(())
    }

    /// The chunks all commits name, each with the last version that does.
    pub(super) fn take_chunks(&mut self) -> impl Iterator<Item = (NodeName, ChunkRef, u64)> + use<> {
        std::mem::take(&mut self.chunks).into_values()
    }

    /// Adds parts that `version` names.
    pub(super) fn add_parts(
        &mut self,
        table: &NodeName,
        parts: &[Part],
        version: u64,
    ) -> Result<(), LakeError> {
        let folder = layout::table(table)?;
        for file in parts.iter().flat_map(|part| &part.files) {
            let named = self.files.entry(folder.join_key(&file.path));
            let last = named.or_insert_with(|| (table.clone(), version));
            last.1 = last.1.max(version);
        }
        Ok(())
    }

    fn last(&self) -> Option<u64> {
        self.versions.last_key_value().map(|(version, _)| *version)
    }

    /// Whether there is a commit by the attempt.
    pub(super) fn has_published(&self, attempt: &AttemptId) -> bool {
        self.published.contains(attempt)
    }

    fn attempt(&self, version: u64) -> Option<&AttemptId> {
        self.versions.get(&version).map(|(attempt, _)| attempt)
    }

    /// The oldest version that is kept; all after it are kept too, whatever their clocks said.
    fn oldest_kept(&self, retention: Retention, now: Instant) -> u64 {
        let last = self.last().unwrap_or(0);
        let days = i64::try_from(retention.days).unwrap_or(i64::MAX).saturating_mul(DAY);
        let is_kept = |version: &u64| {
            let superseded =
                self.versions.get(&version.saturating_add(1)).map(|(_, at)| now.micros() - at.micros());
            version.saturating_add(retention.versions) > last || superseded.is_none_or(|age| age < days)
        };
        self.versions.keys().copied().find(is_kept).unwrap_or(1)
    }
}

/// An attempt's folder as it was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub intent: Option<Intent>,
    pub end: Option<End>,
    /// When the last step was journaled that could be read.
    pub last_step: Option<Instant>,
    pub journal: Vec<ObjectInfo>,
}

/// All a clean-up looks at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub history: History,
    pub attempts: BTreeMap<AttemptId, Found>,
    /// Objects below `tables/`.
    pub tables: Vec<ObjectInfo>,
    /// Objects below `_goodwill/attempts/` that are no part of an attempt.
    pub strays: Vec<ObjectInfo>,
    /// From which version on earlier clean-ups have kept all files.
    pub horizon: u64,
}

impl Seen {
    /// Decides what goes.
    ///
    /// # Errors
    ///
    /// Never: every checked name makes a key.
    pub(super) fn plan(&self, retention: Retention, now: Instant) -> Result<Cleanup, LakeError> {
        let oldest = self.history.oldest_kept(retention, now);
        let mut cleanup = Cleanup {
            now,
            last: self.history.last(),
            oldest_kept: oldest.max(self.horizon),
            removals: Vec::new(),
            dead: Vec::new(),
            young: Vec::new(),
            undecided: Vec::new(),
            unknown: self.strays.iter().map(stray).collect(),
            intended: BTreeMap::new(),
            notes: Notes::default(),
        };
        let patience = self.patience();
        let unpublished = self.attempts.iter().filter(|(attempt, _)| !self.history.has_published(attempt));
        for (attempt, found) in unpublished {
            self.judge(attempt, found, patience, &mut cleanup)?;
        }
        for info in &self.tables {
            self.sort_out(info, oldest, &mut cleanup);
        }
        Ok(cleanup)
    }

    /// How long nothing must have been heard of an attempt, in microseconds: 48 hours, or twice
    /// the longest run that published.
    fn patience(&self) -> i64 {
        let lasted = self.history.versions.values().filter_map(|(attempt, committed_at)| {
            let started_at = self.attempts.get(attempt)?.intent.as_ref()?.started_at;
            Some(committed_at.micros().saturating_sub(started_at.micros()))
        });
        lasted.max().unwrap_or(0).saturating_mul(2).max(LEAST_PATIENCE)
    }

    fn judge(
        &self,
        attempt: &AttemptId,
        found: &Found,
        patience: i64,
        cleanup: &mut Cleanup,
    ) -> Result<(), LakeError> {
        let Some(intent) = &found.intent else {
            return self.judge_rest(attempt, found, cleanup);
        };
        let heard = found.last_step.map_or(intent.started_at, |step| step.max(intent.started_at));
        let is_old = cleanup.now.micros().saturating_sub(heard.micros()) > patience;
        match found.end.as_ref().map(|end| (end.kind, end.version)) {
            Some((Kind::Publishing, version)) if self.history.attempt(version).is_none() => {
                cleanup.undecided.push(Undecided { attempt: attempt.clone(), version });
            }
            Some((Kind::Abandoned, _)) => self.take(intent, found, cleanup)?,
            _ if is_old => self.take(intent, found, cleanup)?,
            _ => cleanup.young.push(orphan(intent)),
        }
        Ok(())
    }

    /// An attempt without an intent: what a clean-up left on purpose, or nobody's.
    fn judge_rest(&self, attempt: &AttemptId, found: &Found, cleanup: &mut Cleanup) -> Result<(), LakeError> {
        cleanup.unknown.extend(found.journal.iter().map(stray));
        if found.end.as_ref().is_some_and(|end| self.history.attempt(end.version).is_some()) {
            cleanup.notes.ends.push((attempt.clone(), layout::end(attempt)?));
        }
        Ok(())
    }

    fn take(&self, intent: &Intent, found: &Found, cleanup: &mut Cleanup) -> Result<(), LakeError> {
        let attempt = &intent.attempt;
        let version = intent.parent.map_or(1, |parent| parent.saturating_add(1));
        let notes = &mut cleanup.notes;
        notes.journals.extend(found.journal.iter().map(|info| (attempt.clone(), info.key.clone())));
        notes.intents.push((attempt.clone(), layout::intent(attempt)?));
        // Until another has the version, the end is what keeps a late commit away.
        if self.history.attempt(version).is_some() {
            notes.ends.push((attempt.clone(), layout::end(attempt)?));
        }
        cleanup.intended.insert(attempt.clone(), Intended { version, tables: intent.tables.clone() });
        cleanup.dead.push(orphan(intent));
        Ok(())
    }

    /// Finds the reason for which an object below `tables/` goes or stays.
    fn sort_out(&self, info: &ObjectInfo, oldest: u64, cleanup: &mut Cleanup) {
        if let Some((table, version)) = self.history.files.get(&info.key) {
            if *version < oldest {
                let reason = Reason::Superseded { table: table.clone(), version: *version };
                cleanup.removals.push(Removal { key: info.key.clone(), bytes: info.size, reason });
            }
            return;
        }
        match Place::of(&info.key) {
            Some(Place::Log) => {}
            Some(Place::Data { table, attempt }) if self.intended(&table, &attempt) => {
                if cleanup.intended.contains_key(&attempt) {
                    let reason = Reason::Orphan { attempt };
                    cleanup.removals.push(Removal { key: info.key.clone(), bytes: info.size, reason });
                }
            }
            _ => cleanup.unknown.push(stray(info)),
        }
    }

    /// Whether the attempt, which published nothing, set out to write the table.
    fn intended(&self, table: &NodeName, attempt: &AttemptId) -> bool {
        let intent = self.attempts.get(attempt).and_then(|found| found.intent.as_ref());
        intent.is_some_and(|intent| intent.tables.contains(table)) && !self.history.has_published(attempt)
    }
}

fn orphan(intent: &Intent) -> Orphan {
    Orphan {
        attempt: intent.attempt.clone(),
        pipeline: intent.pipeline.clone(),
        started_at: intent.started_at,
    }
}

fn stray(info: &ObjectInfo) -> Stray {
    Stray { key: info.key.clone(), bytes: info.size }
}

/// What an object below `tables/` is by its name.
enum Place {
    /// Part of a Delta log.
    Log,
    /// A data file as attempts write them.
    Data { table: NodeName, attempt: AttemptId },
}

impl Place {
    fn of(key: &Key) -> Option<Self> {
        let segments: Vec<&str> = key.as_str().split('/').collect();
        match segments.as_slice() {
            ["tables", table, "_delta_log", "_last_checkpoint"] => {
                NodeName::parse(table).ok().map(|_| Self::Log)
            }
            ["tables", table, "_delta_log", _] => {
                let number = [".json", ".checkpoint.parquet"];
                let is_ours = number.iter().any(|suffix| layout::numbered(key, suffix).is_some());
                NodeName::parse(table).ok().filter(|_| is_ours).map(|_| Self::Log)
            }
            ["tables", table, "data", attempt, file] if layout::is_data_file(file) => Some(Self::Data {
                table: NodeName::parse(table).ok()?,
                attempt: AttemptId::parse(attempt).ok()?,
            }),
            _ => None,
        }
    }
}

impl Lake {
    /// Looks at all commits, intents and files, and decides what a clean-up would remove.
    ///
    /// Removes and writes nothing. Reads every commit and intent once, and lists all tables.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails, or if a control file cannot be read.
    pub async fn plan_cleanup(&self, retention: Retention, now: Instant) -> Result<Cleanup, LakeError> {
        self.look().await?.plan(retention, now)
    }
}

#[cfg(test)]
#[path = "gc_tests.rs"]
mod tests;
