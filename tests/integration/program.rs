//! Starts the real program in folders of its own, and looks at what it published.
//!
//! What is published is read here the way an outsider reads it: commits and Delta logs as JSON,
//! files by their size and hash. Nothing of the library is asked what it thinks it wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::chunks::parts_of;
use crate::server::{Bucket, server};

/// Longer than any run here takes on a busy machine: a program that hangs fails its test.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// How folders begin that outlive their tests.
const SHARED: &str = "shared-";

/// What the program said when it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The program ended with `code`, or the test fails with all it said.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        let parsed = serde_json::from_str(&self.stdout);
        parsed.unwrap_or_else(|cause| panic!("{cause} in stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// The program, about to start in `folder`, with nothing of this process' environment that it heeds.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goodwill"));
    command.current_dir(folder).stdin(Stdio::null()).env("NO_COLOR", "1").env_remove("FAILPOINTS");
    let heeded =
        |name: &str| ["GOODWILL_", "AWS_", "AZURE_", "GOOGLE_"].iter().any(|start| name.starts_with(start));
    for (name, _) in std::env::vars().filter(|(name, _)| heeded(name)) {
        command.env_remove(name);
    }
    command
}

/// A project in a folder of its own.
#[derive(Debug)]
pub(crate) struct Project {
    /// Removed with it.
    _home: TempDir,
    folder: PathBuf,
    /// Where its sources lie, if not where its pipeline says.
    sources: Option<PathBuf>,
    /// Where it publishes, if not in its folder.
    bucket: Option<Bucket>,
}

