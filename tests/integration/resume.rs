//! `goodwill resume`: a run that was broken off is gone on with, and gives what it would have given.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value as Json;

use crate::program::{Answer, Project, Running, assert_at_rest, commit, hashes, versions};
use crate::publishing::{number_from, seed};

/// Another day and another measure than the pipeline says: what the run was asked must hold.
const ASKED: [&str; 5] = ["-f", "--as-of", "2025-07-01", "--vars", "value_measure=net_sales"];

fn resume(project: &Project, arguments: &[&str]) -> Answer {
    let mut command = project.command(&["resume"]);
    command.args(arguments);
    if !project.is_in_a_bucket() {
        command.arg("--sources").arg(project.sources());
    }
    command.output().unwrap().into()
}

/// What a run that nothing breaks off publishes.
fn expected(project: &Project) -> BTreeMap<String, Vec<String>> {
    project.run(&ASKED).ended_with(0);
    hashes(&commit(&project.root(), assert_at_rest(&project.root())))
}

/// A run that is killed when it has written `tables` tables into its journal.
fn killed(project: &Project, tables: usize) {
    let mut running = Running::start(project.run_command(&ASKED), None);
    running.reach("after_journal", tables);
    assert!(running.kill());
}

fn reused(told: &Json) -> Vec<String> {
    let steps = told["steps"].as_array().unwrap().iter().filter(|step| step["status"] == "reused");
    steps.map(|step| step["model"].as_str().unwrap().to_owned()).collect()
}

/// The file of the `number`th step that the last attempt has finished.
fn staged(project: &Project, number: usize) -> (String, PathBuf) {
    let root = project.root();
    let attempts = fs::read_dir(root.join("_goodwill/attempts")).unwrap();
    let last = attempts.map(|entry| entry.unwrap().path()).max().unwrap();
    let text = fs::read_to_string(last.join(format!("journal/{number:06}.json"))).unwrap();
    let entry: Json = serde_json::from_str(&text).unwrap();
    let model = entry["step"]["model"].as_str().unwrap().to_owned();
    let path = entry["step"]["files"][0]["path"].as_str().unwrap();
    let file = root.join("tables").join(&model).join(path);
    (model, file)
}

#[test]
fn a_killed_run_is_gone_on_with_as_of_its_own_day() {
    let expected = expected(&Project::demo());
    let project = Project::demo();
    killed(&project, 9);
    let told = resume(&project, &["--output", "json"]).ended_with(0).json();
    assert_eq!((&told["status"], &told["version"]), (&"published".into(), &2.into()));
    let reused = reused(&told);
    assert!(reused.len() >= 9, "{reused:?}");
    let root = project.root();
    assert_eq!(assert_at_rest(&root), 2);
    let found = commit(&root, 2);
    assert_eq!(hashes(&found), expected);
    assert_eq!(found["as_of"], "2025-06-30T22:00:00Z", "the start of the day in Berlin");
    assert_eq!(found["run_id"], told["run_id"]);
    project.goodwill(&["verify", "--all"]).ended_with(0);
    // What was published is not gone on with.
    let answer = resume(&project, &[]).ended_with(2);
    assert!(answer.stderr.contains("GW0311"), "{}", answer.stderr);
    let run = found["run_id"].as_str().unwrap();
    let answer = resume(&project, &[run]).ended_with(2);
    assert!(answer.stderr.contains("it published version 2"), "{}", answer.stderr);
}

#[test]
fn a_staged_file_that_was_damaged_is_made_again() {
    let expected = expected(&Project::demo());
    let project = Project::demo();
    killed(&project, 5);
    let (flipped, file) = staged(&project, 2);
    let mut content = fs::read(&file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&file, content).unwrap();
    let (missing, file) = staged(&project, 3);
    fs::remove_file(file).unwrap();
    let answer = resume(&project, &["--output", "json"]).ended_with(0);
    let reused = reused(&answer.json());
    assert!(!reused.contains(&flipped) && !reused.contains(&missing), "{reused:?}");
    assert!(
        answer.stderr.contains("computed again") && answer.stderr.contains(&flipped),
        "{}",
        answer.stderr
    );
    assert_eq!(hashes(&commit(&project.root(), assert_at_rest(&project.root()))), expected);
}

