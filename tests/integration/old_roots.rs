//! Roots of the past: what was published by the first programs is read, proven and built upon by this
//! one. `tests/fixtures/roots/format-1` and `format-2` were made once each and are never made again; their
//! READMEs say how.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::program::{Project, assert_at_rest, commit, copy_folder, read_json, tables, versions};

/// A copy of the project with the root it published twice.
fn kept() -> Project {
    kept_as("format-1")
}

fn kept_as(format: &str) -> Project {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roots").join(format);
    let project = Project::empty();
    copy_folder(&kept, project.folder());
    project
}

/// The copy once its views name the place it lies in now; nothing else has to be brought up to date.
fn moved_here() -> Project {
    let project = kept();
    let told = project.goodwill(&["recover", "--output", "json"]).ended_with(0).json();
    assert_eq!((&told["version"], &told["tables"]), (&json!(2), &json!([])));
    project
}

fn commit_file(root: &Path, version: u64) -> PathBuf {
    root.join(format!("_goodwill/commits/{version:020}.json"))
}

fn change_commit(root: &Path, version: u64, change: impl FnOnce(&mut Json)) {
    let path = commit_file(root, version);
    let mut document = read_json(&path);
    change(&mut document);
    fs::write(path, serde_json::to_vec_pretty(&document).unwrap()).unwrap();
}

fn parts(root: &Path, version: u64) -> BTreeMap<String, Json> {
    tables(&commit(root, version)).map(|(name, table)| (name.to_owned(), table["parts"].clone())).collect()
}

fn sales(project: &Project) -> Vec<Json> {
    project.show("select order_id, cast(amount as varchar) as amount, lines from sales order by order_id")
}

#[test]
fn what_was_published_is_told_shown_and_proven() {
    let project = moved_here();
    let history = project.goodwill(&["history", "--output", "json"]).ended_with(0).json();
    let numbers: Vec<&Json> =
        history["versions"].as_array().unwrap().iter().map(|it| &it["version"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(1)]);
    let expected = [
        json!({"order_id": 1, "amount": "10.00", "lines": 1}),
        json!({"order_id": 2, "amount": "20.00", "lines": 2}),
    ];
    assert_eq!(sales(&project), expected);
    let first = commit(&project.root(), 1)["run_id"].as_str().unwrap().to_owned();
    let receipt = project.goodwill(&["receipt", &first, "--output", "json"]).ended_with(0).json();
    assert_eq!(receipt["ending"], json!({"status": "published", "version": 1}));
    project.goodwill(&["verify", "--all"]).ended_with(0);
    assert_eq!(assert_at_rest(&project.root()), 2);
}

#[test]
fn the_next_version_is_published_on_top() {
    let project = kept();
    let root = project.root();
    let before = [1, 2].map(|version| fs::read(commit_file(&root, version)).unwrap());
    let told = project.run(&[]).ended_with(0).stdout;
    assert!(told.contains("published version 3: "), "{told}");
    assert_eq!(assert_at_rest(&root), 3);
    assert_eq!([1, 2].map(|version| fs::read(commit_file(&root, version)).unwrap()), before, "history stays");
    assert_eq!(sales(&project).len(), 2);
    project.goodwill(&["verify", "--all"]).ended_with(0);
}

