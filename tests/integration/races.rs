//! Several runs at once on one root, on folders and on a store: one wins, nobody breaks anything.
//!
//! They run without leases, which would keep all but one of them out: what must hold is what the
//! commit decides. `locks.rs` has the same with leases.
//!
//! `GOODWILL_SCALE=5` does five times as many rounds, as CI does.

use std::process::Child;
use std::thread;
use std::time::Duration;

use crate::program::{Answer, PATIENCE, Project, Running, assert_at_rest, assert_never_torn, versions};
use crate::publishing::number_from;

const SOME: [&str; 7] = ["-f", "-s", "dates", "-s", "products", "-s", "customers"];

/// A project on a folder and one in a bucket.
fn both() -> [Project; 2] {
    [Project::demo(), Project::demo_in_a_bucket()]
}

#[test]
fn of_eight_starts_of_one_run_exactly_one_publishes() {
    for round in 0..number_from("GOODWILL_SCALE", 1) {
        let made = [Project::unpublished_demo(), Project::unpublished_demo_in_a_bucket()];
        let project = &made[usize::from(round % 2 == 0)];
        let start =
            || -> Child { project.racing_command(&["-s", "dates", "-s", "products"]).spawn_quietly() };
        let started: Vec<Child> = (0..8).map(|_| start()).collect();
        let ended: Vec<Answer> =
            started.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
        let codes: Vec<_> = ended.iter().map(|answer| answer.code).collect();
        let told: Vec<_> = ended.iter().map(|answer| answer.stderr.as_str()).collect();
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 75))), "{codes:?} {told:#?}");
        assert!(codes.contains(&Some(0)), "{codes:?} {told:#?}");
        let published = ended.iter().filter(|answer| answer.stdout.contains("published version 1")).count();
        assert_eq!(published, 1, "one says that it published: {ended:#?}");
        assert_eq!(assert_at_rest(&project.root()), 1, "round {round}");
    }
}

#[test]
fn a_writer_killed_before_its_roll_forward_leaves_no_gap_for_another() {
    for round in 0..2 * number_from("GOODWILL_SCALE", 1) {
        let project = if round % 2 == 0 { Project::demo() } else { Project::demo_in_a_bucket() };
        let root = project.root();
        let mut first = Running::start(project.racing_command(&SOME), Some("before_roll_forward=pause"));
        first.reach("before_roll_forward", 1);
        // The version is published, its logs are not: now a second writer comes, and the first dies.
        let mut second = Running::start(project.racing_command(&SOME), None);
        thread::sleep(Duration::from_millis(40 * (round % 10)));
        assert!(first.kill());
        let ended = second.end_within(PATIENCE);
        assert!(matches!(ended.code(), Some(0 | 75)), "{ended:?}");
        assert_never_torn(&root);
        project.run(&[]).ended_with(0);
        let expected = if ended.code() == Some(0) { 3 } else { 2 };
        assert_eq!(assert_at_rest(&root), expected);
    }
}

#[test]
fn writers_of_other_tables_both_publish() {
    for project in both() {
        let before = versions(&project.root()).len() as u64;
        let one = project.racing_command(&["-f", "-s", "dates"]).spawn_quietly();
        let other = project.racing_command(&["-f", "-s", "products"]).spawn_quietly();
        for child in [one, other] {
            Answer::from(child.wait_with_output().unwrap()).ended_with(0);
        }
        assert_eq!(assert_at_rest(&project.root()), before + 2);
    }
}

/// Starts a program whose words are kept for its end.
trait Quietly {
    fn spawn_quietly(&mut self) -> Child;
}

impl Quietly for std::process::Command {
    fn spawn_quietly(&mut self) -> Child {
        self.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    }
}

#[test]
fn an_input_replaced_while_the_run_reads_ends_it() {
    for project in [Project::unpublished_demo_in_a_bucket(), Project::unpublished_demo_with_sources()] {
        let orders = project.sources_folder().join("orders/part-00000.parquet");
        let other = std::fs::read(project.sources_folder().join("customers/part-00000.parquet")).unwrap();
        let mut running = Running::start(project.run_command(&[]), Some("after_intent=sleep(1500)"));
        running.reach("after_intent", 1);
        let replaced = orders.with_extension("new");
        std::fs::write(&replaced, &other).unwrap();
        std::fs::rename(&replaced, &orders).unwrap();
        let ended = running.end_within(PATIENCE);
        assert_eq!(ended.code(), Some(4), "{:?}", running.said());
        assert!(running.said().iter().any(|line| line.contains("GW0404")), "{:?}", running.said());
        assert_eq!(assert_never_torn(&project.root()), 0);
    }
}
