//! Leases: one run at a time does the work, the others wait or end; and nobody waits for the dead.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value as Json, json};

use crate::cleaning::{APPLY, gc};
use crate::program::{Answer, PATIENCE, Project, Running, assert_at_rest, read_json, versions};

/// Two small tables, made anew.
const SOME: [&str; 5] = ["-f", "-s", "dates", "-s", "products"];
/// Renewed so often, and stale so soon, that a test need not wait.
const SHORT: &str = "beat=200ms stale=2s";

/// A project on a folder and one in a bucket, each with version 1.
fn both() -> [Project; 2] {
    [Project::demo(), Project::demo_in_a_bucket()]
}

fn lease(root: &Path) -> PathBuf {
    root.join("_goodwill/locks/customer_intelligence.json")
}

/// The lease of a run on another machine, written `age` ago.
fn forge(root: &Path, age: Duration) {
    let document = json!({
        "format": 1, "pipeline": "customer_intelligence", "run_id": "forged", "host": "elsewhere", "process": 1,
        "birth": {"boot": "b", "space": "s", "ticks": 7},
        "started_at": "2026-01-01T04:15:00Z", "renewed_at": "2026-01-01T04:15:00Z"
    });
    write_lease(root, &document.to_string(), age);
}

fn write_lease(root: &Path, content: &str, age: Duration) {
    let path = lease(root);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Every file below the root.
fn files(root: &Path) -> BTreeSet<PathBuf> {
    let (mut found, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.insert(entry.path());
            }
        }
    }
    found
}

fn short(mut command: Command) -> Command {
    command.env("GOODWILL_LEASE", SHORT);
    command
}

fn ended(mut command: Command) -> Answer {
    command.output().unwrap().into()
}

#[test]
fn who_comes_second_ends_at_once_and_nobody_waits_for_the_dead() {
    for project in both() {
        let root = project.root();
        let mut first = Running::start(project.run_command(&SOME), Some("before_commit=pause"));
        first.reach("before_commit", 1);
        let held: Json = read_json(&lease(&root));
        let before = files(&root);
        let said = project.run(&SOME).ended_with(75).stderr;
        let expected = format!(
            "error[GW0705]: run `{}` on host `{}` holds the lease of pipeline `customer_intelligence` since {}\n",
            held["run_id"].as_str().unwrap(),
            held["host"].as_str().unwrap(),
            held["started_at"].as_str().unwrap()
        );
        assert!(said.contains(&expected), "`{expected}` is not in {said}");
        assert!(said.contains("wait for it with `--lock-wait 30m`"), "{said}");
        project.goodwill(&["rollback", "1"]).ended_with(75);
        assert_eq!(files(&root), before, "nothing is written");

        // Who publishes nothing takes no lease and needs none.
        let mut plan = project.command(&["plan"]);
        if !project.is_in_a_bucket() {
            plan.arg("--sources").arg(project.sources());
        }
        let said = ended(plan).ended_with(0).stderr;
        assert!(said.contains("has the lease since"), "{said}");
        project.run(&["-f", "-s", "dates", "--no-publish"]).ended_with(0);
        project.goodwill(&["history"]).ended_with(0);

        assert!(first.kill());
        let asked = Instant::now();
        let said = project.run(&SOME).ended_with(0).stderr;
        assert!(said.contains("is taken over: its process has ended"), "{said}");
        assert!(asked.elapsed() < Duration::from_secs(50), "{:?}", asked.elapsed());
        assert_eq!(assert_at_rest(&root), 2);
        assert!(!lease(&root).exists(), "released");
    }
}

#[test]
fn another_run_is_waited_for_if_asked_and_both_publish() {
    for project in both() {
        let mut first = Running::start(project.run_command(&SOME), Some("before_commit=1*sleep(4000)"));
        first.reach("before_commit", 1);
        let said = project.run(&["-f", "-s", "dates", "--lock-wait", "5m"]).ended_with(0).stderr;
        assert!(said.contains("holds the lease") && said.contains(": waiting for it"), "{said}");
        assert!(first.end_within(PATIENCE).success());
        assert_eq!(assert_at_rest(&project.root()), 3);
        assert!(!lease(&project.root()).exists());
    }
}

#[test]
fn a_wait_ends_when_its_time_is_over_or_somebody_asks_it_to_stop() {
    let project = Project::demo();
    forge(&project.root(), Duration::ZERO);
    let said = project.run(&["--lock-wait", "1s"]).ended_with(75).stderr;
    assert!(said.contains("GW0705") && said.contains("wait longer"), "{said}");
    let mut waiting = Running::start(project.run_command(&["--lock-wait", "30s"]), None);
    thread::sleep(Duration::from_secs(1));
    waiting.terminate();
    assert_eq!(waiting.end_within(Duration::from_secs(10)).code(), Some(143));
    assert_eq!(read_json(&lease(&project.root()))["run_id"], "forged", "it is not ours to release");
    assert_eq!(versions(&project.root()), [1]);
}

