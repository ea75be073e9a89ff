//! Chunks that were read: each once, however many commits name it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, Semaphore};

use super::super::{Lake, LakeError, Part};
use super::{ChunkRef, decode, sha256};
use crate::ident::NodeName;
use crate::store::Key;

/// How many chunks are read at once, for all who read commits.
const READS: usize = 64;
/// How many parts are kept for the next who ask: those of a large root's last commit.
const KEPT: u64 = 1 << 17;

/// One chunk, read by the first who asks; others wait for it.
type Cell = Arc<OnceCell<Arc<Vec<Part>>>>;

/// The chunks that were read last.
#[derive(Debug)]
pub(in super::super) struct Chunks {
    known: Mutex<Known>,
    reads: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    cells: BTreeMap<Key, Cell>,
    /// The oldest first, with the number of its parts.
    order: VecDeque<(Key, u64)>,
    parts: u64,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { known: Mutex::default(), reads: Semaphore::new(READS) }
    }
}

impl Known {
    fn cell(&mut self, key: &Key, parts: u64) -> Cell {
        if let Some(cell) = self.cells.get(key) {
            return Arc::clone(cell);
        }
        self.order.push_back((key.clone(), parts));
        self.parts = self.parts.saturating_add(parts);
        while self.parts > KEPT && self.order.len() > 1 {
            let Some((oldest, parts)) = self.order.pop_front() else { break };
            self.cells.remove(&oldest);
            self.parts = self.parts.saturating_sub(parts);
        }
        Arc::clone(self.cells.entry(key.clone()).or_default())
    }
}

impl Lake {
    /// The parts of a chunk of `table`, proven to be what was published.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::Corrupt`] if the object is missing or not the one that was named.
    pub(in super::super) async fn chunk(
        &self,
        table: &NodeName,
        named: &ChunkRef,
    ) -> Result<Arc<Vec<Part>>, LakeError> {
        let key = named.key(table)?;
        let cell = self.chunks.known.lock().unwrap_or_else(PoisonError::into_inner).cell(&key, named.parts);
        let parts = cell.get_or_try_init(|| self.read_chunk(&key, named)).await;
        parts.map(Arc::clone)
    }

    async fn read_chunk(&self, key: &Key, named: &ChunkRef) -> Result<Arc<Vec<Part>>, LakeError> {
        let corrupt = |reason: String| LakeError::Corrupt { key: key.clone(), reason };
        // Never closed: whoever asks gets its turn.
        let _turn = self.chunks.reads.acquire().await.ok();
        let content = match self.store().get(key).await {
            Ok(content) => content,
            Err(cause) if cause.is_not_found() => {
                return Err(corrupt("it is missing, though a commit names it".to_owned()));
            }
            Err(cause) => return Err(cause.into()),
        };
        let wanted = named.clone();
        let read = tokio::task::spawn_blocking(move || {
            if sha256(&content) != wanted.sha256 {
                return Err("it holds other bytes than were published".to_owned());
            }
            let parts = decode(&content)?;
            if parts.len() as u64 == wanted.parts { Ok(parts) } else { Err("it has other parts".to_owned()) }
        });
        let read = read.await.map_err(|cause| corrupt(cause.to_string()))?;
        read.map(Arc::new).map_err(corrupt)
    }
}
