//! `run`: the whole walk, to a new version or to none.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diff::{self, Since};
use super::facts::last_failures;
use super::scratch::Scratch;
use super::{Common, Comparison, Error, OnFailure, Publication, Surroundings, context, freshness};
use crate::count::counted;
use crate::diagnostic::{Diagnostic, code};
use crate::engine::Engine;
use crate::ident::AttemptId;
use crate::lake::{self, Commit, Lake, Recovered};
use crate::plan::{self, Ending, Event, Outcome, Phase, Plan, Request};
use crate::report;
use crate::run::{self, AfterFailure, Ended, Job, Mode, Until};
use crate::state::{self, State};
use crate::store::Store;

/// How often a run plans again after another published first.
const RACES: usize = 5;

/// A run that ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What became of its plan.
    pub outcome: Outcome,
    /// What it moved, if it published, was asked, and there was a version before.
    pub moved: Option<Since>,
}

/// Brings the selected tables up to date and publishes them as one version.
///
/// # Errors
///
/// Returns what keeps the run from starting or from ending honestly; failed models and broken
/// audits are in the outcome.
pub async fn run(around: &Surroundings, common: &Common) -> Result<Ran, Error> {
    let asked = context::asked(around, common)?;
    let pipeline = asked.pipeline();
    let sources = context::sources(around, common, pipeline)?;
    let root = context::root(around, common, pipeline)?;
    let run_id = (around.fresh_word)();
    around.observer.notice(Event::Phase(Phase::Recover));
    let name = attempt(&run_id)?;
    // The root is made ready while the sources are looked at: on a far store both take their time.
    let (ready, looked) =
        futures::join!(ready(around, root, &name), state::pin(&asked.graph, &sources, None));
    let (lake, last) = ready?;
    let mut state = State { last, ..looked? };
    let scratch = Scratch::of(around, &run_id)?;
    scratch.sweep().await;
    let engine = context::engine(around, common, Some(pipeline), scratch.path())?;
    for race in 0..RACES {
        if race > 0 {
            let last = lake.last_commit().await?;
            state = state::pin(&asked.graph, &sources, last).await?;
        }
        lake::step("before_plan");
        let typed = asked.analyze(&state)?;
        let late = freshness::gate(around, common, &engine, &typed, &state).await?;
        let failed = last_failures(&lake, common, &pipeline.name).await?;
        let request = Request { selection: asked.selection.clone(), refresh: common.refresh, failed };
        let plan = plan::build(&typed, &state, &request)?;
        if plan.is_empty() {
            let warnings = state.warnings().chain(late.iter()).cloned().collect();
            return nothing_to_do(around, run_id, plan, warnings);
        }
        let name = if race == 0 { run_id.clone() } else { format!("{run_id}-{}", race + 1) };
        let job = Job {
            typed: &typed,
            state: &state,
            plan: &plan,
            lake: &lake,
            engine: &engine,
            run_id: run_id.clone(),
            attempt: attempt(&name)?,
            clock: Arc::clone(&around.clock),
            observer: Arc::clone(&around.observer),
            stop: around.stop.clone(),
            mode: mode(common),
        };
        match run::execute(&job).await? {
            Ended::Done(mut outcome) => {
                outcome.warnings.extend(late.iter().cloned());
                tell_the_world(around, &lake, &state, &outcome).await;
                let moved = moved(around, common, &engine, &lake, &outcome).await;
                return Ok(Ran { outcome: *outcome, moved });
            }
            Ended::LostRace { version } => {
                let text = format!("another run published version {version} first: planning again");
                around.observer.notice(Event::Note { text });
            }
        }
    }
    let lost = Diagnostic::error(code::LOST_RACE, "other runs published first, again and again");
    Err(lost.help("run again when they are done").into())
}

/// The root, proven and rolled forward, and its last commit.
async fn ready(
    around: &Surroundings,
    root: Store,
    attempt: &AttemptId,
) -> Result<(Lake, Option<Commit>), Error> {
    let (lake, last) = Lake::open_to_publish(root, attempt).await?;
    let recovered = lake.roll_forward_to(last.clone()).await?;
    tell(around, &recovered);
    let known = last.as_ref().map(|commit| commit.version);
    let last = if recovered.version == known { last } else { lake.last_commit().await? };
    Ok((lake, last))
}

fn attempt(word: &str) -> Result<AttemptId, Error> {
    AttemptId::parse(word).map_err(|cause| Diagnostic::error(code::BUG, cause.to_string()).into())
}

const fn mode(common: &Common) -> Mode {
    Mode {
        on_failure: match common.on_failure {
            OnFailure::GoOn => AfterFailure::GoOn,
            OnFailure::Stop => AfterFailure::Stop,
        },
        until: match common.publication {
            Publication::Publish => Until::Published,
            Publication::StageOnly => Until::Audited,
        },
    }
}

fn nothing_to_do(
    around: &Surroundings,
    run_id: String,
    plan: Plan,
    warnings: Vec<Diagnostic>,
) -> Result<Ran, Error> {
    let now = (around.clock)();
    let outcome = Outcome {
        attempt: attempt(&run_id)?,
        run_id,
        ending: Ending::NothingToDo { version: plan.parent },
        plan,
        steps: Vec::new(),
        warnings,
        sources: Vec::new(),
        audits: Vec::new(),
        failures: Vec::new(),
        scans: BTreeMap::new(),
        started_at: now,
        finished_at: now,
    };
    Ok(Ran { outcome, moved: None })
}

fn tell(around: &Surroundings, recovered: &Recovered) {
    if !recovered.tables.is_empty() {
        let tables = counted(recovered.tables.len(), "table");
        let text = format!("finished what an earlier run left: {tables} brought to the last version");
        around.observer.notice(Event::Note { text });
    }
}

/// Writes the run's documents. Nothing here can change the outcome: a failure is told, no more.
async fn tell_the_world(around: &Surroundings, lake: &Lake, state: &State, outcome: &Outcome) {
    lake::step("before_receipt");
    let documents = [
        ("receipt.json", report::receipt(outcome, state)),
        ("run_results.json", report::run_results(outcome)),
    ];
    let written = documents.into_iter().map(|(name, document)| async move {
        let content = serde_json::to_vec_pretty(&document).unwrap_or_default();
        if let Err(cause) = lake.put_run_document(&outcome.run_id, name, content).await {
            let why = cause.to_diagnostic().message;
            let text = format!("`{name}` of this run was not written, all else stands: {why}");
            around.observer.notice(Event::Note { text });
        }
    });
    futures::future::join_all(written).await;
}

/// What the run moved. It cannot change the outcome: a failure is told, no more, and who wants the
/// program to stop does not wait for it.
async fn moved(
    around: &Surroundings,
    common: &Common,
    engine: &Engine,
    lake: &Lake,
    outcome: &Outcome,
) -> Option<Since> {
    let (Ending::Published { version }, Comparison::WithParent) = (&outcome.ending, common.comparison) else {
        return None;
    };
    let mut stop = around.stop.clone();
    let looked = tokio::select! {
        looked = diff::since(engine, lake, *version) => looked,
        _ = stop.wait_for(|stop| *stop) => return None,
    };
    looked.unwrap_or_else(|cause| {
        let why = cause.diagnostics().iter().next().map_or_else(String::new, |found| found.message.clone());
        let text = format!("what this run moved is not told, all else stands: {why}");
        around.observer.notice(Event::Note { text });
        None
    })
}
