//! What local folders need beyond the storage client: durability.
//!
//! The storage client never calls fsync, so after a power cut a file may be there by name and
//! empty. A commit must not be: here it is on the disk before its name is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Created;

/// Tells the staging files of this process apart.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// The absolute path of `location`, seen from `base`, links resolved as far as it exists.
#[expect(clippy::disallowed_methods, reason = "a store's location is resolved here, links and all")]
pub(super) fn resolve(location: &Path, base: &Path) -> io::Result<PathBuf> {
    let path = base.join(location);
    if !path.is_absolute() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the base folder is not absolute"));
    }
    let mut existing = path.as_path();
    loop {
        match existing.canonicalize() {
            Ok(found) => return append(found, path.strip_prefix(existing).unwrap_or(Path::new(""))),
            Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
            Err(cause) => existing = existing.parent().ok_or(cause)?,
        }
    }
}

/// The content of a file the environment names, such as a bundle of certificates.
#[expect(clippy::disallowed_methods, reason = "settings of a store lie outside every store")]
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

fn append(found: PathBuf, rest: &Path) -> io::Result<PathBuf> {
    let mut path = found;
    for component in rest.components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            _ => {
                let reason = "`..` behind a folder that does not exist";
                return Err(io::Error::new(ErrorKind::InvalidInput, reason));
            }
        }
    }
    Ok(path)
}

/// Writes `content` to `path` below `root` unless something is there; when it returns, both the
/// content and the name are on the disk.
///
/// The content is written beside the name (`name#digits`, which no listing shows) and linked: a
/// link is made by one winner, and a reader sees the whole content or none.
#[expect(
    clippy::disallowed_methods,
    reason = "the storage client never calls fsync: local stores are made durable here"
)]
pub(super) fn create(root: &Path, path: &Path, content: &[u8]) -> io::Result<Created> {
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    let (staging, file) = stage(path)?;
    let linked = write_and_link(file, &staging, path, content);
    let removed = fs::remove_file(&staging);
    match linked {
        Ok(()) => {
            removed?;
            sync_folders(root, folder, &mut BTreeSet::new())?;
            Ok(Created::Yes)
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(Created::AlreadyExists),
        Err(cause) => Err(cause),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the storage client never calls fsync: local stores are made durable here"
)]
fn stage(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let number = STAGED.fetch_add(1, Ordering::Relaxed);
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{}{number}", std::process::id()));
        let staging = PathBuf::from(name);
        match File::create_new(&staging) {
            Ok(file) => return Ok((staging, file)),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the storage client never calls fsync: local stores are made durable here"
)]
fn write_and_link(mut file: File, staging: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.sync_all()?;
    fs::hard_link(staging, path)
}

/// Puts `paths` below `root` on the disk: their contents, and their names in every folder.
#[expect(
    clippy::disallowed_methods,
    reason = "the storage client never calls fsync: local stores are made durable here"
)]
pub(super) fn sync(root: &Path, paths: &[PathBuf]) -> io::Result<()> {
    let mut done = BTreeSet::new();
    for path in paths {
        File::open(path)?.sync_all()?;
    }
    for path in paths {
        sync_folders(root, path.parent().unwrap_or(root), &mut done)?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the storage client never calls fsync: local stores are made durable here"
)]
fn sync_folders(root: &Path, folder: &Path, done: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for ancestor in folder.ancestors() {
        if !done.insert(ancestor.to_owned()) {
            return Ok(());
        }
        File::open(ancestor)?.sync_all()?;
        if ancestor == root {
            break;
        }
    }
    // The root may be new as well; whoever may not open its folder did not make it.
    match root.parent().map(File::open) {
        Some(Ok(folder)) => folder.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files themselves")]
mod tests {
    use super::*;

    #[test]
    fn a_location_that_does_not_exist_yet_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        assert_eq!(resolve(Path::new("./a/./b"), &base).unwrap(), base.join("a/b"));
        assert!(resolve(Path::new("a/../../b"), &base).is_err());
        assert!(resolve(Path::new("a"), Path::new("relative")).is_err());
    }

    #[test]
    fn one_of_many_creators_wins_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x/commit.json");
        let attempt = |n: u8| create(folder.path(), &path, &[n; 1000]).unwrap();
        let won: Vec<_> = std::thread::scope(|scope| {
            let attempt = &attempt;
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || attempt(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|created| **created == Created::Yes).count(), 1);
        let content = fs::read(&path).unwrap();
        assert!(content.len() == 1000 && content.iter().all(|byte| *byte == content[0]));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
