//! `test`: unit tests of models in memory, data tests on what is published.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;

use super::scratch::Scratch;
use super::{Common, Error, Surroundings, context, facts, lock};
use crate::count::count;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{Bindings, Engine, Typed};
use crate::graph::{Facts, Graph};
use crate::ident::NodeName;
use crate::interval::Instant;
use crate::lake::{Commit, Lake};
use crate::plan::{self, AuditResult, SourceResult, TypedGraph};
use crate::project::{self, Model, Pipeline, UnitTest};
use crate::query::{Parameters, TableName, ValueType};
use crate::run;
use crate::state::{self, State};

/// Which tests are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TestKind {
    /// Unit tests, and data tests if anything is published.
    #[default]
    All,
    /// Unit tests only.
    Unit,
    /// Data tests only.
    Data,
}

/// What became of the tests.
#[derive(Debug, Clone, Default)]
pub struct TestReport {
    /// One entry a test, unit tests first, in the order of their files.
    pub results: Vec<TestResult>,
}

/// What became of a test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The test's name.
    pub name: String,
    /// The model.
    pub model: NodeName,
    /// Whether it is a unit test or a data test.
    pub kind: TestKind,
    /// Why it failed; `None` if it passed.
    pub failure: Option<Diagnostic>,
}

/// Runs the tests of the selected models.
///
/// # Errors
///
/// Returns every finding that keeps tests from running; failed tests are in the report.
pub async fn test(around: &Surroundings, common: &Common, kind: TestKind) -> Result<TestReport, Error> {
    let asked = context::asked(around, common)?;
    let by_facts = asked.selection.depends_on_facts();
    let lake = if kind == TestKind::Unit && !by_facts {
        None
    } else {
        Some(Lake::open(context::root(around, common, asked.pipeline())?).await?)
    };
    let facts = match &lake {
        Some(lake) if by_facts => facts::look(lake, common, &asked.graph).await?,
        _ => Facts::default(),
    };
    let selected = asked.selection.evaluate(&asked.graph, &facts)?;
    let published = lake.filter(|_| kind != TestKind::Unit);
    let state = world(around, common, &asked.graph, published.as_ref()).await?;
    let (times, mut typed) = (asked.times, asked.analyze(&state)?);
    let scratch = Scratch::of(around, &(around.fresh_word)())?;
    scratch.sweep().await;
    let engine = context::engine(around, common, Some(&typed.graph.project().pipeline), scratch.path())?;
    let mut report = TestReport::default();
    if kind != TestKind::Data {
        let bench = Bench { engine: &engine, typed: &typed, state: &state, selected: &selected };
        unit_tests(bench, times, &mut report).await?;
    }
    if let Some((lake, last)) = published.zip(state.last.as_ref()) {
        let (as_of, known_at) = published_times(common, &typed, last).unwrap_or(times);
        (typed.as_of, typed.known_at) = (as_of, known_at);
        typed.parameters.extend(project::bind(
            &typed.graph.project().pipeline,
            &common.vars,
            as_of,
            known_at,
        )?);
        let bench = Bench { engine: &engine, typed: &typed, state: &state, selected: &selected };
        data_tests(bench, &lake, &mut report).await?;
    } else if kind == TestKind::Data {
        let nothing = Diagnostic::error(code::NOT_PUBLISHED, "nothing is published to test");
        return Err(nothing.help("publish first: `goodwill run`").into());
    }
    Ok(report)
}

/// What the published tables look from: their rules hold as seen from there, not from today.
fn published_times(common: &Common, typed: &TypedGraph, last: &Commit) -> Option<(Instant, Instant)> {
    let is_ours = last.pipeline == typed.graph.project().pipeline.name;
    (common.as_of.is_none() && is_ours).then_some((last.as_of, last.known_at))
}

/// The schemas of the sources, from the lock where there is one.
async fn world(
    around: &Surroundings,
    common: &Common,
    graph: &Graph,
    lake: Option<&Lake>,
) -> Result<State, Error> {
    let last = match lake {
        Some(lake) => lake.last_commit().await?,
        None => None,
    };
    match lock::read(around)? {
        Some(lock) => Ok(State { last, ..state::locked(graph, &lock)? }),
        None => {
            let sources = context::sources(around, common, &graph.project().pipeline)?;
            Ok(state::pin(graph, &sources, last).await?)
        }
    }
}

/// What tests are run with, and which models they are of.
#[derive(Clone, Copy)]
struct Bench<'a> {
    engine: &'a Engine,
    typed: &'a TypedGraph,
    state: &'a State,
    selected: &'a BTreeSet<NodeName>,
}

async fn unit_tests(
    bench: Bench<'_>,
    times: (Instant, Instant),
    report: &mut TestReport,
) -> Result<(), Error> {
    let Bench { engine, typed, selected, .. } = bench;
    let constants = run::constant_rows(engine, typed).await?;
    let tests = &typed.graph.project().unit_tests;
    for test in tests.iter().filter(|test| selected.contains(&test.model.value)) {
        let failure = match unit_test(bench, &constants, test, times).await {
            Ok(outcome) => outcome.failure,
            Err(found) => found.sorted().into_iter().next(),
        };
        let (name, model) = (test.name.clone(), test.model.value.clone());
        report.results.push(TestResult { name, model, kind: TestKind::Unit, failure });
    }
    Ok(())
}

async fn unit_test(
    bench: Bench<'_>,
    constants: &Bindings,
    test: &UnitTest,
    times: (Instant, Instant),
) -> Result<run::UnitOutcome, Diagnostics> {
    let Ready { model, query, inputs } = ready(bench.typed, bench.state, test, times)?;
    let given = (&inputs, constants);
    run::unit_test(bench.engine, test, model, &query, given).await.map_err(|found| at_test(test, &found))
}