#[test]
fn of_four_that_wait_for_each_other_one_publishes_and_the_others_have_nothing_to_do() {
    for project in [Project::unpublished_demo(), Project::unpublished_demo_in_a_bucket()] {
        let start = |_| -> Child {
            let mut command =
                short(project.run_command(&["-s", "dates", "-s", "products", "--lock-wait", "5m"]));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let started: Vec<Child> = (0..4).map(start).collect();
        let answers = started.into_iter().map(|child| Answer::from(child.wait_with_output().unwrap()));
        let told: Vec<String> = answers.map(|answer| answer.ended_with(0).stdout).collect();
        let published = told.iter().filter(|text| text.contains("published version 1")).count();
        assert_eq!(published, 1, "{told:#?}");
        assert_eq!(assert_at_rest(&project.root()), 1);
        assert!(!lease(&project.root()).exists());
    }
}

#[test]
fn a_stale_lease_of_another_machine_is_taken_over() {
    for project in both() {
        let root = project.root();
        // Written an hour ago and not since: at once.
        forge(&root, Duration::from_hours(1));
        let said = project.run(&SOME).ended_with(0).stderr;
        assert!(said.contains("the lease of run `forged` on host `elsewhere` is taken over"), "{said}");
        assert!(said.contains("nobody has renewed it"), "{said}");

        // Written just now: once it was watched for long enough.
        forge(&root, Duration::ZERO);
        project.run(&SOME).ended_with(75);
        let mut waiting = short(project.run_command(&SOME));
        let said = ended_with_wait(&mut waiting);
        // Watched or, where all this took longer, told by the store: nobody has.
        assert!(said.contains("nobody has renewed it"), "{said}");
        assert_eq!(assert_at_rest(&root), 3);
        assert!(!lease(&root).exists());
    }
}

fn ended_with_wait(command: &mut Command) -> String {
    Answer::from(command.args(["--lock-wait", "1m"]).output().unwrap()).ended_with(0).stderr
}

#[test]
fn a_lease_that_is_renewed_is_never_stale() {
    for project in both() {
        let mut first = Running::start(short(project.run_command(&SOME)), Some("before_commit=pause"));
        first.reach("before_commit", 1);
        let renewed = || read_json(&lease(&project.root()))["renewed_at"].clone();
        let then = renewed();
        thread::sleep(Duration::from_secs(4));
        assert_ne!(renewed(), then);
        ended(short(project.run_command(&SOME))).ended_with(75);
    }
}

#[test]
fn a_lease_nobody_can_read_is_waited_for_as_any_other() {
    let project = Project::demo();
    write_lease(&project.root(), "{\"format\": 2}", Duration::ZERO);
    let said = project.run(&[]).ended_with(75).stderr;
    assert!(
        said.contains("somebody holds `_goodwill/locks/customer_intelligence.json`, which cannot be read"),
        "{said}"
    );
    write_lease(&project.root(), "", Duration::from_mins(5));
    project.run(&[]).ended_with(0);
    assert!(!lease(&project.root()).exists());
}

#[test]
fn a_run_lets_go_of_its_lease_however_it_ends() {
    for project in both() {
        let root = project.root();
        let released = |why: &str| assert!(!lease(&root).exists(), "not released: {why}");
        project.run(&[]).ended_with(0);
        released("nothing to do");
        project.run(&["--vars", "value_period=trailing_13_months"]).ended_with(3);
        released("a broken rule");
        project.goodwill(&["run", "--sources", "nowhere"]).ended_with(4);
        released("no sources");
        let mut writing = Running::start(project.run_command(&["-f"]), None);
        writing.reach("after_intent", 1);
        writing.terminate();
        assert_eq!(writing.end_within(PATIENCE).code(), Some(143));
        released("SIGTERM while it writes");
        project.goodwill(&["rollback", "1"]).ended_with(0);
        released("a rollback");
    }
}

#[test]
fn asked_to_stop_before_it_writes_it_lets_go_of_its_lease_too() {
    let project = Project::demo_in_a_bucket();
    for arguments in [["run", "-f"], ["rollback", "1"]] {
        let mut command = project.command(&arguments);
        // Slow enough that it has not come far.
        command.env("GOODWILL_STORE_FAULTS", "latency=100ms");
        let mut running = Running::start(command, None);
        running.reach("after_lease", 1);
        assert!(lease(&project.root()).exists());
        running.terminate();
        assert_eq!(running.end_within(PATIENCE).code(), Some(143), "{:?}", running.said());
        assert!(!lease(&project.root()).exists(), "{:?}", running.said());
    }
    assert_eq!(assert_at_rest(&project.root()), 1);
}

#[test]
fn a_clean_up_takes_no_lease_and_leaves_each_alone() {
    let project = Project::demo();
    let root = project.root();
    // The views name another place yet.
    project.goodwill(&["recover"]).ended_with(0);
    forge(&root, Duration::from_hours(1));
    let cleaned = gc(&root, 30, APPLY);
    assert_eq!(cleaned.cleanup.unknown, Vec::new());
    assert_eq!(read_json(&lease(&root))["run_id"], "forged");
    project.goodwill(&["verify", "--all"]).ended_with(0);
}
