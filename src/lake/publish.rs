//! Commits: reading them, and the one write that publishes.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::stored::{Earlier, Encoded, StoredCommit};
use super::{Commit, Lake, LakeError, TableEntry, layout, step};
use crate::ident::NodeName;
use crate::store::{Created, Key};

/// How many commits are read at once.
const READS: usize = 16;
/// How many chunks are written at once.
const WRITES: usize = 16;

/// What became of a try to commit.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitOutcome {
    /// The commit is the last one now.
    Committed,
    /// The commit was there already, written by an earlier try of the same attempt.
    AlreadyOurs,
    /// Another attempt has that version; nothing of ours is published.
    Lost {
        /// What was published instead.
        winner: Box<Commit>,
    },
}

impl Lake {
    /// The last commit; `None` on an empty root.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::Gap`] if a commit is missing before it, and
    /// [`LakeError::FormatTooNew`] if a newer program wrote it.
    pub async fn last_commit(&self) -> Result<Option<Commit>, LakeError> {
        match self.last_stored().await? {
            Some(last) => self.whole(last).await.map(Some),
            None => Ok(None),
        }
    }

    /// The last commit without its chunks.
    pub(super) async fn last_stored(&self) -> Result<Option<StoredCommit>, LakeError> {
        let Some(mut last) = self.versions().await?.last().copied() else { return Ok(None) };
        loop {
            // A listing may be old, so the name after its last is tried, and what it told read meanwhile.
            let read = self.required_stored(last);
            let (is_last, commit) = futures::join!(self.is_last(last), read);
            if is_last? {
                return commit.map(Some);
            }
            last += 1;
        }
    }

    /// The commit `version`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be read.
    pub async fn commit(&self, version: u64) -> Result<Option<Commit>, LakeError> {
        match self.stored_commit(version).await? {
            Some(commit) => self.whole(commit).await.map(Some),
            None => Ok(None),
        }
    }

    /// The commit `version`, which others say is there.
    pub(super) async fn required_commit(&self, version: u64) -> Result<Commit, LakeError> {
        self.commit(version).await?.ok_or(LakeError::Gap { missing: version })
    }

    /// The last `limit` commits, newest first.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them cannot be read.
    pub async fn history(&self, limit: usize) -> Result<Vec<Commit>, LakeError> {
        let versions = self.versions().await?;
        let newest = versions.into_iter().rev().take(limit);
        stream::iter(newest).map(|version| self.required_commit(version)).buffered(READS).try_collect().await
    }

    /// All commits without their chunks, newest first.
    pub(super) async fn stored_history(&self) -> Result<Vec<StoredCommit>, LakeError> {
        let newest = self.versions().await?.into_iter().rev();
        stream::iter(newest).map(|version| self.required_stored(version)).buffered(READS).try_collect().await
    }

    /// Publishes `commit`, if its version is still free.
    ///
    /// The attempt's end is created first: from then on no clean-up removes its files. On local
    /// folders the files it adds are on the disk before, with their folders, as are its chunks. After any doubt (the
    /// version is taken, the store's answer was lost) the version is read and its attempt decides.
    /// Extremes of personal data are dropped, whoever left them in.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::Abandoned`] if a clean-up took the attempt for dead, and an error if
    /// the store fails and the version is not there: whether it appears later is unknown, the
    /// same call tells.
    pub async fn try_commit(&self, commit: &Commit) -> Result<CommitOutcome, LakeError> {
        let commit = &commit.clone().without_personal_data();
        let (valid, claimed) = futures::join!(self.refuse_invalid(commit), self.claim(commit));
        let parent = valid?;
        claimed?;
        match self.store().sync(&self.added_files(commit)?).await {
            Ok(()) => {}
            // A clean-up may remove the files of an attempt whose version another has.
            Err(cause) if cause.is_not_found() => return self.lost(commit).await?.ok_or(cause.into()),
            Err(cause) => return Err(cause.into()),
        }
        let content = self.write_chunks(commit, parent).await?;
        step("after_chunks");
        let key = layout::commit(commit.version)?;
        step("before_commit");
        let created = self.store().create(&key, content.into()).await;
        step("after_commit");
        let found = self.stored_commit(commit.version).await;
        match (created, found) {
            (Ok(Created::Yes), Ok(Some(found))) if found.attempt == commit.attempt => {
                Ok(CommitOutcome::Committed)
            }
            (_, Ok(Some(found))) if found.attempt == commit.attempt => Ok(CommitOutcome::AlreadyOurs),
            (_, Ok(Some(winner))) => Ok(CommitOutcome::Lost { winner: Box::new(self.whole(winner).await?) }),
            (Err(cause), _) => Err(cause.into()),
            (Ok(_), Err(cause)) => Err(cause),
            (Ok(_), Ok(None)) => Err(LakeError::Gap { missing: commit.version }),
        }
    }

