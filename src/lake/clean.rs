//! Removes what a [`Cleanup`] says, beside running readers and writers.
//!
//! **Invariant:** safe to kill at any moment and to repeat. Before a file of a version goes, a
//! note in `_goodwill/gc` says so; before a file of an attempt goes, its end says that it never
//! publishes; and its intent goes last.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::end::Fate;
use super::gc::{Found, Seen};
use super::{Cleanup, FORMAT, JournalEntry, Lake, LakeError, Reason, Undecided, encoded, layout, step};
use crate::ident::AttemptId;
use crate::interval::Instant;
use crate::store::{Key, ObjectInfo};

/// How many requests are under way at once.
const REQUESTS: usize = 16;

/// What a clean-up did.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The data files it removed.
    pub removed: BTreeSet<Key>,
    /// Attempts that turned out to be alive, or whose end is not decided: nothing of them went.
    pub undecided: Vec<Undecided>,
    /// What could not be removed; the next clean-up tries again.
    pub failed: Vec<Failed>,
}

/// Something a clean-up could not do.
#[derive(Debug)]
pub struct Failed {
    /// The object.
    pub key: Key,
    /// Why.
    pub cause: LakeError,
}

/// The note of a clean-up; the version is in its name.
#[derive(Debug, Serialize, Deserialize)]
struct Horizon {
    format: u32,
    oldest_kept: u64,
    at: Instant,
}

