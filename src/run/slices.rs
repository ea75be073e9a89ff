//! Tables that are computed interval by interval: what is to be done, and what is done of them.

use std::collections::BTreeMap;

use super::Job;
use super::bindings;
use super::stage::Part;
use crate::engine::{Binding, Broken};
use crate::ident::NodeName;
use crate::interval::Instant;
use crate::lake::{self, FileEntry};
use crate::plan::{IntervalStep, Step, StepResult, StepStatus};

/// A piece of work: a step, or one of its intervals, by its place among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    pub(super) model: NodeName,
    pub(super) interval: Option<usize>,
}

impl Unit {
    /// The interval it is.
    pub(super) fn interval_step<'a>(&self, step: &'a Step) -> Option<&'a IntervalStep> {
        step.intervals.as_ref()?.get(self.interval?)
    }

    /// The fingerprint of all it is made from.
    pub(super) fn fingerprint<'a>(&self, step: &'a Step) -> &'a str {
        self.interval_step(step).map_or(&step.fingerprint, |interval| &interval.fingerprint)
    }

    /// Its files, if the attempt that is gone on with has them.
    pub(super) fn done<'a>(&self, job: &'a Job<'_>, step: &Step) -> Option<&'a [FileEntry]> {
        job.resumed.as_ref()?.files(&self.model, slice_of(job, self), self.fingerprint(step))
    }
}

/// The pieces of a model's step.
pub(super) fn units(job: &Job<'_>, model: NodeName) -> Vec<Unit> {
    let intervals = job.plan.step(&model).and_then(|step| step.intervals.as_ref()).map(Vec::len);
    match intervals {
        Some(count) => (0..count).map(|at| Unit { model: model.clone(), interval: Some(at) }).collect(),
        None => vec![Unit { model, interval: None }],
    }
}

/// Which rows of its table a piece of work gives.
pub(super) fn slice_of(job: &Job<'_>, unit: &Unit) -> lake::Slice {
    let interval = job.plan.step(&unit.model).and_then(|step| unit.interval_step(step));
    match (interval, job.typed.graph.model(&unit.model)) {
        (Some(interval), _) => interval.slice(),
        (None, Some(model)) => job.typed.slice(model),
        (None, None) => lake::Slice::Whole,
    }
}

/// A computed interval.
pub(super) struct Slice {
    pub(super) files: Vec<FileEntry>,
    pub(super) rows: Binding,
}

/// What is done of a table's intervals.
pub(super) struct Slices {
    wanted: usize,
    done: BTreeMap<usize, Slice>,
    broken: Vec<Broken>,
    rows: u64,
    bytes: u64,
    files: usize,
    started_at: Option<Instant>,
    /// Whether all that is done was done before the run was broken off.
    all_reused: bool,
}

impl Slices {
    pub(super) const fn of(wanted: usize) -> Self {
        Self {
            wanted,
            done: BTreeMap::new(),
            broken: Vec::new(),
            rows: 0,
            bytes: 0,
            files: 0,
            started_at: None,
            all_reused: true,
        }
    }

    /// Notes what became of an interval's rows; its files may still be on their way.
    pub(super) fn begin(&mut self, broken: &[Broken], result: &StepResult) {
        let started_at = self.started_at.map_or(result.started_at, |at| at.min(result.started_at));
        self.started_at = Some(started_at);
        for found in broken {
            match self.broken.iter_mut().find(|known| known.check == found.check) {
                Some(known) => {
                    known.rows += found.rows;
                    let room = EXAMPLES.saturating_sub(known.examples.len());
                    known.examples.extend(found.examples.iter().take(room).cloned());
                }
                None => self.broken.push(found.clone()),
            }
        }
    }

    pub(super) fn add(&mut self, at: usize, slice: Slice, result: &StepResult) {
        self.rows += result.rows;
        self.bytes += result.bytes;
        self.files += result.files;
        self.all_reused &= result.status == StepStatus::Reused;
        self.done.insert(at, slice);
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn is_whole(&self) -> bool {
        self.done.len() == self.wanted
    }

    pub(super) fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// What became of the step, `last` being the result of its last interval.
    pub(super) fn result(&self, last: &StepResult) -> StepResult {
        StepResult {
            status: if self.all_reused && self.wanted > 0 { StepStatus::Reused } else { StepStatus::Success },
            rows: self.rows,
            bytes: self.bytes,
            files: self.files,
            started_at: self.started_at.unwrap_or(last.started_at),
            ..last.clone()
        }
    }

    /// All rows of the table as seen from here, those of other intervals from where they are published;
    /// and the parts that were written.
    pub(super) fn put_together(mut self, job: &Job<'_>, model: &NodeName) -> (Binding, Vec<Part>) {
        let steps = job.plan.step(model).and_then(|step| step.intervals.as_deref()).unwrap_or_default();
        let mut rows: BTreeMap<lake::Slice, Binding> =
            bindings::published_intervals(job, model).into_iter().collect();
        let mut parts = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            if let Some(Slice { files, rows: computed }) = self.done.remove(&at) {
                rows.insert(step.slice(), computed);
                parts.push(Part { slice: step.slice(), files });
            }
        }
        (bindings::united(rows.into_values().collect()), parts)
    }
}

/// How many broken rows are shown of each rule.
const EXAMPLES: usize = 5;
