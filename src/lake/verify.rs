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
            hash.update(self.store().get_range(key, start..end, None).await?);
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

#[cfg(test)]
mod tests {
    use super::super::tests::{name, publish, root};
    use super::*;

    /// Checks what is found of table `a` of a root with 22 versions, after a change to one file.
    async fn check(file: &str, change: impl Fn(&mut Vec<u8>), expected: &[(&str, DerivedFault)]) {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        publish(&lake, 22).await;
        lake.roll_forward().await.unwrap();
        let last = lake.last_commit().await.unwrap().unwrap();
        assert_eq!(lake.check_log(&last, &name("a")).await.unwrap(), []);
        let key = Key::parse(&format!("tables/a/_delta_log/{file}")).unwrap();
        let mut content = lake.store().get(&key).await.unwrap().to_vec();
        change(&mut content);
        lake.store().delete(&key).await.unwrap();
        if !content.is_empty() {
            lake.store().put(&key, content.into()).await.unwrap();
        }
        let found = lake.check_log(&last, &name("a")).await.unwrap();
        let found: Vec<(&str, DerivedFault)> =
            found.iter().map(|(key, fault)| (key.file_name(), *fault)).collect();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn every_version_of_a_log_is_compared_also_below_a_checkpoint() {
        for file in ["00000000000000000003.json", "00000000000000000021.json"] {
            check(file, |content| content[40] ^= 1, &[(file, DerivedFault::Changed)]).await;
        }
        let gone = "00000000000000000015.json";
        check(gone, Vec::clear, &[(gone, DerivedFault::Missing)]).await;
        let tip = "00000000000000000021.json";
        check(tip, Vec::clear, &[(tip, DerivedFault::Behind)]).await;
    }

    #[tokio::test]
    async fn a_checkpoint_that_is_damaged_or_another_tables_is_found() {
        let file = "00000000000000000020.checkpoint.parquet";
        let fault = [(file, DerivedFault::Changed)];
        check(file, |content| content.truncate(content.len() - 9), &fault).await;
        // A byte of the first column's values, behind the file's four-byte name.
        check(file, |content| content[30] ^= 0xff, &fault).await;
    }

    #[tokio::test]
    async fn a_hint_to_a_checkpoint_that_is_not_there_is_found() {
        let fault = [("_last_checkpoint", DerivedFault::Changed)];
        check("_last_checkpoint", |content| *content = b"{\"version\": 7}".to_vec(), &fault).await;
        check("_last_checkpoint", |content| *content = b"{".to_vec(), &fault).await;
    }
}
