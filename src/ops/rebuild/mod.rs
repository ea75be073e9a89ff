//! `verify --rebuild`: builds the tables of a published version again, and compares them byte for byte.
//!
//! **Invariant:** the root is only read. What is built lies in the process' scratch folder and goes with
//! it, so neither a kill nor an error leaves anything that another command could find. A part is called the
//! same only if it was built now, from what has the published fingerprint, and has the published hashes.

use std::collections::BTreeMap;

use super::scratch::Scratch;
use super::verify::{Verified, VerifyRequest, verify};
use super::{Common, Error, KeyCounts, Surroundings, context, history};
use crate::count::{counted, grouped};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::graph::Graph;
use crate::ident::{AttemptId, NodeName};
use crate::interval::Instant;
use crate::lake::{Commit, Lake, Part, Slice, TableEntry};
use crate::plan;
use crate::project::{Pipeline, Visibility};
use crate::state;

mod bench;
mod why;

use bench::Bench;
pub use why::WhyNot;

/// How many parts a finding names before "and 4 more".
const NAMED: usize = 5;

/// What is built again.
#[derive(Debug, Clone, Default)]
pub struct RebuildRequest {
    /// The version, by its number or its run; the last if left out.
    pub version: Option<String>,
    /// Of which days.
    pub days: Days,
}

/// Which snapshots of a version are built again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Days {
    /// Those of the day the version looks from, and those its own run wrote.
    #[default]
    Own,
    /// All it has.
    Every,
}

/// A version that was built again.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// What its files were found to be.
    pub verified: Verified,
    /// Its number.
    pub version: u64,
    /// Its parts, by table and day.
    pub parts: Vec<RebuiltPart>,
    /// Snapshots of other days, which were not asked for.
    pub other_days: usize,
    /// Tables of other pipelines, which other projects build.
    pub elsewhere: usize,
    /// Why models failed or rules are broken now.
    pub failures: Diagnostics,
}

/// A part of a table that was to be built again.
#[derive(Debug, Clone)]
pub struct RebuiltPart {
    /// The table.
    pub table: NodeName,
    /// Its day in the pipeline's time zone; `None` for a whole table.
    pub day: Option<String>,
    /// How many rows were published.
    pub rows: u64,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of building a part again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has the published bytes.
    Same,
    /// Made from the same, it has other bytes.
    Differs {
        /// How many rows it has now.
        rows: u64,
        /// Which of its keys differ, where that can be told.
        keys: Option<KeyCounts>,
    },
    /// It could not be built from what it was made from.
    NotCompared(WhyNot),
}

/// Builds the tables of a version again from the sources and the project as they are, each as its own run
/// was asked (day, knowledge, variables), and compares their bytes. Before, the published files are verified.
///
/// Writes to the folder for temporary files only: there must be room for the largest set of tables that one
/// run wrote.
///
/// # Errors
///
/// Returns mistakes of the project, `GW0304` if there is no such version or its files were cleaned up, and
/// sources and roots that cannot be read. Differences, and what cannot be compared, are in the result.
pub async fn rebuild(
    around: &Surroundings,
    common: &Common,
    request: &RebuildRequest,
) -> Result<Rebuilt, Error> {
    let graph = context::compile(around, common)?;
    let pipeline = &graph.project().pipeline;
    let lake = Lake::open(context::root(around, common, pipeline)?).await?;
    let which = request.version.clone().map_or(VerifyRequest::Last, VerifyRequest::Named);
    let verified = verify(around, common, &which).await?;
    let commit = match verified.versions.first() {
        Some(version) => lake.commit(*version).await?,
        None => None,
    };
    let commit = commit.ok_or_else(history::nothing_published)?;
    let sources = context::sources(around, common, pipeline)?;
    let state = state::pin(&graph, &sources, None).await?;
    let scratch = Scratch::of(around, &(around.fresh_word)())?;
    scratch.sweep().await;
    let engine = context::engine(around, common, Some(pipeline), scratch.path())?;
    let scope = scope(&commit, pipeline, request.days);
    let (runs, mut verdicts) = runs(&lake, &graph, &scope.wanted).await?;
    let bench =
        Bench { around, common, lake: &lake, commit: &commit, state, scratch: &scratch, engine: &engine };
    let mut failures = Diagnostics::default();
    for (asking, wanted) in &runs {
        let built = Box::pin(bench.build(asking, wanted)).await?;
        verdicts.extend(built.verdicts);
        failures.extend(built.failures);
    }
    let told = |wanted: &Wanted<'_>| RebuiltPart {
        table: wanted.table.clone(),
        day: day(wanted.part.slice, pipeline),
        rows: wanted.part.rows,
        verdict: verdicts.remove(&wanted.name()).unwrap_or(Verdict::NotCompared(WhyNot::Failed)),
    };
    let parts = scope.wanted.iter().map(told).collect();
    let Scope { other_days, elsewhere, .. } = scope;
    Ok(Rebuilt { verified, version: commit.version, parts, other_days, elsewhere, failures })
}

