//! The pages for people: what they link to is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the links `](target)` of a page that lead to files, without their anchors.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files.filter_map(|target| target.split('#').next()).collect()
}

/// Returns the pages in the package's folder and in `docs/`, sorted.
fn pages() -> Vec<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [package.to_path_buf(), package.join("docs"), package.join("docs/decisions")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let missing = |target: &&str| !page.parent().unwrap().join(target).exists();
        broken.extend(
            links(&text).into_iter().filter(missing).map(|target| format!("{}: {target}", page.display())),
        );
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_architecture_fits_in_one_reading() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    assert!(page.lines().count() <= 300);
}

#[test]
fn links_to_the_web_and_within_a_page_are_left_alone() {
    assert_eq!(links("[a](b.md) [c](https://x.y/z) [d](#e) [f](g/h.md#i) no (link)"), ["b.md", "g/h.md"]);
}
