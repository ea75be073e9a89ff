//! The ledger: what every table, and every interval of one, is made from.
//!
//! Which files of a source make the rows of an interval is told by their footers: those whose times lie
//! in it; those that could hold another row with the key of one of these; and of what they refer to
//! those that could hold the keys referred to. So a file that comes late touches the intervals that it
//! could change, and no other.
//!
//! **Invariant:** what is left out cannot change a byte of the interval, unless its contract says so
//! (`changes: ignore`, `times: fixed`, the windows of `inputs`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use files::dating;

use super::fingerprint::{self, hash};
use super::intervals::window;
use super::{MadeFrom, TypedGraph};
use crate::graph::{Input, Node};
use crate::ident::NodeName;
use crate::interval::{Instant, Interval};
use crate::project::{Model, Source, Window};
use crate::query::Parameters;
use crate::state::State;

mod files;

/// What an interval is made from.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) interval: Interval,
    pub(super) made_from: MadeFrom,
    pub(super) fingerprint: String,
    /// The files of each source that make its rows.
    read: Vec<Marks>,
}

/// Files of a source, by their marks: shared, since a file makes many intervals of many tables.
type Marks = (NodeName, Arc<BTreeSet<String>>);

impl Slot {
    /// The files of each source that make its rows, by their marks.
    pub(super) fn read(&self) -> BTreeMap<NodeName, Vec<String>> {
        let mut read: BTreeMap<NodeName, BTreeSet<&String>> = BTreeMap::new();
        for (source, marks) in &self.read {
            read.entry(source.clone()).or_default().extend(marks.iter());
        }
        let listed = |marks: BTreeSet<&String>| marks.into_iter().cloned().collect();
        read.into_iter().map(|(source, marks)| (source, listed(marks))).collect()
    }
}

/// What every model of a graph is made from.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    pub(super) models: BTreeMap<NodeName, MadeFrom>,
    pub(super) slots: BTreeMap<NodeName, Vec<Slot>>,
}

/// What every model is made from, as this state of the world has it.
pub(super) fn made_from(typed: &TypedGraph, state: &State) -> Made {
    let mut ledger = Ledger {
        typed,
        state,
        made: Made::default(),
        known: HashMap::new(),
        known_models: HashMap::new(),
        own: HashMap::new(),
    };
    for model in typed.graph.models() {
        let made_from = if model.incremental.is_some() {
            ledger.by_intervals(model)
        } else {
            fingerprint::whole(typed, state, model, &ledger.made.models)
        };
        ledger.made.models.insert(model.name.clone(), made_from);
    }
    ledger.made
}

/// The name under which an interval that is still open tells the day looked from, among its inputs.
pub(super) const AS_OF: &str = "$as_of";

/// What the rows of a node in some interval are made from.
#[derive(Debug, Clone, Default)]
struct Seen {
    fingerprint: String,
    read: Vec<Marks>,
    /// Whether later days could see other rows although no file changes.
    is_open: bool,
}

/// A question that is asked for each interval and by several models.
type Question = (NodeName, Interval, bool, Vec<NodeName>);

/// Stands for all intervals where it does not matter which.
const WHENEVER: Interval = Interval { start: Instant::from_micros(0), end: Instant::from_micros(0) };

struct Ledger<'a> {
    typed: &'a TypedGraph,
    state: &'a State,
    made: Made,
    known: HashMap<Question, Seen>,
    known_models: HashMap<(NodeName, Interval, bool), Seen>,
    own: HashMap<NodeName, String>,
}

impl<'a> Ledger<'a> {
    fn by_intervals(&mut self, model: &'a Model) -> MadeFrom {
        let definition = fingerprint::definition(model);
        let of_all = fingerprint::parameters(&self.parameters(model));
        let mut slots = Vec::new();
        let intervals = self.typed.intervals(model);
        let lookback = model.incremental.map_or(0, |incremental| incremental.lookback);
        let lookback = usize::try_from(lookback).unwrap_or(usize::MAX);
        for (at, interval) in intervals.iter().enumerate() {
            // Beyond the last interval nothing has come yet.
            let last = intervals.get(at.saturating_add(lookback));
            let is_settled = last.is_some_and(|last| last.end <= self.typed.as_of);
            slots.push(self.slot(model, (&definition, &of_all), *interval, is_settled));
        }
        let all: Vec<&str> = slots.iter().map(|slot| slot.fingerprint.as_str()).collect();
        let inputs = BTreeMap::from([("intervals".to_owned(), hash(&all))]);
        self.made.slots.insert(model.name.clone(), slots);
        MadeFrom { definition, parameters: String::new(), inputs }
    }

    fn slot(
        &mut self,
        model: &'a Model,
        (definition, parameters): (&str, &str),
        interval: Interval,
        is_settled: bool,
    ) -> Slot {
        let mut inputs = BTreeMap::new();
        let mut read = Vec::new();
        let mut is_open = !is_settled;
        for input in self.typed.graph.inputs(&model.name) {
            if is_settled && !window(model, input).follows_changes {
                continue;
            }
            let seen = self.input(model, input, interval, is_settled);
            is_open |= seen.is_open;
            inputs.insert(input.table.to_string(), seen.fingerprint);
            read.extend(seen.read);
        }
        if is_open {
            inputs.insert(AS_OF.to_owned(), self.typed.as_of.to_string());
        }
        // Which interval it is stands in its slice.
        let (definition, parameters) = (definition.to_owned(), parameters.to_owned());
        let made_from = MadeFrom { definition, parameters, inputs };
        let fingerprint = fingerprint::fingerprint(&made_from);
        Slot { interval, made_from, fingerprint, read }
    }

