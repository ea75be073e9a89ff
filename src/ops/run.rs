//! `run`: the whole walk, to a new version or to none.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::apply::why_refused;
use super::context::Asked;
use super::diff::{self, Since};
use super::lease::{Go, Hold, Leasing, taken_beside};
use super::plan::as_typed;
use super::resume::BrokenOff;
use super::scratch::Scratch;
use super::stop::unless_stopped;
use super::{Common, Comparison, Error, OnFailure, Publication, Surroundings, context, freshness};
use crate::count::counted;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::Engine;
use crate::ident::AttemptId;
use crate::interval::spoken;
use crate::lake::{self, Commit, Lake, Recovered, Slice};
use crate::plan::{self, Ending, Event, MadeIn, Outcome, Phase, Plan, Purpose, Saved, Step, TypedGraph};
use crate::report;
use crate::run::{self, AfterFailure, Ended, Job, Mode, Resumed, Until};
use crate::state::{self, State};
use crate::store::Store;

/// How often a run plans again after another published first.
pub(super) const RACES: usize = 5;

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
/// Returns what keeps the run from starting or from ending honestly, `GW0705` if another run is at work on
/// the pipeline among it; failed models and broken audits are in the outcome.
pub async fn run(around: &Surroundings, common: &Common) -> Result<Ran, Error> {
    conduct(around, common, Way::Anew).await
}

/// What a run goes by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    /// The world as it is.
    Anew,
    /// This plan, or nothing.
    Saved(&'a Saved),
    /// What an attempt that was broken off has done already.
    BrokenOff(&'a BrokenOff),
}

/// Runs what is asked for.
pub(super) async fn conduct(around: &Surroundings, common: &Common, way: Way<'_>) -> Result<Ran, Error> {
    let walk = Walk::of(around, common, way)?;
    let hold = Hold::default();
    // It holds a lot while it waits: not on the stack of everybody who waits for it.
    let ended = Box::pin(walk.to_the_end(&hold)).await;
    hold.release().await;
    ended
}

/// A run, its request judged.
pub(super) struct Walk<'a> {
    pub(super) around: &'a Surroundings,
    common: &'a Common,
    way: Way<'a>,
    pub(super) asked: Asked,
    sources: Store,
    pub(super) lake: Lake,
    pub(super) run_id: String,
    attempt: AttemptId,
}

/// What was decided, and from what.
struct Decided {
    typed: TypedGraph,
    plan: Plan,
    /// Sources that are late, and are read all the same.
    late: Diagnostics,
}

impl<'a> Walk<'a> {
    /// Judges what is asked for.
    pub(super) fn of(around: &'a Surroundings, common: &'a Common, way: Way<'a>) -> Result<Self, Error> {
        let asked = context::asked(around, common)?;
        let word = (around.fresh_word)();
        let run_id = match way {
            Way::BrokenOff(broken) => broken.run_id.clone(),
            Way::Anew | Way::Saved(_) => word.clone(),
        };
        Ok(Self {
            sources: context::sources(around, common, asked.pipeline())?,
            lake: Lake::at(context::root(around, common, asked.pipeline())?),
            attempt: attempt(&word)?,
            around,
            common,
            way,
            asked,
            run_id,
        })
    }

    async fn to_the_end(&self, hold: &Hold) -> Result<Ran, Error> {
        let around = self.around;
        around.observer.notice(Event::Phase(Phase::Recover));
        let mut state = unless_stopped(around, self.begin(hold)).await?;
        // Not by the run's name: what a killed one left under it may be swept at any moment.
        let scratch = Scratch::of(around, self.attempt.as_str())?;
        scratch.sweep().await;
        let pipeline = Some(self.asked.pipeline());
        let engine = context::engine(around, self.common, pipeline, scratch.path())?;
        for race in 0..RACES {
            if race > 0 {
                state = unless_stopped(around, self.look_again()).await?;
            }
            lake::step("before_plan");
            let Decided { typed, plan, late } = unless_stopped(around, self.decide(&engine, &state)).await?;
            if plan.is_empty() {
                let warnings = state.warnings().chain(late.iter()).cloned().collect();
                return nothing_to_do(around, self.run_id.clone(), plan, warnings);
            }
            let (attempt, resumed) = self.attempt_of(race, &plan).await?;
            let job = Job {
                typed: &typed,
                state: &state,
                plan: &plan,
                asked: as_typed(self.common),
                lake: &self.lake,
                staging: &self.lake,
                engine: &engine,
                run_id: self.run_id.clone(),
                attempt,
                clock: Arc::clone(&around.clock),
                observer: Arc::clone(&around.observer),
                stop: around.stop.clone(),
                mode: mode(self.common),
                resumed,
                turn: run::Turn::default(),
            };
            match run::execute(&job).await? {
                Ended::Done(mut outcome) => {
                    outcome.warnings.extend(late.iter().cloned());
                    // It is published or it is not: from now on nobody need wait for this run.
                    futures::join!(tell_the_world(around, &self.lake, &state, &outcome), hold.release());
                    tell_of_later(around, &typed, &state, &outcome);
                    let moved = moved(around, self.common, &engine, &self.lake, &outcome).await;
                    return Ok(Ran { outcome: *outcome, moved });
                }
                Ended::LostRace { version } => self.lost(version)?,
            }
        }
        let lost = Diagnostic::error(code::LOST_RACE, "other runs published first, again and again");
        Err(lost.help("run again when they are done").into())
    }

