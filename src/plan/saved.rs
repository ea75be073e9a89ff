//! A plan in a file: what it says, what was asked for, and the world it was made in.
//!
//! **Invariant:** nothing of when, where or by whom it was made stands in it: the same project,
//! world and request give the same file, byte for byte. So whether a saved plan still holds is
//! told by making it again and comparing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{FORMAT, Plan, Purpose, Refresh, TypedGraph, sha256_hex};
use crate::count::counted;
use crate::diagnostic::{Diagnostic, Place, SourceFile, code};
use crate::engine;
use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::interval::{Instant, Interval};
use crate::state::{SourceState, Standing, State};

/// How many files, sources or variables are named before "and 4 more".
const NAMED: usize = 5;

/// The request a plan answers, as it was typed. No secret is in it: variables hold none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The pipeline, if it was named.
    pub pipeline: Option<String>,
    /// Entries of `--select`.
    pub select: Vec<String>,
    /// Entries of `--exclude`.
    pub exclude: Vec<String>,
    /// Whether what is published and unchanged is built again.
    pub refresh: Refresh,
    /// The day or instant looked from, if it was named.
    pub as_of: Option<String>,
    /// What is known, if it was named.
    pub known_at: Option<String>,
    /// Values of variables, over their defaults.
    pub vars: BTreeMap<String, String>,
    /// The time whose intervals a backfill builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Interval>,
}

/// The world a plan was made in: all that must be the same for it to hold, in words that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeIn {
    /// The program.
    program: String,
    /// The hash of every file of the project, by its path.
    files: BTreeMap<String, String>,
    /// The value of every parameter.
    parameters: BTreeMap<String, String>,
    /// The sources.
    sources: BTreeMap<NodeName, SourceThen>,
    /// The last version; its attempt tells it from the same number in another root.
    last: Option<VersionThen>,
}

/// A source as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SourceThen {
    files: usize,
    rows: u64,
    bytes: u64,
    fingerprint: String,
    /// Whether it is optional and was not there.
    absent: bool,
}

/// The last version as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct VersionThen {
    version: u64,
    attempt: AttemptId,
}

impl MadeIn {
    /// The world of a plan that is made now.
    #[must_use]
    pub fn of(typed: &TypedGraph, state: &State) -> Self {
        let files = &typed.graph.project().files;
        let last = state.last.as_ref();
        Self {
            program: engine::VERSION.to_owned(),
            files: files
                .iter()
                .map(|file| (file.path().to_owned(), sha256_hex(file.text().as_bytes())))
                .collect(),
            parameters: typed
                .parameters
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            sources: state
                .sources
                .iter()
                .map(|(name, source)| (name.clone(), SourceThen::of(source)))
                .collect(),
            last: last.map(|commit| VersionThen { version: commit.version, attempt: commit.attempt.clone() }),
        }
    }

    /// What is not as it was, in words; nothing if all is.
    fn moved(&self, now: &Self) -> Vec<String> {
        let mut moved = Vec::new();
        if self.program != now.program {
            moved.push(format!("the program: {} then, {} now", self.program, now.program));
        }
        moved.extend(differences(&self.files, &now.files, |path, pair| match pair {
            (Some(_), Some(_)) => format!("`{path}` was changed"),
            (None, _) => format!("`{path}` is new"),
            (Some(_), None) => format!("`{path}` is gone"),
        }));
        moved.extend(differences(&self.parameters, &now.parameters, |name, (then, now)| {
            let value = |value: Option<&String>| {
                value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
            };
            format!("`${name}`: {} then, {} now", value(then), value(now))
        }));
        moved.extend(differences(&self.sources, &now.sources, |name, (then, now)| {
            format!("sources.{name}: {}", SourceThen::changed(then, now))
        }));
        moved.extend(last_version(self.last.as_ref(), now.last.as_ref()));
        moved
    }
}

impl SourceThen {
    fn of(source: &SourceState) -> Self {
        Self {
            files: source.files.len(),
            rows: source.rows,
            bytes: source.bytes,
            fingerprint: source.fingerprint.clone(),
            absent: source.standing == Standing::Absent,
        }
    }

