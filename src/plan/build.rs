//! Decides what has to run, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    FORMAT, Intake, IntervalStep, LeftOut, MemoryClass, Plan, Purpose, Reason, Recheck, Refresh, Request,
    Skipped, Step, StepKind, TypedGraph, WhySkipped, fingerprint, ledger, left_out, stale,
};
use crate::diagnostic::Diagnostics;
use crate::graph::{Facts, Graph, Node};
use crate::ident::{NodeName, VariableName};
use crate::lake::{Commit, Part, Slice, TableEntry};
use crate::project::{Model, Source, Visibility};
use crate::state::State;
use crate::value::Value;

/// Returns the steps that bring every selected table up to date, inputs first.
///
/// A table is left as it is when its fingerprint equals the published one; models that are not
/// published are computed when a step reads them, and only then.
///
/// # Errors
///
/// Returns selections that match nothing, tables that belong to another pipeline, and tables
/// published by name that read a model left out for want of an optional source.
pub fn build(typed: &TypedGraph, state: &State, request: &Request) -> Result<Plan, Diagnostics> {
    let made = ledger::made_from(typed, state);
    let left_out = left_out::left_out(typed, state)?;
    let mut world = World { typed, state, made, left_out: &left_out, stale: BTreeMap::new() };
    world.find_stale();
    let modified = modified(&typed.graph, state.last.as_ref());
    let facts = Facts { modified, failed: request.failed.clone() };
    let selected = request.selection.evaluate(&typed.graph, &facts)?;
    world.refuse_foreign(&selected)?;
    let reasons = world.reasons(&selected, request);
    world.refuse_unfit(&reasons, request.refresh)?;
    world.refuse_early(&reasons)?;
    let steps = world.steps(&reasons, &selected, request);
    let rechecks = match request.purpose {
        Purpose::Run => world.rechecks(&reasons),
        // No table is replaced.
        Purpose::Backfill => Vec::new(),
    };
    Ok(Plan {
        intakes: world.intakes(&reasons, &rechecks),
        format: FORMAT,
        pipeline: typed.graph.project().pipeline.name.clone(),
        purpose: request.purpose,
        as_of: typed.as_of,
        time_zone: typed.graph.project().pipeline.time_zone_name.clone(),
        known_at: typed.known_at,
        parent: state.last.as_ref().map(|commit| commit.version),
        project_fingerprint: fingerprint::project(&typed.graph),
        parameters_fingerprint: fingerprint::parameters(&typed.parameters),
        rechecks,
        skipped: world.skipped(&reasons, &selected),
        not_kept: world.not_kept(&selected, request),
        steps,
        absent: state.sources.keys().filter(|name| state.is_absent(name)).cloned().collect(),
        unchecked: left_out::unchecked(typed, &left_out),
        left_out,
    })
}

/// The models whose SQL, contract or audits are not those that `last` was made from.
#[must_use]
pub fn modified(graph: &Graph, last: Option<&Commit>) -> BTreeSet<NodeName> {
    let entry = |model: &Model| last.and_then(|commit| commit.tables.get(&model.name));
    let modified = graph.models().filter(|model| match entry(model) {
        None => model.visibility == Visibility::Published,
        Some(entry) => {
            let now = fingerprint::definition(model);
            let is_other = |part: &Part| part.made_from.definition != now;
            if model.is_incremental() {
                return entry.parts.iter().any(is_other);
            }
            // Snapshots are kept by day: the last one is the newest.
            entry.parts.last().is_none_or(is_other)
        }
    });
    modified.map(|model| model.name.clone()).collect()
}

/// What a plan is made of.
pub(super) struct World<'a> {
    pub(super) typed: &'a TypedGraph,
    state: &'a State,
    made: ledger::Made,
    left_out: &'a [LeftOut],
    /// The intervals of each published table that are not what they would be now.
    stale: BTreeMap<NodeName, Vec<IntervalStep>>,
}

