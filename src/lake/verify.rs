//! Whether what lies in a root is what was published.
//!
//! **Invariant:** reads only. Files are compared with the commit that names them, Delta logs and
//! views with what the commits say they must hold, byte for byte.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::delta::{CHECKPOINT_EVERY, Change, checkpoint};
use super::recover::Commits;
use super::{Commit, FileEntry, Lake, LakeError, layout, views};
use crate::ident::NodeName;
use crate::store::{Key, StoreError};

/// How much of a file is held in memory.
const CHUNK: u64 = 4 << 20;
/// How many small files are read at once.
const READS: usize = 16;

/// How a published file differs from what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFault {
    /// It is not there.
    Missing,
    /// It has another size.
    Size {
        /// The size it has.
        found: u64,
    },
    /// It has the size and other bytes.
    Content,
}

/// How a derived file differs from what the commits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DerivedFault {
    /// It is missing, though later ones are there.
    Missing,
    /// It is not written yet: a run is at it, or was killed.
    Behind,
    /// It holds something else.
    Changed,
}

impl Lake {
    /// Reads a published file through, and compares it with what its commit says.
    ///
    /// Memory: one chunk of 4 MiB.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn check_file(&self, key: &Key, file: &FileEntry) -> Result<Option<FileFault>, LakeError> {
        match self.store().head(key).await? {
            None => return Ok(Some(FileFault::Missing)),
            Some(info) if info.size != file.bytes => {
                return Ok(Some(FileFault::Size { found: info.size }));
            }
            Some(_) => {}
        }
        match self.hash(key, file.bytes).await {
            Ok(hash) if hash == file.sha256 => Ok(None),
            Ok(_) => Ok(Some(FileFault::Content)),
            Err(cause) if cause.is_not_found() => Ok(Some(FileFault::Missing)),
            Err(cause) => Err(cause.into()),
        }
    }

    async fn hash(&self, key: &Key, bytes: u64) -> Result<String, StoreError> {
        let mut hash = Sha256::new();
        let mut start = 0;
        while start < bytes {
            let end = bytes.min(start + CHUNK);
            hash.update(self.store().get_range(key, start..end).await?);
            start = end;
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Compares the Delta log of a table, up to its state in `commit`, with what the commits say.
    ///
    /// Every version is compared byte for byte; a checkpoint by its rows, for another version of
    /// the Parquet writer may have written it.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails or a commit cannot be read.
    pub async fn check_log(
        &self,
        commit: &Commit,
        table: &NodeName,
    ) -> Result<Vec<(Key, DerivedFault)>, LakeError> {
        let Some(entry) = commit.tables.get(table) else { return Ok(Vec::new()) };
        let listed = self.store().list(&layout::delta_log(table)?).await?;
        let numbers = |suffix| listed.iter().filter_map(move |info| layout::numbered(&info.key, suffix));
        let present: BTreeSet<u64> = numbers(".json").collect();
        let checkpoints: BTreeSet<u64> =
            numbers(".checkpoint.parquet").filter(|at| *at <= entry.delta.version).collect();
        // Versions below a checkpoint may have been cleaned away.
        let oldest = checkpoints.first().copied().filter(|_| !present.contains(&0)).unwrap_or(0);
        let changes = self.changes(commit, table, oldest, &mut Commits::default()).await?;
        let tip = present.last().copied();
        let versions = changes.iter().map(|change| self.check_version(change, tip));
        let versions: Vec<_> = stream::iter(versions).buffered(READS).try_collect().await?;
        let mut faults: Vec<_> = versions.into_iter().flatten().collect();
        if faults.is_empty() {
            // Checkpoints repeat what versions say: one damaged version is told once.
            for change in &changes {
                let at = change.entry.delta.version;
                if checkpoints.contains(&at) && is_proven(at, oldest) {
                    faults.extend(self.check_checkpoint(change).await?);
                }
            }
        }
        faults.extend(self.check_hint(table, &checkpoints).await?);
        Ok(faults)
    }

    async fn check_version(
        &self,
        change: &Change,
        tip: Option<u64>,
    ) -> Result<Option<(Key, DerivedFault)>, LakeError> {
        let version = change.entry.delta.version;
        let key = layout::delta_version(&change.table, version)?;
        let expected = change.encode().map_err(|cause| LakeError::InvalidCommit {
            version: change.commit.version,
            reason: cause.to_string(),
        })?;
        Ok(match self.read(&key).await? {
            Some(found) if found == expected => None,
            Some(_) => Some((key, DerivedFault::Changed)),
            None if tip.is_some_and(|tip| version < tip) => Some((key, DerivedFault::Missing)),
            None => Some((key, DerivedFault::Behind)),
        })
    }

    async fn check_checkpoint(&self, change: &Change) -> Result<Option<(Key, DerivedFault)>, LakeError> {
        let version = change.entry.delta.version;
        let key = layout::delta_checkpoint(&change.table, version)?;
        let Some(found) = self.read(&key).await? else { return Ok(None) };
        let tombstones = self.tombstones(&change.table, version).await?;
        let agrees = checkpoint::agrees(found.into(), change, tombstones);
        Ok((!agrees).then_some((key, DerivedFault::Changed)))
    }

    /// The hint must name a checkpoint that is there: readers begin with it.
    async fn check_hint(
        &self,
        table: &NodeName,
        checkpoints: &BTreeSet<u64>,
    ) -> Result<Option<(Key, DerivedFault)>, LakeError> {
        let key = layout::last_checkpoint(table)?;
        let Some(hint) = self.read(&key).await? else { return Ok(None) };
        let hinted = checkpoint::hinted_version(&hint);
        // A later one than the commit's is another run's business.
        let last = checkpoints.last().copied().unwrap_or(0);
        let sound = hinted.is_some_and(|hinted| checkpoints.contains(&hinted) || hinted > last);
        Ok((!sound).then_some((key, DerivedFault::Changed)))
    }

    /// Compares the views with the last commit.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn check_views(&self, last: &Commit) -> Result<Vec<(Key, DerivedFault)>, LakeError> {
        let mut faults = Vec::new();
        for view in views::generate(self, last)? {
            match self.read(&view.key).await? {
                Some(found) if found == view.content.as_bytes() => {}
                Some(_) => faults.push((view.key, DerivedFault::Changed)),
                None => faults.push((view.key, DerivedFault::Behind)),
            }
        }
        Ok(faults)
    }
}

/// Whether all is there that tells what a checkpoint must hold.
const fn is_proven(checkpoint: u64, oldest: u64) -> bool {
    checkpoint > 0
        && checkpoint.is_multiple_of(CHECKPOINT_EVERY)
        && (oldest == 0 || checkpoint - CHECKPOINT_EVERY >= oldest)
}
