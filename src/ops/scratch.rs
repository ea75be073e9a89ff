//! Folders for what does not fit in memory, one a process, and what dead processes left of theirs.
//!
//! **Invariant:** a folder of ours has a lock in it, and a living process holds that lock: the
//! operating system lets go of it at the process' end, however it ends. What has no lock of ours
//! in it, belongs to another user, or is held, is left alone.

use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{Error, Surroundings};
use crate::diagnostic::{Diagnostic, code};

/// How the folders' names begin.
const PREFIX: &str = "goodwill-";
/// The lock's name.
const LOCK: &str = "goodwill.lock";
/// What the lock's file says, so that no other program's lock is taken for ours.
const MARK: &str = "A scratch folder of goodwill: removed when the process that holds this lock has ended.\n";

/// A scratch folder of the run's own, removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    /// Held as long as the folder is in use; `None` where the file system knows no locks.
    _lock: Option<File>,
}

impl Scratch {
    /// Makes a folder below the system's folder for temporary files, named after the run.
    ///
    /// # Errors
    ///
    /// Returns what the file system says.
    pub(super) fn of(around: &Surroundings, word: &str) -> Result<Self, Error> {
        let folder = temporary(around).join(format!("{PREFIX}{word}"));
        let made = make(&folder).map_err(|cause| refused(&folder, &cause))?;
        Ok(Self { folder, _lock: made })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Removes what lies in it under `name`, to make room.
    pub(super) async fn clear(&self, name: &str) {
        let folder = self.folder.join(name);
        drop(tokio::task::spawn_blocking(move || remove(&folder)).await);
    }

    /// Removes the folders of processes that have ended without removing them: killed, or crashed.
    ///
    /// What cannot be removed stays for the next one; nothing here can fail a run.
    pub(super) async fn sweep(&self) {
        let own = self.folder.clone();
        // Large folders take a while, and signals must be heard meanwhile.
        drop(tokio::task::spawn_blocking(move || sweep_beside(&own)).await);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

#[expect(clippy::disallowed_methods, reason = "scratch files are the run's own, in no store")]
fn remove(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
}

fn temporary(around: &Surroundings) -> PathBuf {
    let told = around.environment.get("TMPDIR").filter(|folder| !folder.is_empty());
    around.folder.join(told.map_or("/tmp", String::as_str))
}

fn refused(folder: &Path, cause: &io::Error) -> Error {
    let message = format!("the folder `{}` for temporary files cannot be made: {cause}", folder.display());
    let found = match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Diagnostic::error(code::DISK_FULL, message)
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Diagnostic::error(code::ACCESS_DENIED, message)
        }
        _ => Diagnostic::error(code::STORE_UNAVAILABLE, message),
    };
    found.help("choose another folder with $TMPDIR").into()
}

/// Makes the folder and its lock, which gets its name only when it is held: whoever finds it
/// free finds a dead process' one.
#[expect(clippy::disallowed_methods, reason = "scratch files are the run's own, in no store")]
fn make(folder: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(folder)?;
    let unnamed = folder.join("lock");
    fs::write(&unnamed, MARK)?;
    let lock = File::open(&unnamed)?;
    match lock.try_lock() {
        Ok(()) => {
            fs::rename(&unnamed, folder.join(LOCK))?;
            Ok(Some(lock))
        }
        // Without a lock nobody can tell whether we live: the folder is never swept.
        Err(_) => {
            fs::remove_file(&unnamed)?;
            Ok(None)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "scratch files are the run's own, in no store")]
fn sweep_beside(own: &Path) {
    let (Some(parent), Ok(ours)) = (own.parent(), fs::symlink_metadata(own)) else { return };
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let folder = entry.path();
        if folder != own && entry.file_name().to_string_lossy().starts_with(PREFIX) {
            sweep(&folder, &ours);
        }
    }
}

/// Removes `folder` if it is a dead process' scratch folder of the same user.
#[expect(clippy::disallowed_methods, reason = "scratch files are the run's own, in no store")]
fn sweep(folder: &Path, ours: &Metadata) {
    let is_ours = |path: &Path, is_kind: fn(&Metadata) -> bool| {
        // Not what a link leads to: that is somebody else's.
        fs::symlink_metadata(path).is_ok_and(|found| is_kind(&found) && same_owner(&found, ours))
    };
    let path = folder.join(LOCK);
    if !is_ours(folder, Metadata::is_dir) || !is_ours(&path, Metadata::is_file) {
        return;
    }
    if !fs::read(&path).is_ok_and(|content| content == MARK.as_bytes()) {
        return;
    }
    let Ok(lock) = File::open(&path) else { return };
    match lock.try_lock() {
        Ok(()) => match fs::remove_dir_all(folder) {
            Ok(()) => tracing::info!(folder = %folder.display(), "swept what a dead process left"),
            Err(cause) => tracing::warn!(folder = %folder.display(), %cause, "not swept"),
        },
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(cause)) => {
            tracing::debug!(folder = %folder.display(), %cause, "a lock cannot be asked");
        }
    }
}

#[cfg(unix)]
fn same_owner(found: &Metadata, ours: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.uid() == ours.uid()
}

/// Elsewhere the folder for temporary files is each user's own.
#[cfg(not(unix))]
fn same_owner(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files themselves")]
mod tests {
    use super::*;

    fn left_by_a_dead_process(parent: &Path, name: &str) -> PathBuf {
        let folder = parent.join(name);
        fs::create_dir_all(folder.join("spill")).unwrap();
        fs::write(folder.join("spill/rows"), "rows").unwrap();
        fs::write(folder.join(LOCK), MARK).unwrap();
        folder
    }

    #[test]
    fn what_dead_processes_left_goes_and_all_else_stays() {
        let parent = tempfile::tempdir().unwrap();
        let own = parent.path().join("goodwill-own");
        let _held = make(&own).unwrap();
        let dead = left_by_a_dead_process(parent.path(), "goodwill-dead");
        let alive = parent.path().join("goodwill-alive");
        let held = make(&alive).unwrap();
        let unmarked = parent.path().join("goodwill-notes");
        fs::create_dir_all(&unmarked).unwrap();
        let marked_otherwise = left_by_a_dead_process(parent.path(), "goodwill-other");
        fs::write(marked_otherwise.join(LOCK), "4711").unwrap();
        let named_otherwise = left_by_a_dead_process(parent.path(), "spill-goodwill");

        sweep_beside(&own);
        assert!(!dead.exists());
        for stays in [&own, &alive, &unmarked, &marked_otherwise, &named_otherwise] {
            assert!(stays.exists(), "{}", stays.display());
        }
        drop(held);
        sweep_beside(&own);
        assert!(!alive.exists() && own.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_is_not_followed() {
        let (parent, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = parent.path().join("goodwill-own");
        let _held = make(&own).unwrap();
        let target = left_by_a_dead_process(elsewhere.path(), "goodwill-dead");
        std::os::unix::fs::symlink(&target, parent.path().join("goodwill-link")).unwrap();
        sweep_beside(&own);
        assert!(target.join("spill/rows").exists());
    }
}
