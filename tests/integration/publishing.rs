//! What a run promises whatever happens to it: one version or none, never a torn one, and the
//! same bytes again.
//!
//! `GOODWILL_KILLS=50` kills more often than the dozen of a usual test run, `GOODWILL_STOPS=200` asks
//! runs to stop more often than twenty times; `GOODWILL_SEED` repeats the moments of a run that failed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::program::{
    PATIENCE, Project, Running, assert_at_rest, assert_never_torn, commit, demo, hashes, tables, versions,
};

/// Three small tables of ten: a version where some tables stay as they were.
const SOME: [&str; 7] = ["-f", "-s", "dates", "-s", "products", "-s", "customers"];

#[test]
fn a_second_run_publishes_nothing_and_says_so() {
    let project = Project::demo();
    let again = project.run(&[]).ended_with(0);
    assert!(again.stdout.contains("nothing to do") && again.stdout.contains("version 1"), "{}", again.stdout);
    let told = project.run(&["--output", "json"]).ended_with(0).json();
    assert_eq!((&told["status"], &told["version"]), (&"nothing_to_do".into(), &1.into()));
    assert_eq!(told["steps"].as_array().map(Vec::len), Some(0));
    project.run(&["--skip-exit-code"]).ended_with(99);
    assert_eq!(assert_at_rest(&project.root()), 1);
    assert_eq!(commit(&project.root(), 1), commit(&demo().root(), 1));
}

#[test]
fn a_forced_run_writes_the_same_bytes_with_any_number_of_threads() {
    let project = Project::demo();
    let root = project.root();
    let first = hashes(&commit(&root, 1));
    assert!(first.len() > 10, "{first:?}");
    for (threads, version) in [("1", 2), ("2", 3), ("8", 4)] {
        project.run(&["-f", "--threads", threads]).ended_with(0);
        assert_eq!(assert_at_rest(&root), version);
        let again = commit(&root, version);
        assert!(tables(&again).all(|(_, table)| table["built_in"] == version), "all tables are written anew");
        assert_eq!(hashes(&again), first, "with {threads} threads");
    }
}

#[test]
fn a_run_of_some_tables_leaves_the_others_as_they_were() {
    let project = Project::demo();
    let root = project.root();
    project.run(&SOME).ended_with(0);
    assert_eq!(assert_at_rest(&root), 2);
    let (first, second) = (commit(&root, 1), commit(&root, 2));
    for (name, table) in tables(&second) {
        let is_chosen = SOME.contains(&name);
        assert_eq!(table["built_in"], if is_chosen { 2 } else { 1 }, "{name}");
        assert_eq!(*table == first["tables"][name], !is_chosen, "{name}");
    }
}

/// Kills a run when it reaches `step` for the `nth` time: another run ends well, and at the
/// version that `published` says.
fn check_kill(project: &Project, arguments: &[&str], (step, nth): (&str, usize), published: u64) {
    let root = project.root();
    let pauses = match nth {
        1 => format!("{step}=pause"),
        _ => format!("{step}={}*off->pause", nth - 1),
    };
    let mut running = Running::start(project.run_command(arguments), Some(&pauses));
    running.reach(step, nth);
    assert!(running.kill(), "the run ended before it could be killed at {step}");
    assert_never_torn(&root);
    project.run(&[]).ended_with(0);
    assert_eq!(assert_at_rest(&root), published, "killed at {step} no. {nth}");
    project.run(&["--skip-exit-code"]).ended_with(99);
}

/// The last version after a kill of a run that was forced to publish version 2.
const BEFORE: u64 = 1;
const AFTER: u64 = 2;

fn check_kill_of_a_second_version(step: &str, nth: usize, published: u64) {
    for project in [Project::demo(), Project::demo_in_a_bucket()] {
        check_kill(&project, &SOME, (step, nth), published);
        // What was left lying about does not hinder the next version.
        project.run(&SOME).ended_with(0);
        assert_eq!(assert_at_rest(&project.root()), published + 1);
    }
}

#[test]
fn killed_after_the_intent() {
    check_kill_of_a_second_version("after_intent", 1, BEFORE);
}

