//! Where parts are built again: all that one run was asked to make, in a folder of the process' own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::why::WhyNot;
use super::{Asking, Name, Verdict, Wanted};
use crate::count::counted;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{self, Engine};
use crate::ident::{AttemptId, NodeName};
use crate::interval::spoken;
use crate::lake::{Commit, FileEntry, Lake, Part, Slice, TableEntry};
use crate::ops::plan::as_typed;
use crate::ops::scratch::Scratch;
use crate::ops::test::{broken_audit, refused_source};
use crate::ops::{Common, Error, Keys, Surroundings, context, diff};
use crate::plan::{self, Ending, Event, Observer, Outcome, Plan, Purpose, Refresh, TypedGraph};
use crate::run::{self, AfterFailure, Ended, Finished, Job, Mode, Turn, Until};
use crate::state::State;
use crate::store;

/// What files lie under in the scratch folder.
const ROOM: &str = "rebuilt";

/// All that building again takes.
pub(super) struct Bench<'a> {
    pub(super) around: &'a Surroundings,
    pub(super) common: &'a Common,
    pub(super) lake: &'a Lake,
    pub(super) commit: &'a Commit,
    /// The sources; no version.
    pub(super) state: State,
    pub(super) scratch: &'a Scratch,
    pub(super) engine: &'a Engine,
}

/// What came of the parts of one asking.
#[derive(Default)]
pub(super) struct Built {
    pub(super) verdicts: Vec<(Name, Verdict)>,
    pub(super) failures: Diagnostics,
}

/// What is built, and from what.
struct Decided {
    common: Common,
    state: State,
    typed: TypedGraph,
    plan: Plan,
}

