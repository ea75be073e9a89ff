//! `resume`: goes on with a run that was killed, stopped or failed, where it ended.
//!
//! **Invariant:** what the run was asked holds: its day, its parameters, its selection. What it has
//! written is used only if it is what the plan made now would write (the same fingerprint) and lies
//! there as it was written (the same hash); so the final bytes are those of a run that nothing broke off.

use std::collections::BTreeSet;

use super::run::{Ran, Way, conduct};
use super::{Common, Error, Surroundings, context};
use crate::count::counted;
use crate::diagnostic::{Diagnostic, code};
use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::lake::{Commit, Intent, Lake};
use crate::plan::{self, Event, Plan, Purpose, StepKind};
use crate::run::{self, Resumed};

/// A run that has published nothing yet.
#[derive(Debug)]
pub(super) struct BrokenOff {
    /// The run.
    pub(super) run_id: String,
    /// Its last attempt.
    pub(super) attempt: AttemptId,
    parent: Option<u64>,
    tables: BTreeSet<NodeName>,
}

/// Goes on with a run that published nothing: the one called `run`, or `latest`.
///
/// Steps it has finished are read through and used; the rest is computed as of the day the run looked
/// from, with the parameters it had. If another run has published since, all is computed.
///
/// # Errors
///
/// Returns `GW0311` if there is no such run, and what [`run`](super::run()) returns.
pub async fn resume(around: &Surroundings, common: &Common, run: &str) -> Result<Ran, Error> {
    let graph = context::compile(around, common)?;
    let pipeline = &graph.project().pipeline;
    let lake = Lake::at(context::root(around, common, pipeline)?);
    let last = lake.last_commit().await?;
    let Some(intent) = find(&lake, &pipeline.name, run, last.as_ref()).await? else {
        return Err(nothing(&lake, &pipeline.name, run, last.as_ref()).await?.into());
    };
    let Some((asked, purpose)) = plan::asked_of(&intent.plan) else {
        let message =
            format!("run `{}` was made by an older Goodwill, which kept too little of it", intent.run_id);
        let older = Diagnostic::error(code::NOTHING_TO_RESUME, message);
        return Err(older.help("run again: `goodwill run`").into());
    };
    if intent.plan.get("days").is_some() {
        let message = format!("run `{}` is a backfill that publishes one version", intent.run_id);
        let found = Diagnostic::error(code::NOTHING_TO_RESUME, message);
        return Err(found.help("repeat the backfill: it goes on with what it has written").into());
    }
    let times = (intent.as_of, intent.known_at);
    if purpose == Purpose::Backfill {
        let text = "this is one day of a backfill: repeat the backfill for the days that are left".to_owned();
        around.observer.notice(Event::Note { text });
    }
    let common = Common { purpose, ..common.as_asked(asked, times) };
    let broken = BrokenOff {
        run_id: intent.run_id,
        attempt: intent.attempt,
        parent: intent.parent,
        tables: intent.tables.into_iter().collect(),
    };
    conduct(around, &common, Way::BrokenOff(&broken)).await
}

/// The last attempt of the run that is meant.
async fn find(
    lake: &Lake,
    pipeline: &PipelineName,
    run: &str,
    last: Option<&Commit>,
) -> Result<Option<Intent>, Error> {
    let mut found: Option<Intent> = None;
    for orphan in lake.orphans().await?.into_iter().filter(|orphan| orphan.pipeline == *pipeline) {
        // What began before the last version was published was beaten by it: only by name.
        let beaten = last.is_some_and(|last| orphan.started_at < last.committed_at);
        if run == LATEST && beaten {
            continue;
        }
        let Some(intent) = lake.intent(&orphan.attempt).await? else { continue };
        let is_meant = run == LATEST || intent.run_id == run || intent.attempt.as_str() == run;
        let is_later = found
            .as_ref()
            .is_none_or(|found| (found.started_at, &found.attempt) < (intent.started_at, &intent.attempt));
        if is_meant && is_later {
            found = Some(intent);
        }
    }
    Ok(found)
}

/// The word for the run that began last.
const LATEST: &str = "latest";

/// Why there is nothing to go on with.
async fn nothing(
    lake: &Lake,
    pipeline: &PipelineName,
    run: &str,
    last: Option<&Commit>,
) -> Result<Diagnostic, Error> {
    if run == LATEST {
        let message = format!("no run of pipeline `{pipeline}` was broken off since the last version");
        let found = Diagnostic::error(code::NOTHING_TO_RESUME, message);
        let found = match last {
            Some(last) => {
                found.help(format!("version {} was published by run `{}`", last.version, last.run_id))
            }
            None => found.help("nothing was ever published here, and no run has begun to write"),
        };
        return Ok(found.help("a run that had written nothing is made again: `goodwill run`"));
    }
    let published = lake.history(usize::MAX).await?.into_iter().find(|commit| commit.run_id == run);
    let found = match published {
        Some(commit) => {
            let message = format!("run `{run}` was not broken off: it published version {}", commit.version);
            Diagnostic::error(code::NOTHING_TO_RESUME, message)
        }
        None => {
            let message = format!("there is no run `{run}` of pipeline `{pipeline}` that was broken off");
            Diagnostic::error(code::NOTHING_TO_RESUME, message)
        }
    };
    Ok(found.help("type `goodwill recover` to see the attempts that published nothing"))
}

impl BrokenOff {
    /// What of `plan` is done already, and how that is told; `None` if nothing of it can be used.
    ///
    /// # Errors
    ///
    /// Returns a root that cannot be read.
    pub(super) async fn done(&self, lake: &Lake, plan: &Plan) -> Result<(Option<Resumed>, String), Error> {
        let Self { run_id, attempt, parent, tables } = self;
        let anew = |why: &str| (None, format!("run `{run_id}` is made again from its start: {why}"));
        if plan.parent != *parent {
            return Ok(anew("another version was published since"));
        }
        let published = || plan.steps.iter().filter(|step| step.kind == StepKind::Publish);
        if published().any(|step| !tables.contains(&step.model)) {
            return Ok(anew("it would write other tables now"));
        }
        if !lake.may_still_publish(attempt, parent.unwrap_or(0) + 1).await? {
            return Ok(anew("a clean-up took it for dead"));
        }
        let resumed = run::resumed(lake, attempt).await?;
        let done = published().filter(|step| resumed.is_done(step)).count();
        let mut text = format!(
            "going on with run `{run_id}`: {done} of {} done before",
            counted(published().count(), "table")
        );
        if !resumed.damaged.is_empty() {
            let names: Vec<String> = resumed.damaged.iter().map(ToString::to_string).collect();
            text.push_str(&format!("; not as it was written, so computed again: {}", names.join(", ")));
        }
        Ok((Some(resumed), text))
    }
}
