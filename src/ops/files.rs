//! The few files verbs write into a project's folder: whole or not at all, never over another.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Error;
use crate::diagnostic::{Diagnostic, code};

/// A file a project is to have.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its path below the project's folder.
    pub(super) path: String,
    /// What it holds.
    pub(super) content: Vec<u8>,
    /// Whether it is a program.
    pub(super) mode: Mode,
    /// What an existing file of that name means.
    pub(super) existing: Existing,
}

/// Whether a file is a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is read.
    Text,
    /// It is run.
    Program,
}

/// What an existing file of the same name and another content means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// The project cannot be written here.
    Refuse,
    /// The file stays as it is.
    Keep,
}

/// The files by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Paths of new files.
    pub(super) new: Vec<String>,
    /// Paths of files that were there and stay as they are.
    pub(super) kept: Vec<String>,
}

/// Writes the files of a project into `folder`.
///
/// A file that is there with the wanted content is kept, so a call that was cut short is finished
/// by the next one. On failure the files written by this call are taken away again.
///
/// # Errors
///
/// Returns `GW0307` with every file in the way, before anything is written, and what the file
/// system says.
pub(super) fn write_all(folder: &Path, files: &[Wanted]) -> Result<Written, Error> {
    let mut written = Written::default();
    let mut missing = Vec::new();
    let mut in_the_way = Vec::new();
    for file in files {
        match read(&folder.join(&file.path))? {
            None => missing.push(file),
            Some(content) if content == file.content || file.existing == Existing::Keep => {
                written.kept.push(file.path.clone());
            }
            Some(_) => in_the_way.push(file.path.as_str()),
        }
    }
    if !in_the_way.is_empty() {
        return Err(refused(folder, &in_the_way).into());
    }
    for file in missing {
        if let Err(cause) = replace(&folder.join(&file.path), &file.content, file.mode) {
            for path in &written.new {
                remove_file(&folder.join(path));
            }
            return Err(cause);
        }
        written.new.push(file.path.clone());
    }
    Ok(written)
}

fn refused(folder: &Path, in_the_way: &[&str]) -> Diagnostic {
    let number = in_the_way.len();
    let files = if number == 1 { "a file that is" } else { "files that are" };
    let message = format!("`{}` has {files} not as shipped, and nothing is overwritten", folder.display());
    let found = Diagnostic::error(code::FOLDER_NOT_EMPTY, message);
    let shown = in_the_way.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = if number > 5 { format!(" and {} more", number - 5) } else { String::new() };
    found.help(format!("in the way: {shown}{more}")).help("choose an empty folder")
}

/// `path` seen from `folder`, without `.` in it.
pub(super) fn below(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().collect()
}

/// The content of a file; `None` if there is none.
#[expect(clippy::disallowed_methods, reason = "files of a project's folder are in no store")]
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed(path, &cause)),
    }
}

/// Writes a file whole, over an older one if there is one, with the folders it needs.
#[expect(clippy::disallowed_methods, reason = "files of a project's folder are in no store")]
pub(super) fn replace(path: &Path, content: &[u8], mode: Mode) -> Result<(), Error> {
    let unfinished = beside(path);
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&unfinished, content)?;
        make_runnable(&unfinished, mode)?;
        std::fs::rename(&unfinished, path)
    };
    write().map_err(|cause| {
        remove_file(&unfinished);
        failed(path, &cause)
    })
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

#[cfg(unix)]
fn make_runnable(path: &Path, mode: Mode) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match mode {
        Mode::Text => Ok(()),
        Mode::Program => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)),
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere setting it can fail")]
fn make_runnable(_: &Path, _: Mode) -> io::Result<()> {
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "files of a project's folder are in no store")]
fn remove_file(path: &Path) {
    // It was never there, or stays as an unfinished file the next call writes over.
    drop(std::fs::remove_file(path));
}

/// Takes a folder away with all that is in it; none there is as good.
#[expect(clippy::disallowed_methods, reason = "files of a project's folder are in no store")]
pub(super) fn remove_folder(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(failed(path, &cause)),
        _ => Ok(()),
    }
}

/// Whether the folder is there and has something in it.
#[expect(clippy::disallowed_methods, reason = "files of a project's folder are in no store")]
pub(super) fn has_files(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

/// What the file system said, as what the reader can do about it.
pub(super) fn failed(path: &Path, cause: &io::Error) -> Error {
    let shown = path.display();
    let found = match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Diagnostic::error(code::DISK_FULL, format!("no space left to write `{shown}`"))
                .help("free some space or raise the quota, then run again")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Diagnostic::error(code::ACCESS_DENIED, format!("no permission to write `{shown}`"))
                .help("choose a folder you may write to")
        }
        _ => Diagnostic::error(code::BAD_REQUEST, format!("`{shown}` cannot be written: {cause}")),
    };
    found.into()
}
