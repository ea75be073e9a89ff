//! Intervals: which ones a run looks at, and what its queries know of theirs.

use std::collections::BTreeSet;

use super::{IntervalStep, TypedGraph, analyze};
use crate::diagnostic::Diagnostics;
use crate::engine::Typed;
use crate::graph::{Input, Node};
use crate::ident::VariableName;
use crate::interval::{Instant, Interval};
use crate::lake::{Part, Slice, TableEntry};
use crate::project::{INTERVAL_PARAMETERS, Model, Timing, Window};
use crate::query::{Parameters, Value};
use crate::state::State;

impl TypedGraph {
    /// The intervals of `model` as seen from here: from its first day, or the oldest that is kept, up to the
    /// one that holds the last instant before `as_of`; none if it is not kept by intervals.
    #[must_use]
    pub fn intervals(&self, model: &Model) -> Vec<Interval> {
        let Some(incremental) = &model.incremental else { return Vec::new() };
        let zone = &self.graph.project().pipeline.time_zone;
        let mut intervals = incremental.batch.intervals(incremental.begin, self.as_of, zone);
        if let Some(days) = incremental.keep_days {
            let here = Interval { start: self.snapshot_day(), end: self.as_of };
            let oldest = here.widened(days, 0, zone).start;
            intervals.retain(|interval| interval.end > oldest);
        }
        intervals
    }

    /// The query of `model` for one of its intervals.
    ///
    /// # Errors
    ///
    /// Returns a bug of ours: the query was found sound before.
    pub fn of_interval(
        &self,
        model: &Model,
        state: &State,
        interval: Interval,
    ) -> Result<Typed, Diagnostics> {
        let parameters = self.with_interval(interval);
        analyze::type_query(&self.graph, model, &state.schemas(), &parameters)
    }

    /// The parameters, and those that tell of `interval`.
    #[must_use]
    pub fn with_interval(&self, interval: Interval) -> Parameters {
        let zone = &self.graph.project().pipeline.time_zone;
        with_interval(&self.parameters, interval, |at| at.day_in(zone))
    }

    /// The column that tells which time a row of `input` is of, if there is one.
    #[must_use]
    pub fn time_of(&self, input: &Input) -> Option<&str> {
        match &input.node {
            Node::Source(name) => {
                let source = self.graph.project().pipeline.sources.get(name)?;
                source.event_time.as_ref().map(|column| column.value.as_str())
            }
            Node::Model(name) => self.timing(name).map(|timing| timing.column.as_str()),
        }
    }

    /// How the time of a model's rows is told.
    fn timing(&self, name: &crate::ident::NodeName) -> Option<&Timing> {
        self.graph.model(name)?.timing.as_ref()
    }

    /// What of `input` makes the rows that `model` has in `interval`.
    #[must_use]
    pub fn read_by(&self, model: &Model, input: &Input, interval: Interval) -> Interval {
        let Window { days_before, days_after, .. } = window(model, input);
        interval.widened(days_before, days_after, &self.graph.project().pipeline.time_zone)
    }

    /// The parts of `entry` that a run that looks from here finds, in order: none but those asked for,
    /// whether or not they are made from what they would be made from now; `None` if one is missing.
    #[must_use]
    pub fn current_intervals<'a>(&self, model: &Model, entry: &'a TableEntry) -> Option<Vec<&'a Part>> {
        let part = |interval: Interval| part_of(entry, interval);
        self.intervals(model).into_iter().map(part).collect()
    }

    /// The parts of `entry` that stay beside `computed` intervals: those of all intervals as seen from here.
    pub fn kept_intervals<'a>(
        &self,
        model: &Model,
        entry: &'a TableEntry,
        computed: &[IntervalStep],
    ) -> impl Iterator<Item = &'a Part> {
        let computed: BTreeSet<Slice> = computed.iter().map(IntervalStep::slice).collect();
        let seen: BTreeSet<Slice> = self.intervals(model).into_iter().map(slice_of).collect();
        entry.parts.iter().filter(move |part| seen.contains(&part.slice) && !computed.contains(&part.slice))
    }
}

/// The parts of `entry` that a backfill of `computed` intervals leaves as they are: all but those of
/// the same time.
pub(super) fn beside<'a>(entry: &'a TableEntry, computed: &[IntervalStep]) -> impl Iterator<Item = &'a Part> {
    let computed: Vec<Interval> = computed.iter().map(|step| step.interval).collect();
    entry.parts.iter().filter(move |part| match part.slice {
        Slice::Interval { start, end } => {
            !computed.iter().any(|computed| computed.overlaps(Interval { start, end }))
        }
        Slice::Whole | Slice::Snapshot { .. } => false,
    })
}

const fn slice_of(interval: Interval) -> Slice {
    Slice::Interval { start: interval.start, end: interval.end }
}

/// The rows of `interval` in a published table.
pub(super) fn part_of(entry: &TableEntry, interval: Interval) -> Option<&Part> {
    let slice = slice_of(interval);
    // Parts are sorted by their slices.
    let at = entry.parts.binary_search_by(|part| part.slice.cmp(&slice)).ok()?;
    entry.parts.get(at)
}

/// What `model` says of `input`, by the name its SQL gives it or by what it means.
pub(super) fn window(model: &Model, input: &Input) -> Window {
    model.window(&[&input.table.to_string(), &input.node.to_string()])
}

/// `parameters`, and those that tell of `interval`.
pub(super) fn with_interval(
    parameters: &Parameters,
    interval: Interval,
    day: impl Fn(Instant) -> i32,
) -> Parameters {
    let Interval { start, end } = interval;
    let values =
        [Value::Timestamp(start), Value::Timestamp(end), Value::Date(day(start)), Value::Date(day(end))];
    let named = INTERVAL_PARAMETERS.into_iter().zip(values);
    let named = named.filter_map(|(name, value)| Some((VariableName::parse(name).ok()?, value)));
    parameters.clone().into_iter().chain(named).collect()
}