impl Project {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    /// An empty folder for a static, which is never dropped: the next day's tests remove it.
    pub(crate) fn shared() -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in fs::read_dir(parent).unwrap().map(Result::unwrap) {
            let age = entry
                .metadata()
                .and_then(|found| found.modified())
                .map(|at| at.elapsed().unwrap_or_default());
            let is_shared = entry.file_name().to_string_lossy().starts_with(SHARED);
            if is_shared && age.is_ok_and(|age| age > Duration::from_hours(24)) {
                // Another test may be removing it too.
                drop(fs::remove_dir_all(entry.path()));
            }
        }
        Self::within(tempfile::Builder::new().prefix(SHARED).tempdir_in(parent).unwrap())
    }

    fn within(home: TempDir) -> Self {
        // As the program sees it: a temporary folder may lie behind a link.
        let folder = home.path().canonicalize().unwrap();
        Self { _home: home, folder, sources: None, bucket: None }
    }

    /// A copy of the demo with its version 1; the sources are not copied, so they have not moved.
    pub(crate) fn demo() -> Self {
        let copy = Self::unpublished_demo();
        copy_folder(&demo().folder().join("out"), &copy.root());
        copy
    }

    /// A copy of the demo before its first run.
    pub(crate) fn unpublished_demo() -> Self {
        Self::empty().with_demo()
    }

    /// As [`Project::demo`], for a static.
    pub(crate) fn shared_demo() -> Self {
        let copy = Self::shared().with_demo();
        copy_folder(&demo().folder().join("out"), &copy.root());
        copy
    }

    /// A copy of the demo with sources of its own, before its first run.
    pub(crate) fn unpublished_demo_with_sources() -> Self {
        let mut copy = Self::unpublished_demo();
        copy_folder(&copy.sources.take().unwrap(), &copy.folder().join("demo/sources"));
        copy
    }

    /// A copy of the demo whose sources and root lie in a bucket, before its first run.
    pub(crate) fn unpublished_demo_in_a_bucket() -> Self {
        let mut copy = Self::unpublished_demo();
        let bucket = server().bucket();
        let sources = copy.sources.take().unwrap();
        copy_folder(&sources, &bucket.folder.join("sources"));
        let pipeline = copy.folder().join("pipelines/customer_intelligence.yml");
        let text = fs::read_to_string(&pipeline).unwrap();
        let moved =
            text.replace("./out", &bucket.url("out")).replace("./demo/sources", &bucket.url("sources"));
        assert_eq!(moved.matches(&bucket.name).count(), 2, "{moved}");
        fs::write(&pipeline, moved).unwrap();
        copy.bucket = Some(bucket);
        copy
    }

    /// A copy of the demo in a bucket, with its version 1.
    pub(crate) fn demo_in_a_bucket() -> Self {
        static MADE: OnceLock<Project> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let made = Self::unpublished_demo_in_a_bucket();
            made.run(&[]).ended_with(0);
            made
        });
        let copy = Self::unpublished_demo_in_a_bucket();
        copy_folder(&made.root(), &copy.root());
        // The views name the bucket they were made in.
        copy.run(&[]).ended_with(0);
        copy
    }

    /// An empty folder whose pipeline's sources and root lie in a bucket; its addresses of both.
    pub(crate) fn empty_in_a_bucket() -> (Self, [String; 2]) {
        let bucket = server().bucket();
        let addresses = [bucket.url("sources"), bucket.url("out")];
        (Self { bucket: Some(bucket), ..Self::empty() }, addresses)
    }

    fn with_demo(mut self) -> Self {
        for folder in ["sql", "pipelines"] {
            copy_folder(&demo().folder().join(folder), &self.folder().join(folder));
        }
        self.sources = Some(demo().folder().join("demo/sources"));
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where its sources lie: those of the demo it is a copy of.
    pub(crate) fn sources(&self) -> &Path {
        self.sources.as_deref().unwrap()
    }

    /// Whether its sources and root lie in a bucket.
    pub(crate) fn is_in_a_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// Where it publishes, as files.
    pub(crate) fn root(&self) -> PathBuf {
        self.bucket.as_ref().map_or_else(|| self.folder().join("out"), |bucket| bucket.folder.join("out"))
    }

    /// Where its own sources lie, as files.
    pub(crate) fn sources_folder(&self) -> PathBuf {
        let in_bucket = self.bucket.as_ref().map(|bucket| bucket.folder.join("sources"));
        in_bucket.unwrap_or_else(|| self.folder().join("demo/sources"))
    }

    /// `goodwill …`, about to start.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder());
        command.envs(self.bucket.iter().flat_map(Bucket::environment)).args(arguments);
        command
    }

    /// `goodwill …`, run to its end.
    pub(crate) fn goodwill(&self, arguments: &[&str]) -> Answer {
        self.goodwill_in(self.folder(), arguments)
    }

    /// `goodwill …` in a folder of the project's.
    pub(crate) fn goodwill_in(&self, folder: &Path, arguments: &[&str]) -> Answer {
        assert!(folder.starts_with(self.folder()));
        self.command(arguments).current_dir(folder).output().unwrap().into()
    }

    /// `goodwill run …`, about to start.
    pub(crate) fn run_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["run"]);
        command.args(arguments);
        if let Some(sources) = &self.sources {
            command.arg("--sources").arg(sources);
        }
        command
    }

    /// `goodwill run …`, run to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_command(arguments).output().unwrap().into()
    }

    /// `goodwill run …`, about to start beside others: no lease keeps it out, the commit decides.
    pub(crate) fn racing_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.run_command(arguments);
        command.env("GOODWILL_LEASE", "off");
        command
    }

    /// `goodwill run …`, run to its end beside others.
    pub(crate) fn run_without_lease(&self, arguments: &[&str]) -> Answer {
        self.racing_command(arguments).output().unwrap().into()
    }

    /// The rows `goodwill show` gives for a query; all of them, or the test fails.
    pub(crate) fn show(&self, query: &str) -> Vec<Json> {
        let shown =
            self.goodwill(&["show", query, "--output", "json", "--limit", "1000000"]).ended_with(0).json();
        assert_eq!(shown["more"], false, "more rows than a test should look at: {query}");
        shown["rows"].as_array().unwrap().clone()
    }
}

/// The demo, made once for all tests. Nobody writes to it.
///
/// Its customers' value is told for one year and not for ten: an unoptimised program takes seconds for the rest.
pub(crate) fn demo() -> &'static Project {
    static DEMO: OnceLock<Project> = OnceLock::new();
    DEMO.get_or_init(|| {
        let mut made = Project::shared();
        made.goodwill(&["demo", "shop", "--scale", "0.001", "--only", "sources"]).ended_with(0);
        made.folder.push("shop");
        let pipeline = made.folder.join("pipelines/customer_intelligence.yml");
        let text = fs::read_to_string(&pipeline).unwrap();
        let ten_years = "clv_residual_months: {type: int, default: 120,";
        assert!(text.contains(ten_years), "{text}");
        fs::write(&pipeline, text.replace(ten_years, "clv_residual_months: {type: int, default: 12,"))
            .unwrap();
        made.goodwill(&["run"]).ended_with(0);
        made
    })
}

