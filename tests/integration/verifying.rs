//! What became of published files after their publication is found by `goodwill verify`, by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value as Json;

use crate::program::{Project, commit, copy_folder, files, read_json, tables};

/// A project with two versions, made once for all tests of this page. Nobody writes to it.
fn published() -> &'static Project {
    static PUBLISHED: OnceLock<Project> = OnceLock::new();
    PUBLISHED.get_or_init(|| {
        let project = Project::shared_demo();
        project.run(&["-f", "-s", "dates", "-s", "customers"]).ended_with(0);
        project
    })
}

/// A copy of the published root; `goodwill verify` needs nothing else.
struct Root {
    home: tempfile::TempDir,
}

impl Root {
    fn copy() -> Self {
        let home = tempfile::tempdir().unwrap();
        copy_folder(&published().root(), &home.path().join("out"));
        let copy = Self { home };
        // Views name files by their whole address.
        published().goodwill(&["recover", "--root", copy.path().to_str().unwrap()]).ended_with(0);
        copy
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("out")
    }

    /// The files of a version, from the root.
    fn data_files(&self, version: u64) -> Vec<String> {
        let commit = commit(&self.path(), version);
        tables(&commit).flat_map(|(name, table)| files(name, table)).map(|file| file.path).collect()
    }

    fn verify(&self, arguments: &[&str]) -> crate::program::Answer {
        let root = self.path();
        let all = [&["verify", "--root", root.to_str().unwrap()], arguments].concat();
        published().goodwill(&all)
    }

    /// `verify` ends with 4 and names exactly these files, from the root.
    #[track_caller]
    fn differs(&self, arguments: &[&str], expected: &[&str]) {
        let told = self.verify(&[arguments, &["--output", "json"]].concat()).ended_with(4);
        let document = told.json();
        assert_eq!(document["status"], "different");
        let found = document["diagnostics"].as_array().unwrap();
        let root = self.path().canonicalize().unwrap();
        let mut named: Vec<String> = Vec::new();
        for finding in found {
            assert_eq!(finding["code"], "GW0903", "{finding}");
            let message = finding["message"].as_str().unwrap();
            let path = Path::new(message.split('`').nth(1).unwrap());
            named.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
            assert!(told.stderr.contains(message), "people are told too");
        }
        named.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(named, expected);
    }
}

#[test]
fn what_nobody_touched_is_as_published_whichever_way_it_is_named() {
    let root = Root::copy();
    let last = commit(&root.path(), 2);
    let run = last["run_id"].as_str().unwrap();
    for arguments in [&[][..], &["2"], &[run], &["1"], &["--all"]] {
        let told = root.verify(arguments).ended_with(0);
        assert!(told.stdout.contains("all as published"), "{arguments:?}: {}", told.stdout);
    }
    let document = root.verify(&["--all", "--output", "json"]).ended_with(0).json();
    assert_eq!((&document["status"], &document["versions"]), (&"as_published".into(), &vec![2, 1].into()));
    // Tables of one file each, two of which have changed.
    let count = tables(&last).count();
    assert_eq!((&document["tables"], &document["files"]), (&count.into(), &(count + 2).into()));
    let bytes: u64 = (1..=2)
        .flat_map(|version| root.data_files(version))
        .collect::<std::collections::BTreeSet<_>>()
        .iter()
        .map(|file| fs::metadata(root.path().join(file)).unwrap().len())
        .sum();
    assert_eq!(document["bytes"], bytes);
    for unknown in ["3", "nobody"] {
        let told = root.verify(&[unknown]).ended_with(2);
        assert!(told.stderr.contains("error[GW0304]"), "{}", told.stderr);
    }
}

fn flip_a_bit(path: &Path, chance: &mut ChaCha8Rng) -> (usize, u32) {
    let mut content = fs::read(path).unwrap();
    let (at, bit) = (chance.random_range(0..content.len()), chance.random_range(0..8));
    content[at] ^= 1 << bit;
    fs::write(path, content).unwrap();
    (at, bit)
}