#[test]
fn killed_while_tables_are_written() {
    check_kill_of_a_second_version("after_journal", 1, BEFORE);
    check_kill_of_a_second_version("after_journal", 3, BEFORE);
}

#[test]
fn killed_before_the_commit() {
    check_kill_of_a_second_version("after_chunks", 1, BEFORE);
    check_kill_of_a_second_version("before_commit", 1, BEFORE);
}

#[test]
fn killed_after_the_commit() {
    check_kill_of_a_second_version("after_commit", 1, AFTER);
    check_kill_of_a_second_version("before_roll_forward", 1, AFTER);
}

#[test]
fn killed_between_the_delta_logs() {
    check_kill_of_a_second_version("between_versions", 1, AFTER);
    check_kill_of_a_second_version("between_tables", 2, AFTER);
}

#[test]
fn killed_around_the_views() {
    // The first time is the look at what an earlier run may have left.
    check_kill_of_a_second_version("before_views", 1, BEFORE);
    check_kill_of_a_second_version("before_views", 2, AFTER);
    check_kill_of_a_second_version("after_views", 2, AFTER);
}

#[test]
fn killed_before_the_receipt() {
    check_kill_of_a_second_version("before_receipt", 1, AFTER);
}

#[test]
fn killed_while_the_first_version_is_made() {
    for step in [("after_journal", 5), ("between_tables", 5)] {
        check_kill(&Project::unpublished_demo(), &[], step, 1);
    }
}

#[test]
fn a_run_stops_at_a_named_step_when_told_to() {
    let project = Project::demo();
    let mut running = Running::start(project.run_command(&SOME), Some("after_intent=pause"));
    running.reach("after_intent", 1);
    let paused = running.is_silent_for(Duration::from_secs(3));
    assert!(paused, "FAILPOINTS is not heeded: kills at named steps hit a moment later");
}

/// How often the reader looks, at least, for each kill: 5,000 times beside 50 kills.
const LOOKS_A_KILL: u64 = 100;

/// A reader that looks again and again until it is dropped, and then tells what it saw.
struct Reader {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Reader {
    fn start(root: PathBuf) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&looks));
        let thread = thread::spawn(move || {
            let mut last = 0;
            while !told.load(Ordering::SeqCst) {
                let version = assert_never_torn(&root);
                assert!(version >= last, "version {version} after {last}");
                last = version;
                count.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { stop, looks, thread }
    }

    /// How often it has looked so far.
    fn looks(&self) -> u64 {
        assert!(!self.thread.is_finished(), "the reader saw what it should not");
        self.looks.load(Ordering::SeqCst)
    }

    /// Ends; fails if it ever saw a torn version.
    fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

pub(crate) fn number_from(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap())
}

/// A seed of the moment, or the one of a run that failed.
pub(crate) fn seed() -> u64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number_from("GOODWILL_SEED", u64::from(clock.subsec_nanos()));
    println!("GOODWILL_SEED={seed}");
    seed
}

/// How long a run takes on this machine today, and the part of it from the commit on.
fn usual_times(project: &Project) -> (Duration, Duration) {
    let started = Instant::now();
    let mut running = Running::start(project.run_command(&SOME), None);
    running.reach("before_commit", 1);
    let begun = Instant::now();
    assert!(running.end_within(PATIENCE).success());
    (started.elapsed(), begun.elapsed())
}

#[test]
fn killed_at_random_moments_while_a_reader_looks() {
    kill_at_random(&Project::demo());
}

#[test]
fn killed_at_random_moments_in_a_bucket_while_a_reader_looks() {
    kill_at_random(&Project::demo_in_a_bucket());
}

/// The versions once nothing comes any more: what a killed run had sent may still be on its way to the
/// server.
fn settled(root: &Path) -> Vec<u64> {
    loop {
        let seen = versions(root);
        thread::sleep(Duration::from_millis(300));
        if versions(root) == seen {
            return seen;
        }
    }
}

