//! Times the plan of a hundred tables of a thousand intervals each: nothing to do, and one late file.
//!
//! `cargo bench --bench planning` prints the row of docs/performance.md. Only deciding is timed, over a world
//! made here: a source of a file a day, a commit that has every interval. What it takes to read such a commit
//! is timed by `cargo bench --bench history`, what it takes to list a source depends on its store.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use goodwill::engine::Extent;
use goodwill::graph::{self, Graph};
use goodwill::ident::{AttemptId, NodeName};
use goodwill::interval::Instant;
use goodwill::lake::{Commit, DeltaPosition, Extra, FORMAT, Part, TableContract, TableEntry};
use goodwill::plan::{self, Plan, Request, TypedGraph};
use goodwill::project::{self, Location};
use goodwill::state::{PinnedFile, SourceState, Standing, State};
use goodwill::store::{self, Access, Key, ObjectInfo, Store};

const TABLES: usize = 100;
const INTERVALS: i64 = 1_000;
const RUNS: usize = 9;
/// 2023-01-01.
const BEGIN: i64 = 1_672_531_200_000_000;
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_project(folder.path())?;
    let graph = graph(folder.path())?;
    let mut state = state(folder.path())?;
    let first = build(&graph, &state)?;
    let steps: usize = first.0.steps.iter().filter_map(|step| step.intervals.as_ref()).map(Vec::len).sum();
    state.last = Some(commit(&first.0)?);
    let (nothing, idle) = median(|| build(&graph, &state))?;
    if !nothing.is_empty() {
        return Err("an interval that was published is planned again".into());
    }
    late(&mut state, 12)?;
    let (some, late) = median(|| build(&graph, &state))?;
    let rebuilt: usize = some.steps.iter().filter_map(|step| step.intervals.as_ref()).map(Vec::len).sum();
    println!("{TABLES} tables, {steps} intervals; a late file touches {rebuilt} of them");
    println!("| nothing published | nothing to do | a late file |");
    println!("| --- | --- | --- |");
    let shown = [first.1, idle, late].map(|time| format!("{:.2} s", time.as_secs_f64()));
    println!("| {} |", shown.join(" | "));
    Ok(())
}

fn write_project(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("pipelines"))?;
    fs::create_dir_all(folder.join("sql/m"))?;
    let pipeline = "version: 1\nname: p\nsources:\n  location: ./sources\n  tables:\n    \
                    events: {path: events/, event_time: at}\nmodels: [m]\ntargets:\n  dev: {root: ./out}\npublish: [m]\n";
    fs::write(folder.join("pipelines/p.yml"), pipeline)?;
    let mut contracts = "models:\n".to_owned();
    for table in 0..TABLES {
        let name = format!("table_{table:03}");
        contracts.push_str(&format!(
            "  - name: {name}\n    description: Events of a day.\n    config: {{materialized: incremental, \
             event_time: day, begin: 2023-01-01, inputs: {{sources.events: {{days_before: 30}}}}}}\n    \
             grain: [day]\n    columns:\n      - {{name: day, data_type: date, description: The day.}}\n      \
             - {{name: events, data_type: bigint, description: How many.}}\n"
        ));
        let sql =
            format!("select $interval_start_day as day, count(*) + {table} as events from sources.events\n");
        fs::write(folder.join(format!("sql/m/{name}.sql")), sql)?;
    }
    fs::write(folder.join("sql/m/m.yml"), contracts)?;
    Ok(())
}

fn graph(folder: &Path) -> Result<Graph> {
    let location = Location { folder: folder.to_owned(), pipeline: None, environment: BTreeMap::new() };
    let project = project::load(&location).map_err(|found| format!("{found:?}"))?;
    Ok(graph::resolve(project).map_err(|found| format!("{found:?}"))?)
}

