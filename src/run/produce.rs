//! Computes one model, or one interval of it: from its inputs' rows to files, or to rows of this run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bindings::{self, Products, Reading};
use super::journal::{self, Finished};
use super::slices::{Unit, slice_of};
use super::{Job, audits, commit};
use crate::diagnostic::Diagnostics;
use crate::engine::{
    Binding, Bindings, Broken, Computed, MaterializeRequest, Progress, RowCheck, Share, Typed, WriteRequest,
    Written, WrittenFile,
};
use crate::lake::FileEntry;
use crate::plan::{Event, Step, StepKind};
use crate::project::{Materialization, Model};

/// How many files an interval or a snapshot may have, so that the next one's have other numbers.
const FILES_OF_A_SLICE: usize = 10_000;

/// Where in the journal a step is told, and what is told of it.
pub(super) struct Place<'a> {
    pub(super) sequence: u32,
    pub(super) unit: Unit,
    pub(super) step: &'a Step,
    pub(super) broken: u64,
}

/// A computed model or interval: its rows and, if published, its files.
pub(super) struct Product {
    pub(super) binding: Binding,
    pub(super) rows: u64,
    pub(super) broken: Vec<Broken>,
    pub(super) computed: Option<Computed>,
}

/// Writes in the journal that a table is stored; its files as the commit names them.
pub(super) async fn tell(
    job: &Job<'_>,
    at: &Place<'_>,
    written: &Written,
) -> Result<Vec<FileEntry>, Diagnostics> {
    let Place { sequence, unit, step, broken } = at;
    let model = job.typed.graph.model(&step.model);
    let model = model.ok_or_else(|| super::bug("a step of an unknown model"))?;
    let finished = Finished {
        model: step.model.clone(),
        slice: Some(slice_of(job, unit)),
        fingerprint: unit.fingerprint(step).to_owned(),
        broken: *broken,
        files: commit::file_entries(job, model, written)?,
    };
    journal::write(job, *sequence, &finished).await?;
    Ok(finished.files)
}

/// What is computed: a query, its inputs' rows, and what its own must keep.
struct Work<'a> {
    model: &'a Model,
    typed: Arc<Typed>,
    bindings: Bindings,
    checks: Vec<RowCheck>,
    /// The place of the interval among those that are computed.
    at: Option<usize>,
}

pub(super) async fn produce(
    job: &Job<'_>,
    step: &Step,
    unit: &Unit,
    products: &Products,
    share: Share,
) -> Result<Product, Diagnostics> {
    let graph = &job.typed.graph;
    let (Some(model), Some(typed)) = (graph.model(&step.model), job.typed.model(&step.model)) else {
        return Err(super::bug("a step of an unknown model").into());
    };
    let inputs = graph.inputs(&step.model);
    let mut work = Work {
        model,
        typed: Arc::clone(&typed.query),
        bindings: bindings::bind(job, inputs, products, Reading::History)?,
        checks: audits::row_checks(model),
        at: unit.interval,
    };
    if let Some(of) = unit.interval_step(step) {
        work.typed = Arc::new(job.typed.of_interval(model, job.state, of.interval)?);
        work.bindings = bindings::within(job.typed, model, of.interval, work.bindings);
        work.checks.extend(audits::of_interval(job.typed, model, of.interval));
    }
    match (step.kind, model.materialization) {
        (StepKind::Publish, _) => write(job, work, share).await,
        (StepKind::Intermediate, Materialization::View) => {
            let binding = Binding::View(work.typed, Arc::new(work.bindings));
            Ok(Product { binding, rows: 0, broken: Vec::new(), computed: None })
        }
        (
            StepKind::Intermediate,
            Materialization::Table | Materialization::Snapshot | Materialization::Incremental,
        ) => keep(job, work, share).await,
    }
}

async fn keep(job: &Job<'_>, work: Work<'_>, share: Share) -> Result<Product, Diagnostics> {
    let Work { model, typed, bindings, checks, at } = work;
    let request = MaterializeRequest {
        name: at.map_or_else(|| model.name.to_string(), |at| format!("{}-{at}", model.name)),
        typed,
        bindings: Arc::new(bindings),
        contract: Arc::new(model.contract.clone()),
        checks,
        keep: job.engine.keep(),
    };
    let kept = job.engine.materialize(&request, share).await?;
    Ok(Product { binding: kept.binding, rows: kept.rows, broken: kept.broken, computed: None })
}

async fn write(job: &Job<'_>, work: Work<'_>, share: Share) -> Result<Product, Diagnostics> {
    let Work { model, typed, bindings, checks, at } = work;
    let (observer, name) = (Arc::clone(&job.observer), model.name.clone());
    let told: crate::engine::OnProgress = Arc::new(move |progress: Progress| {
        observer.notice(Event::StepProgress { model: name.clone(), rows: progress.rows });
    });
    let request = WriteRequest {
        typed,
        bindings: Arc::new(bindings),
        contract: Arc::new(model.contract.clone()),
        checks,
        store: job.staging.store().clone(),
        folder: job.staging.data_folder(&model.name, &job.attempt).map_err(commit::found)?,
        first_file: (job.turn.number + at.unwrap_or(0)) * FILES_OF_A_SLICE,
        footer: footer(job, model, at),
        // Intervals are counted as they end.
        on_progress: at.is_none().then_some(told),
    };
    let computed = job.engine.write(&request, share).await?;
    let written = computed.written();
    let file = |file: &WrittenFile| file.to_data_file(job.staging.store());
    Ok(Product {
        binding: bindings::of_files(written.files.iter().map(file).collect(), &model.contract),
        rows: written.files.iter().map(|file| file.rows).sum(),
        broken: written.broken.clone(),
        computed: Some(computed),
    })
}

/// What a file says of itself: the day looked from, but for intervals, whose rows are the same whatever
/// the day.
fn footer(job: &Job<'_>, model: &Model, at: Option<usize>) -> BTreeMap<String, String> {
    let contract = serde_json::to_string(&model.contract).unwrap_or_default();
    let mut footer = BTreeMap::from([("goodwill.contract".to_owned(), contract)]);
    if at.is_none() {
        footer.insert("goodwill.as_of".to_owned(), job.plan.as_of.to_string());
    }
    footer
}