/// Copies a folder and all below it over `to`; what lies there stays unless it has the same name.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A run that goes on while the test looks; it is killed if the test forgets it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    /// Starts a run that logs its steps, with `failpoints` as the `fail` crate understands them.
    pub(crate) fn start(mut command: Command, failpoints: Option<&str>) -> Self {
        command.env("GOODWILL_LOG", "goodwill=debug").stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(failpoints) = failpoints {
            command.env("FAILPOINTS", failpoints);
        }
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, said: Vec::new() }
    }

    /// Waits until the run has logged `step` for the `nth` time, from 1.
    #[track_caller]
    pub(crate) fn reach(&mut self, step: &str, nth: usize) {
        let named = format!("step=\"{step}\"");
        let until = Instant::now() + PATIENCE;
        let mut seen = self.said.iter().filter(|line| line.contains(&named)).count();
        while seen < nth {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    seen += usize::from(line.contains(&named));
                    self.said.push(line);
                }
                Err(RecvTimeoutError::Timeout) => panic!("hangs before {step}: {:#?}", self.said),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended before {step} no. {nth}: {:#?}", self.said)
                }
            }
        }
    }

    /// All that the run has logged.
    pub(crate) fn said(&mut self) -> &[String] {
        self.said.extend(self.lines.iter());
        &self.said
    }

    /// Whether the run logs nothing more for a while.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        match self.lines.recv_timeout(time) {
            Ok(line) => {
                self.said.push(line);
                false
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    /// SIGKILL; `true` if the run was still going on.
    pub(crate) fn kill(&mut self) -> bool {
        let was_running = self.child.try_wait().unwrap().is_none();
        // It may end just now.
        drop(self.child.kill());
        let ended = self.child.wait().unwrap();
        was_running && ended.code().is_none()
    }

    /// SIGTERM, as `docker stop` and `systemctl stop` send it.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end_within(&mut self, time: Duration) -> ExitStatus {
        let until = Instant::now() + time;
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended;
            }
            let said = || self.lines.try_iter().collect::<Vec<_>>();
            assert!(Instant::now() < until, "still runs after {time:?}: {:#?} {:#?}", self.said, said());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A file that a commit or a log names, from the published root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NamedFile {
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

pub(crate) fn read_json(path: &Path) -> Json {
    let text = fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|cause| panic!("{}: {cause} in {text:?}", path.display()))
}

/// The versions there are, ascending.
pub(crate) fn versions(root: &Path) -> Vec<u64> {
    let Ok(listed) = fs::read_dir(root.join("_goodwill/commits")) else { return Vec::new() };
    let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut versions: Vec<u64> =
        names.filter_map(|name| name.strip_suffix(".json").and_then(|number| number.parse().ok())).collect();
    versions.sort_unstable();
    versions
}

/// The commit `version`, with the parts of all tables, also of those whose parts lie in chunks.
pub(crate) fn commit(root: &Path, version: u64) -> Json {
    let mut commit = read_json(&root.join(format!("_goodwill/commits/{version:020}.json")));
    for (name, table) in commit["tables"].as_object_mut().unwrap() {
        let Some(chunks) = table.as_object_mut().unwrap().shift_remove("chunks") else { continue };
        let parts = chunks.as_array().unwrap().iter().flat_map(|named| parts_of(root, name, named));
        table["parts"] = parts.collect();
    }
    commit
}

/// The tables of a commit.
pub(crate) fn tables(commit: &Json) -> impl Iterator<Item = (&str, &Json)> {
    commit["tables"].as_object().unwrap().iter().map(|(name, table)| (name.as_str(), table))
}

pub(crate) fn file_entries(table: &Json) -> impl Iterator<Item = &Json> {
    table["parts"].as_array().unwrap().iter().flat_map(|part| part["files"].as_array().unwrap())
}

fn named_file(table: &str, path: &Json, bytes: &Json) -> NamedFile {
    NamedFile { path: format!("tables/{table}/{}", path.as_str().unwrap()), bytes: bytes.as_u64().unwrap() }
}

/// The files of a table in a commit.
pub(crate) fn files(name: &str, table: &Json) -> BTreeSet<NamedFile> {
    file_entries(table).map(|file| named_file(name, &file["path"], &file["bytes"])).collect()
}