fn file(store: &Store, name: &str, day: i64) -> Result<PinnedFile> {
    let info = ObjectInfo { key: Key::parse(name)?, size: 1, etag: None, modified_micros: 0 };
    let extent = Extent::Times(BEGIN + day * DAY, BEGIN + (day + 1) * DAY - 1);
    Ok(PinnedFile {
        store: store.clone(),
        info,
        rows: 1,
        kind: 0,
        mark: format!("{:016x}", day.unsigned_abs() + u64::from(name.contains("late")) * 1_000_000),
        extents: BTreeMap::from([("at".to_owned(), extent)]),
        metadata: None,
    })
}

fn state(folder: &Path) -> Result<State> {
    let store = store::open("./sources", folder, &Access::to_folders())?;
    let at = Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true);
    let files = (0..INTERVALS).map(|day| file(&store, &format!("events/{day:04}.parquet"), day));
    let source = SourceState {
        schema: Arc::new(Schema::new(vec![at])),
        standing: Standing::Present,
        files: files.collect::<Result<_>>()?,
        kinds: Vec::new(),
        warning: None,
        rows: 1,
        bytes: 1,
        fingerprint: "events".to_owned(),
    };
    Ok(State { sources: BTreeMap::from([(NodeName::parse("events")?, source)]), last: None })
}

/// A file more, of so many days before the last.
fn late(state: &mut State, days: i64) -> Result<()> {
    for source in state.sources.values_mut() {
        let store = source.files[0].store.clone();
        source.files.push(file(&store, "events/late.parquet", INTERVALS - days)?);
        "late".clone_into(&mut source.fingerprint);
    }
    Ok(())
}

fn build(graph: &Graph, state: &State) -> Result<(Plan, Duration)> {
    let as_of = Instant::from_micros(BEGIN + INTERVALS * DAY);
    let parameters = project::bind(&graph.project().pipeline, &BTreeMap::new(), as_of, as_of);
    let parameters = parameters.map_err(|found| format!("{found:?}"))?;
    let typed: TypedGraph = plan::analyze(graph.clone(), state, parameters, (as_of, as_of))
        .map_err(|found| format!("{found:?}"))?;
    let started = Clock::now();
    let plan = plan::build(&typed, state, &Request::default()).map_err(|found| format!("{found:?}"))?;
    Ok((plan, started.elapsed()))
}

fn median(mut run: impl FnMut() -> Result<(Plan, Duration)>) -> Result<(Plan, Duration)> {
    let mut runs = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
    runs.sort_by_key(|(_, time)| *time);
    Ok(runs.swap_remove(RUNS / 2))
}

/// The commit in which all that the plan computes is published.
fn commit(plan: &Plan) -> Result<Commit> {
    let attempt = AttemptId::parse("a1")?;
    let mut tables = BTreeMap::new();
    for step in &plan.steps {
        let parts = step.intervals.iter().flatten().map(|interval| Part {
            slice: interval.slice(),
            fingerprint: interval.fingerprint.clone(),
            made_from: interval.made_from.clone(),
            attempt: attempt.clone(),
            published_at: plan.as_of,
            rows: 1,
            files: Vec::new(),
            read: interval.read.clone(),
            extra: Extra::default(),
        });
        let contract = TableContract {
            description: String::new(),
            columns: Vec::new(),
            grain: Vec::new(),
            order_by: Vec::new(),
            movement: None,
            extra: Extra::default(),
        };
        let entry = TableEntry {
            owner: plan.pipeline.clone(),
            built_in: 1,
            fingerprint: step.fingerprint.clone(),
            contract,
            delta: DeltaPosition { table_id: String::new(), version: 0 },
            parts: parts.collect(),
            extra: Extra::default(),
        };
        tables.insert(step.model.clone(), entry);
    }
    Ok(Commit {
        format: FORMAT,
        version: 1,
        parent: None,
        pipeline: plan.pipeline.clone(),
        attempt,
        run_id: "r1".to_owned(),
        committed_at: plan.as_of,
        as_of: plan.as_of,
        known_at: plan.known_at,
        project_fingerprint: plan.project_fingerprint.clone(),
        parameters_fingerprint: plan.parameters_fingerprint.clone(),
        engine_version: String::new(),
        restores: None,
        tables,
    })
}