/// Reads a unit test without running it.
///
/// # Errors
///
/// Returns a time or a variable that is none, columns that are not there, and values that do not
/// fit theirs.
pub(super) fn check_unit_test(
    typed: &TypedGraph,
    state: &State,
    test: &UnitTest,
    times: (Instant, Instant),
) -> Result<(), Diagnostics> {
    let Ready { query, inputs, .. } = ready(typed, state, test, times)?;
    run::read_unit_test(test, &query, &inputs).map(drop).map_err(|found| at_test(test, &found))
}

/// What a unit test is run with.
struct Ready<'a> {
    model: &'a Model,
    /// Typed with the test's parameters.
    query: Typed,
    inputs: BTreeMap<TableName, SchemaRef>,
}

fn ready<'a>(
    typed: &'a TypedGraph,
    state: &State,
    test: &UnitTest,
    (as_of, known_at): (Instant, Instant),
) -> Result<Ready<'a>, Diagnostics> {
    let pipeline = &typed.graph.project().pipeline;
    let as_of = match &test.as_of {
        None => as_of,
        Some(written) => Instant::parse(&written.value, &pipeline.time_zone).map_err(|cause| {
            Diagnostic::error(code::BAD_UNIT_TEST, cause.to_string()).at(written.place.clone())
        })?,
    };
    let parameters = parameters(pipeline, test, (as_of, known_at)).map_err(|found| at_test(test, &found))?;
    let Some(model) = typed.graph.model(&test.model.value) else {
        return Err(Diagnostic::error(code::BUG, "a unit test of an unknown model").into());
    };
    let schemas = state.schemas();
    let query =
        plan::retype(&typed.graph, model, &schemas, &parameters).map_err(|found| at_test(test, &found))?;
    let inputs = plan::input_schemas(&typed.graph, &model.name, &schemas);
    Ok(Ready { model, query, inputs })
}

/// Findings without a place, at the test.
fn at_test(test: &UnitTest, found: &Diagnostics) -> Diagnostics {
    let at = |finding: &Diagnostic| match finding.place {
        Some(_) => finding.clone(),
        None => finding.clone().at(test.place.clone()),
    };
    found.iter().map(at).collect()
}

/// The values a test gives; it may say of sources what a look at them would.
fn parameters(
    pipeline: &Pipeline,
    test: &UnitTest,
    (as_of, known_at): (Instant, Instant),
) -> Result<Parameters, Diagnostics> {
    let mut of_sources = project::source_parameters(pipeline);
    let mut variables = test.variables.clone();
    for (name, value) in &mut of_sources {
        let Some(text) = variables.remove(name.as_str()) else { continue };
        *value = ValueType::Bool
            .parse(&text)
            .map_err(|cause| Diagnostic::error(code::BAD_UNIT_TEST, format!("`{name}`: {cause}")))?;
    }
    let mut parameters = project::bind(pipeline, &variables, as_of, known_at)?;
    parameters.extend(of_sources);
    Ok(parameters)
}

async fn data_tests(bench: Bench<'_>, lake: &Lake, report: &mut TestReport) -> Result<(), Error> {
    let Bench { engine, typed, state, selected } = bench;
    for result in run::data_tests(engine, typed, state, lake, selected).await? {
        let failure = (result.broken > 0).then(|| broken(typed, &result));
        let (name, model) = (result.audit, result.model);
        report.results.push(TestResult { name, model, kind: TestKind::Data, failure });
    }
    Ok(())
}

/// A broken rule as a finding at its place.
pub(super) fn broken(typed: &TypedGraph, result: &AuditResult) -> Diagnostic {
    let model = typed.graph.model(&result.model);
    let audits = model.map(|model| model.audits.as_slice()).unwrap_or_default();
    let place = audits.iter().find(|audit| audit.name == result.audit).map(|audit| audit.place.clone());
    let found = broken_audit(result);
    match place {
        Some(place) => found.at(place),
        None => found,
    }
}

/// A broken rule as a finding, with some of its rows.
#[must_use]
pub fn broken_audit(result: &AuditResult) -> Diagnostic {
    let breaks = if result.broken == 1 { "breaks" } else { "break" };
    let rows = count(result.broken, "row");
    let message = format!("{rows} {breaks} `{}` of `{}`", result.audit, result.model);
    let found = Diagnostic::error(code::AUDIT_FAILED, message);
    let found = result.examples.iter().fold(found, |found, row| found.help(format!("for example {row}")));
    match &result.help {
        Some(help) => found.help(help.clone()),
        None => found,
    }
}

/// A source with too many rejected rows as a finding, with the rules they break.
#[must_use]
pub fn refused_source(result: &SourceResult) -> Diagnostic {
    let (source, rejected) = (&result.source, result.rejected);
    let breaks = if rejected == 1 { "breaks" } else { "break" };
    let message = format!(
        "{rejected} of {} of source `{source}` {breaks} its contract, more than `max_rejected: {}`",
        count(result.rows, "row"),
        result.max_rejected
    );
    let found = Diagnostic::error(code::TOO_MANY_REJECTED, message);
    let broken =
        result.rules.iter().filter_map(|rule| Some((rule, rule.failed.filter(|failed| *failed > 0)?)));
    let found = broken.fold(found, |found, (rule, failed)| {
        let name = format!("{} {}", rule.rule, rule.column);
        found.help(format!("{}: {}", name.trim_end(), count(failed, "row")))
    });
    found.help("mend the rows, change the rule, or raise `max_rejected` for this source")
}
