//! Does what a plan says: write, audit, publish.
//!
//! **Invariant:** decides nothing. What is computed and why stands in the plan; here it becomes
//! `Staged`, then `Audited`, then published, and no other way
//! round: what nobody audited cannot be published.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::Engine;
use crate::ident::AttemptId;
use crate::interval::Instant;
use crate::lake::{self, CommitOutcome, Lake};
use crate::plan::{Asked, Ending, Event, Observer, Outcome, Phase, Plan, StepKind, TypedGraph};
use crate::state::{self, State};

mod audits;
mod bindings;
mod commit;
mod data;
mod draft;
mod freshness;
mod intake;
mod journal;
mod stage;
mod steps;
mod unit;

pub use commit::table_movement;
pub use data::data_tests;
pub use draft::{Draft, Ground, draft};
pub use freshness::{AgeStatus, SourceAge, ages};
pub use journal::{Finished, Resumed, resumed};
pub use unit::{UnitOutcome, read_unit_test, unit_test};

/// A plan with all it needs to be done.
pub struct Job<'a> {
    /// The typed project.
    pub typed: &'a TypedGraph,
    /// The pinned world.
    pub state: &'a State,
    /// What to do.
    pub plan: &'a Plan,
    /// What was asked for, as it was typed.
    pub asked: Asked,
    /// Where to publish, and what is published.
    pub lake: &'a Lake,
    /// Where files are written before they are published: the root too, unless nothing of them is to
    /// be published there.
    pub staging: &'a Lake,
    /// What computes.
    pub engine: &'a Engine,
    /// The run's name.
    pub run_id: String,
    /// The attempt's name; never used before.
    pub attempt: AttemptId,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Becomes true when the run must stop.
    pub stop: tokio::sync::watch::Receiver<bool>,
    /// What is asked beyond the plan.
    pub mode: Mode,
    /// What the attempt has done already, if it was broken off and is gone on with.
    pub resumed: Option<Resumed>,
}

/// What is asked beyond the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// What happens after a first failure.
    pub on_failure: AfterFailure,
    /// How far to go.
    pub until: Until,
}

/// What happens to other steps when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Steps that do not need the failed one go on.
    GoOn,
    /// No further step is started.
    Stop,
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To a new version.
    Published,
    /// To audited, staged files.
    Audited,
}

/// How an execution ended.
#[derive(Debug)]
pub enum Ended {
    /// The outcome is final.
    Done(Box<Outcome>),
    /// Another run published first: plan again against `version`.
    LostRace {
        /// What the other run published.
        version: u64,
    },
}

/// Executes the plan's steps and publishes their results as one version, or none of them.
///
/// # Errors
///
/// Returns what keeps a run from starting or from ending honestly: a store that does not answer,
/// an input that changed while it was read. Failed models and broken audits are outcomes.
pub async fn execute(job: &Job<'_>) -> Result<Ended, Diagnostics> {
    let started_at = (job.clock)();
    if job.resumed.is_none() {
        commit::write_intent(job, started_at).await?;
    }
    job.observer.notice(Event::Planned { steps: job.plan.steps.len() });
    job.observer.notice(Event::Phase(Phase::Write));
    let worked = steps::run(job).await?;
    let outcome = |ending, worked: steps::Worked| Outcome {
        run_id: job.run_id.clone(),
        attempt: job.attempt.clone(),
        plan: job.plan.clone(),
        ending,
        steps: worked.results,
        warnings: job.state.warnings().cloned().collect(),
        sources: worked.sources,
        audits: worked.audits,
        failures: worked.failures,
        scans: job.engine.scans().iter().map(|(name, count)| (name.to_string(), *count)).collect(),
        started_at,
        finished_at: (job.clock)(),
    };
    let done = |ending, worked| Ok(Ended::Done(Box::new(outcome(ending, worked))));
    if worked.stopped() {
        return done(Ending::Stopped, worked);
    }
    if !worked.failures.is_empty() {
        return done(Ending::Failed, worked);
    }
    let Some(audited) = worked.staged.audited(&worked.audits, &worked.sources) else {
        return done(Ending::AuditsFailed, worked);
    };
    state::moved(job.state).await?;
    if job.mode.until == Until::Audited {
        return done(Ending::Staged, worked);
    }
    job.observer.notice(Event::Phase(Phase::Publish));
    match commit::publish(job, &audited).await? {
        (CommitOutcome::Lost { winner }, _) => Ok(Ended::LostRace { version: winner.version }),
        (CommitOutcome::Committed | CommitOutcome::AlreadyOurs, commit) => {
            lake::step("before_roll_forward");
            job.lake
                .roll_forward_to(Some(commit))
                .await
                .map_err(|cause| Diagnostics::from(cause.to_diagnostic()))?;
            let version = audited.version(job.plan);
            done(Ending::Published { version }, worked)
        }
    }
}

/// The tables the plan publishes.
fn published_steps(plan: &Plan) -> impl Iterator<Item = &crate::plan::Step> {
    plan.steps.iter().filter(|step| step.kind == StepKind::Publish)
}

fn bug(what: &str) -> Diagnostic {
    Diagnostic::error(code::BUG, what.to_owned())
}