impl Bench<'_> {
    /// Builds `wanted` as the run was asked that wrote it, and compares.
    ///
    /// # Errors
    ///
    /// Returns sources and roots that cannot be read, and a wish to stop.
    pub(super) async fn build(&self, asking: &Asking, wanted: &[Wanted<'_>]) -> Result<Built, Error> {
        let mut built = Built::default();
        let refuse = |wanted: &Wanted<'_>, why| (wanted.name(), Verdict::NotCompared(why));
        let decided = match self.decide(asking, wanted).await? {
            Ok(decided) => decided,
            Err(why) => {
                built.verdicts.extend(wanted.iter().map(|wanted| refuse(wanted, why.clone())));
                return Ok(built);
            }
        };
        let mut same: Vec<Wanted<'_>> = Vec::new();
        for wanted in wanted {
            match WhyNot::of(&decided.plan, &decided.typed, wanted.table, wanted.part) {
                Some(why) => built.verdicts.push(refuse(wanted, self.with_programs(why, wanted.part))),
                None => same.push(*wanted),
            }
        }
        if same.is_empty() {
            return Ok(built);
        }
        // What cannot be compared is not built, unless another needs it.
        let decided =
            if same.len() == wanted.len() { Ok(decided) } else { self.decide(asking, &same).await? };
        let Ok(decided) = decided else { return Ok(built) };
        let zone = &decided.plan.time_zone;
        let text = format!("building {} again as of {}", counted(same.len(), "part"), spoken(asking.0, zone));
        self.around.observer.notice(Event::Note { text });
        let room = self.scratch.path().join(ROOM);
        let access = self.around.access()?;
        let staging = Lake::at(store::open(&room.to_string_lossy(), &self.around.folder, &access)?);
        let (outcome, files) = self.execute(&decided, &staging).await?;
        built.failures.extend(failures(&outcome));
        for wanted in &same {
            let files = files.get(&wanted.name());
            built.verdicts.push((wanted.name(), self.compared(&staging, wanted, files).await));
        }
        self.scratch.clear(ROOM).await;
        Ok(built)
    }

    /// Plans to build the tables of `wanted` and all they need from the sources; refused if what was asked
    /// does not fit the project any more.
    async fn decide(
        &self,
        (as_of, known_at, vars): &Asking,
        wanted: &[Wanted<'_>],
    ) -> Result<Result<Decided, WhyNot>, Error> {
        let tables: BTreeSet<&NodeName> = wanted.iter().map(|wanted| wanted.table).collect();
        let common = Common {
            select: tables.into_iter().map(ToString::to_string).collect(),
            exclude: Vec::new(),
            refresh: Refresh::Full,
            purpose: Purpose::Run,
            as_of: None,
            known_at: None,
            vars: vars.clone(),
            saved_times: Some((*as_of, *known_at)),
            ..self.common.clone()
        };
        let asked = match context::asked(self.around, &common) {
            Ok(asked) => asked,
            Err(found) => {
                let messages = found.diagnostics().iter().map(|found| found.message.clone());
                return Ok(Err(WhyNot::Request(messages.collect::<Vec<_>>().join("; "))));
            }
        };
        let typed = asked.analyze(&self.state)?;
        let state = State { last: Some(self.before(&typed)), ..self.state.clone() };
        let request = asked.request(self.lake, &common).await?;
        let plan = plan::build(&typed, &state, &request)?;
        Ok(Ok(Decided { common, state, typed, plan }))
    }

    /// The version as if nothing of what is built were published: only snapshots of other days, which are
    /// histories. So all else is computed from the sources.
    fn before(&self, typed: &TypedGraph) -> Commit {
        let mut before = self.commit.clone();
        for (table, entry) in &mut before.tables {
            let own = typed.graph.model(table).map(|model| typed.slice(model));
            let is_history = |part: &Part| matches!(part.slice, Slice::Snapshot { .. });
            entry.parts.retain(|part| is_history(part) && Some(part.slice) != own);
        }
        before.tables.retain(|_, entry| !entry.parts.is_empty());
        before
    }

    /// Names the programs where the part's commit is known and another one made it.
    fn with_programs(&self, why: WhyNot, part: &Part) -> WhyNot {
        let (then, now) = (&self.commit.engine_version, engine::VERSION);
        match why {
            WhyNot::Definition { .. } if part.attempt == self.commit.attempt && then != now => {
                WhyNot::Definition { programs: Some((then.clone(), now.to_owned())) }
            }
            why => why,
        }
    }

    /// Computes and checks; returns the files by table.
    async fn execute(
        &self,
        decided: &Decided,
        staging: &Lake,
    ) -> Result<(Outcome, BTreeMap<Name, Vec<FileEntry>>), Error> {
        let around = self.around;
        let word = (around.fresh_word)();
        let bug = |what: String| Diagnostic::error(code::BUG, what);
        let attempt = AttemptId::parse(&word).map_err(|cause| bug(cause.to_string()))?;
        let job = Job {
            typed: &decided.typed,
            state: &decided.state,
            plan: &decided.plan,
            asked: as_typed(&decided.common),
            lake: self.lake,
            staging,
            engine: self.engine,
            run_id: word,
            attempt: attempt.clone(),
            clock: Arc::clone(&around.clock),
            observer: Arc::new(OfTables(Arc::clone(&around.observer))),
            stop: around.stop.clone(),
            mode: Mode { on_failure: AfterFailure::GoOn, until: Until::Audited },
            resumed: None,
            turn: Turn::default(),
        };
        let Ended::Done(outcome) = run::execute(&job).await? else {
            return Err(bug("what is published nowhere lost a race".to_owned()).into());
        };
        if outcome.ending == Ending::Stopped {
            return Err(Error::stopped());
        }
        let finished = staging.journal(&attempt).await?.into_iter();
        let finished = finished.filter_map(|entry| serde_json::from_value::<Finished>(entry.step).ok());
        let named = finished.filter_map(|finished| Some(((finished.model, finished.slice?), finished.files)));
        Ok((*outcome, named.collect()))
    }

    /// Compares the files that were built with those that were published.
    async fn compared(&self, staging: &Lake, wanted: &Wanted<'_>, files: Option<&Vec<FileEntry>>) -> Verdict {
        let Some(files) = files else { return Verdict::NotCompared(WhyNot::Failed) };
        let content = |files: &[FileEntry]| {
            files.iter().map(|file| (file.bytes, file.rows, file.sha256.clone())).collect::<Vec<_>>()
        };
        if content(files) == content(&wanted.part.files) {
            return Verdict::Same;
        }
        let rows = files.iter().map(|file| file.rows).sum();
        let now = Part { rows, files: files.clone(), ..wanted.part.clone() };
        let only = |part: Part| TableEntry { parts: vec![part], ..wanted.entry.clone() };
        let (before, after) = (only(wanted.part.clone()), only(now));
        let keys = diff::rows(self.engine, wanted.table, (self.lake, &before), (staging, &after)).await;
        // The published files may be damaged: then only that they differ is known.
        let keys = match keys {
            Ok(Keys::Compared(keys)) => Some(keys),
            Ok(Keys::NotCompared(_)) | Err(_) => None,
        };
        Verdict::Differs { rows, keys }
    }
}

/// Why tables could not be built, and which rules are broken.
fn failures(outcome: &Outcome) -> Diagnostics {
    let failures = outcome.failures.iter().cloned();
    let failures = failures.chain(outcome.refused_sources().map(refused_source));
    failures.chain(outcome.broken_audits().map(broken_audit)).collect()
}

/// Passes on what becomes of tables, and not the phases of a run, which publishes.
struct OfTables(Arc<dyn Observer>);

impl Observer for OfTables {
    fn notice(&self, event: Event) {
        if !matches!(event, Event::Phase(_)) {
            self.0.notice(event);
        }
    }
}
