//! No Rust file lies about that nothing compiles: each is declared by the module above it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::rust_source::{declared_modules, module_of, rust_files};

/// Returns the files under `folder` that no `mod name;` above them declares; `roots` need none.
fn forgotten(folder: &Path, roots: &[&str]) -> Vec<PathBuf> {
    let files = rust_files(folder);
    let declared: BTreeSet<Vec<String>> = files
        .iter()
        .flat_map(|file| {
            let mut module = module_of(file);
            if roots.iter().any(|root| file == Path::new(root)) {
                module.clear();
            }
            let text = fs::read_to_string(folder.join(file)).unwrap();
            declared_modules(&text)
                .into_iter()
                .map(move |name| module.iter().cloned().chain([name]).collect())
                .collect::<Vec<_>>()
        })
        .collect();
    let is_root = |file: &PathBuf| roots.iter().any(|root| file == Path::new(root));
    files.into_iter().filter(|file| !is_root(file) && !declared.contains(&module_of(file))).collect()
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