    fn changed(then: Option<&Self>, now: Option<&Self>) -> String {
        let told = |source: Option<&Self>| match source {
            None => "not read".to_owned(),
            Some(source) if source.absent => "absent".to_owned(),
            Some(source) => counted(source.files, "file"),
        };
        match (then, now) {
            (Some(then), Some(now)) if then.files == now.files && then.rows == now.rows => {
                format!("{} then and now, written again", counted(now.files, "file"))
            }
            (Some(then), Some(now)) if then.files == now.files => {
                let files = counted(now.files, "file");
                format!("{files} then and now, {} then, {} now", rows(then.rows), now.rows)
            }
            (Some(Self { absent: false, files, .. }), Some(now)) if !now.absent => {
                format!("{} then, {} now", counted(*files, "file"), now.files)
            }
            _ => format!("{} then, {} now", told(then), told(now)),
        }
    }
}

fn rows(rows: u64) -> String {
    crate::count::count(rows, "row")
}

/// What differs between two maps, told by `tell`; only the first few, and how many more.
fn differences<K: Ord, V: PartialEq>(
    then: &BTreeMap<K, V>,
    now: &BTreeMap<K, V>,
    tell: impl Fn(&K, (Option<&V>, Option<&V>)) -> String,
) -> Vec<String> {
    let keys: std::collections::BTreeSet<&K> = then.keys().chain(now.keys()).collect();
    let pairs = keys.into_iter().map(|key| (key, (then.get(key), now.get(key))));
    let told: Vec<String> =
        pairs.filter(|(_, (then, now))| then != now).map(|(key, pair)| tell(key, pair)).collect();
    let more = told.len().saturating_sub(NAMED);
    let mut told: Vec<String> = told.into_iter().take(NAMED).collect();
    if more > 0 {
        told.push(format!("and {more} more of this kind"));
    }
    told
}

fn last_version(then: Option<&VersionThen>, now: Option<&VersionThen>) -> Option<String> {
    let told = |last: Option<&VersionThen>| {
        last.map_or_else(|| "none".to_owned(), |last| format!("version {}", last.version))
    };
    match (then, now) {
        _ if then == now => None,
        (Some(then), Some(now)) if then.version == now.version => {
            let version = now.version;
            Some(format!(
                "the last version: {version} of run {} then, {version} of run {} now: is it another root?",
                then.attempt, now.attempt
            ))
        }
        _ => Some(format!("the last version: {} then, {} now", told(then), told(now))),
    }
}

/// A plan as `goodwill plan` writes it, for programs and for `goodwill apply`.
#[must_use]
pub fn document(plan: &Plan, asked: &Asked, made_in: &MadeIn) -> Json {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(flatten)]
        plan: &'a Plan,
        asked: &'a Asked,
        made_in: &'a MadeIn,
    }
    serde_json::to_value(Document { plan, asked, made_in }).unwrap_or_default()
}

/// A plan as an attempt's intent keeps it, with what was asked for: so that another can go on with it.
#[must_use]
pub fn intended(plan: &Plan, asked: &Asked) -> Json {
    #[derive(Serialize)]
    struct Intended<'a> {
        #[serde(flatten)]
        plan: &'a Plan,
        asked: &'a Asked,
    }
    serde_json::to_value(Intended { plan, asked }).unwrap_or_default()
}

/// What was asked for, and what for, in the plan of an intent; `None` if an older program wrote it.
#[must_use]
pub fn asked_of(intended: &Json) -> Option<(Asked, Purpose)> {
    let read = |key: &str| intended.get(key).cloned();
    Some((serde_json::from_value(read("asked")?).ok()?, serde_json::from_value(read("purpose")?).ok()?))
}

/// A plan that was read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// What was asked for.
    pub asked: Asked,
    /// What the plan looks from and what it knows.
    pub times: (Instant, Instant),
    pipeline: PipelineName,
    made_in: MadeIn,
    path: String,
    document: Json,
}

/// The part of the file that is needed to make the plan again.
#[derive(Deserialize)]
struct Written {
    pipeline: PipelineName,
    as_of: Instant,
    known_at: Instant,
    asked: Asked,
    made_in: MadeIn,
}

