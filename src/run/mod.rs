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
use crate::lake::{self, Commit, CommitOutcome, Lake};
use crate::plan::{Asked, Ending, Event, Observer, Outcome, Phase, Plan, StepKind, TypedGraph};
use crate::state::{self, State};

mod audits;
mod bindings;
mod commit;
mod constants;
mod data;
mod draft;
mod freshness;
mod intake;
mod journal;
mod produce;
mod slices;
mod stage;
mod steps;
mod unit;

pub use commit::{promised, table_movement};
pub use constants::{constant_rows, constant_rules, has_constant_rules};
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
    /// Which of the plans it is that its attempt does together; the first of one, as a rule.
    pub turn: Turn,
}

/// Which of the plans that one attempt does together a job does: each has names of its own for files and
/// journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// How many come before it.
    pub number: usize,
    /// Whether somebody else has written what the attempt sets out to do.
    pub is_intended: bool,
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

/// What became of a plan's steps.
pub enum Staging {
    /// Nothing is to be published.
    Ended(Box<Outcome>),
    /// All is written and checked.
    Ready(Box<Ready>),
}

/// Tables that are written and whose rules hold, with what is to be told of them.
pub struct Ready {
    worked: steps::Worked,
    audited: stage::Audited,
    started_at: Instant,
}

impl Ready {
    /// The outcome if nothing of it is published.
    #[must_use]
    pub fn unseen(self, job: &Job<'_>) -> Outcome {
        outcome(job, Ending::Staged, self.worked, self.started_at)
    }
}

/// Executes the plan's steps and publishes their results as one version, or none of them.
///
/// # Errors
///
/// Returns what keeps a run from starting or from ending honestly: a store that does not answer,
/// an input that changed while it was read. Failed models and broken audits are outcomes.
pub async fn execute(job: &Job<'_>) -> Result<Ended, Diagnostics> {
    match stage(job).await? {
        Staging::Ended(outcome) => Ok(Ended::Done(outcome)),
        Staging::Ready(ready) => {
            let last = job.state.last.as_ref();
            Ok(match publish(vec![(job, *ready)], last).await? {
                Published::Done(outcomes) => outcomes
                    .into_iter()
                    .next()
                    .map(|outcome| Ended::Done(Box::new(outcome)))
                    .ok_or_else(|| bug("a publication without an outcome"))?,
                Published::LostRace { version } => Ended::LostRace { version },
            })
        }
    }
}

/// Executes the plan's steps and checks their results.
///
/// # Errors
///
/// As [`execute`].
pub async fn stage(job: &Job<'_>) -> Result<Staging, Diagnostics> {
    let started_at = (job.clock)();
    if job.resumed.is_none() && !job.turn.is_intended {
        commit::write_intent(job, started_at).await?;
    }
    job.observer.notice(Event::Planned { steps: job.plan.steps.len() });
    job.observer.notice(Event::Phase(Phase::Write));
    let worked = steps::run(job).await?;
    let ended = |ending, worked| Ok(Staging::Ended(Box::new(outcome(job, ending, worked, started_at))));
    if worked.stopped() {
        return ended(Ending::Stopped, worked);
    }
    if !worked.failures.is_empty() {
        return ended(Ending::Failed, worked);
    }
    let Some(audited) = worked.staged.audited(&worked.audits, &worked.sources) else {
        return ended(Ending::AuditsFailed, worked);
    };
    state::moved(job.state).await?;
    if job.mode.until == Until::Audited {
        return ended(Ending::Staged, worked);
    }
    Ok(Staging::Ready(Box::new(Ready { worked, audited, started_at })))
}

/// How a publication ended.
#[derive(Debug)]
pub enum Published {
    /// All is visible as one version; an outcome for each job.
    Done(Vec<Outcome>),
    /// Another run published first.
    LostRace {
        /// What the other run published.
        version: u64,
    },
}

/// Publishes what several jobs of one attempt have written as one version, on top of `last`.
///
/// # Errors
///
/// Returns a store that does not answer, and an attempt that was given up.
pub async fn publish(ready: Vec<(&Job<'_>, Ready)>, last: Option<&Commit>) -> Result<Published, Diagnostics> {
    let Some((job, _)) = ready.first() else { return Ok(Published::Done(Vec::new())) };
    job.observer.notice(Event::Phase(Phase::Publish));
    let written: Vec<_> = ready.iter().map(|(job, ready)| (*job, &ready.audited)).collect();
    match commit::publish(&written, last).await? {
        (CommitOutcome::Lost { winner }, _) => Ok(Published::LostRace { version: winner.version }),
        (CommitOutcome::Committed | CommitOutcome::AlreadyOurs, commit) => {
            lake::step("before_roll_forward");
            let version = commit.version;
            let rolled = job.lake.roll_forward_to(Some(commit)).await;
            rolled.map_err(|cause| Diagnostics::from(cause.to_diagnostic()))?;
            let ending = Ending::Published { version };
            let outcomes = ready
                .into_iter()
                .map(|(job, ready)| outcome(job, ending.clone(), ready.worked, ready.started_at));
            Ok(Published::Done(outcomes.collect()))
        }
    }
}

/// What the last commit would be with what these jobs have written, which nobody can see yet.
///
/// # Errors
///
/// Returns a bug of ours: a step that was not written.
pub fn unpublished(
    ready: &[(&Job<'_>, &Ready)],
    last: Option<&Commit>,
) -> Result<Option<Commit>, Diagnostics> {
    let written: Vec<_> = ready.iter().map(|(job, ready)| (*job, &ready.audited)).collect();
    commit::on_top(&written, last)
}

fn outcome(job: &Job<'_>, ending: Ending, worked: steps::Worked, started_at: Instant) -> Outcome {
    Outcome {
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
    }
}

/// The tables the plan publishes.
fn published_steps(plan: &Plan) -> impl Iterator<Item = &crate::plan::Step> {
    plan.steps.iter().filter(|step| step.kind == StepKind::Publish)
}

fn bug(what: &str) -> Diagnostic {
    Diagnostic::error(code::BUG, what.to_owned())
}
