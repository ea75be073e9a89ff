//! Commits as they are stored: a table has its parts, or names the chunks they lie in.
//!
//! **Invariant:** a commit without chunks is of format 1, byte for byte as the first program wrote it;
//! one with chunks is of format 2, which that program refuses. In memory both are one [`Commit`].

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::chunk::{self, ChunkRef};
use super::layout::{COMMIT_FORMAT, FORMAT};
use super::{Commit, DeltaPosition, Extra, Lake, LakeError, Part, TableContract, TableEntry, decode, layout};
use crate::ident::{NodeName, PipelineName};
use crate::store::Key;

/// How many chunks of a commit are asked for at once.
const READS: usize = 64;

/// A commit whose chunks have not been read.
pub(super) type StoredCommit = Commit<StoredTable>;

/// The state of one table as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredTable {
    pub owner: PipelineName,
    pub built_in: u64,
    pub fingerprint: String,
    pub contract: TableContract,
    pub delta: DeltaPosition,
    /// The parts of a table that has few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Part>>,
    /// Where the parts of a table lie that has many, in its order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Vec<ChunkRef>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A commit as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The content of its object: readable JSON.
    pub content: Vec<u8>,
    /// The chunks that have to be there before it, by key.
    pub chunks: BTreeMap<Key, Vec<u8>>,
}

/// The chunks of an earlier commit, by table.
pub(super) type Earlier = BTreeMap<NodeName, Vec<(ChunkRef, Arc<Vec<Part>>)>>;

impl Commit {
    /// The commit as it is written: the same bytes for the same commit.
    ///
    /// # Errors
    ///
    /// Returns an error only if a kept foreign field cannot be written.
    pub fn encode(&self) -> Result<Encoded, LakeError> {
        self.encode_after(&Earlier::new())
    }

    /// As [`Commit::encode`], without those chunks that an `earlier` commit has, as it has them.
    pub(super) fn encode_after(&self, earlier: &Earlier) -> Result<Encoded, LakeError> {
        let mut chunks = BTreeMap::new();
        let mut tables = BTreeMap::new();
        for (name, entry) in &self.tables {
            let Some(pieces) = chunk::cut(&entry.parts) else { continue };
            let known = earlier.get(name).map_or(&[] as &[_], Vec::as_slice);
            let mut refs = Vec::with_capacity(pieces.len());
            for piece in pieces {
                if let Some((named, _)) = known.iter().find(|(_, parts)| parts.as_slice() == piece) {
                    refs.push(named.clone());
                    continue;
                }
                let content = chunk::encode(piece).map_err(|cause| self.invalid(&cause))?;
                let named = ChunkRef::to(&content, piece.len());
                chunks.insert(named.key(name)?, content);
                refs.push(named);
            }
            tables.insert(name.clone(), refs);
        }
        let content = if tables.is_empty() { pretty(self) } else { pretty(&self.stored(tables)) };
        Ok(Encoded { content: content.map_err(|cause| self.invalid(&cause))?, chunks })
    }

    fn invalid(&self, cause: &dyn std::fmt::Display) -> LakeError {
        LakeError::InvalidCommit { version: self.version, reason: cause.to_string() }
    }

    fn stored(&self, mut chunks: BTreeMap<NodeName, Vec<ChunkRef>>) -> StoredCommit {
        let table = |(name, entry): (&NodeName, &TableEntry)| {
            let chunks = chunks.remove(name);
            let parts = chunks.is_none().then(|| entry.parts.clone());
            let stored = StoredTable {
                owner: entry.owner.clone(),
                built_in: entry.built_in,
                fingerprint: entry.fingerprint.clone(),
                contract: entry.contract.clone(),
                delta: entry.delta.clone(),
                parts,
                chunks,
                extra: entry.extra.clone(),
            };
            (name.clone(), stored)
        };
        let tables = self.tables.iter().map(table).collect();
        Commit { format: COMMIT_FORMAT, ..self.with_tables(tables) }
    }
}

