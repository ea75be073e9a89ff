//! Fills in snapshots: several days at once, as far as there is memory, published a version a day or all
//! together.
//!
//! **Invariant:** what is published does not depend on how many days are computed at once: days that read
//! what an earlier one writes are computed after it.

use std::sync::Arc;

use jiff::civil::Date;
use serde_json::{Value as Json, json};

use super::Versions;
use crate::diagnostic::{Diagnostic, code};
use crate::engine::Engine;
use crate::graph::Node;
use crate::ident::AttemptId;
use crate::interval::Instant;
use crate::lake::{Commit, FORMAT, Intent, Part};
use crate::ops::lease::Hold;
use crate::ops::plan::as_typed;
use crate::ops::run::{RACES, Walk, Way, attempt, mode, nothing_to_do, tell_the_world};
use crate::ops::scratch::Scratch;
use crate::ops::stop::unless_stopped;
use crate::ops::{Common, Error, Surroundings, context};
use crate::plan::{
    self, Ending, Event, Observer, Outcome, Plan, Purpose, Request, StepKind, StepResult, TypedGraph,
};
use crate::project::{Model, Visibility};
use crate::run::{self, Job, Published, Ready, Resumed, Staging, Turn};
use crate::state::State;

/// The least memory a day is given: below it days are computed one after another.
const LEAST_MEMORY: u64 = 1 << 30;

/// The most days that are computed at once.
const MOST_AT_ONCE: usize = 4;

/// Publishes the snapshots of `days` that are missing or changed; an outcome for each, up to the first
/// that was not published.
pub(super) async fn fill(
    around: &Surroundings,
    common: &Common,
    days: &[Date],
    versions: Versions,
) -> Result<Vec<Outcome>, Error> {
    let quiet = Surroundings { observer: Arc::new(Quiet(Arc::clone(&around.observer))), ..around.clone() };
    let common = Common { purpose: Purpose::Backfill, ..common.clone() };
    let Some(first) = days.first() else { return Ok(Vec::new()) };
    let of_first = Common { as_of: Some(first.to_string()), ..common.clone() };
    let walk = Walk::of(&quiet, &of_first, Way::Anew)?;
    let hold = Hold::default();
    let filling = Filling { walk: &walk, common: &common, days, versions };
    let ended = Box::pin(filling.to_the_end(&hold)).await;
    hold.release().await;
    ended
}

/// Tells what is to be read; several days at once have no progress of their own.
struct Quiet(Arc<dyn Observer>);

impl Observer for Quiet {
    fn notice(&self, event: Event) {
        if matches!(event, Event::Note { .. }) {
            self.0.notice(event);
        }
    }
}

struct Filling<'a> {
    walk: &'a Walk<'a>,
    common: &'a Common,
    days: &'a [Date],
    versions: Versions,
}

/// A day with all it is computed from.
struct Day {
    common: Common,
    typed: TypedGraph,
    state: State,
    plan: Plan,
    run_id: String,
    attempt: AttemptId,
    turn: Turn,
    resumed: Option<Resumed>,
}

impl Day {
    fn job<'a>(&'a self, walk: &'a Walk<'_>, engine: &'a Engine) -> Job<'a> {
        Job {
            typed: &self.typed,
            state: &self.state,
            plan: &self.plan,
            asked: as_typed(&self.common),
            lake: &walk.lake,
            staging: &walk.lake,
            engine,
            run_id: self.run_id.clone(),
            attempt: self.attempt.clone(),
            clock: Arc::clone(&walk.around.clock),
            observer: Arc::clone(&walk.around.observer),
            stop: walk.around.stop.clone(),
            mode: mode(&self.common),
            resumed: self.resumed.clone(),
            turn: self.turn,
        }
    }
}

/// A day that is written and checked.
struct Filled {
    day: Day,
    ready: Ready,
    /// Its place among the outcomes.
    at: usize,
}

/// The one attempt of a backfill that publishes one version.
struct Together {
    run_id: String,
    attempt: AttemptId,
    resumed: Option<Resumed>,
    /// Said before the first file is written, and not where there is nothing to write.
    unsaid: Option<Intent>,
}

