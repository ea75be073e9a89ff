//! Reading project files: inside the project only, and never more than a person writes.

use std::path::{Component, Path, PathBuf};

use crate::diagnostic::{Diagnostic, Place, SourceFile, code};

/// The most bytes a project file may have.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads a file of the project; `shown` is its path relative to the project.
///
/// # Errors
///
/// Returns `GW0106` for more than 1 MiB, `GW0107` for a file that is not there, `GW0111` for a link
/// out of the project and `GW0101` for bytes that are not UTF-8.
#[expect(clippy::disallowed_methods, reason = "the one place project files are read")]
pub(super) fn read(folder: &Path, shown: &str) -> Result<SourceFile, Diagnostic> {
    let path = folder.join(shown);
    let missing = |cause: std::io::Error| {
        Diagnostic::error(code::MISSING_FILE, format!("`{shown}` cannot be read: {cause}"))
    };
    refuse_links_out(folder, &path, shown, missing)?;
    let size = std::fs::metadata(&path).map_err(missing)?.len();
    if size > MAX_BYTES {
        let message = format!("`{shown}` has {size} bytes; a project file has at most {MAX_BYTES}");
        return Err(Diagnostic::error(code::FILE_TOO_LARGE, message));
    }
    let bytes = std::fs::read(&path).map_err(missing)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Diagnostic::error(code::YAML_SYNTAX, format!("`{shown}` is not UTF-8 text")))?;
    Ok(SourceFile::new(shown, &text))
}

/// Refuses a file that a link leads to from inside the project: a finding shows lines of it.
#[expect(clippy::disallowed_methods, reason = "the one place project files are looked for")]
fn refuse_links_out(
    folder: &Path,
    path: &Path,
    shown: &str,
    missing: impl Fn(std::io::Error) -> Diagnostic,
) -> Result<(), Diagnostic> {
    let (home, real) = (folder.canonicalize().map_err(&missing)?, path.canonicalize().map_err(&missing)?);
    if real.starts_with(&home) {
        return Ok(());
    }
    let message = format!("`{shown}` leaves the project's folder");
    let found = Diagnostic::error(code::PATH_OUTSIDE_PROJECT, message);
    Err(found.help("copy the file into the project; links that lead out of it are not followed"))
}

/// The files in `shown` whose names end in one of `endings`, sorted by name.
#[expect(clippy::disallowed_methods, reason = "the one place project folders are listed")]
pub(super) fn list(folder: &Path, shown: &str, endings: &[&str]) -> Option<Vec<String>> {
    let entries = std::fs::read_dir(folder.join(shown)).ok()?;
    let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let fits = |name: &String| {
        let extension = Path::new(name).extension().and_then(|end| end.to_str());
        !name.starts_with('.') && extension.is_some_and(|end| endings.contains(&end))
    };
    let mut names: Vec<String> = names.filter(fits).map(|name| format!("{shown}/{name}")).collect();
    names.sort();
    Some(names)
}

/// The folders below `shown`, as paths within it, sorted; no links, and none that begin with a dot.
#[expect(clippy::disallowed_methods, reason = "the one place project folders are listed")]
pub(super) fn folders(folder: &Path, shown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(within) = open.pop() {
        let Ok(entries) = std::fs::read_dir(folder.join(shown).join(&within)) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if let Ok(name) = entry.file_name().into_string()
                && is_folder
                && !name.starts_with('.')
            {
                let path = if within.is_empty() { name } else { format!("{within}/{name}") };
                open.push(path.clone());
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether `shown` is a file of the project.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place project files are looked for")]
pub(super) fn is_file(folder: &Path, shown: &str) -> bool {
    folder.join(shown).is_file()
}

/// Refuses paths that are absolute or climb out of the project.
///
/// # Errors
///
/// Returns `GW0111` at `place`.
pub(super) fn inside(text: &str, place: &Place) -> Result<PathBuf, Diagnostic> {
    let path = Path::new(text);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !text.is_empty() && path.components().all(plain) && !text.contains('\\') {
        return Ok(path.to_owned());
    }
    let message = format!("`{text}` leaves the project's folder");
    let found = Diagnostic::error(code::PATH_OUTSIDE_PROJECT, message).at(place.clone());
    Err(found.help("write a path inside the project, without `..` and without a leading `/`"))
}