impl Lake {
    /// The oldest version whose files all are kept: those of older ones may be gone. 1 before the
    /// first clean-up.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn oldest_kept(&self) -> Result<u64, LakeError> {
        let notes = self.store().list(&layout::horizons()?).await?;
        Ok(notes.iter().filter_map(|note| layout::numbered(&note.key, ".json")).max().unwrap_or(1))
    }

    /// Removes what `cleanup` says: superseded files, then the files of dead attempts, then what
    /// these attempts wrote down. Delta logs and views are rolled forward before, so that none of
    /// them names a file that goes. What a rollback beside us needs again stays.
    ///
    /// A single failure keeps nothing else from going; it is in the result.
    ///
    /// # Errors
    ///
    /// Returns what [`Lake::roll_forward`] returns, and a note that cannot be written: then
    /// nothing was removed.
    pub async fn clean(&self, cleanup: &Cleanup) -> Result<Cleaned, LakeError> {
        self.roll_forward().await?;
        self.note_horizon(cleanup).await?;
        let restored = self.restored_since(cleanup).await?;
        let mut done = Cleaned::default();
        let dead = self.bury(cleanup, &mut done).await;
        let goes = cleanup.removals.iter().filter(|removal| match &removal.reason {
            Reason::Superseded { .. } => !restored.contains(&removal.key),
            Reason::Orphan { attempt } => dead.contains(attempt),
        });
        let goes: Vec<Key> = goes.map(|removal| removal.key.clone()).collect();
        done.removed = self.remove(goes, &mut done.failed).await;
        let folders: BTreeSet<Key> = done.removed.iter().map(Key::folder).collect();
        self.tidy_folders(folders.into_iter().collect()).await;
        step("before_notes");
        self.remove_notes(cleanup, dead, &mut done).await?;
        Ok(done)
    }

    /// Says from which version on all files are kept, before the first one of an older one goes.
    async fn note_horizon(&self, cleanup: &Cleanup) -> Result<(), LakeError> {
        let supersedes = |reason: &Reason| matches!(reason, Reason::Superseded { .. });
        if !cleanup.removals.iter().any(|removal| supersedes(&removal.reason)) {
            return Ok(());
        }
        let oldest_kept = cleanup.oldest_kept;
        let key = layout::horizon(oldest_kept)?;
        let content = encoded(&key, &Horizon { format: FORMAT, oldest_kept, at: cleanup.now })?;
        self.store().create(&key, content.into()).await?;
        step("after_horizon");
        Ok(())
    }

    /// Keeps the dead attempts from ever publishing; returns those that never will.
    async fn bury(&self, cleanup: &Cleanup, done: &mut Cleaned) -> BTreeSet<AttemptId> {
        let attempts = cleanup.intended.iter().map(|(attempt, intended)| async move {
            (attempt, self.abandon(attempt, intended.version, cleanup.now).await)
        });
        let fates: Vec<_> = stream::iter(attempts).buffer_unordered(REQUESTS).collect().await;
        let mut dead = BTreeSet::new();
        for (attempt, fate) in fates {
            match fate {
                Ok(Fate::Dead) => drop(dead.insert(attempt.clone())),
                Ok(Fate::Published) => {}
                Ok(Fate::MayPublish(version)) => {
                    done.undecided.push(Undecided { attempt: attempt.clone(), version });
                }
                Err(cause) => {
                    done.failed.extend(layout::intent(attempt).ok().map(|key| Failed { key, cause }));
                }
            }
        }
        dead
    }

    /// Removes objects, many at once; returns those that are gone.
    async fn remove(&self, keys: Vec<Key>, failed: &mut Vec<Failed>) -> BTreeSet<Key> {
        let removals = keys.into_iter().map(|key| async move {
            step("between_removals");
            let removed = self.store().delete(&key).await;
            (key, removed)
        });
        let results: Vec<_> = stream::iter(removals).buffer_unordered(REQUESTS).collect().await;
        let mut removed = BTreeSet::new();
        for (key, result) in results {
            match result {
                Ok(()) => drop(removed.insert(key)),
                Err(cause) => failed.push(Failed { key, cause: cause.into() }),
            }
        }
        removed
    }

    /// Removes what attempts wrote down whose data files are all gone: journals, intents, ends.
    async fn remove_notes(
        &self,
        cleanup: &Cleanup,
        mut dead: BTreeSet<AttemptId>,
        done: &mut Cleaned,
    ) -> Result<(), LakeError> {
        for removal in &cleanup.removals {
            if let Reason::Orphan { attempt } = &removal.reason
                && !done.removed.contains(&removal.key)
            {
                dead.remove(attempt);
            }
        }
        for (attempt, intended) in cleanup.intended.iter().filter(|(attempt, _)| dead.contains(attempt)) {
            self.tidy_attempt(attempt, &intended.tables).await?;
        }
        // What an earlier clean-up left of attempts that are forgotten otherwise.
        dead.extend(cleanup.forgotten().cloned());
        for notes in [&cleanup.notes.journals, &cleanup.notes.intents, &cleanup.notes.ends] {
            let notes = notes.iter().filter(|(attempt, _)| dead.contains(attempt));
            let (attempts, keys): (Vec<_>, Vec<_>) = notes.cloned().unzip();
            let owners: BTreeMap<Key, AttemptId> = keys.iter().cloned().zip(attempts).collect();
            let before = done.failed.len();
            self.remove(keys, &mut done.failed).await;
            for failed in done.failed.iter().skip(before) {
                if let Some(attempt) = owners.get(&failed.key) {
                    dead.remove(attempt);
                }
            }
            step("between_notes");
        }
        let mut folders = Vec::new();
        for attempt in &dead {
            folders.extend([layout::journal(attempt)?, layout::journal(attempt)?.folder()]);
        }
        self.tidy_folders(folders).await;
        Ok(())
    }

    /// Looks at everything a clean-up is decided by.
    pub(super) async fn look(&self) -> Result<Seen, LakeError> {
        // Listed before the commits are read: whatever was committed by then is known as such.
        let tables = self.store().list(&layout::tables()?).await?;
        let listed = self.store().list(&layout::attempts()?).await?;
        let mut seen = Seen { tables, horizon: self.oldest_kept().await?, ..Seen::default() };
        let versions = self.versions().await?;
        let mut commits =
            stream::iter(versions).map(|version| self.required_stored(version)).buffered(REQUESTS);
        while let Some(commit) = commits.try_next().await? {
            seen.history.add(&commit)?;
        }
        let chunks = seen.history.take_chunks().map(|(table, named, version)| async move {
            let parts = self.chunk(&table, &named).await?;
            Ok::<_, LakeError>((table, parts, version))
        });
        let mut chunks = stream::iter(chunks).buffer_unordered(REQUESTS);
        while let Some((table, parts, version)) = chunks.try_next().await? {
            seen.history.add_parts(&table, &parts, version)?;
        }
        let mut folders: BTreeMap<AttemptId, Folder> = BTreeMap::new();
        for info in listed {
            match Note::of(&info.key) {
                Some((attempt, note)) => folders.entry(attempt).or_default().add(note, info),
                None => seen.strays.push(info),
            }
        }
        let history = &seen.history;
        let attempts = folders.into_iter().map(|(attempt, folder)| async move {
            let found = self.read_folder(&attempt, folder, history.has_published(&attempt)).await?;
            Ok::<_, LakeError>((attempt, found))
        });
        let attempts: Vec<_> = stream::iter(attempts).buffered(REQUESTS).try_collect().await?;
        seen.attempts = attempts.into_iter().collect();
        Ok(seen)
    }

    /// Reads what counts of an attempt: of one that published, when it set out.
    async fn read_folder(
        &self,
        attempt: &AttemptId,
        folder: Folder,
        has_published: bool,
    ) -> Result<Found, LakeError> {
        let intent = if folder.has_intent { self.intent(attempt).await? } else { None };
        // One that speaks of another attempt was put there by somebody else.
        let intent = intent.filter(|intent| intent.attempt == *attempt);
        if has_published {
            return Ok(Found { intent, ..Found::default() });
        }
        let end = if folder.has_end { self.end(attempt).await? } else { None };
        let last_step: Option<JournalEntry> = match folder.journal.last() {
            Some(last) => self.read_document(&last.key).await?,
            None => None,
        };
        let last_step = last_step.map(|step| step.finished_at);
        Ok(Found { intent, end, last_step, journal: folder.journal })
    }
}

/// The objects of an attempt's folder.
#[derive(Debug, Default)]
struct Folder {
    has_intent: bool,
    has_end: bool,
    /// By place in the journal.
    journal: Vec<ObjectInfo>,
}

impl Folder {
    fn add(&mut self, note: Note, info: ObjectInfo) {
        match note {
            Note::Intent => self.has_intent = true,
            Note::End => self.has_end = true,
            Note::Journal => self.journal.push(info),
        }
    }
}

/// What an object below `_goodwill/attempts/` is by its name.
#[derive(Debug, Clone, Copy)]
enum Note {
    Intent,
    End,
    Journal,
}

impl Note {
    fn of(key: &Key) -> Option<(AttemptId, Self)> {
        let below = key.below(&layout::attempts().ok()?)?;
        let (attempt, note) = below.as_str().split_once('/')?;
        let note = match note {
            "intent.json" => Self::Intent,
            "end.json" => Self::End,
            _ => note
                .strip_prefix("journal/")
                .filter(|name| layout::is_journal_entry(name))
                .map(|_| Self::Journal)?,
        };
        Some((AttemptId::parse(attempt).ok()?, note))
    }
}
