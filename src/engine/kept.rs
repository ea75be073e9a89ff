//! Files that were just written and stay in memory, so that who reads them in the same run asks no
//! store.
//!
//! **Invariant:** what is kept are the very bytes that are hashed and sent, whole or not at all; and
//! all of it together is never more than the engine's [`Room`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

/// This part of all memory may hold files that were just written.
const ROOM_SHARE: u64 = 16;

/// The bytes of a whole file.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Bytes);

impl Content {
    /// The bytes in `range`; `None` if the file is shorter.
    pub(super) fn slice(&self, range: Range<u64>) -> Option<Bytes> {
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        (start <= end && end <= self.0.len()).then(|| self.0.slice(start..end))
    }
}

// What a file holds is told to nobody.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

/// How many bytes may still be kept.
#[derive(Debug)]
pub(super) struct Room(AtomicU64);

impl Room {
    /// The room of an engine with so much memory.
    pub(super) fn within(memory: u64) -> Self {
        Self(AtomicU64::new(memory / ROOM_SHARE))
    }

    fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A file that is kept as it grows, until there is no room.
#[derive(Debug)]
pub(super) struct Keeper {
    room: Arc<Room>,
    kept: Option<BytesMut>,
}

impl Keeper {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { room, kept: Some(BytesMut::new()) }
    }

    /// Adds the next bytes; without room for them the file is given up.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let Some(kept) = &mut self.kept else { return };
        if self.room.take(length(bytes)) {
            kept.extend_from_slice(bytes);
        } else {
            self.room.give_back(length(kept));
            self.kept = None;
        }
    }

    /// The whole file, if there was room for it.
    pub(super) fn whole(mut self) -> Option<Content> {
        self.kept.take().map(|kept| Content(kept.freeze()))
    }
}

impl Drop for Keeper {
    // A file that is never whole holds no room.
    fn drop(&mut self) {
        if let Some(kept) = &self.kept {
            self.room.give_back(length(kept));
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_whole_or_not_at_all() {
        let room = Arc::new(Room::within(16 * 10));
        let mut first = Keeper::new(Arc::clone(&room));
        first.add(b"12345");
        first.add(b"67");
        let first = first.whole().expect("there is room for seven of ten bytes");
        assert_eq!(first.slice(2..6).as_deref(), Some(b"3456".as_slice()));
        assert_eq!(first.slice(2..8), None);

        let mut second = Keeper::new(Arc::clone(&room));
        second.add(b"12");
        second.add(b"34");
        assert_eq!(second.whole(), None, "four bytes are too many for the three that are left");

        let mut third = Keeper::new(Arc::clone(&room));
        third.add(b"123");
        drop(third);
        let mut fourth = Keeper::new(room);
        fourth.add(b"123");
        assert!(fourth.whole().is_some(), "what was given up makes room");
    }

    #[test]
    fn what_is_kept_is_not_told() {
        let mut keeper = Keeper::new(Arc::new(Room::within(1 << 20)));
        keeper.add(b"canary");
        assert_eq!(format!("{:?}", keeper.whole()), "Some(Content(6 bytes))");
    }
}