#[test]
fn an_old_version_of_it_is_published_again() {
    let project = moved_here();
    let root = project.root();
    project.goodwill(&["rollback", "1"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 3);
    assert_eq!(parts(&root, 3)["sales"], parts(&root, 1)["sales"]);
    assert_eq!(sales(&project).len(), 1);
    project.goodwill(&["verify", "--all"]).ended_with(0);
}

#[test]
fn a_version_of_a_newer_program_is_refused_by_all_who_read_it() {
    let project = moved_here();
    let root = project.root();
    change_commit(&root, 2, |commit| commit["format"] = 3.into());
    let last = fs::read(commit_file(&root, 2)).unwrap();
    for arguments in
        [&["run"] as &[&str], &["plan"], &["show", "sales"], &["history"], &["verify"], &["rollback", "1"]]
    {
        let said = project.goodwill(arguments).ended_with(2).stderr;
        let expected = "error[GW0305]: _goodwill/commits/00000000000000000002.json has format 3, \
                        this program knows formats up to 2\n";
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(said.contains("use that version or a newer one"), "{arguments:?}: {said}");
    }
    assert_eq!(versions(&root), [1, 2]);
    assert_eq!(fs::read(commit_file(&root, 2)).unwrap(), last);
    assert!(!root.join("_goodwill/locks/shop.json").exists());
}

#[test]
fn fields_of_a_newer_program_are_kept_with_the_tables_they_tell_of() {
    let project = moved_here();
    let root = project.root();
    let known = json!({"of": "a newer program"});
    change_commit(&root, 2, |commit| {
        commit["later"] = known.clone();
        for (_, table) in commit["tables"].as_object_mut().unwrap() {
            table["later"] = known.clone();
            table["contract"]["later"] = known.clone();
            table["contract"]["columns"][0]["later"] = known.clone();
            table["parts"][0]["later"] = known.clone();
            table["parts"][0]["files"][0]["later"] = known.clone();
        }
    });
    let before = commit(&root, 2);
    assert_eq!(sales(&project).len(), 2);
    project.goodwill(&["history"]).ended_with(0);
    project.goodwill(&["verify", "--all"]).ended_with(0);
    project.run(&["-s", "sales"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 3);
    let after = commit(&root, 3);
    let carried: Vec<&str> =
        tables(&after).filter(|(_, table)| table["built_in"] != 3).map(|(name, _)| name).collect();
    assert!(!carried.is_empty());
    for name in carried {
        assert_eq!(after["tables"][name], before["tables"][name], "{name}");
    }
}

/// What `spend` tells of its days: a line each.
fn days(project: &Project) -> Vec<Json> {
    project.show("select as_of, cast(spent as varchar) as spent from spend order by as_of, customer_id")
}

#[test]
fn a_root_with_chunks_is_told_shown_proven_and_built_upon() {
    let project = kept_as("format-2");
    let root = project.root();
    let told = project.goodwill(&["recover", "--output", "json"]).ended_with(0).json();
    assert_eq!((&told["version"], &told["tables"]), (&json!(14), &json!([])));
    let formats = [1, 12, 13, 14].map(|version| read_json(&commit_file(&root, version))["format"].clone());
    assert_eq!(formats, [json!(1), json!(1), json!(2), json!(2)]);
    project.goodwill(&["verify", "--all"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 14);
    let before = days(&project);
    assert_eq!(before.len(), 14);
    let kept: Vec<Vec<u8>> = (1..=14).map(|version| fs::read(commit_file(&root, version)).unwrap()).collect();

    project.run(&["--as-of", "2024-04-02"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 15);
    assert_eq!(days(&project)[..14], before[..]);
    project.goodwill(&["rollback", "13"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 16);
    assert_eq!(parts(&root, 16)["spend"], parts(&root, 13)["spend"]);
    project.goodwill(&["verify", "--all"]).ended_with(0);
    for (version, content) in (1..).zip(kept) {
        assert_eq!(fs::read(commit_file(&root, version)).unwrap(), content, "history stays");
    }
}

#[test]
fn fields_of_a_newer_program_are_kept_with_the_chunks_they_tell_of() {
    let project = kept_as("format-2");
    let root = project.root();
    // A copied source is another one to a folder: what is of its last day is built again.
    project.run(&[]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 15);
    let known = json!({"of": "a newer program"});
    change_commit(&root, 15, |commit| {
        let table = &mut commit["tables"]["spend"];
        table["later"] = known.clone();
        table["contract"]["later"] = known.clone();
        table["chunks"][0]["later"] = known.clone();
    });
    let stored = |version| read_json(&commit_file(&root, version))["tables"]["spend"].clone();
    project.run(&["-f", "-s", "today"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 16);
    assert_eq!(stored(16), stored(15));
    project.run(&["--as-of", "2024-04-02"]).ended_with(0);
    assert_eq!(stored(17)["chunks"][0], stored(15)["chunks"][0], "a chunk is named again as it was");
}