impl Filling<'_> {
    async fn to_the_end(&self, hold: &Hold) -> Result<Vec<Outcome>, Error> {
        let around = self.walk.around;
        let mut state = unless_stopped(around, self.walk.begin(hold)).await?;
        let lanes = self.lanes().await?;
        for race in 0..RACES {
            if race > 0 {
                state = unless_stopped(around, self.walk.look_again()).await?;
            }
            let done = match self.versions {
                Versions::EachDay => self.each_day(&lanes, &mut state).await?,
                Versions::One => self.one(&lanes, &state, race).await?,
            };
            if let Some(outcomes) = done {
                return Ok(outcomes);
            }
        }
        let lost = Diagnostic::error(code::LOST_RACE, "other runs published first, again and again");
        Err(lost.help("run again when they are done").into())
    }

    /// The engines that compute at the same time, each with its part of the memory.
    async fn lanes(&self) -> Result<Vec<(Engine, Scratch)>, Error> {
        let around = self.walk.around;
        let pipeline = self.walk.asked.pipeline();
        let memory = context::memory(around, self.common, Some(pipeline));
        let by_memory = usize::try_from(memory / LEAST_MEMORY).unwrap_or(usize::MAX);
        let threads = self.common.threads.unwrap_or(around.machine_threads);
        let count = threads.min(by_memory).min(self.days.len()).clamp(1, MOST_AT_ONCE);
        let share = memory / u64::try_from(count).unwrap_or(1);
        let common = Common { memory_limit: Some(share), ..self.common.clone() };
        let mut lanes = Vec::new();
        for lane in 0..count {
            let scratch = Scratch::of(around, &format!("{}-{lane}", self.walk.run_id))?;
            if lane == 0 {
                scratch.sweep().await;
            }
            lanes.push((context::engine(around, &common, Some(pipeline), scratch.path())?, scratch));
        }
        Ok(lanes)
    }

    /// A version a day; `None` if another run published in between.
    async fn each_day(
        &self,
        lanes: &[(Engine, Scratch)],
        state: &mut State,
    ) -> Result<Option<Vec<Outcome>>, Error> {
        let mut outcomes = Vec::new();
        while outcomes.len() < self.days.len() && !self.is_stopped() {
            let Wave { filled, told, goes_on } = self.wave(lanes, state, outcomes.len(), None).await?;
            let first = outcomes.len();
            outcomes.extend(told);
            for Filled { day, ready, at } in filled {
                // A wave that was planned against what another run replaced is planned again.
                let (engine, _) = &lanes[(at - first) % lanes.len()];
                let job = day.job(self.walk, engine);
                match run::publish(vec![(&job, ready)], state.last.as_ref()).await? {
                    Published::LostRace { version } => {
                        self.walk.lost(version)?;
                        return Ok(None);
                    }
                    Published::Done(done) => {
                        for outcome in done {
                            tell_the_world(self.walk.around, &self.walk.lake, &day.state, &outcome).await;
                            outcomes.insert(at, outcome);
                        }
                    }
                }
                state.last = self.walk.lake.last_commit().await?;
            }
            if !goes_on {
                break;
            }
        }
        Ok(Some(outcomes))
    }

    /// All days in one version; `None` if another run published in between.
    async fn one(
        &self,
        lanes: &[(Engine, Scratch)],
        state: &State,
        race: usize,
    ) -> Result<Option<Vec<Outcome>>, Error> {
        let around = self.walk.around;
        let mut together = self.together(state, race).await?;
        let mut seen = state.clone();
        let (mut outcomes, mut all): (Vec<Outcome>, Vec<Filled>) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < self.days.len() {
            if self.is_stopped() {
                return Ok(Some(self.unseen(lanes, outcomes, all)));
            }
            let Wave { filled, told, goes_on } = self.wave(lanes, &seen, at, Some(&mut together)).await?;
            at += filled.len() + told.len();
            outcomes.extend(told);
            all.extend(filled);
            if !goes_on {
                // All of it or nothing.
                return Ok(Some(self.unseen(lanes, outcomes, all)));
            }
            let jobs: Vec<Job<'_>> =
                all.iter().map(|filled| filled.day.job(self.walk, &lanes[0].0)).collect();
            let written: Vec<_> = jobs.iter().zip(all.iter().map(|filled| &filled.ready)).collect();
            if let Some(unpublished) = run::unpublished(&written, state.last.as_ref())? {
                seen.last = Some(unpublished);
            }
        }
        if all.is_empty() {
            return Ok(Some(outcomes));
        }
        let (days, ready): (Vec<(Day, usize)>, Vec<Ready>) =
            all.into_iter().map(|filled| ((filled.day, filled.at), filled.ready)).unzip();
        let jobs: Vec<Job<'_>> = days.iter().map(|(day, _)| day.job(self.walk, &lanes[0].0)).collect();
        match run::publish(jobs.iter().zip(ready).collect(), state.last.as_ref()).await? {
            Published::LostRace { version } => {
                self.walk.lost(version)?;
                Ok(None)
            }
            Published::Done(done) => {
                if let Some(whole) = whole(&done, self.walk.lake.last_commit().await?.as_ref()) {
                    tell_the_world(around, &self.walk.lake, state, &whole).await;
                }
                for (outcome, (_, at)) in done.into_iter().zip(&days) {
                    outcomes.insert(*at, outcome);
                }
                Ok(Some(outcomes))
            }
        }
    }

    /// The outcomes of a backfill of which nothing is published.
    fn unseen(
        &self,
        lanes: &[(Engine, Scratch)],
        mut outcomes: Vec<Outcome>,
        written: Vec<Filled>,
    ) -> Vec<Outcome> {
        for Filled { day, ready, at } in written {
            let job = day.job(self.walk, &lanes[0].0);
            outcomes.insert(at.min(outcomes.len()), ready.unseen(&job));
        }
        outcomes
    }

    fn is_stopped(&self) -> bool {
        *self.walk.around.stop.borrow()
    }

    /// Computes the next days, as many at once as there are engines; with one attempt for all they are
    /// written under its name.
    async fn wave(
        &self,
        lanes: &[(Engine, Scratch)],
        state: &State,
        first: usize,
        together: Option<&mut Together>,
    ) -> Result<Wave, Error> {
        let around = self.walk.around;
        let mut next = state.last.as_ref().map(|last| last.version);
        if together.is_some() {
            next = self.published(state);
        }
        let (mut told, mut days) = (Vec::new(), Vec::new());
        for (at, day) in self.days.iter().enumerate().skip(first).take(lanes.len()) {
            let mut planned = unless_stopped(around, self.plan(*day, at, state, together.as_deref())).await?;
            if planned.plan.is_empty() {
                let warnings = planned.state.warnings().cloned().collect();
                told.push((at, nothing_to_do(around, planned.run_id, planned.plan, warnings)?.outcome));
                continue;
            }
            if !days.is_empty() && reads_history(&planned.typed, &planned.plan) {
                break;
            }
            // Each is published on top of the one before.
            planned.plan.parent = next;
            if together.is_none() {
                next = Some(next.map_or(1, |version| version + 1));
            }
            let alone = reads_history(&planned.typed, &planned.plan);
            days.push((at, planned));
            if alone {
                break;
            }
        }
        if let Some(intent) = together.and_then(|together| together.unsaid.take_if(|_| !days.is_empty())) {
            self.walk.lake.write_intent(&intent).await?;
        }
        let work = days.iter().zip(lanes).map(|((_, day), (engine, _))| async move {
            let job = day.job(self.walk, engine);
            run::stage(&job).await
        });
        let staged = futures::future::join_all(work).await;
        let mut wave = Wave { filled: Vec::new(), told: Vec::new(), goes_on: true };
        let mut rest = told.into_iter().peekable();
        for ((at, day), staged) in days.into_iter().zip(staged) {
            while let Some((_, outcome)) = rest.next_if(|(before, _)| *before < at) {
                wave.told.push(outcome);
            }
            match staged? {
                Staging::Ready(ready) => wave.filled.push(Filled { day, ready: *ready, at }),
                Staging::Ended(outcome) => {
                    tell_the_world(around, &self.walk.lake, &day.state, &outcome).await;
                    wave.told.push(*outcome);
                    wave.goes_on = false;
                    return Ok(wave);
                }
            }
        }
        wave.told.extend(rest.map(|(_, outcome)| outcome));
        Ok(wave)
    }

    /// The last version that all can see.
    fn published(&self, state: &State) -> Option<u64> {
        // What is not published yet was made on top of it.
        let last = state.last.as_ref()?;
        let is_ours = last.run_id == self.walk.run_id;
        if is_ours { last.parent } else { Some(last.version) }
    }

    async fn plan(
        &self,
        day: Date,
        at: usize,
        state: &State,
        together: Option<&Together>,
    ) -> Result<Day, Error> {
        let around = self.walk.around;
        let text = format!("snapshots of {day}, {} of {}", at + 1, self.days.len());
        around.observer.notice(Event::Note { text });
        let common = Common { as_of: Some(day.to_string()), ..self.common.clone() };
        let asked = self.walk.asked.looking_from(around, &common)?;
        let typed = asked.analyze(state)?;
        let request = asked.request(&self.walk.lake, &common).await?;
        let zone = &self.walk.asked.pipeline().time_zone;
        let newest = self.days.last().and_then(|last| Instant::start_of_day(*last, zone).ok());
        let request = Request { newest, ..request };
        let plan = plan::build(&typed, state, &request)?;
        let (run_id, attempt, resumed, turn) = match together {
            Some(one) => {
                let turn = Turn { number: at, is_intended: true };
                (one.run_id.clone(), one.attempt.clone(), one.resumed.clone(), turn)
            }
            None => {
                let word = (around.fresh_word)();
                (word.clone(), attempt(&word)?, None, Turn::default())
            }
        };
        Ok(Day { common, typed, state: state.clone(), plan, run_id, attempt, turn, resumed })
    }

    /// The attempt that writes all days: one that was broken off with the same request, or a new one.
    async fn together(&self, state: &State, race: usize) -> Result<Together, Error> {
        let Walk { around, lake, .. } = self.walk;
        let parent = state.last.as_ref().map(|last| last.version);
        let request = self.request();
        if race == 0
            && let Some(broken) = self.broken_off(parent, &request).await?
        {
            let resumed = unless_stopped(around, async { Ok(run::resumed(lake, &broken.attempt).await?) });
            let resumed = resumed.await?;
            let text = format!("going on with run `{}`: what it has written is used", broken.run_id);
            around.observer.notice(Event::Note { text });
            let Intent { run_id, attempt, .. } = broken;
            return Ok(Together { run_id, attempt, resumed: Some(resumed), unsaid: None });
        }
        let word = if race == 0 { self.walk.run_id.clone() } else { (around.fresh_word)() };
        let (run_id, attempt) = (self.walk.run_id.clone(), attempt(&word)?);
        let (as_of, known_at) = self.walk.asked.times;
        let graph = &self.walk.asked.graph;
        let kept = |model: &&Model| model.is_snapshot() && model.visibility == Visibility::Published;
        let intent = Intent {
            format: FORMAT,
            attempt: attempt.clone(),
            run_id: run_id.clone(),
            pipeline: self.walk.asked.pipeline().name.clone(),
            started_at: (around.clock)(),
            parent,
            as_of,
            known_at,
            tables: graph.models().filter(kept).map(|model| model.name.clone()).collect(),
            plan: request,
        };
        Ok(Together { run_id, attempt, resumed: None, unsaid: Some(intent) })
    }

    async fn broken_off(&self, parent: Option<u64>, request: &Json) -> Result<Option<Intent>, Error> {
        let lake = &self.walk.lake;
        let mut found: Option<Intent> = None;
        for orphan in lake.orphans().await? {
            let Some(intent) = lake.intent(&orphan.attempt).await? else { continue };
            let is_same = intent.plan == *request && intent.parent == parent;
            let is_later = found.as_ref().is_none_or(|found| found.started_at < intent.started_at);
            if is_same && is_later && lake.may_still_publish(&intent.attempt, parent.unwrap_or(0) + 1).await?
            {
                found = Some(intent);
            }
        }
        Ok(found)
    }

    /// What is asked for, as the intent keeps it.
    fn request(&self) -> Json {
        let days: Vec<String> = self.days.iter().map(ToString::to_string).collect();
        json!({"purpose": Purpose::Backfill, "asked": as_typed(self.common), "days": days})
    }
}

