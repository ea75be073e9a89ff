//! The example projects of `tests/fixtures/invalid`: how one is laid out, typed into and written down.
//!
//! An example is a folder with
//! - the files of a small project, if need be with what lies in its published root, and scripts;
//! - `data.yml`, if it needs Parquet: by path, the columns with their Arrow types, and the rows;
//! - `expected.txt`: what a person types, each command after `$` and in a shell of its own, and
//!   how the last one is answered: the whole stderr and the exit code.
//!
//! The commands before the last one make the mistake and must say nothing. The last one meets it
//! and must publish nothing; what it has to say on stdout is sent away by the command itself. In
//! answers the folder is written `PROJECT`, an attempt's name `ATTEMPT`, a place in the sources of
//! a dependency `PLACE` and this version `VERSION`. The shell has Linux' usual tools.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::ReaderBuilder;
use indexmap::IndexMap;
use parquet::arrow::ArrowWriter;
use serde::Deserialize;
use serde_json::Value as Json;

/// What an example is kept in beside its project.
const EXPECTED: &str = "expected.txt";
const DATA: &str = "data.yml";

/// One example.
#[derive(Debug)]
pub(crate) struct Example {
    folder: PathBuf,
}

/// All examples, by name.
pub(crate) fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/invalid");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().map(|folder| Example { folder }).collect()
}

impl Example {
    /// The name of its folder: the code in small letters, `_`, and what is special about it.
    pub(crate) fn name(&self) -> &str {
        self.folder.file_name().unwrap().to_str().unwrap()
    }

    /// The code it is named after.
    pub(crate) fn code(&self) -> String {
        self.name().split('_').next().unwrap().to_uppercase()
    }

    /// What is expected to be typed and answered.
    pub(crate) fn expected(&self) -> String {
        fs::read_to_string(self.folder.join(EXPECTED)).unwrap()
    }

    /// How the last command is expected to be answered.
    pub(crate) fn expected_answer(&self) -> String {
        let text = self.expected();
        text.lines().filter(|line| !line.starts_with("$ ")).map(|line| format!("{line}\n")).collect()
    }

    /// Writes down another answer.
    pub(crate) fn expect(&self, transcript: &str) {
        fs::write(self.folder.join(EXPECTED), transcript).unwrap();
    }

    /// Types the commands in a copy of the folder and returns what `expected.txt` is to hold.
    pub(crate) fn transcript(&self) -> String {
        let copy = tempfile::tempdir().unwrap();
        let place = copy.path().canonicalize().unwrap();
        lay_out(&self.folder, &place);
        let expected = self.expected();
        let commands: Vec<&str> = expected.lines().filter(|line| line.starts_with("$ ")).collect();
        let (last, before) = commands.split_last().expect("a line `$ goodwill …`");
        for command in before {
            let said = answer(&place, command);
            assert_eq!(said, "exit code 0\n", "{}: {command}", self.name());
        }
        let world = files_below(&place);
        let met = answer(&place, last);
        assert_untouched(self.name(), &world, &files_below(&place));
        format!("{}\n{met}", commands.join("\n"))
    }
}

/// Copies the example's project to `place` and writes its data there.
fn lay_out(example: &Path, place: &Path) {
    for (name, content) in files_below(example) {
        if name != Path::new(EXPECTED) && name != Path::new(DATA) {
            let path = place.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
    if let Ok(text) = fs::read_to_string(example.join(DATA)) {
        let files: BTreeMap<String, Data> = serde_saphyr::from_str(&text).unwrap();
        for (name, data) in files {
            data.write(&place.join(name));
        }
    }
}

/// One Parquet file.
#[derive(Debug, Deserialize)]
struct Data {
    /// Names and Arrow types.
    columns: IndexMap<String, String>,
    rows: Vec<Vec<Json>>,
}

impl Data {
    fn write(&self, path: &Path) {
        let types = self.columns.iter().map(|(name, kind)| (name, kind.parse::<DataType>().unwrap()));
        let fields: Vec<Field> = types.map(|(name, kind)| Field::new(name, kind, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let names = || self.columns.keys().cloned();
        let rows: Vec<serde_json::Map<String, Json>> =
            self.rows.iter().map(|row| names().zip(row.iter().cloned()).collect()).collect();
        let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder().unwrap();
        decoder.serialize(&rows).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), schema, None).unwrap();
        if let Some(batch) = decoder.flush().unwrap() {
            writer.write(&batch).unwrap();
        }
        writer.close().unwrap();
    }
}

/// The files below `folder` with their content.
fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// No file is another one now; none is new but in a root, and there no Delta log nor a commit of an
/// attempt of ours.
fn assert_untouched(name: &str, before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, content) in before {
        assert_eq!(after.get(path), Some(content), "{name}: {} was changed", path.display());
    }
    for (path, content) in after.iter().filter(|(path, _)| !before.contains_key(*path)) {
        assert!(path.starts_with("out"), "{name}: {} was written", path.display());
        let is_commit = path.starts_with("out/_goodwill/commits")
            && words(&String::from_utf8_lossy(content)).iter().any(|word| is_attempt(word));
        let is_log = path.components().any(|part| part.as_os_str() == "_delta_log");
        assert!(!is_commit && !is_log, "{name}: {} was published", path.display());
    }
}

/// What the command `$ …` is answered when it is typed in `folder`.
fn answer(folder: &Path, command: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_goodwill")).parent().unwrap().to_path_buf();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([programs].into_iter().chain(env::split_paths(&path))).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command.strip_prefix("$ ").unwrap()]).current_dir(folder).stdin(Stdio::null());
    shell.env("PATH", path).env_remove("FAILPOINTS");
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("GOODWILL_")) {
        shell.env_remove(name);
    }
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{command}: stdout is for results");
    let stderr = steady(folder, &String::from_utf8(output.stderr).unwrap());
    let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
    format!("{stderr}exit code {code}\n")
}

/// The answer without what is another one in every run and on every machine.
fn steady(folder: &Path, answer: &str) -> String {
    let version = format!("goodwill {}", env!("CARGO_PKG_VERSION"));
    let answer =
        answer.replace(&folder.display().to_string(), "PROJECT").replace(&version, "goodwill VERSION");
    let mut steady = answer.clone();
    for word in words(&answer) {
        if word.contains("/registry/src/") {
            steady = steady.replace(word, "PLACE");
        }
        for attempt in word.split(['/', '.', ':']).filter(|part| is_attempt(part)) {
            steady = steady.replace(attempt, "ATTEMPT");
        }
    }
    steady
}

/// What may be names, numbers or paths.
fn words(text: &str) -> Vec<&str> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_./:".contains(letter))).collect()
}

/// `20260131t080000-1a2b3c4d`, as the program names a run's attempt.
fn is_attempt(word: &str) -> bool {
    let Some((moment, chance)) = word.split_once('-') else { return false };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_moment = moment
        .split_once('t')
        .is_some_and(|(day, time)| (day.len(), time.len()) == (8, 6) && is_number(day) && is_number(time));
    is_moment && chance.len() == 8 && chance.bytes().all(|byte| byte.is_ascii_hexdigit())
}