/// The hashes of each table's files in a commit, in order.
pub(crate) fn hashes(commit: &Json) -> BTreeMap<String, Vec<String>> {
    let hash = |file: &Json| file["sha256"].as_str().unwrap().to_owned();
    tables(commit).map(|(name, table)| (name.to_owned(), file_entries(table).map(hash).collect())).collect()
}

/// The versions of a table's Delta log from the first on, as far as there is no gap; with each,
/// the files that a reader of that version opens.
pub(crate) fn delta_versions(root: &Path, table: &str) -> Vec<BTreeSet<NamedFile>> {
    let mut versions: Vec<BTreeSet<NamedFile>> = Vec::new();
    let log = root.join("tables").join(table).join("_delta_log");
    while let Ok(text) = fs::read_to_string(log.join(format!("{:020}.json", versions.len()))) {
        let mut active = versions.last().cloned().unwrap_or_default();
        for line in text.lines() {
            let action: Json =
                serde_json::from_str(line).unwrap_or_else(|cause| panic!("{table}: {cause}: {line}"));
            if let Some(add) = action.get("add") {
                active.insert(named_file(table, &add["path"], &add["size"]));
            }
            if let Some(remove) = action.get("remove") {
                let path = format!("tables/{table}/{}", remove["path"].as_str().unwrap());
                active.retain(|file| file.path != path);
            }
        }
        versions.push(active);
    }
    versions
}

/// Each file is there, with the size it was named with.
#[track_caller]
pub(crate) fn assert_files(root: &Path, files: &BTreeSet<NamedFile>) {
    assert!(!files.is_empty(), "a table has at least one file");
    for file in files {
        let found = fs::metadata(root.join(&file.path)).map(|found| found.len());
        assert_eq!(found.ok(), Some(file.bytes), "torn: {}", file.path);
    }
}

/// Looks once, as a reader does who knows nothing of writers: the last commit and every Delta
/// log name only whole files. Returns the last version.
#[track_caller]
pub(crate) fn assert_never_torn(root: &Path) -> u64 {
    let Some(version) = versions(root).last().copied() else { return 0 };
    let commit = commit(root, version);
    for (name, table) in tables(&commit) {
        assert_files(root, &files(name, table));
        if let Some(active) = delta_versions(root, name).last() {
            assert_files(root, active);
        }
    }
    version
}

/// At rest: commits from 1 without a gap, every Delta log without a gap and at the version of
/// the last commit with its very files, the bytes of every file as hashed, views of that commit.
/// Returns the last version.
#[track_caller]
pub(crate) fn assert_at_rest(root: &Path) -> u64 {
    let versions = versions(root);
    let expected: Vec<u64> = (1..).take(versions.len()).collect();
    assert_eq!(versions, expected, "commits have a gap");
    let last = versions.last().copied().unwrap();
    let last_commit = commit(root, last);
    let duckdb = fs::read_to_string(root.join("views/duckdb.sql")).unwrap();
    for (name, table) in tables(&last_commit) {
        let log = delta_versions(root, name);
        let at = log.len() as u64 - 1;
        assert_eq!(
            table["delta"]["version"].as_u64(),
            Some(at),
            "the log of {name} is not at version {last}"
        );
        assert_eq!(numbers_in_log(root, name), (0..=at).collect(), "the log of {name} has a gap");
        let files = files(name, table);
        assert_eq!(log.last(), Some(&files), "the log of {name} names other files than version {last}");
        assert_files(root, &files);
        for file in &files {
            assert!(duckdb.contains(&file.path), "views/duckdb.sql does not name {}", file.path);
        }
        for entry in file_entries(table) {
            let path = root.join("tables").join(name).join(entry["path"].as_str().unwrap());
            assert_eq!(entry["sha256"], sha256(&path), "{}", path.display());
        }
    }
    last
}

fn numbers_in_log(root: &Path, table: &str) -> BTreeSet<u64> {
    let listed = fs::read_dir(root.join("tables").join(table).join("_delta_log")).unwrap();
    let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".json").and_then(|number| number.parse().ok())).collect()
}

fn sha256(path: &Path) -> String {
    let mut content = Vec::new();
    fs::File::open(path).unwrap().read_to_end(&mut content).unwrap();
    Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect()
}