/// The chance of this run; `GOODWILL_SEED` repeats another's.
fn chance() -> ChaCha8Rng {
    let clock = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    let seed = std::env::var("GOODWILL_SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap());
    println!("GOODWILL_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

#[test]
fn one_flipped_bit_of_a_data_file_is_found_wherever_it_is() {
    let root = Root::copy();
    let mut chance = chance();
    let files = root.data_files(2);
    for _ in 0..12 {
        let file = &files[chance.random_range(0..files.len())];
        let path = root.path().join(file);
        let whole = fs::read(&path).unwrap();
        let place = flip_a_bit(&path, &mut chance);
        println!("{file}: {place:?}");
        root.differs(&[], &[file]);
        fs::write(&path, whole).unwrap();
    }
    root.verify(&[]).ended_with(0);
}

#[test]
fn files_that_are_gone_shorter_or_longer_are_found_all_at_once() {
    let root = Root::copy();
    let files = root.data_files(2);
    fs::remove_file(root.path().join(&files[0])).unwrap();
    let shorter = fs::File::options().write(true).open(root.path().join(&files[4])).unwrap();
    let length = shorter.metadata().unwrap().len();
    shorter.set_len(length - 1).unwrap();
    let longer = root.path().join(&files[9]);
    let mut content = fs::read(&longer).unwrap();
    content.push(0);
    fs::write(&longer, content).unwrap();
    root.differs(&[], &[&files[0], &files[4], &files[9]]);
    let told = root.verify(&[]).ended_with(4).stderr;
    for expected in ["is not there", &format!("has {} bytes, {length} were published", length - 1)] {
        assert!(told.contains(expected), "{told}");
    }
    assert!(told.contains("goodwill run -f -s "), "{told}");
}

#[test]
fn a_file_of_an_older_version_is_found_where_that_version_is_asked_for() {
    let root = Root::copy();
    let first = commit(&root.path(), 1);
    let file = files("dates", &first["tables"]["dates"]).first().unwrap().path.clone();
    flip_a_bit(&root.path().join(&file), &mut chance());
    root.verify(&[]).ended_with(0);
    root.differs(&["1"], &[&file]);
    root.differs(&["--all"], &[&file]);
}

#[test]
fn a_delta_log_with_a_damaged_or_a_missing_version_is_found() {
    let version = |number: u64| format!("tables/dates/_delta_log/{number:020}.json");
    for number in [0, 1] {
        let root = Root::copy();
        flip_a_bit(&root.path().join(version(number)), &mut chance());
        root.differs(&[], &[&version(number)]);
    }
    for number in [0, 1] {
        let root = Root::copy();
        fs::remove_file(root.path().join(version(number))).unwrap();
        root.differs(&[], &[&version(number)]);
    }
    let root = Root::copy();
    flip_a_bit(&root.path().join("views/duckdb.sql"), &mut chance());
    root.differs(&[], &["views/duckdb.sql"]);
    root.verify(&["1"]).ended_with(0);
}

fn change(path: &Path, change: impl Fn(&mut Json)) {
    let mut document = read_json(path);
    change(&mut document);
    fs::write(path, serde_json::to_vec_pretty(&document).unwrap()).unwrap();
}

#[test]
fn a_receipt_or_a_commit_that_tells_another_story_is_found() {
    let root = Root::copy();
    let last = commit(&root.path(), 2);
    let receipt = format!("_goodwill/runs/{}/receipt.json", last["run_id"].as_str().unwrap());
    change(&root.path().join(&receipt), |receipt| {
        let steps = receipt["steps"].as_array_mut().unwrap();
        let step = steps.iter_mut().find(|step| step["model"] == "dates").unwrap();
        step["fingerprint"] = "another".into();
    });
    root.differs(&[], &[&receipt]);

    let root = Root::copy();
    let path = root.path().join("_goodwill/commits/00000000000000000002.json");
    let file = files("rfm", &last["tables"]["rfm"]).first().unwrap().path.clone();
    // A table that commit 2 carried over: its Delta log follows from commit 1.
    change(&path, |commit| {
        let rows = &mut commit["tables"]["rfm"]["parts"][0]["files"][0]["rows"];
        *rows = (rows.as_u64().unwrap() + 1).into();
    });
    let told = root.verify(&[]).ended_with(4).stderr;
    assert!(told.contains(&file) && told.contains("rows, its commit says"), "{told}");

    let root = Root::copy();
    let path = root.path().join("_goodwill/commits/00000000000000000002.json");
    let file = files("dates", &last["tables"]["dates"]).first().unwrap().path.clone();
    change(&path, |commit| {
        commit["tables"]["dates"]["parts"][0]["files"][0]["sha256"] = "0".repeat(64).into();
    });
    let told = root.verify(&[]).ended_with(4).stderr;
    assert!(told.contains(&file) && told.contains("in the journal of attempt"), "{told}");
}

#[test]
fn what_a_finding_says_to_do_mends_it() {
    let project = Project::demo();
    let root = project.root();
    let first = commit(&root, 1);
    let file = files("dates", &first["tables"]["dates"]).first().unwrap().path.clone();
    fs::remove_file(root.join(file)).unwrap();
    project.goodwill(&["verify"]).ended_with(4);
    project.run(&["-f", "-s", "dates"]).ended_with(0);
    project.goodwill(&["verify"]).ended_with(0);

    let log = root.join("tables/dates/_delta_log");
    flip_a_bit(&log.join("00000000000000000000.json"), &mut chance());
    project.goodwill(&["verify"]).ended_with(4);
    fs::rename(&log, root.join("tables/dates/_delta_log_damaged")).unwrap();
    project.goodwill(&["recover"]).ended_with(0);
    project.goodwill(&["verify"]).ended_with(0);
}
