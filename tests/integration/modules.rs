//! No Rust file lies about that nothing compiles: each is declared by the module above it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rust_source::{module_files, rust_files};

/// Returns the files under `folder` that none of `roots` reaches by `mod name;`.
fn forgotten(folder: &Path, roots: &[&str]) -> Vec<PathBuf> {
    let reached: Vec<_> = roots.iter().map(|root| module_files(folder, root)).collect();
    let is_reached = |file: &PathBuf| reached.iter().any(|files| files.contains_key(file));
    rust_files(folder).into_iter().filter(|file| !is_reached(file)).collect()
}

fn package(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

#[test]
fn every_file_of_this_folder_is_declared_in_main() {
    let forgotten = forgotten(&package("tests/integration"), &["main.rs"]);
    assert!(forgotten.is_empty(), "not declared, so never run: {forgotten:?}");
}

#[test]
fn every_file_of_the_library_is_declared() {
    let forgotten = forgotten(&package("src"), &["lib.rs", "main.rs"]);
    assert!(forgotten.is_empty(), "not declared, so never compiled: {forgotten:?}");
}

#[test]
fn no_test_file_lies_outside_the_one_binary() {
    let outside: Vec<PathBuf> =
        rust_files(&package("tests")).into_iter().filter(|file| !file.starts_with("integration")).collect();
    assert!(outside.is_empty(), "cargo is told of one test binary only (autotests = false): {outside:?}");
}

#[test]
fn a_forgotten_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    write("main.rs", "mod a;\nmod b;\n// mod c;\n");
    write("a.rs", "");
    write("b/mod.rs", "pub mod kept;");
    write("b/kept.rs", "");
    write("b/lost.rs", "");
    write("c.rs", "");
    assert_eq!(forgotten(folder.path(), &["main.rs"]), [Path::new("b/lost.rs"), Path::new("c.rs")]);
}