    async fn lost(&self, commit: &Commit) -> Result<Option<CommitOutcome>, LakeError> {
        let found = self.commit(commit.version).await?;
        let winner = found.filter(|found| found.attempt != commit.attempt);
        Ok(winner.map(|winner| CommitOutcome::Lost { winner: Box::new(winner) }))
    }

    /// Writes the chunks of `commit` that its parent does not have; returns what its own object holds.
    ///
    /// A kill before the commit leaves chunks that nobody names: the next who needs them finds them.
    async fn write_chunks(
        &self,
        commit: &Commit,
        parent: Option<StoredCommit>,
    ) -> Result<Vec<u8>, LakeError> {
        let earlier = match parent {
            Some(parent) => self.earlier(&parent).await?,
            None => Earlier::new(),
        };
        let Encoded { content, chunks } = commit.encode_after(&earlier)?;
        let writes = chunks.into_iter().map(|(key, chunk)| self.write_chunk(key, chunk.into()));
        stream::iter(writes).buffer_unordered(WRITES).try_collect::<()>().await?;
        Ok(content)
    }

    /// Writes a chunk unless it is there; it is on the disk afterwards, whoever wrote it.
    async fn write_chunk(&self, key: Key, content: Bytes) -> Result<(), LakeError> {
        if self.store().create(&key, content.clone()).await? == Created::Yes {
            return Ok(());
        }
        if self.store().get(&key).await? != content {
            let reason = "it holds other bytes than its name says".to_owned();
            return Err(LakeError::Corrupt { key, reason });
        }
        // Whoever made it may not have come so far.
        Ok(self.store().sync(&[key]).await?)
    }

    /// Whether no commit comes after `version`, which is there: there are no gaps.
    pub(super) async fn is_last(&self, version: u64) -> Result<bool, LakeError> {
        Ok(self.store().head(&layout::commit(version + 1)?).await?.is_none())
    }

    /// The versions there are, ascending, proven to have no gap. The first may be any: clean-up
    /// removes the oldest. A listing may be older at one name than at another, so a version that
    /// seems to be missing is asked for.
    pub(super) async fn versions(&self) -> Result<Vec<u64>, LakeError> {
        let listed = self.store().list(&layout::commits()?).await?;
        let listed: BTreeSet<u64> =
            listed.iter().filter_map(|info| layout::numbered(&info.key, ".json")).collect();
        let (Some(first), Some(last)) = (listed.first(), listed.last()) else { return Ok(Vec::new()) };
        let versions: Vec<u64> = (*first..=*last).collect();
        for version in versions.iter().filter(|version| !listed.contains(version)) {
            if self.store().head(&layout::commit(*version)?).await?.is_none() {
                return Err(LakeError::Gap { missing: *version });
            }
        }
        Ok(versions)
    }

    /// Refuses what would break the root: a gap, a lost or changed table of another pipeline. Returns the
    /// parent as it is stored.
    async fn refuse_invalid(&self, commit: &Commit) -> Result<Option<StoredCommit>, LakeError> {
        let stored = match commit.parent {
            Some(parent) => Some(self.required_stored(parent).await?),
            None => None,
        };
        let parent = match &stored {
            Some(stored) => Some(self.whole(stored.clone()).await?),
            None => None,
        };
        if let Some(reason) = commit.problem(parent.as_ref()) {
            return Err(invalid(commit, &reason));
        }
        let mut changed = commit.tables.iter().filter(|(_, entry)| entry.built_in == commit.version);
        let owner = |table: &NodeName, entry: &TableEntry| {
            let earlier = parent.as_ref().and_then(|parent| parent.tables.get(table));
            earlier.unwrap_or(entry).owner.clone()
        };
        let foreign = |(table, entry): (&NodeName, &TableEntry)| {
            let owner = Some(owner(table, entry)).filter(|owner| *owner != commit.pipeline)?;
            Some(LakeError::ForeignTable { table: table.clone(), owner })
        };
        changed.find_map(foreign).map_or(Ok(stored), Err)
    }

    /// The files of the tables this commit changes, seen from the store.
    fn added_files(&self, commit: &Commit) -> Result<Vec<Key>, LakeError> {
        let changed = commit.tables.iter().filter(|(_, entry)| entry.built_in == commit.version);
        let files = changed.flat_map(|(table, entry)| {
            let new = entry.parts.iter().filter(|part| part.attempt == commit.attempt);
            new.flat_map(|part| &part.files).map(move |file| self.file_key(table, file))
        });
        files.collect()
    }
}

fn invalid(commit: &Commit, reason: &str) -> LakeError {
    LakeError::InvalidCommit { version: commit.version, reason: reason.to_owned() }
}
