//! Chunks: the parts of a table with many of them, in immutable objects beside the commits.
//!
//! A commit names every part of every table. A table that keeps a part for each day of ten years
//! would write them all anew each night, so its parts lie in chunks, named by the SHA-256 of
//! their content, and the commit names the chunks.
//!
//! **Invariant:** where a chunk ends is decided by the slices of the parts and by how many there are,
//! so the same parts lie in the same chunks whatever order they came in: a part that is added, replaced
//! or left out changes the chunk it lies in (or makes two of it, or one of two), and no other.

use sha2::{Digest, Sha256};

use serde::{Deserialize, Serialize};

use super::{Extra, LakeError, Part, Slice, layout};
use crate::ident::NodeName;
use crate::store::Key;

mod cache;
mod rows;

pub(super) use cache::Chunks;
pub(super) use rows::{decode, encode};

/// Up to how many parts a table keeps them in its commit: a year of months.
const INLINE: usize = 12;

/// Where some of a table's parts lie, next to each other in the table's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ChunkRef {
    /// The SHA-256 of the object, in hexadecimal: its name.
    pub sha256: String,
    /// The size of the object.
    pub bytes: u64,
    /// How many parts it holds.
    pub parts: u64,
    /// Fields a newer program wrote.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ChunkRef {
    /// What names `content`, an object with that many parts.
    pub(super) fn to(content: &[u8], parts: usize) -> Self {
        Self {
            sha256: sha256(content),
            bytes: content.len() as u64,
            parts: parts as u64,
            extra: Extra::new(),
        }
    }

    /// Where the object is.
    pub(super) fn key(&self, table: &NodeName) -> Result<Key, LakeError> {
        Ok(layout::chunk(table, &self.sha256)?)
    }
}

/// The parts of a table, cut where its chunks end; `None` if they stay in the commit.
pub(super) fn cut(parts: &[Part]) -> Option<Vec<&[Part]>> {
    let mean = mean(parts.len());
    let chunks = || parts.chunk_by(|last, _| !is_last(last.slice, mean)).collect();
    (parts.len() > INLINE).then(chunks)
}

/// About how many parts a chunk has: a power of two near twice the root of all, so that neither what a
/// change writes again nor the number of objects that are read grows faster than that root.
///
/// A table that grows past a threshold (32, 128, 512, …) is written again once.
const fn mean(parts: usize) -> u64 {
    match parts.checked_ilog2() {
        Some(log) => 2 << log.div_ceil(2),
        None => 1,
    }
}

/// Whether a chunk ends after the part of this slice: so for one slice of `mean`, a power of two.
fn is_last(slice: Slice, mean: u64) -> bool {
    let (kind, start, end) = match slice {
        Slice::Whole => (0, 0, 0),
        Slice::Snapshot { as_of } => (1, as_of.micros(), 0),
        Slice::Interval { start, end } => (2, start.micros(), end.micros()),
    };
    let mut hash = Sha256::new();
    hash.update([kind]);
    hash.update(start.to_le_bytes());
    hash.update(end.to_le_bytes());
    let first = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    first.is_multiple_of(mean)
}

/// The SHA-256 of `content`, in hexadecimal.
pub(super) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