/// What became of some days.
struct Wave {
    filled: Vec<Filled>,
    /// Those that are up to date, and the first that failed.
    told: Vec<Outcome>,
    goes_on: bool,
}

/// Whether a table of the plan is made from earlier days' snapshots of another.
fn reads_history(typed: &TypedGraph, plan: &Plan) -> bool {
    plan.steps.iter().any(|step| {
        typed.graph.inputs(&step.model).iter().any(|input| match &input.node {
            Node::Model(name) => {
                !input.is_latest() && typed.graph.model(name).is_some_and(Model::is_snapshot)
            }
            Node::Source(_) => false,
        })
    })
}

/// One outcome of all days that were published as one version.
fn whole(days: &[Outcome], commit: Option<&Commit>) -> Option<Outcome> {
    let mut whole = days.first()?.clone();
    for day in &days[1..] {
        for step in &day.plan.steps {
            if whole.plan.step(&step.model).is_none() {
                whole.plan.steps.push(step.clone());
            }
        }
        for result in &day.steps {
            match whole.steps.iter_mut().find(|known| known.model == result.model) {
                Some(known) => known.finished_at = known.finished_at.max(result.finished_at),
                None => whole.steps.push(result.clone()),
            }
        }
        for audit in &day.audits {
            let known =
                whole.audits.iter().any(|known| known.model == audit.model && known.audit == audit.audit);
            if !known {
                whole.audits.push(audit.clone());
            }
        }
        whole.finished_at = whole.finished_at.max(day.finished_at);
    }
    for step in &mut whole.plan.steps {
        let Some(entry) = commit.and_then(|commit| commit.tables.get(&step.model)) else { continue };
        let parts: Vec<&Part> = entry.parts.iter().filter(|part| part.attempt == whole.attempt).collect();
        // A table of which one day was written is told by that day's fingerprint.
        if parts.len() > 1 {
            step.fingerprint.clone_from(&entry.fingerprint);
        }
        let published =
            |result: &&mut StepResult| result.model == step.model && result.kind == StepKind::Publish;
        if let Some(result) = whole.steps.iter_mut().find(published) {
            let files = || parts.iter().flat_map(|part| &part.files);
            result.rows = parts.iter().map(|part| part.rows).sum();
            result.bytes = files().map(|file| file.bytes).sum();
            result.files = files().count();
        }
    }
    matches!(whole.ending, Ending::Published { .. }).then_some(whole)
}