fn kill_at_random(project: &Project) {
    let mut chance = ChaCha8Rng::seed_from_u64(seed());
    let root = project.root();
    let (whole, publication) = usual_times(project);

    let reader = Reader::start(root.clone());
    let (mut killed, mut published, mut slowest) = (0, 0, Duration::ZERO);
    let kills = number_from("GOODWILL_KILLS", 12);
    let mut turn = 0;
    // More kills, if the reader has not looked so often by then.
    while turn < kills || reader.looks() < LOOKS_A_KILL * kills {
        turn += 1;
        let before = versions(&root).len();
        let mut running = Running::start(project.run_command(&SOME), None);
        // Publishing takes a small part of a run: every second kill is aimed at it.
        let within = if turn % 2 == 0 { whole } else { publication };
        if turn % 2 == 1 {
            running.reach("before_commit", 1);
        }
        let moment = within.mul_f64(chance.random_range(0.0..1.0));
        thread::sleep(moment);
        killed += u64::from(running.kill());
        let left = if project.is_in_a_bucket() { settled(&root) } else { versions(&root) };
        published += left.len() - before;
        let again = Instant::now();
        project.goodwill(&["recover"]).ended_with(0);
        slowest = slowest.max(again.elapsed());
        assert_eq!(Some(&assert_at_rest(&root)), left.last(), "kill {turn} after {moment:?}");
        if turn % 10 == 0 {
            project.run(&["--skip-exit-code"]).ended_with(99);
        }
    }
    let looks = reader.looks();
    reader.end();
    println!("{killed} kills within {whole:?} and {publication:?}; {published} published; {looks} looks");
    println!("the slowest recovery took {slowest:?}");
    assert!(killed > 0);
    // On a machine so busy that a whole small run takes longer, it may take as long.
    assert!(slowest < whole.max(Duration::from_secs(5)), "a recovery took {slowest:?}");
    project.run(&["-f"]).ended_with(0);
    let last = assert_at_rest(&root);
    assert_eq!(hashes(&commit(&root, last)), hashes(&commit(&root, 1)), "the same bytes after all of it");
}

/// Asks a run to stop when it reaches `step`.
fn check_stop(step: &str, nth: usize) {
    let project = Project::demo();
    let root = project.root();
    let mut running = Running::start(project.run_command(&["-f"]), None);
    running.reach(step, nth);
    running.terminate();
    let asked = Instant::now();
    let ended = running.end_within(PATIENCE);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(10), "stopped after {took:?}");
    let published = assert_never_torn(&root);
    assert_eq!(ended.code(), Some(143), "at {step}, version {published}");
    project.run(&[]).ended_with(0);
    assert_eq!(assert_at_rest(&root), published, "what was published is complete, and nothing is added");
}

#[test]
fn asked_to_stop_a_run_ends_soon_and_publishes_all_or_nothing() {
    check_stop("after_intent", 1);
    check_stop("after_journal", 4);
}

#[test]
fn asked_to_stop_at_random_moments_a_run_ends_soon_and_the_next_ends_well() {
    let mut chance = ChaCha8Rng::seed_from_u64(seed());
    let project = Project::demo();
    let root = project.root();
    let (whole, _) = usual_times(&project);
    let (mut stopped, turns) = (0, number_from("GOODWILL_STOPS", 20));
    for turn in 0..turns {
        let before = versions(&root).len();
        let running = &mut Running::start(project.run_command(&SOME), None);
        // Before it listens a program ends at once, as any other does.
        running.reach("after_intent", 1);
        // From its intent to its commit a small run takes little of its time: every second is asked then.
        let within = if turn % 2 == 0 { whole.mul_f64(0.8) } else { Duration::from_millis(40) };
        let moment = within.mul_f64(chance.random_range(0.0..1.0));
        thread::sleep(moment);
        let asked = Instant::now();
        running.terminate();
        let ended = running.end_within(PATIENCE);
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(10), "stop {turn} after {moment:?} took {took:?}");
        let published = versions(&root).len() - before;
        // A run that ended before it was asked has published.
        match ended.code() {
            Some(143) => stopped += 1,
            code => assert_eq!((code, published), (Some(0), 1), "stop {turn} after {moment:?}"),
        }
        assert_never_torn(&root);
        project.run(&[]).ended_with(0);
        assert_eq!(Some(&assert_at_rest(&root)), versions(&root).last(), "stop {turn} after {moment:?}");
    }
    println!("{stopped} of {turns} were stopped within {whole:?}");
    assert!(stopped > 0);
}
