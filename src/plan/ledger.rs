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

use arrow::datatypes::DataType;

use super::fingerprint::{self, hash};
use super::intervals::window;
use super::{MadeFrom, TypedGraph};
use crate::engine::Extent;
use crate::graph::{Input, Node};
use crate::ident::NodeName;
use crate::interval::Interval;
use crate::project::{Model, Source, SourceCheck, Window};
use crate::query::Parameters;
use crate::state::{PinnedFile, State};

/// What an interval is made from.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) interval: Interval,
    pub(super) made_from: MadeFrom,
    pub(super) fingerprint: String,
    /// The files of each source that make its rows, by their marks.
    pub(super) read: BTreeMap<NodeName, Vec<String>>,
}

/// What every model of a graph is made from.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    pub(super) models: BTreeMap<NodeName, MadeFrom>,
    pub(super) slots: BTreeMap<NodeName, Vec<Slot>>,
}

/// What every model is made from, as this state of the world has it.
pub(super) fn made_from(typed: &TypedGraph, state: &State) -> Made {
    let mut ledger = Ledger { typed, state, made: Made::default(), known: HashMap::new() };
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
    read: BTreeMap<NodeName, BTreeSet<String>>,
    /// Whether later days could see other rows although no file changes.
    is_open: bool,
}

/// The interval whose files are looked for, and whether times do not move.
#[derive(Clone, Copy)]
struct Of {
    interval: Interval,
    are_fixed: bool,
}

/// A question that is asked for each interval and by several models.
type Question = (NodeName, Interval, bool, Vec<NodeName>);

/// A day, in microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Between which times the rows of a file lie, both included.
#[derive(Debug, Clone, Copy)]
enum Times {
    /// In microseconds since 1970.
    Instants(i64, i64),
    /// In days since 1970, in the pipeline's time zone.
    Days(i64, i64),
}