/// A part that is to be built again.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    table: &'a NodeName,
    entry: &'a TableEntry,
    part: &'a Part,
}

impl Wanted<'_> {
    fn name(&self) -> Name {
        (self.table.clone(), self.part.slice)
    }
}

/// What tells a version's parts apart.
type Name = (NodeName, Slice);

/// What a run was asked, beside its selection: what it looked from, what it knew, its variables.
type Asking = (Instant, Instant, BTreeMap<String, String>);

/// What of a version is built again, and how much is not.
struct Scope<'a> {
    wanted: Vec<Wanted<'a>>,
    other_days: usize,
    elsewhere: usize,
}

fn scope<'a>(commit: &'a Commit, pipeline: &Pipeline, days: Days) -> Scope<'a> {
    let zone = &pipeline.time_zone;
    let is_own = |part: &Part| match part.slice {
        Slice::Whole => true,
        Slice::Snapshot { as_of } if as_of.date_in(zone) == commit.as_of.date_in(zone) => true,
        Slice::Snapshot { .. } | Slice::Interval { .. } => part.attempt == commit.attempt,
    };
    let mut scope = Scope { wanted: Vec::new(), other_days: 0, elsewhere: 0 };
    for (table, entry) in &commit.tables {
        if entry.owner != pipeline.name {
            scope.elsewhere += 1;
            continue;
        }
        for part in &entry.parts {
            if days == Days::Every || is_own(part) {
                scope.wanted.push(Wanted { table, entry, part });
            } else {
                scope.other_days += 1;
            }
        }
    }
    scope
}

/// The parts by what their runs were asked: those of one asking are built together. The others can be told
/// at once.
async fn runs<'a>(
    lake: &Lake,
    graph: &Graph,
    parts: &[Wanted<'a>],
) -> Result<(BTreeMap<Asking, Vec<Wanted<'a>>>, BTreeMap<Name, Verdict>), Error> {
    let mut known: BTreeMap<&AttemptId, Option<Asking>> = BTreeMap::new();
    let mut runs: BTreeMap<Asking, Vec<Wanted<'a>>> = BTreeMap::new();
    let mut verdicts = BTreeMap::new();
    for wanted in parts {
        let attempt = &wanted.part.attempt;
        if !known.contains_key(attempt) {
            known.insert(attempt, asking(lake, attempt).await?);
        }
        let model = graph.model(wanted.table);
        let is_published = model.is_some_and(|model| model.visibility == Visibility::Published);
        let why = match known.get(attempt) {
            _ if !is_published => WhyNot::NotInProject,
            Some(Some(asking)) => {
                runs.entry(asking.clone()).or_default().push(*wanted);
                continue;
            }
            _ => WhyNot::NoIntent(attempt.clone()),
        };
        verdicts.insert(wanted.name(), Verdict::NotCompared(why));
    }
    Ok((runs, verdicts))
}