    /// Takes the lease, makes the root ready and looks at the sources, all at once: on a far store
    /// each takes its time.
    pub(super) async fn begin(&self, hold: &Hold) -> Result<State, Error> {
        let named = (self.run_id.as_str(), &self.attempt);
        let pipeline = &self.asked.pipeline().name;
        let leasing = Leasing::of(self.around, self.common, &self.lake, pipeline, named)?;
        let look = async |go: Go| {
            let pinned = state::pin(&self.asked.graph, &self.sources, None);
            let (last, looked) = futures::join!(self.ready(go), pinned);
            Ok(State { last: last?, ..looked? })
        };
        taken_beside(leasing.as_ref(), hold, look).await
    }

    /// The root's last commit; the root is proven and rolled forward to it.
    async fn ready(&self, go: Go) -> Result<Option<Commit>, Error> {
        let last = self.lake.last_commit().await?;
        // While another run may hold the lease nothing is written.
        go.given().await;
        self.lake.prove(&self.attempt).await?;
        let recovered = self.lake.roll_forward_to(last.clone()).await?;
        tell(self.around, &recovered);
        let known = last.as_ref().map(|commit| commit.version);
        if recovered.version == known { Ok(last) } else { Ok(self.lake.last_commit().await?) }
    }

    pub(super) async fn look_again(&self) -> Result<State, Error> {
        let last = self.lake.last_commit().await?;
        Ok(state::pin(&self.asked.graph, &self.sources, last).await?)
    }

    async fn decide(&self, engine: &Engine, state: &State) -> Result<Decided, Error> {
        let typed = self.asked.analyze(state)?;
        let request = self.asked.request(&self.lake, self.common).await?;
        let plan = plan::build(&typed, state, &request)?;
        if let Way::Saved(saved) = self.way
            && let Err(found) = saved.refuse_other(&plan, &MadeIn::of(&typed, state))
        {
            return Err(why_refused(&self.lake, saved, found).await?.into());
        }
        let late = freshness::gate(self.around, self.common, engine, &typed, state).await?;
        Ok(Decided { typed, plan, late })
    }

    /// The attempt that does the plan; with one that was broken off, what it has done already.
    async fn attempt_of(&self, race: usize, plan: &Plan) -> Result<(AttemptId, Option<Resumed>), Error> {
        match (race, self.way) {
            (0, Way::BrokenOff(broken)) => {
                let found = broken.done(&self.lake, plan);
                let (resumed, text) = unless_stopped(self.around, found).await?;
                self.around.observer.notice(Event::Note { text });
                let attempt = if resumed.is_some() { &broken.attempt } else { &self.attempt };
                Ok((attempt.clone(), resumed))
            }
            (0, _) => Ok((self.attempt.clone(), None)),
            _ => Ok((attempt(&format!("{}-{}", self.attempt, race + 1))?, None)),
        }
    }

    /// What a lost race means: another plan, but for one that was saved.
    pub(super) fn lost(&self, version: u64) -> Result<(), Error> {
        if let Way::Saved(_) = self.way {
            let message = format!("another run published version {version} while this plan was applied");
            let lost = Diagnostic::error(code::LOST_RACE, message);
            return Err(lost.help("nothing of it was published; make a new plan").into());
        }
        let text = format!("another run published version {version} first: planning again");
        self.around.observer.notice(Event::Note { text });
        Ok(())
    }
}

pub(super) fn attempt(word: &str) -> Result<AttemptId, Error> {
    AttemptId::parse(word).map_err(|cause| Diagnostic::error(code::BUG, cause.to_string()).into())
}

pub(super) const fn mode(common: &Common) -> Mode {
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

pub(super) fn nothing_to_do(
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

/// Says that snapshots of later days are published: what is called the latest is theirs, and not of the
/// day that tables without snapshots are of now.
fn tell_of_later(around: &Surroundings, typed: &TypedGraph, state: &State, outcome: &Outcome) {
    if !matches!(outcome.ending, Ending::Published { .. }) || outcome.plan.purpose == Purpose::Backfill {
        return;
    }
    let newest = |step: &Step| {
        let model = typed.graph.model(&step.model).filter(|model| model.is_snapshot())?;
        let entry = state.last.as_ref()?.tables.get(&model.name)?;
        let newest = typed.kept(model, entry).map(|part| part.slice).max()?;
        (newest > typed.slice(model)).then(|| (step.model.clone(), newest))
    };
    let later: Vec<_> = outcome.plan.steps.iter().filter_map(newest).collect();
    let Some((first, Slice::Snapshot { as_of })) = later.first() else { return };
    let (named, are) = match later.len() {
        1 => (format!("`{first}_latest`"), "is"),
        many => (format!("`{first}_latest` and {} more", many - 1), "are"),
    };
    let (own, newest) = (outcome.plan.looks_from(), spoken(*as_of, &outcome.plan.time_zone));
    let text =
        format!("this run looked from {own}, but {named} still {are} of {newest}, the newest snapshot");
    around.observer.notice(Event::Note { text });
}

/// Writes the run's documents. Nothing here can change the outcome: a failure is told, no more.
pub(super) async fn tell_the_world(around: &Surroundings, lake: &Lake, state: &State, outcome: &Outcome) {
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
