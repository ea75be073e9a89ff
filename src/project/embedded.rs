//! The project we ship: the very files of this repository's `pipelines/` and `sql/`.
//!
//! **Invariant:** what `init` writes, what `demo` runs and what the tests check are these files.

use include_dir::{Dir, include_dir};

static SQL: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sql");
static PIPELINES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/pipelines");

/// A shipped file: its path in a project and its bytes.
#[derive(Debug, Clone, Copy)]
pub struct ShippedFile {
    /// The folder it belongs to: `sql` or `pipelines`.
    pub folder: &'static str,
    /// Its path below that folder.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// Every shipped file, in the order of paths.
#[must_use]
pub fn files() -> Vec<ShippedFile> {
    let mut files = Vec::new();
    collect("pipelines", &PIPELINES, &mut files);
    collect("sql", &SQL, &mut files);
    files.sort_by_key(|file| (file.folder, file.path));
    files
}

fn collect(folder: &'static str, dir: &'static Dir<'static>, files: &mut Vec<ShippedFile>) {
    for file in dir.files() {
        let path = file.path().to_str().unwrap_or_default();
        files.push(ShippedFile { folder, path, bytes: file.contents() });
    }
    for inner in dir.dirs() {
        collect(folder, inner, files);
    }
}
