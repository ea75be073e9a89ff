//! Folders for temporary files: what a killed process left goes at the next start, and nobody
//! else's does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{PATIENCE, Project, Running};

/// A run whose temporary files lie in `folder`.
fn run_in(project: &Project, folder: &Path) -> Command {
    // Two go on at once.
    let mut command = project.racing_command(&["-f", "-s", "dates"]);
    command.env("TMPDIR", folder);
    command
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn what_a_killed_run_left_is_swept_by_the_next_and_never_anothers() {
    let project = Project::demo();
    let temporary = tempfile::tempdir().unwrap();
    let mut killed = Running::start(run_in(&project, temporary.path()), Some("after_intent=pause"));
    killed.reach("after_intent", 1);
    assert!(killed.kill());
    let left = folders(temporary.path());
    assert_eq!(left.len(), 1, "{left:?}");

    let mut alive = Running::start(run_in(&project, temporary.path()), Some("after_intent=pause"));
    alive.reach("after_intent", 1);
    let stays = folders(temporary.path());
    assert_eq!(stays.len(), 1, "the killed run's folder is swept at the start, the new one is there");
    assert_ne!(stays, left);
    let foreign = temporary.path().join("goodwill-notes");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("goodwill.lock.txt"), "mine").unwrap();

    let ended = run_in(&project, temporary.path()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let mut expected = stays.clone();
    expected.push(foreign);
    expected.sort();
    assert_eq!(folders(temporary.path()), expected);
    alive.terminate();
    assert_eq!(alive.end_within(PATIENCE).code(), Some(143));
}