impl Saved {
    /// Reads the file that `goodwill plan -o` wrote.
    ///
    /// # Errors
    ///
    /// Returns `GW0308` with the place of what cannot be read, or for the format of a newer program.
    pub fn read(file: &SourceFile) -> Result<Self, Diagnostic> {
        let damaged = |cause: serde_json::Error| damaged(file, &cause);
        let document: Json = serde_json::from_str(file.text()).map_err(damaged)?;
        match document.get("format").and_then(Json::as_u64) {
            Some(format) if format <= u64::from(FORMAT) => {}
            Some(format) => return Err(too_new(file, format)),
            None => return Err(unreadable(file, "it has no `format`", file.place(0..0))),
        }
        let Written { pipeline, as_of, known_at, asked, made_in } =
            serde_json::from_str(file.text()).map_err(damaged)?;
        let path = file.path().to_owned();
        Ok(Self { asked, times: (as_of, known_at), pipeline, made_in, path, document })
    }

    /// The version that applying it makes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.made_in.last.as_ref().map_or(0, |last| last.version) + 1
    }

    /// The finding that `run_id`, whose intent held `intended`, did just this already, most often since it
    /// applied it; `None` if that run did something else.
    #[must_use]
    pub fn done(&self, run_id: &str, intended: &Json) -> Option<Diagnostic> {
        let mut own = self.document.clone();
        own.as_object_mut()?.remove("made_in");
        if own != *intended {
            return None;
        }
        let (path, version) = (&self.path, self.version());
        let message =
            format!("what `{path}` says is done already: run `{run_id}` published it as version {version}");
        let found = Diagnostic::error(code::PLAN_MOVED, message).help("nothing was computed");
        Some(found.help(format!("for what moved since, make a new plan: `goodwill plan -o {path}`")))
    }

    /// Refuses `plan`, made anew from what was asked for then, unless it is the plan that was saved.
    ///
    /// # Errors
    ///
    /// Returns `GW0309` with all that moved since.
    pub fn refuse_other(&self, plan: &Plan, made_in: &MadeIn) -> Result<(), Diagnostic> {
        let now = document(plan, &self.asked, made_in);
        if now == self.document {
            return Ok(());
        }
        let mut moved = Vec::new();
        if self.pipeline != plan.pipeline {
            moved.push(format!("the pipeline: `{}` then, `{}` now", self.pipeline, plan.pipeline));
        }
        moved.extend(self.made_in.moved(made_in));
        if moved.is_empty() {
            moved.push(self.other_parts(&now));
        }
        let message = format!("what `{}` was made for has moved: nothing was computed", self.path);
        let found = moved.into_iter().fold(Diagnostic::error(code::PLAN_MOVED, message), Diagnostic::help);
        Err(found
            .help(format!("make a new plan: `goodwill plan -o {}`, with the flags of this one", self.path)))
    }

    /// The parts of the file that are not as they would be written now, although the world is.
    fn other_parts(&self, now: &Json) -> String {
        let empty = serde_json::Map::new();
        let (then, now) = (self.document.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
        let keys: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let differ = keys.into_iter().filter(|key| then.get(*key) != now.get(*key));
        let names: Vec<String> = differ.map(|key| format!("`{key}`")).collect();
        format!(
            "{} not as it would be now: somebody changed the file, or the last run failed elsewhere",
            names.join(", ")
        )
    }
}

fn unreadable(file: &SourceFile, why: &str, place: Place) -> Diagnostic {
    let message = format!("`{}` is no plan that can be applied: {why}", file.path());
    let found = Diagnostic::error(code::UNREADABLE_PLAN, message).at(place);
    found.help(format!("make a new plan: `goodwill plan -o {}`", file.path()))
}

fn damaged(file: &SourceFile, cause: &serde_json::Error) -> Diagnostic {
    let place = file.place_at(cause.line(), cause.column(), 1);
    let text = cause.to_string();
    // The place is told anyway.
    let why = text.split(" at line ").next().unwrap_or_default();
    unreadable(file, why, place)
}

