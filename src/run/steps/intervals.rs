//! Steps that are computed interval by interval: the last one ends its step.

use futures::future::BoxFuture;

use super::super::Job;
use super::super::produce::Product;
use super::super::slices::{Slice, Slices, Unit};
use super::{Board, Done, store};
use crate::ident::NodeName;
use crate::plan::{Event, Step, StepKind, StepResult, StepStatus};

impl Board {
    pub(super) fn slices_of(&mut self, job: &Job<'_>, model: &NodeName) -> &mut Slices {
        let step = job.plan.step(model);
        let wanted = step.and_then(|step| step.intervals.as_ref()).map_or(0, Vec::len);
        self.slices.entry(model.clone()).or_insert_with(|| Slices::of(wanted))
    }

    /// Takes in a computed interval; returns what is to be stored now.
    pub(super) fn take_interval<'a>(
        &mut self,
        job: &'a Job<'a>,
        unit: Unit,
        product: Product,
        mut result: StepResult,
    ) -> Option<BoxFuture<'a, Done>> {
        self.slices_of(job, &unit.model).begin(&product.broken, &result);
        if product.broken.iter().any(|broken| broken.rows > 0) {
            result.status = StepStatus::AuditFailed;
        }
        let broken = product.broken.iter().map(|broken| broken.rows).sum();
        if let (Some(computed), Some(step)) = (product.computed, job.plan.step(&unit.model)) {
            let at = self.place(unit, step, broken);
            return Some(Box::pin(store(job, at, computed, product.binding, result)));
        }
        let slice = Slice { files: Vec::new(), rows: product.binding };
        if let Some(at) = unit.interval {
            self.keep_interval(job, &unit.model, at, slice, &result);
        }
        None
    }

    /// Keeps an interval; the last one ends its step.
    pub(super) fn keep_interval(
        &mut self,
        job: &Job<'_>,
        model: &NodeName,
        at: usize,
        slice: Slice,
        result: &StepResult,
    ) {
        let slices = self.slices_of(job, model);
        slices.add(at, slice, result);
        job.observer.notice(Event::StepProgress { model: model.clone(), rows: slices.rows() });
        if slices.is_whole() {
            self.end_intervals(job, model, result);
        }
    }

    /// Ends the steps that only leave intervals out.
    pub(super) fn end_empty(&mut self, job: &Job<'_>) {
        let now = (job.clock)();
        let has_none = |step: &&Step| step.intervals.as_ref().is_some_and(Vec::is_empty);
        for step in job.plan.steps.iter().filter(has_none) {
            self.slices_of(job, &step.model);
            let last = StepResult {
                model: step.model.clone(),
                kind: step.kind,
                status: StepStatus::Success,
                rows: 0,
                bytes: 0,
                files: 0,
                started_at: now,
                finished_at: now,
            };
            self.end_intervals(job, &step.model, &last);
        }
    }

    /// Ends a step whose intervals are all computed: its rows are these, and those published before.
    pub(super) fn end_intervals(&mut self, job: &Job<'_>, model: &NodeName, last: &StepResult) {
        let Some(slices) = self.slices.remove(model) else { return };
        let mut result = slices.result(last);
        if slices.broken().iter().any(|broken| broken.rows > 0) {
            result.status = StepStatus::AuditFailed;
            self.fail(job, model);
        }
        let broken = slices.broken().to_vec();
        let (rows, parts) = slices.put_together(job, model);
        self.add_rows(job, model, &broken, rows);
        if result.kind == StepKind::Publish {
            self.worked.staged.add(model.clone(), parts);
        }
        self.finish(job, result);
    }

    /// Ends a step that cannot be done; what is left of it is not begun.
    pub(super) fn give_up(&mut self, job: &Job<'_>, unit: &Unit, result: StepResult) {
        let is_told = unit.interval.is_some() && self.failed.contains(&unit.model);
        self.fail(job, &unit.model);
        self.waiting.retain(|waiting| waiting.model != unit.model);
        if !is_told {
            self.finish(job, result);
        }
    }
}
