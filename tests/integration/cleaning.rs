//! What `goodwill gc` removes, what it never touches, and that nobody beside it notices.
//!
//! `GOODWILL_GC_LOOP_SECONDS=600` lets readers, writers and clean-ups run beside each other for
//! longer than the twenty seconds of a usual test run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant as Moment, SystemTime, UNIX_EPOCH};

use goodwill::diagnostic::code;
use goodwill::interval::Instant;
use goodwill::lake::{Holder, Lake, Retention};
use goodwill::ops::{self, Common, Gc, GcMode, GcRequest, Surroundings};
use goodwill::plan::{Event, Observer, Phase};
use goodwill::store;
use serde_json::Value as Json;

use crate::program::{
    PATIENCE, Project, Running, assert_at_rest, assert_never_torn, commit, copy_folder, files, read_json,
    tables, versions,
};

/// Two small tables of ten.
const SOME: [&str; 5] = ["-f", "-s", "dates", "-s", "products"];
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

struct Silent;

impl Observer for Silent {
    fn notice(&self, _: Event) {}
}

fn now() -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    Instant::from_micros(i64::try_from(now).unwrap())
}

/// The surroundings of a process that starts `days` from now, in `folder`.
fn in_days(days: i64, folder: &Path) -> Surroundings {
    static WORDS: AtomicU64 = AtomicU64::new(0);
    // Nobody asks these surroundings to stop.
    let (_, stop) = tokio::sync::watch::channel(false);
    Surroundings {
        folder: folder.to_owned(),
        environment: std::collections::BTreeMap::new(),
        clock: Arc::new(move || Instant::from_micros(now().micros() + days * DAY)),
        fresh_word: Arc::new(|| {
            format!("test-{}-{}", std::process::id(), WORDS.fetch_add(1, Ordering::Relaxed))
        }),
        observer: Arc::new(Silent),
        stop,
        holder: Holder { host: "test".to_owned(), process: std::process::id(), birth: None },
        gone: Arc::new(|_| false),
        machine_memory: 4 << 30,
        machine_threads: 2,
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// A clean-up `days` from now.
pub(crate) fn gc(root: &Path, days: i64, request: GcRequest) -> Gc {
    let common = Common { root: Some(root.to_str().unwrap().to_owned()), ..Common::default() };
    wait(ops::gc(&in_days(days, root), &common, request)).unwrap()
}

const DRY: GcRequest = GcRequest { keep_versions: 3, keep_days: 7, mode: GcMode::DryRun };
pub(crate) const APPLY: GcRequest = GcRequest { mode: GcMode::Apply, ..DRY };

/// Every file below `folder`, from there.
fn all_files(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![folder.to_path_buf()]);
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

fn all_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    let below = folders.iter().flat_map(|folder| all_folders(folder));
    folders.iter().cloned().chain(below.collect::<Vec<_>>()).collect()
}

#[track_caller]
fn assert_no_empty_folders(root: &Path) {
    // The folders of probes and leases are every run's.
    let of_runs =
        |folder: &PathBuf| ["_goodwill/probe", "_goodwill/locks"].iter().any(|it| folder.ends_with(it));
    let folders = all_folders(root).into_iter().filter(|folder| !of_runs(folder));
    let empty: Vec<_> = folders.filter(|folder| fs::read_dir(folder).unwrap().count() == 0).collect();
    assert_eq!(empty, Vec::<PathBuf>::new(), "no empty folders are left");
}

fn data_files(root: &Path) -> BTreeSet<String> {
    all_files(root).into_iter().filter(|file| file.contains("/data/")).collect()
}

/// The files that the versions name.
fn named(root: &Path, versions: impl Iterator<Item = u64>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for version in versions {
        for (name, table) in tables(&commit(root, version)) {
            found.extend(files(name, table).into_iter().map(|file| file.path));
        }
    }
    found
}

/// A copy of a project with five versions and, behind them, what a killed run left: its attempt.
fn five_versions() -> (Project, String) {
    static MADE: OnceLock<(Project, String)> = OnceLock::new();
    let (made, orphan) = MADE.get_or_init(|| {
        let project = Project::shared_demo();
        for _ in 2..=5 {
            project.run(&SOME).ended_with(0);
        }
        let orphan = leave_an_orphan(&project);
        (project, orphan)
    });
    let copy = Project::unpublished_demo();
    copy_folder(&made.root(), &copy.root());
    (copy, orphan.clone())
}

/// Kills a run when it has written a table; returns its attempt.
fn leave_an_orphan(project: &Project) -> String {
    let before = attempts(&project.root());
    let mut running = Running::start(project.run_command(&SOME), Some("after_journal=pause"));
    running.reach("after_journal", 1);
    assert!(running.kill());
    let orphan = attempts(&project.root()).difference(&before).next().unwrap().clone();
    // Whether it was just writing something is chance; `leave_unfinished` is not.
    for unfinished in all_files(&project.root()).iter().filter(|file| file.contains('#')) {
        fs::remove_file(project.root().join(unfinished)).unwrap();
    }
    assert!(data_files(&project.root()).iter().any(|file| file.contains(&orphan)));
    orphan
}

/// What a process killed while it writes leaves on a disk; no listing shows it.
fn leave_unfinished(root: &Path, orphan: &str) {
    let unfinished = [
        format!("tables/dates/data/{orphan}/part-00001.parquet#1"),
        format!("_goodwill/attempts/{orphan}/journal/000009.json#1"),
    ];
    for unfinished in unfinished.map(|unfinished| root.join(unfinished)) {
        fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
        fs::write(&unfinished, "torn").unwrap();
    }
}

fn attempts(root: &Path) -> BTreeSet<String> {
    let listed = fs::read_dir(root.join("_goodwill/attempts")).unwrap();
    listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn change(path: &Path, change: impl Fn(&mut Json)) {
    let mut document = read_json(path);
    change(&mut document);
    fs::write(path, serde_json::to_vec_pretty(&document).unwrap()).unwrap();
}

#[test]
fn a_clean_up_removes_what_nobody_needs_and_nothing_else() {
    let (project, orphan) = five_versions();
    let root = project.root();
    let strays = ["tables/notes.txt", "tables/dates/data/part-00000.parquet", "tables/dates/mine.parquet"];
    for stray in strays {
        fs::write(root.join(stray), "mine").unwrap();
    }
    leave_unfinished(&root, &orphan);
    let before = all_files(&root);

    // Today, and in a day, everything is too young.
    for days in [0, 1] {
        let young = gc(&root, days, APPLY);
        assert!(young.cleanup.is_empty() && young.cleanup.removals.is_empty());
        assert_eq!(young.cleanup.young.len(), 1);
    }
    // In three days the orphan is dead, and no superseded file is a week old.
    let dead = gc(&root, 3, DRY);
    assert!(dead.cleanup.removals.iter().all(|removal| removal.key.as_str().contains(&orphan)));
    assert_eq!(dead.cleanup.dead.len(), 1);
    // In a month, if it is only asked.
    let dry = gc(&root, 30, DRY);
    assert!(dry.done.is_none());
    assert_eq!(all_files(&root), before);

    let done = gc(&root, 30, APPLY);
    assert_eq!(dry.cleanup.removals, done.cleanup.removals, "what was told is what is done");
    assert!(done.failures().is_empty());
    let unknown: Vec<&str> = done.cleanup.unknown.iter().map(|stray| stray.key.as_str()).collect();
    assert_eq!(
        unknown,
        ["tables/dates/data/part-00000.parquet", "tables/dates/mine.parquet", "tables/notes.txt"]
    );
    let mut expected = named(&root, 3..=5);
    expected.insert(strays[1].to_owned());
    assert_eq!(data_files(&root), expected);
    let gone: BTreeSet<String> = before.difference(&all_files(&root)).cloned().collect();
    let known =
        |file: &String| file.contains("/data/") || file.starts_with(&format!("_goodwill/attempts/{orphan}/"));
    assert!(gone.iter().all(known), "{gone:?}");
    for stray in strays {
        fs::remove_file(root.join(stray)).unwrap();
    }
    assert_eq!(assert_at_rest(&root), 5);
    project.goodwill(&["verify", "--all"]).ended_with(0);
    assert!(gc(&root, 30, APPLY).cleanup.is_empty());

    // Older versions are told apart, and the next run goes on.
    let history = project.goodwill(&["history", "--output", "json"]).ended_with(0).json();
    let kept: Vec<bool> = history["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["files_kept"].as_bool().unwrap())
        .collect();
    assert_eq!(kept, [true, true, true, false, false]);
    let told = project.goodwill(&["verify", "2"]).ended_with(2).stderr;
    assert!(told.contains("the oldest version whose files are kept is 3"), "{told}");
    let end = root.join("_goodwill/attempts").join(&orphan).join("end.json");
    assert!(end.exists(), "it keeps the orphan from publishing version 6");
    project.run(&SOME).ended_with(0);
    gc(&root, 1, APPLY);
    assert!(!end.exists(), "another run has version 6");
    assert_eq!(assert_at_rest(&root), 6);
    assert_no_empty_folders(&root);
}

#[test]
fn the_command_tells_first_and_removes_only_when_told_to() {
    let (project, orphan) = five_versions();
    let root = project.root();
    age(&root, 30);
    let before = all_files(&root);
    let told = project.goodwill(&["gc"]).ended_with(0).stdout;
    // Versions 1 and 2 of two tables, and what the orphan wrote.
    let files = 4 + data_files(&root).iter().filter(|file| file.contains(&orphan)).count();
    let expected = format!("nothing was removed: `goodwill gc --apply` removes {files} files");
    assert!(told.contains(&expected), "{told}");
    assert!(told.contains("every file of version 3 and later"), "{told}");
    let document = project.goodwill(&["gc", "--output", "json"]).ended_with(0).json();
    assert_eq!((&document["status"], &document["files"]), (&"dry_run".into(), &files.into()));
    assert_eq!(all_files(&root), before);
    let document = project.goodwill(&["gc", "--apply", "--output", "json"]).ended_with(0).json();
    assert_eq!((&document["status"], &document["oldest_kept_version"]), (&"removed".into(), &3.into()));
    assert_eq!(data_files(&root), named(&root, 3..=5));
    let told = project.goodwill(&["gc"]).ended_with(0).stdout;
    assert!(told.contains("nothing to remove"), "{told}");
    project.goodwill(&["gc", "--keep-versions", "2"]).ended_with(2);
}

/// Makes everything `days` older: commits, intents and journals, and with them what follows.
pub(crate) fn age(root: &Path, days: i64) {
    let control = root.join("_goodwill");
    for file in all_files(&control) {
        let key = match file.split('/').next().unwrap() {
            "commits" => "committed_at",
            "attempts" if file.ends_with("intent.json") => "started_at",
            "attempts" if file.contains("/journal/") => "finished_at",
            _ => continue,
        };
        change(&control.join(&file), |document| earlier(&mut document[key], days));
    }
}

fn earlier(at: &mut Json, days: i64) {
    let then: Instant = serde_json::from_value(at.clone()).unwrap();
    *at = serde_json::to_value(Instant::from_micros(then.micros() - days * DAY)).unwrap();
}

/// Kills a clean-up at a step; the next one ends its work.
fn check_kill(step: &str, nth: usize) {
    let (project, orphan) = five_versions();
    let root = project.root();
    age(&root, 30);
    leave_unfinished(&root, &orphan);
    let pauses = if nth == 1 { format!("{step}=pause") } else { format!("{step}={}*off->pause", nth - 1) };
    let mut running = Running::start(project.command(&["gc", "--apply"]), Some(&pauses));
    running.reach(step, nth);
    assert!(running.kill(), "the clean-up ended before it could be killed at {step}");
    assert_eq!(assert_never_torn(&root), 5);
    assert!(named(&root, 3..=5).is_subset(&data_files(&root)));
    project.goodwill(&["gc", "--apply"]).ended_with(0);
    assert_eq!(data_files(&root), named(&root, 3..=5), "killed at {step} no. {nth}");
    let left = all_files(&root.join("_goodwill/attempts").join(orphan));
    assert_eq!(left, BTreeSet::from(["end.json".to_owned()]));
    project.run(&SOME).ended_with(0);
    assert_eq!(assert_at_rest(&root), 6);
}

#[test]
fn a_clean_up_killed_before_it_removes_anything_is_finished_by_the_next() {
    check_kill("after_horizon", 1);
    check_kill("after_abandon", 1);
}

#[test]
fn a_clean_up_killed_between_removals_is_finished_by_the_next() {
    check_kill("between_removals", 2);
    check_kill("between_removals", 5);
}

#[test]
fn a_clean_up_killed_among_its_notes_is_finished_by_the_next() {
    check_kill("before_notes", 1);
    check_kill("between_notes", 1);
    check_kill("between_notes", 2);
}

/// Cleans up a month later when the run is about to publish.
struct CleansBeforePublication {
    root: PathBuf,
}

impl Observer for CleansBeforePublication {
    fn notice(&self, event: Event) {
        if event == Event::Phase(Phase::Publish) {
            thread::scope(|scope| {
                let cleaned = scope.spawn(|| gc(&self.root, 30, APPLY)).join().unwrap();
                assert_eq!(cleaned.cleanup.dead.len(), 1);
            });
        }
    }
}

#[test]
fn a_run_that_was_taken_for_dead_publishes_nothing_and_may_be_repeated() {
    let project = Project::demo();
    let root = project.root();
    let around = Surroundings {
        observer: Arc::new(CleansBeforePublication { root: root.clone() }),
        ..in_days(0, project.folder())
    };
    let common = Common {
        select: vec!["dates".to_owned()],
        refresh: goodwill::plan::Refresh::Full,
        sources: Some(project.sources().to_str().unwrap().to_owned()),
        ..Common::default()
    };
    let error = wait(ops::run(&around, &common)).unwrap_err();
    let found = error.diagnostics().iter().next().unwrap();
    assert_eq!(found.code, code::ATTEMPT_ABANDONED, "{error}");
    assert_eq!(error.kind(), goodwill::diagnostic::Kind::Temporary, "exit code 75");
    assert_eq!(versions(&root), [1]);
    project.run(&SOME).ended_with(0);
    assert_eq!(assert_at_rest(&root), 2);
}

#[test]
fn one_failure_keeps_nothing_else_from_going_and_is_told() {
    let (project, _) = five_versions();
    let root = project.root();
    let (cleanup, cleaned) = wait(async {
        let lake =
            Lake::open(store::open(root.to_str().unwrap(), &root, &store::Access::to_folders()).unwrap())
                .await
                .unwrap();
        let later = Instant::from_micros(now().micros() + 30 * DAY);
        let cleanup = lake.plan_cleanup(Retention::LEAST, later).await.unwrap();
        // A folder of that name is in the way of removing a file.
        let stuck = root.join(cleanup.removals[0].key.as_str());
        fs::remove_file(&stuck).unwrap();
        fs::create_dir_all(stuck.join("in the way")).unwrap();
        let cleaned = lake.clean(&cleanup).await.unwrap();
        (cleanup, cleaned)
    });
    assert_eq!(cleaned.failed.len(), 1);
    assert_eq!(cleaned.failed[0].key, cleanup.removals[0].key);
    assert!(cleaned.failed[0].cause.is_transient());
    assert_eq!(cleaned.removed.len(), cleanup.removals.len() - 1);
    assert!(cleaned.removed.iter().all(|key| !root.join(key.as_str()).exists()));
}

/// Leaves what a run that died 50 days ago would have left.
fn plant_an_orphan(root: &Path, like: &str, number: u64) {
    let attempts = root.join("_goodwill/attempts");
    let mut intent = read_json(&attempts.join(like).join("intent.json"));
    let name = format!("planted-{number}");
    intent["attempt"] = name.as_str().into();
    intent["tables"] = serde_json::json!(["dates"]);
    intent["started_at"] = serde_json::to_value(Instant::from_micros(now().micros() - 50 * DAY)).unwrap();
    let data = root.join("tables/dates/data").join(&name);
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("part-00000.parquet"), "torn").unwrap();
    fs::create_dir_all(attempts.join(&name)).unwrap();
    // By its name at once, as runs write it.
    let unnamed = root.join(format!("_goodwill/{name}"));
    fs::write(&unnamed, serde_json::to_vec_pretty(&intent).unwrap()).unwrap();
    fs::rename(unnamed, attempts.join(&name).join("intent.json")).unwrap();
}

/// Repeats `work` on a thread of its own until told to stop; returns how often it did.
fn repeat(stop: &Arc<AtomicBool>, work: impl Fn(u64) + Send + 'static) -> thread::JoinHandle<u64> {
    let told = Arc::clone(stop);
    thread::spawn(move || {
        let mut times = 0;
        while !told.load(Ordering::SeqCst) {
            work(times);
            times += 1;
        }
        times
    })
}

#[test]
fn a_bucket_is_cleaned_and_verified_as_a_folder_is() {
    let project = Project::demo_in_a_bucket();
    let root = project.root();
    for _ in 2..=5 {
        project.run(&SOME).ended_with(0);
    }
    project.goodwill(&["verify", "--all"]).ended_with(0);
    let first = named(&root, std::iter::once(5)).pop_first().unwrap();
    let content = fs::read(root.join(&first)).unwrap();
    let mut flipped = content.clone();
    flipped[content.len() / 2] ^= 1;
    fs::write(root.join(&first), flipped).unwrap();
    let found = project.goodwill(&["verify"]).ended_with(4).stderr;
    assert!(found.contains("GW0903") && found.contains(&first), "{found}");
    fs::write(root.join(&first), content).unwrap();
    project.goodwill(&["verify"]).ended_with(0);

    let orphan = leave_an_orphan(&project);
    age(&root, 30);
    let told = project.goodwill(&["gc", "--apply"]).ended_with(0).stdout;
    assert!(told.contains("removed"), "{told}");
    assert_eq!(data_files(&root), named(&root, 3..=5));
    assert!(!root.join(format!("_goodwill/attempts/{orphan}/intent.json")).exists());
}

/// What the clean-ups of a loop removed.
#[derive(Default)]
struct Removed {
    superseded: AtomicU64,
    planted: AtomicU64,
}

/// Plants a dead attempt and cleans up, a month from now.
fn clean_in_a_loop(root: &Path, like: &str, number: u64, removed: &Removed) {
    plant_an_orphan(root, like, number);
    let cleaned = gc(root, 30, GcRequest { keep_versions: 5, ..APPLY });
    assert!(cleaned.failures().is_empty(), "{:?}", cleaned.failures());
    let files = cleaned.done.unwrap().removed;
    let planted = files.iter().filter(|key| key.as_str().contains("/planted-")).count();
    removed.planted.fetch_add(planted as u64, Ordering::SeqCst);
    removed.superseded.fetch_add((files.len() - planted) as u64, Ordering::SeqCst);
}

#[test]
fn readers_writers_and_clean_ups_do_not_notice_each_other() {
    let seconds = std::env::var("GOODWILL_GC_LOOP_SECONDS").map_or(20, |text| text.parse().unwrap());
    let project = Arc::new(Project::demo());
    let root = project.root();
    let first = commit(&root, 1)["attempt"].as_str().unwrap().to_owned();
    // The first run took 20 days: so no attempt is dead before 40, and clean-ups that live in a
    // month from now take the files of versions, but not of the runs beside them.
    let intent = root.join("_goodwill/attempts").join(&first).join("intent.json");
    change(&intent, |intent| earlier(&mut intent["started_at"], 20));
    let (stop, removed) = (Arc::new(AtomicBool::new(false)), Arc::new(Removed::default()));

    // Both write all the time: no lease keeps one of them out.
    let write = |project: Arc<Project>| move |_| drop(project.run_without_lease(&SOME).ended_with(0));
    let writers = [0, 1].map(|_| repeat(&stop, write(Arc::clone(&project))));
    let looked_at = root.clone();
    let reader = repeat(&stop, move |_| {
        assert_never_torn(&looked_at);
    });
    let shown = Arc::clone(&project);
    let shower = repeat(&stop, move |_| {
        let rows = shown.show("select count(*) as days from dates");
        assert!(rows[0]["days"].as_u64().unwrap() > 0);
    });
    let (cleaned, sums) = (root.clone(), Arc::clone(&removed));
    let cleaner = repeat(&stop, move |number| clean_in_a_loop(&cleaned, &first, number, &sums));

    let begun = Moment::now();
    // Short loops on slow machines still have to supersede something.
    while begun.elapsed() < Duration::from_secs(seconds) || removed.superseded.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(seconds) + PATIENCE, "nothing was superseded");
        thread::sleep(Duration::from_millis(100));
        let mut all = writers.iter().chain([&reader, &shower, &cleaner]);
        assert!(!all.any(thread::JoinHandle::is_finished), "one of them has failed");
    }
    stop.store(true, Ordering::SeqCst);
    let published: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    let [looks, shows, cleanings] = [reader, shower, cleaner].map(|thread| thread.join().unwrap());
    let [superseded, planted] =
        [&removed.superseded, &removed.planted].map(|number| number.load(Ordering::SeqCst));
    println!(
        "{seconds} s: {published} runs, {looks} looks, {shows} shows, {cleanings} clean-ups; \
         {superseded} superseded and {planted} orphaned files removed"
    );
    assert_eq!(planted, cleanings, "each orphan went with the clean-up after it");
    assert_eq!(assert_at_rest(&root), 1 + published, "every run published");
    project.goodwill(&["verify"]).ended_with(0);
}
