//! What a run promises when the store below it fails, as networks and stores do.
//!
//! Faults are rolled by a seed that is printed; `GOODWILL_SEED` repeats it, and the seeds of
//! rounds that failed are kept in `faults-failed.txt` beside the test's other temporary files.
//! `GOODWILL_SCALE=5` does five times as many rounds, as CI does; 100 gives the numbers of
//! docs/publishing.md.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::program::{Answer, Project, assert_at_rest, assert_never_torn, commit, demo, hashes, versions};
use crate::publishing::number_from;

/// A small run that publishes three tables whatever is there.
const SOME: [&str; 7] = ["-f", "-s", "dates", "-s", "products", "-s", "customers"];

/// A run with faults and little patience.
fn run(project: &Project, faults: &str, patience: &str, arguments: &[&str]) -> Answer {
    let mut command = project.run_command(arguments);
    command.env("GOODWILL_STORE_FAULTS", faults).env("GOODWILL_STORE_PATIENCE", patience);
    command.output().unwrap().into()
}

/// Does `round` with seeds from the printed one on; keeps the seed of a round that fails.
fn with_seeds(name: &str, rounds: u64, round: impl Fn(u64)) {
    let first = number_from("GOODWILL_SEED", 1);
    for seed in first..first + rounds * number_from("GOODWILL_SCALE", 1) {
        println!("{name}: GOODWILL_SEED={seed}");
        if let Err(failed) = catch_unwind(AssertUnwindSafe(|| round(seed))) {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-failed.txt");
            let mut kept = OpenOptions::new().create(true).append(true).open(path).unwrap();
            writeln!(kept, "{name}: GOODWILL_SEED={seed}").unwrap();
            resume_unwind(failed);
        }
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_recognised() {
    let project = Project::demo_in_a_bucket();
    with_seeds("lost", 5, |seed| {
        let before = versions(&project.root()).len() as u64;
        let faults = format!("seed={seed} lost=1@PUT:_goodwill/commits");
        run(&project, &faults, "30s", &SOME).ended_with(0);
        assert_eq!(assert_at_rest(&project.root()), before + 1);
    });
}

#[test]
fn a_conflict_with_nothing_written_is_tried_again() {
    let project = Project::demo_in_a_bucket();
    with_seeds("409", 5, |seed| {
        let before = versions(&project.root()).len() as u64;
        // Of a dozen tries within the patience all are refused once in two million times.
        let faults = format!("seed={seed} 409=0.3@PUT");
        run(&project, &faults, "60s", &SOME).ended_with(0);
        assert_eq!(assert_at_rest(&project.root()), before + 1);
    });
}

#[test]
fn a_run_gets_through_a_store_that_is_often_busy() {
    let project = Project::demo_in_a_bucket();
    let timed = |faults: &str| {
        let started = Instant::now();
        run(&project, faults, "60s", &SOME).ended_with(0);
        started.elapsed().as_secs_f64()
    };
    let times = std::cell::RefCell::new(Vec::new());
    with_seeds("503", 2, |seed| {
        let before = versions(&project.root()).len() as u64;
        let usual = timed(&format!("seed={seed}"));
        let busy = timed(&format!("seed={seed} 503=0.1"));
        times.borrow_mut().push((busy / usual, usual, busy));
        assert_eq!(assert_at_rest(&project.root()), before + 2);
    });
    // A benchmark's figures: shown, not asserted.
    let mut times = times.into_inner();
    times.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (middle, last) = (times.get(times.len() / 2), times.last());
    println!("times of often busy to usual runs (ratio, usual, busy): median {middle:?}, slowest {last:?}");
    assert_eq!(hashes(&commit(&project.root(), 1)), hashes(&commit(&demo().root(), 1)));
}

#[test]
fn a_store_that_is_always_busy_ends_the_run_in_time_and_shows_nothing() {
    let project = Project::unpublished_demo_in_a_bucket();
    let started = Instant::now();
    let said = run(&project, "503=1", "4s", &[]).ended_with(75).stderr;
    assert!(started.elapsed() < Duration::from_secs(30), "took {:?}", started.elapsed());
    assert!(said.contains("GW0701") && said.contains("SlowDown"), "{said}");
    assert_eq!(assert_never_torn(&project.root()), 0);
}

#[test]
fn a_store_that_turns_busy_while_tables_are_written_leaves_the_version_before() {
    let project = Project::demo_in_a_bucket();
    let said = run(&project, "503=1@PUT:tables/", "3s", &SOME).ended_with(75).stderr;
    assert!(said.contains("GW0701"), "{said}");
    assert_eq!(assert_at_rest(&project.root()), 1);
    project.run(&SOME).ended_with(0);
    assert_eq!(assert_at_rest(&project.root()), 2);
}

#[test]
fn broken_and_hanging_connections_are_tried_again() {
    let project = Project::demo_in_a_bucket();
    with_seeds("broken", 2, |seed| {
        let before = versions(&project.root()).len() as u64;
        let faults = format!("seed={seed} reset=0.1 hang=0.03 hang_for=300ms lost=0.05");
        run(&project, &faults, "60s", &SOME).ended_with(0);
        assert_eq!(assert_at_rest(&project.root()), before + 1);
    });
}

#[test]
fn a_store_that_never_answers_does_not_outlast_the_time_given() {
    let project = Project::demo_in_a_bucket();
    let started = Instant::now();
    let faults = "hang=1@GET:sources hang_for=600s";
    run(&project, faults, "60s", &["-f", "--timeout", "10s"]).ended_with(75);
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    assert_eq!(assert_at_rest(&project.root()), 1);
}

#[test]
fn a_body_that_is_cut_never_makes_fewer_rows() {
    let project = Project::demo_in_a_bucket();
    let whole = hashes(&commit(&project.root(), 1));
    let (rounds, cut) = (Cell::new(0), Cell::new(0));
    with_seeds("cut", 10, |seed| {
        let before = versions(&project.root()).len() as u64;
        let mut command = project.run_command(&SOME);
        command.env("GOODWILL_STORE_FAULTS", format!("seed={seed} cut=0.3@GET:sources"));
        command.env("GOODWILL_STORE_PATIENCE", "20s").env("GOODWILL_LOG", "goodwill=debug");
        let answer: Answer = command.output().unwrap().into();
        rounds.set(rounds.get() + 1);
        cut.set(cut.get() + answer.stderr.matches("kind=Cut").count());
        let last = assert_at_rest(&project.root());
        match answer.code {
            Some(0) => assert_eq!(last, before + 1),
            // Whether a cut is told by the connection or only by the length, it is no file's fault.
            Some(75) => assert_eq!(last, before),
            _ => drop(answer.ended_with(0)),
        }
        assert_eq!(hashes(&commit(&project.root(), last)), whole, "the same rows");
    });
    println!("{} bodies were cut", cut.get());
    assert!(cut.get() >= rounds.get(), "a body a run at least");
}

#[test]
fn old_and_repeated_pages_of_listings_do_no_harm() {
    let project = Project::demo_in_a_bucket();
    with_seeds("pages", 2, |seed| {
        let before = versions(&project.root()).len() as u64;
        let faults = format!("seed={seed} stale=0.5@GET:list repeated=1@GET:list");
        run(&project, &faults, "20s", &SOME).ended_with(0);
        assert_eq!(assert_at_rest(&project.root()), before + 1);
    });
}

#[test]
fn credentials_that_expire_end_the_run_and_say_so() {
    let project = Project::demo_in_a_bucket();
    for after in [3, 20, 45] {
        let faults = format!("expires_after={after}");
        let said = run(&project, &faults, "20s", &["-f"]).ended_with(2).stderr;
        assert!(said.contains("GW0706") && said.contains("the credentials have expired"), "{said}");
        assert_never_torn(&project.root());
    }
    project.run(&[]).ended_with(0);
    assert_eq!(assert_at_rest(&project.root()), 1);
}