fn too_new(file: &SourceFile, format: u64) -> Diagnostic {
    let message =
        format!("`{}` is a plan of format {format}, this program knows formats up to {FORMAT}", file.path());
    Diagnostic::error(code::UNREADABLE_PLAN, message)
        .help("a newer Goodwill made it: use that version or a newer one, or make a new plan")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(files: usize, rows: u64, fingerprint: &str) -> SourceThen {
        SourceThen { files, rows, bytes: 0, fingerprint: fingerprint.to_owned(), absent: false }
    }

    fn made_in(sources: &[(&str, SourceThen)], last: Option<(u64, &str)>) -> MadeIn {
        MadeIn {
            program: "goodwill 1".to_owned(),
            files: BTreeMap::from([("sql/a.sql".to_owned(), "1".to_owned())]),
            parameters: BTreeMap::from([("days".to_owned(), "90".to_owned())]),
            sources: sources
                .iter()
                .map(|(name, source)| (NodeName::parse(name).expect("a name"), source.clone()))
                .collect(),
            last: last.map(|(version, attempt)| VersionThen {
                version,
                attempt: AttemptId::parse(attempt).expect("an attempt"),
            }),
        }
    }

    #[test]
    fn what_moved_is_told_in_words() {
        let then = made_in(&[("orders", source(3, 9, "a")), ("lines", source(1, 2, "b"))], None);
        assert_eq!(then.moved(&then), Vec::<String>::new());
        let mut now =
            made_in(&[("orders", source(4, 12, "c")), ("lines", source(1, 3, "d"))], Some((4, "x")));
        now.program = "goodwill 2".to_owned();
        now.files = BTreeMap::from([("sql/b.sql".to_owned(), "1".to_owned())]);
        now.parameters.insert("days".to_owned(), "60".to_owned());
        let expected = [
            "the program: goodwill 1 then, goodwill 2 now",
            "`sql/a.sql` is gone",
            "`sql/b.sql` is new",
            "`$days`: `90` then, `60` now",
            "sources.lines: 1 file then and now, 2 rows then, 3 now",
            "sources.orders: 3 files then, 4 now",
            "the last version: none then, version 4 now",
        ];
        assert_eq!(then.moved(&now), expected);
    }

    #[test]
    fn the_same_number_in_another_root_is_another_version() {
        let (then, now) = (made_in(&[], Some((4, "x"))), made_in(&[], Some((4, "y"))));
        let told = "the last version: 4 of run x then, 4 of run y now: is it another root?";
        assert_eq!(then.moved(&now), [told]);
    }

    #[test]
    fn a_source_that_came_or_was_written_again_is_told() {
        let there = source(2, 5, "a");
        let absent = SourceThen { absent: true, ..source(0, 0, "absent") };
        assert_eq!(SourceThen::changed(Some(&absent), Some(&there)), "absent then, 2 files now");
        assert_eq!(SourceThen::changed(Some(&there), None), "2 files then, not read now");
        let again = source(2, 5, "b");
        assert_eq!(SourceThen::changed(Some(&there), Some(&again)), "2 files then and now, written again");
    }

    #[test]
    fn only_the_first_few_are_named() {
        let then: BTreeMap<usize, bool> = (0..9).map(|key| (key, true)).collect();
        let told = differences(&then, &BTreeMap::new(), |key, _| key.to_string());
        assert_eq!(told, ["0", "1", "2", "3", "4", "and 4 more of this kind"]);
    }

    fn refused(text: &str) -> String {
        let found = Saved::read(&SourceFile::new("plan.json", text)).expect_err("no plan");
        assert_eq!(found.code, code::UNREADABLE_PLAN);
        found.to_string()
    }

    #[test]
    fn a_damaged_plan_is_told_with_its_place() {
        let end = "GW0308: plan.json:1:13: `plan.json` is no plan that can be applied: EOF while parsing";
        assert!(refused("{\"format\": 1,").starts_with(end), "{}", refused("{\"format\": 1,"));
        let no_format =
            "GW0308: plan.json:1:1: `plan.json` is no plan that can be applied: it has no `format`";
        assert_eq!(refused("{}"), no_format);
        assert!(refused("{\"format\": 1}").contains("missing field `pipeline`"));
        let newer = "GW0308: `plan.json` is a plan of format 2, this program knows formats up to 1";
        assert_eq!(refused("{\"format\": 2}"), newer);
    }
}