impl World<'_> {
    pub(super) fn published(&self) -> impl Iterator<Item = &Model> {
        let models = self.typed.graph.models().filter(|model| model.visibility == Visibility::Published);
        models.filter(|model| !self.is_left_out(&model.name))
    }

    fn is_left_out(&self, model: &NodeName) -> bool {
        self.left_out.iter().any(|left| left.model == *model)
    }

    pub(super) fn entry(&self, model: &NodeName) -> Option<&TableEntry> {
        self.state.last.as_ref().and_then(|commit| commit.tables.get(model))
    }

    fn fingerprint(&self, model: &NodeName) -> String {
        self.made.models.get(model).map(fingerprint::fingerprint).unwrap_or_default()
    }

    pub(super) fn slots(&self, model: &NodeName) -> &[ledger::Slot] {
        self.made.slots.get(model).map(Vec::as_slice).unwrap_or_default()
    }

    fn find_stale(&mut self) {
        let stale = self.published().filter(|model| model.is_incremental()).map(|model| {
            let (slots, entry) = (self.slots(&model.name), self.entry(&model.name));
            (model.name.clone(), stale::steps(slots, entry, self.state, Refresh::Needed, None))
        });
        self.stale = stale.collect();
    }

    /// Why the published `model` is not what this project and these inputs give; `None` if it is.
    fn change(&self, model: &NodeName) -> Option<Reason> {
        let Some(entry) = self.entry(model) else {
            return Some(Reason::Missing);
        };
        if let Some(stale) = self.stale.get(model) {
            // Intervals of a time that is not looked at, from a later day or from before what is kept.
            let others = entry.parts.len() != self.slots(model).len();
            let looked_from = self.state.last.as_ref().map(|last| last.as_of);
            let moved = Reason::ParametersChanged { names: vec!["as_of".to_owned()], looked_from };
            return stale::overall(stale).or_else(|| others.then_some(moved));
        }
        let Some(part) = self.current(model).and_then(|parts| parts.into_iter().next()) else {
            let has_other = entry.parts.iter().any(|part| matches!(part.slice, Slice::Snapshot { .. }));
            let is_snapshot = self.typed.graph.model(model).is_some_and(Model::is_snapshot);
            let only_day = is_snapshot && has_other;
            return Some(if only_day { Reason::MissingSnapshot } else { Reason::DefinitionChanged });
        };
        if part.fingerprint == self.fingerprint(model) {
            return None;
        }
        let reason = stale::difference(&part.made_from, self.made.models.get(model)?);
        Some(match reason {
            Reason::ParametersChanged { .. } => {
                self.parameters_changed(self.typed.graph.model(model)?, &part.made_from.parameters)
            }
            reason => reason,
        })
    }

    /// Which parameters may have changed. Commits keep a hash of their values, so only two guesses can be
    /// proven: that of what the last version looked from, and that of the variables' defaults.
    fn parameters_changed(&self, model: &Model, then: &str) -> Reason {
        let used = fingerprint::used(self.typed, model);
        let last = self.state.last.as_ref().map(|last| last.as_of);
        let pipeline = &self.typed.graph.project().pipeline;
        let day = last.map(|last| fingerprint::looking_from(&used, last, &pipeline.time_zone));
        let looked_from = last.filter(|_| day.is_some_and(|day| fingerprint::parameters(&day) == then));
        let defaults = fingerprint::with_defaults(&used, pipeline);
        let were_defaults = fingerprint::parameters(&defaults) == then;
        let same_day = last == Some(self.typed.as_of);
        let may_have_changed = |name: &VariableName, value: &Value| {
            if were_defaults {
                return defaults.get(name) != Some(value);
            }
            !(same_day && matches!(name.as_str(), "as_of" | "as_of_day"))
        };
        let names = used.iter().filter(|(name, value)| may_have_changed(name, value));
        Reason::ParametersChanged { names: names.map(|(name, _)| name.to_string()).collect(), looked_from }
    }

    /// The published rows of `model` as seen from here.
    fn current(&self, model: &NodeName) -> Option<Vec<&Part>> {
        self.typed.current(self.typed.graph.model(model)?, self.entry(model)?)
    }

    /// Every model that is computed, with the reason.
    fn reasons(&self, selected: &BTreeSet<NodeName>, request: &Request) -> BTreeMap<NodeName, Reason> {
        let mut reasons = BTreeMap::new();
        let wanted = |model: &&Model| match (request.purpose, request.span) {
            (Purpose::Run, _) => true,
            (Purpose::Backfill, None) => model.is_snapshot() && self.is_kept(model, request),
            (Purpose::Backfill, Some(_)) => model.is_incremental(),
        };
        let models = self.published().filter(|model| selected.contains(&model.name)).filter(wanted);
        for model in models {
            let change = match request.span {
                Some(_) => stale::overall(&self.intervals(model, request)),
                None => self.change(&model.name),
            };
            let is_full = request.refresh == Refresh::Full && request.span.is_none();
            let requested = is_full.then_some(Reason::Requested);
            if let Some(reason) = change.or(requested) {
                reasons.insert(model.name.clone(), reason);
            }
        }
        self.add_inputs(&mut reasons);
        reasons
    }

    /// Whether a snapshot that a backfill builds is in the version it ends with.
    fn is_kept(&self, model: &Model, request: &Request) -> bool {
        self.typed.is_kept(model, self.entry(&model.name), request.newest)
    }

    /// The snapshots asked for that would not be.
    fn not_kept(&self, selected: &BTreeSet<NodeName>, request: &Request) -> Vec<NodeName> {
        if request.purpose != Purpose::Backfill || request.span.is_some() {
            return Vec::new();
        }
        let asked = self.published().filter(|model| model.is_snapshot() && selected.contains(&model.name));
        asked.filter(|model| !self.is_kept(model, request)).map(|model| model.name.clone()).collect()
    }

    /// Adds what the steps read and what is not there: intermediates, and tables that are
    /// missing or changed.
    fn add_inputs(&self, reasons: &mut BTreeMap<NodeName, Reason>) {
        let mut open: Vec<NodeName> = reasons.keys().cloned().collect();
        while let Some(reader) = open.pop() {
            for name in self.needed(&reader) {
                let published = self.typed.graph.model(&name).map(|model| model.visibility);
                let change = match published {
                    Some(Visibility::Published) => self.change(&name),
                    _ => Some(Reason::NeededBy { models: Vec::new() }),
                };
                if let Some(change) = change
                    && !reasons.contains_key(&name)
                {
                    let needed = Reason::NeededBy { models: vec![reader.clone()] };
                    let reason = if matches!(change, Reason::NeededBy { .. }) { needed } else { change };
                    reasons.insert(name.clone(), reason);
                    open.push(name);
                } else if let Some(Reason::NeededBy { models }) = reasons.get_mut(&name)
                    && !models.contains(&reader)
                {
                    models.push(reader.clone());
                    models.sort();
                }
            }
        }
    }

    /// The models that computing and auditing `model` reads.
    fn needed(&self, model: &NodeName) -> BTreeSet<NodeName> {
        let mut needed = self.typed.graph.models_read(model);
        for input in self.typed.graph.audit_inputs(model).iter().flatten() {
            if let Node::Model(name) = &input.node
                && name != model
                && !self.is_left_out(name)
            {
                needed.insert(name.clone());
            }
        }
        needed
    }

    fn steps(
        &self,
        reasons: &BTreeMap<NodeName, Reason>,
        selected: &BTreeSet<NodeName>,
        request: &Request,
    ) -> Vec<Step> {
        let models = self.typed.graph.models();
        let steps = models.filter_map(|model| {
            let reason = reasons.get(&model.name)?;
            // What is only read is brought up to date; what is asked for may be built whole again.
            let needed = Request { refresh: Refresh::Needed, span: None, ..request.clone() };
            let is_asked = selected.contains(&model.name);
            Some(self.step(model, reason.clone(), (if is_asked { request } else { &needed }, is_asked)))
        });
        steps.collect()
    }

    /// The intervals of `model` that are computed.
    fn intervals(&self, model: &Model, request: &Request) -> Vec<IntervalStep> {
        let (slots, entry) = (self.slots(&model.name), self.entry(&model.name));
        stale::steps(slots, entry, self.state, request.refresh, request.span)
    }

    fn step(&self, model: &Model, reason: Reason, (request, is_asked): (&Request, bool)) -> Step {
        let intervals = model.is_incremental().then(|| self.intervals(model, request));
        let (rows, bytes) = self.size_read(model, intervals.as_deref());
        let inputs = self.typed.graph.inputs(&model.name).iter();
        Step {
            model: model.name.clone(),
            kind: match (model.visibility, request.purpose) {
                (Visibility::Published, Purpose::Run) => StepKind::Publish,
                (Visibility::Published, Purpose::Backfill)
                    if model.is_snapshot() && self.is_kept(model, request) =>
                {
                    StepKind::Publish
                }
                (Visibility::Published, Purpose::Backfill) if is_asked && request.span.is_some() => {
                    StepKind::Publish
                }
                _ => StepKind::Intermediate,
            },
            intervals,
            snapshot: model.is_snapshot().then(|| self.typed.snapshot_day()),
            missed: self.entry(&model.name).and_then(|entry| self.typed.missed(model, entry)),
            reason,
            fingerprint: self.fingerprint(&model.name),
            made_from: self.made.models.get(&model.name).cloned().unwrap_or_default(),
            inputs: inputs.map(|input| input.node.to_string()).collect(),
            source_rows: rows,
            source_bytes: bytes,
            memory: memory_class(bytes),
        }
    }

    /// Rows and bytes of the sources that a model reads: for intervals, of the files that make them.
    fn size_read(&self, model: &Model, intervals: Option<&[IntervalStep]>) -> (u64, u64) {
        let mut all = (0, 0);
        for name in self.typed.graph.sources_read(&model.name) {
            let Some(source) = self.state.sources.get(&name) else { continue };
            let marks: BTreeSet<&String> =
                intervals.into_iter().flatten().filter_map(|step| step.read.get(&name)).flatten().collect();
            let is_read = |mark: &String| intervals.is_none() || marks.contains(mark);
            for file in source.files.iter().filter(|file| is_read(&file.mark)) {
                all = (all.0 + file.rows, all.1 + file.info.size);
            }
        }
        all
    }

    /// Rules of tables that stay, whose other side is computed now.
    fn rechecks(&self, reasons: &BTreeMap<NodeName, Reason>) -> Vec<Recheck> {
        let mut rechecks = Vec::new();
        for model in self.published() {
            let stays = !reasons.contains_key(&model.name) && self.entry(&model.name).is_some();
            if !stays || self.change(&model.name).is_some() {
                continue;
            }
            for (audit, inputs) in self.typed.graph.audit_inputs(&model.name).iter().enumerate() {
                let touched = |input: &crate::graph::Input| match &input.node {
                    Node::Model(name) => self.is_published_step(name, reasons),
                    Node::Source(_) => false,
                };
                let available = |input: &crate::graph::Input| match &input.node {
                    Node::Model(name) => reasons.contains_key(name) || self.current(name).is_some(),
                    Node::Source(_) => true,
                };
                if inputs.iter().any(touched) && inputs.iter().all(available) {
                    rechecks.push(Recheck { model: model.name.clone(), audit });
                }
            }
        }
        rechecks
    }

    /// The sources with contracts that the steps and rules read, and what their rows refer to.
    fn intakes(&self, reasons: &BTreeMap<NodeName, Reason>, rechecks: &[Recheck]) -> Vec<Intake> {
        let graph = &self.typed.graph;
        let mut read: BTreeSet<NodeName> =
            reasons.keys().flat_map(|model| graph.all_sources_read(model)).collect();
        read.extend(rechecks.iter().flat_map(|again| graph.all_sources_read(&again.model)));
        let intake = |source: &Source| {
            let pinned = self.state.sources.get(&source.name);
            Intake {
                source: source.name.clone(),
                rows: pinned.map_or(0, |source| source.rows),
                bytes: pinned.map_or(0, |source| source.bytes),
                rules: source.contract.as_ref().map_or(0, |contract| contract.rules.len()),
            }
        };
        graph.intakes(&read).into_iter().map(intake).collect()
    }

    fn is_published_step(&self, name: &NodeName, reasons: &BTreeMap<NodeName, Reason>) -> bool {
        let published = self.typed.graph.model(name).map(|model| model.visibility);
        reasons.contains_key(name) && published == Some(Visibility::Published)
    }

    fn skipped(&self, reasons: &BTreeMap<NodeName, Reason>, selected: &BTreeSet<NodeName>) -> Vec<Skipped> {
        let left = self.published().filter(|model| !reasons.contains_key(&model.name));
        let skipped = left.filter_map(|model| {
            let why = match self.change(&model.name) {
                None => WhySkipped::UpToDate,
                Some(_) if selected.contains(&model.name) => return None,
                Some(Reason::Missing) => WhySkipped::MissingAndNotSelected,
                Some(_) => WhySkipped::BehindAndNotSelected,
            };
            Some(Skipped { model: model.name.clone(), why })
        });
        skipped.collect()
    }
}

const fn memory_class(bytes: u64) -> MemoryClass {
    match bytes {
        0..0x1000_0000 => MemoryClass::Small,
        0x1000_0000..0x8000_0000 => MemoryClass::Medium,
        _ => MemoryClass::Large,
    }
}