    /// The values of the parameters that a model's rows of any interval depend on.
    fn parameters(&self, model: &Model) -> Parameters {
        let names = fingerprint::named_parameters(model);
        let by_cut = fingerprint::is_cut_by_known_at(self.typed, model);
        let is_used = |name: &str| (by_cut && name == "known_at") || names.contains(name);
        // An audit that looks from a day is asked anew by each run, and changes no row.
        let of_rows = |name: &str| !model.is_incremental() || !matches!(name, "as_of" | "as_of_day");
        let used = self.typed.parameters.iter();
        let used = used.filter(|(name, _)| is_used(name.as_str()) && of_rows(name.as_str()));
        used.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// What the rows of an input are made from that make those of `model` in `interval`.
    fn input(&mut self, model: &'a Model, input: &Input, interval: Interval, is_settled: bool) -> Seen {
        let window = window(model, input);
        let interval = self.typed.read_by(model, input, interval);
        match &input.node {
            Node::Source(name) => {
                let ignored = self.ignored(model, name, is_settled);
                self.source(name, interval, window, ignored)
            }
            Node::Model(name) => match self.typed.graph.model(name) {
                Some(read) if read.incremental.is_some() => self.slots(name, interval),
                Some(read) if read.timing.is_some() => self.timed(read, interval, is_settled),
                _ => Seen {
                    fingerprint: fingerprint::input(self.typed, input, self.state, &self.made.models),
                    ..Seen::default()
                },
            },
        }
    }

    /// The intervals of another model that `interval` reads.
    fn slots(&self, name: &NodeName, interval: Interval) -> Seen {
        let slots = self.made.slots.get(name).map(Vec::as_slice).unwrap_or_default();
        // They follow each other in time.
        let first = slots.partition_point(|slot| slot.interval.end <= interval.start);
        let read = slots.iter().skip(first).take_while(|slot| slot.interval.start < interval.end);
        let parts: Vec<&str> = read.map(|slot| slot.fingerprint.as_str()).collect();
        let is_open = interval.end > self.typed.as_of;
        Seen { fingerprint: hash(&parts), is_open, ..Seen::default() }
    }

    /// A model that is computed whole, of which the rows of a time are made from those of its inputs.
    fn timed(&mut self, model: &'a Model, interval: Interval, is_settled: bool) -> Seen {
        let question = (model.name.clone(), interval, is_settled);
        if let Some(seen) = self.known_models.get(&question) {
            return seen.clone();
        }
        let mut all = Seen::default();
        let mut parts = vec![self.own(model)];
        for input in self.typed.graph.inputs(&model.name) {
            if is_settled && !window(model, input).follows_changes {
                continue;
            }
            let seen = self.input(model, input, interval, is_settled);
            parts.extend([input.table.to_string(), seen.fingerprint]);
            all.is_open |= seen.is_open;
            all.read.extend(seen.read);
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let seen = Seen { fingerprint: hash(&parts), ..all };
        self.known_models.insert(question, seen.clone());
        seen
    }

    /// The fingerprint of a model's own files and parameters.
    fn own(&mut self, model: &Model) -> String {
        if let Some(own) = self.own.get(&model.name) {
            return own.clone();
        }
        let parameters = fingerprint::parameters(&self.parameters(model));
        let own = hash(&[&fingerprint::definition(model), &parameters]);
        self.own.insert(model.name.clone(), own.clone());
        own
    }

    /// What a source's rows refer to, and the model that reads it does not follow.
    fn ignored(&self, model: &Model, source: &NodeName, is_settled: bool) -> Vec<NodeName> {
        let mut open: Vec<&NodeName> = self.declared(source).into_iter().flat_map(Source::parents).collect();
        let mut ignored = Vec::new();
        while let Some(name) = open.pop().filter(|_| is_settled) {
            let window = model.window(&[&format!("sources.{name}"), name.as_str()]);
            if !window.follows_changes {
                ignored.push(name.clone());
            } else if let Some(source) = self.declared(name) {
                open.extend(source.parents());
            }
        }
        ignored.sort();
        ignored.dedup();
        ignored
    }

    fn declared(&self, name: &NodeName) -> Option<&'a Source> {
        self.typed.graph.project().pipeline.sources.get(name)
    }

    fn source(
        &mut self,
        name: &NodeName,
        interval: Interval,
        window: Window,
        ignored: Vec<NodeName>,
    ) -> Seen {
        let declared = self.declared(name);
        let tells_time =
            declared.is_some_and(|source| source.event_time.is_some() || dating(source).is_some());
        // What tells no time is the same in all intervals.
        let interval = if tells_time { interval } else { WHENEVER };
        let question = (name.clone(), interval, window.times_are_fixed, ignored);
        if let Some(seen) = self.known.get(&question) {
            return seen.clone();
        }
        let seen = self.look(name, interval, window.times_are_fixed, &question.3);
        self.known.insert(question, seen.clone());
        seen
    }
}