struct Ledger<'a> {
    typed: &'a TypedGraph,
    state: &'a State,
    made: Made,
    known: HashMap<Question, Seen>,
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
        let mut read: BTreeMap<NodeName, BTreeSet<String>> = BTreeMap::new();
        let mut is_open = !is_settled;
        for input in self.typed.graph.inputs(&model.name) {
            if is_settled && !window(model, input).follows_changes {
                continue;
            }
            let seen = self.input(model, input, interval, is_settled);
            is_open |= seen.is_open;
            inputs.insert(input.table.to_string(), seen.fingerprint);
            for (source, marks) in seen.read {
                read.entry(source).or_default().extend(marks);
            }
        }
        if is_open {
            inputs.insert(AS_OF.to_owned(), self.typed.as_of.to_string());
        }
        // Which interval it is stands in its slice.
        let (definition, parameters) = (definition.to_owned(), parameters.to_owned());
        let made_from = MadeFrom { definition, parameters, inputs };
        let fingerprint = fingerprint::fingerprint(&made_from);
        let read = read.into_iter().map(|(source, marks)| (source, marks.into_iter().collect()));
        Slot { interval, fingerprint, made_from, read: read.collect() }
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
        let slots = self.made.slots.get(name).into_iter().flatten();
        let slots: Vec<&Slot> = slots.filter(|slot| slot.interval.overlaps(interval)).collect();
        let parts: Vec<&str> = slots.iter().map(|slot| slot.fingerprint.as_str()).collect();
        let is_open = interval.end > self.typed.as_of;
        Seen { fingerprint: hash(&parts), is_open, ..Seen::default() }
    }

    /// A model that is computed whole, of which the rows of a time are made from those of its inputs.
    fn timed(&mut self, model: &'a Model, interval: Interval, is_settled: bool) -> Seen {
        let mut all = Seen::default();
        let parameters = fingerprint::parameters(&self.parameters(model));
        let mut parts = vec![fingerprint::definition(model), parameters];
        for input in self.typed.graph.inputs(&model.name) {
            if is_settled && !window(model, input).follows_changes {
                continue;
            }
            let seen = self.input(model, input, interval, is_settled);
            parts.extend([input.table.to_string(), seen.fingerprint]);
            all.is_open |= seen.is_open;
            for (source, marks) in seen.read {
                all.read.entry(source).or_default().extend(marks);
            }
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Seen { fingerprint: hash(&parts), ..all }
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
        let question = (name.clone(), interval, window.times_are_fixed, ignored);
        if let Some(seen) = self.known.get(&question) {
            return seen.clone();
        }
        let seen = self.look(name, interval, window.times_are_fixed, &question.3);
        self.known.insert(question, seen.clone());
        seen
    }

    fn look(&self, name: &NodeName, interval: Interval, are_fixed: bool, ignored: &[NodeName]) -> Seen {
        let (Some(source), Some(_)) = (self.declared(name), self.state.sources.get(name)) else {
            // What the program tells of the sources depends on all of them.
            return Seen {
                fingerprint: fingerprint::source(self.typed, name, self.state),
                ..Seen::default()
            };
        };
        let mut files = self.files_in(source, interval);
        if !are_fixed {
            files = self.with_same_keys(source, files);
        }
        let mut marks = BTreeMap::from([(name.clone(), marks(&files))]);
        let is_timed = source.event_time.is_some();
        let has_key = source.contract.as_ref().is_some_and(|contract| !contract.table.grain.is_empty());
        let replaced_later = is_timed && has_key && !are_fixed && self.any_later(source, &files);
        let mut is_open = replaced_later || (is_timed && interval.end > self.typed.as_of);
        let of = Of { interval, are_fixed };
        is_open |= self.add_parents(source, &files, (of, ignored), &mut marks);
        let mut parts = vec![fingerprint::contract_of(self.typed, source)];
        for (source, marks) in &marks {
            parts.push(format!("{source} {}", marks.iter().cloned().collect::<Vec<_>>().join(" ")));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Seen { fingerprint: hash(&parts), read: marks, is_open }
    }

    fn files(&self, source: &Source) -> &'a [PinnedFile] {
        self.state.sources.get(&source.name).map(|state| state.files.as_slice()).unwrap_or_default()
    }

    /// The files that could hold rows of `interval`: all of them where nothing tells a row's time.
    fn files_in(&self, source: &Source, interval: Interval) -> Vec<&'a PinnedFile> {
        let files = self.files(source).iter();
        if source.event_time.is_some() {
            return files.filter(|file| self.is_within(file, source, interval)).collect();
        }
        let Some((column, parent, field)) = dating(source) else { return files.collect() };
        let Some(parent) = self.declared(parent) else { return files.collect() };
        let of_parent = self.files_in(parent, interval);
        files.filter(|file| meets_any(file.extents.get(column), &of_parent, field)).collect()
    }

    /// Whether a file could hold rows of `interval`, all of them if it does not tell.
    fn is_within(&self, file: &PinnedFile, source: &Source, interval: Interval) -> bool {
        match self.times(file, source) {
            Some(Times::Instants(min, max)) => min < interval.end.micros() && max >= interval.start.micros(),
            Some(Times::Days(min, max)) => {
                let zone = &self.typed.graph.project().pipeline.time_zone;
                let (start, end) = (interval.start.day_in(zone), interval.end.day_in(zone));
                min < i64::from(end) && max >= i64::from(start)
            }
            None => true,
        }
    }

    /// Whether one of the files may hold a row that only a later day sees.
    fn any_later(&self, source: &Source, files: &[&PinnedFile]) -> bool {
        if source.event_time.is_none() {
            return false;
        }
        let zone = &self.typed.graph.project().pipeline.time_zone;
        files.iter().any(|file| match self.times(file, source) {
            Some(Times::Instants(_, max)) => max >= self.typed.as_of.micros(),
            Some(Times::Days(_, max)) => max >= i64::from(self.typed.as_of.day_in(zone)),
            None => true,
        })
    }

    /// The first and the last time of a file's rows, as its source is read; `None` if nobody can tell.
    fn times(&self, file: &PinnedFile, source: &Source) -> Option<Times> {
        let column = &source.event_time.as_ref()?.value;
        let schema = &self.state.sources.get(&source.name)?.schema;
        match (schema.field_with_name(column).ok()?.data_type(), file.extents.get(column)?) {
            (DataType::Timestamp(..), Extent::Times(min, max)) => Some(Times::Instants(*min, *max)),
            (DataType::Date32, Extent::Days(min, max)) => Some(Times::Days(*min, *max)),
            // A day that is read as an instant is its start in UTC.
            (DataType::Timestamp(..), Extent::Days(min, max)) => {
                Some(Times::Instants(min.checked_mul(DAY)?, max.checked_mul(DAY)?))
            }
            _ => None,
        }
    }

    /// The files, and those that could hold a row with the key of one of theirs.
    fn with_same_keys(&self, source: &Source, files: Vec<&'a PinnedFile>) -> Vec<&'a PinnedFile> {
        let key = source.contract.as_ref().and_then(|contract| contract.table.grain.first());
        let Some(key) = key else { return files };
        let could = |file: &&PinnedFile| meets_any(file.extents.get(key), &files, key);
        self.files(source).iter().filter(could).collect()
    }

    /// Adds the files of what the rows of `files` refer to that could hold the keys referred to, and what
    /// those refer to; returns whether a later day could see others of their rows.
    fn add_parents(
        &self,
        source: &Source,
        files: &[&'a PinnedFile],
        (of, ignored): (Of, &[NodeName]),
        marked: &mut BTreeMap<NodeName, BTreeSet<String>>,
    ) -> bool {
        let mut is_open = false;
        let rules = source.contract.iter().flat_map(|contract| &contract.rules);
        for rule in rules {
            let SourceCheck::Orphan { column, to, field } = &rule.check else { continue };
            let Some(parent) = self.declared(to).filter(|_| !ignored.contains(to)) else { continue };
            // What dates a row, and does not move, is of the row's own time.
            let found = if of.are_fixed && dating(source).is_some_and(|(_, dated_by, _)| dated_by == to) {
                self.files_in(parent, of.interval)
            } else {
                let could = |file: &&PinnedFile| meets_any(file.extents.get(field), files, column);
                self.with_same_keys(parent, self.files(parent).iter().filter(could).collect())
            };
            is_open |= self.any_later(parent, &found);
            marked.entry(to.clone()).or_default().extend(marks(&found));
            is_open |= self.add_parents(parent, &found, (of, ignored), marked);
        }
        is_open
    }
}

fn marks(files: &[&PinnedFile]) -> BTreeSet<String> {
    files.iter().map(|file| file.mark.clone()).collect()
}

/// Whether a value between the bounds of `extent` could be in `column` of one of the files.
fn meets_any(extent: Option<&Extent>, files: &[&PinnedFile], column: &str) -> bool {
    files.iter().any(|file| match (extent, file.extents.get(column)) {
        (Some(one), Some(other)) => one.meets(other),
        _ => true,
    })
}

/// The relationship that dates the rows of a source that tells no time: its column, the source it
/// refers to, and that one's field.
fn dating(source: &Source) -> Option<(&str, &NodeName, &str)> {
    let contract = source.contract.as_ref()?;
    let dated_by = contract.dated_by.as_ref()?;
    contract.rules.iter().find_map(|rule| match &rule.check {
        SourceCheck::Orphan { column, to, field } if column == dated_by => {
            Some((column.as_str(), to, field.as_str()))
        }
        _ => None,
    })
}