impl<T> Commit<T> {
    /// All this commit tells, of other tables.
    fn with_tables<U>(&self, tables: BTreeMap<NodeName, U>) -> Commit<U> {
        Commit {
            format: self.format,
            version: self.version,
            parent: self.parent,
            pipeline: self.pipeline.clone(),
            attempt: self.attempt.clone(),
            run_id: self.run_id.clone(),
            committed_at: self.committed_at,
            as_of: self.as_of,
            known_at: self.known_at,
            project_fingerprint: self.project_fingerprint.clone(),
            parameters_fingerprint: self.parameters_fingerprint.clone(),
            engine_version: self.engine_version.clone(),
            restores: self.restores,
            tables,
        }
    }
}

impl StoredCommit {
    /// The chunks it names, table by table, each with the table's name.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (&NodeName, &ChunkRef)> {
        let chunks = self.tables.iter().map(|(name, table)| (name, table.chunks.iter().flatten()));
        chunks.flat_map(|(name, chunks)| chunks.map(move |named| (name, named)))
    }

    /// The commit, once its chunks are read: `parts` are theirs, in the order of [`StoredCommit::chunks`].
    fn with_parts(self, parts: Vec<Arc<Vec<Part>>>) -> Commit {
        let mut parts = parts.into_iter();
        let mut tables = BTreeMap::new();
        let whole = self.with_tables(BTreeMap::new());
        for (name, table) in self.tables {
            let StoredTable { owner, built_in, fingerprint, contract, delta, parts: inline, chunks, extra } =
                table;
            let mut all = inline.unwrap_or_default();
            for chunk in parts.by_ref().take(chunks.map_or(0, |chunks| chunks.len())) {
                all.extend_from_slice(&chunk);
            }
            let entry = TableEntry { owner, built_in, fingerprint, contract, delta, parts: all, extra };
            tables.insert(name, entry);
        }
        Commit { format: FORMAT, tables, ..whole }
    }

    /// What no commit ever is.
    fn problem(&self, version: u64) -> Option<String> {
        if self.version != version {
            return Some(format!("it says that it is commit {}", self.version));
        }
        let mut tables = self.tables.iter();
        let (name, _) = tables.find(|(_, table)| table.parts.is_some() == table.chunks.is_some())?;
        Some(format!("table `{name}` must have either `parts` or `chunks`"))
    }
}

impl Lake {
    /// The commit `version` without its chunks; `None` if there is none.
    pub(super) async fn stored_commit(&self, version: u64) -> Result<Option<StoredCommit>, LakeError> {
        let key = layout::commit(version)?;
        let Some(content) = self.read(&key).await? else { return Ok(None) };
        let commit: StoredCommit = decode(&key, &content, COMMIT_FORMAT)?;
        match commit.problem(version) {
            Some(reason) => Err(LakeError::Corrupt { key, reason }),
            None => Ok(Some(commit)),
        }
    }

    /// As [`Lake::stored_commit`], for one that others say is there.
    pub(super) async fn required_stored(&self, version: u64) -> Result<StoredCommit, LakeError> {
        self.stored_commit(version).await?.ok_or(LakeError::Gap { missing: version })
    }

    /// A stored commit with the parts of all its tables.
    ///
    /// # Errors
    ///
    /// Returns an error if a chunk is missing or is not what was published: never a shorter table.
    pub(super) async fn whole(&self, commit: StoredCommit) -> Result<Commit, LakeError> {
        let reads: Vec<_> = commit.chunks().map(|(table, named)| self.chunk(table, named)).collect();
        let parts: Vec<_> = stream::iter(reads).buffered(READS).try_collect().await?;
        Ok(commit.with_parts(parts))
    }

    /// The chunks a commit names, with their parts.
    pub(super) async fn earlier(&self, commit: &StoredCommit) -> Result<Earlier, LakeError> {
        let reads: Vec<_> = commit.chunks().map(|(table, named)| self.chunk(table, named)).collect();
        let parts: Vec<_> = stream::iter(reads).buffered(READS).try_collect().await?;
        let mut earlier = Earlier::new();
        for ((table, named), parts) in commit.chunks().zip(parts) {
            earlier.entry(table.clone()).or_default().push((named.clone(), parts));
        }
        Ok(earlier)
    }
}

fn pretty(document: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut content = serde_json::to_vec_pretty(document)?;
    content.push(b'\n');
    Ok(content)
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