#[test]
fn what_was_mended_since_is_computed_and_the_rest_is_used() {
    let project = Project::demo();
    let sql = project.folder().join("sql/segments/rfm.sql");
    let sound = fs::read_to_string(&sql).unwrap();
    let broken = format!("select * from (\n{sound}) as r where 1 / (customer_id - customer_id) = 1\n");
    fs::write(&sql, broken).unwrap();
    project.run(&ASKED).ended_with(1);
    fs::write(&sql, &sound).unwrap();
    let told = resume(&project, &["--output", "json"]).ended_with(0).json();
    let reused = reused(&told);
    assert!(!reused.contains(&"rfm".to_owned()) && reused.len() > 20, "{reused:?}");
    let other = Project::demo();
    let same = expected(&other);
    assert_eq!(hashes(&commit(&project.root(), assert_at_rest(&project.root()))), same);
}

#[test]
fn after_another_run_it_is_made_again_only_by_its_name() {
    let project = Project::demo();
    killed(&project, 5);
    let root = project.root();
    let attempt =
        fs::read_dir(root.join("_goodwill/attempts")).unwrap().map(|entry| entry.unwrap().file_name());
    let run = attempt.map(|name| name.into_string().unwrap()).max().unwrap();
    project.run(&["-f", "-s", "dates"]).ended_with(0);
    resume(&project, &[]).ended_with(2);
    let told = resume(&project, &[&run, "--output", "json"]).ended_with(0);
    assert!(told.stderr.contains("another version was published since"), "{}", told.stderr);
    assert_eq!(reused(&told.json()), Vec::<String>::new());
    assert_eq!(assert_at_rest(&root), 3);
    assert_eq!(commit(&root, 3)["run_id"], run.as_str());
    project.goodwill(&["verify", "--all"]).ended_with(0);
}

#[test]
fn killed_at_random_and_gone_on_with_until_it_ends_nothing_is_lost_or_doubled() {
    kill_and_resume(&Project::demo(), &Project::demo(), number_from("GOODWILL_RESUMES", 12));
}

#[test]
fn in_a_bucket_too() {
    let kills = number_from("GOODWILL_RESUMES", 12).div_ceil(3);
    kill_and_resume(&Project::demo_in_a_bucket(), &Project::demo_in_a_bucket(), kills);
}

/// Kills a run, and those that go on with it, at random moments; in the end it is what it would have been.
fn kill_and_resume(project: &Project, other: &Project, kills: u64) {
    let mut chance = ChaCha8Rng::seed_from_u64(seed());
    let started = Instant::now();
    let expected = expected(other);
    let whole = started.elapsed();
    let root = project.root();
    let (mut killed, mut used) = (0, 0);
    // By chance none of a few kills comes between two tables: then some more are needed.
    while killed < kills || (used == 0 && killed < 10 * kills) {
        let before = *versions(&root).last().unwrap();
        let mut running = Running::start(project.run_command(&ASKED), None);
        loop {
            thread::sleep(whole.mul_f64(chance.random_range(0.0..1.1)));
            if !running.kill() {
                break;
            }
            killed += 1;
            if chance.random_range(0..3) == 0 {
                break;
            }
            let mut command = project.command(&["resume"]);
            if !project.is_in_a_bucket() {
                command.arg("--sources").arg(project.sources());
            }
            running = Running::start(command, None);
        }
        let told = resume(project, &["--output", "json"]);
        match told.code {
            Some(0) => used += reused(&told.json()).len(),
            // Killed before it had begun to write, or after it had published.
            Some(2) => assert!(told.stderr.contains("GW0311"), "{}", told.stderr),
            _ => drop(told.ended_with(0)),
        }
        project.goodwill(&["recover"]).ended_with(0);
        let last = assert_at_rest(&root);
        assert!(last <= before + 1, "a run published twice: {before}, then {last}");
        if last > before {
            assert_eq!(hashes(&commit(&root, last)), expected);
        }
    }
    println!("{killed} kills; {used} tables of killed runs were used");
    assert!(used > 0, "no kill came between two tables, or what was written is never used");
    project.goodwill(&["verify", "--all"]).ended_with(0);
}