/// What the attempt was asked; `None` if its intent is not there.
async fn asking(lake: &Lake, attempt: &AttemptId) -> Result<Option<Asking>, Error> {
    let intent = lake.intent(attempt).await?;
    Ok(intent.map(|intent| {
        // An older program did not keep variables. If there were any, the fingerprints tell.
        let vars = plan::asked_of(&intent.plan).map(|(asked, _)| asked.vars).unwrap_or_default();
        (intent.as_of, intent.known_at, vars)
    }))
}

fn day(slice: Slice, pipeline: &Pipeline) -> Option<String> {
    let zone = &pipeline.time_zone;
    let spelled = |at: Instant| at.date_in(zone).map_or_else(|| at.to_string(), |day| day.to_string());
    match slice {
        Slice::Whole => None,
        Slice::Snapshot { as_of } => Some(spelled(as_of)),
        Slice::Interval { start, end } => Some(format!("{} to {}", spelled(start), spelled(end))),
    }
}

impl RebuiltPart {
    /// What a person calls it.
    fn called(&self) -> String {
        match &self.day {
            Some(day) => format!("`{}` of {day}", self.table),
            None => format!("`{}`", self.table),
        }
    }
}

impl Rebuilt {
    /// `GW0904` for each part that has other bytes now.
    #[must_use]
    pub fn differences(&self) -> Diagnostics {
        let differing = self.parts.iter().filter_map(|part| {
            let Verdict::Differs { rows, keys } = &part.verdict else { return None };
            let (called, version) = (part.called(), self.version);
            let message = format!(
                "{called} in version {version} has other bytes than the same SQL, parameters and inputs give now"
            );
            let found = Diagnostic::error(code::REBUILT_DIFFERS, message);
            let found = match keys {
                Some(keys) => found.help(told_keys(keys)),
                None if *rows == part.rows => found.help("it has as many rows as were published"),
                None => found.help(format!("rows: {} published, {} now", grouped(part.rows), grouped(*rows))),
            };
            Some(found.help(
                "was a source's file changed with its size and time kept, or the commit? If neither, report a bug",
            ))
        });
        differing.collect()
    }

    /// `GW0312` if there are parts that could not be compared.
    #[must_use]
    pub fn not_compared(&self) -> Option<Diagnostic> {
        let left = self.parts.iter().filter_map(|part| match &part.verdict {
            Verdict::NotCompared(why) => Some(format!("{}: {why}", part.called())),
            Verdict::Same | Verdict::Differs { .. } => None,
        });
        let left: Vec<String> = left.collect();
        if left.is_empty() {
            return None;
        }
        let (all, version) = (counted(self.parts.len(), "part"), self.version);
        let message = format!("{} of {all} of version {version} cannot be compared", left.len());
        let more = left.len().checked_sub(NAMED).filter(|more| *more > 0);
        let helps = left.into_iter().take(NAMED).chain(more.map(|more| format!("and {more} more")));
        let found = helps.fold(Diagnostic::error(code::NOT_REBUILT, message), Diagnostic::help);
        Some(
            found.help("verify with the project, the sources and the program that the version was made with"),
        )
    }
}

fn told_keys(keys: &KeyCounts) -> String {
    let KeyCounts { key, added, removed, kept, changed, columns } = keys;
    if added + removed + changed == 0 {
        return format!(
            "all {} rows are the same by {}: only the bytes differ",
            grouped(*kept),
            key.join(", ")
        );
    }
    let names: Vec<&str> = columns.iter().take(NAMED).map(|(column, _)| column.as_str()).collect();
    let columns = if names.is_empty() { String::new() } else { format!(" in {}", names.join(", ")) };
    format!(
        "rows by {}: {} changed{columns}, {} only published, {} only now",
        key.join(", "),
        grouped(*changed),
        grouped(*removed),
        grouped(*added)
    )
}
