//! Runs the plan's steps: inputs first, independent ones together.
//!
//! What reads a table starts when its rows are computed and its rules hold; the table's last bytes may
//! reach the store meanwhile. A step is finished, and in the journal, when they have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::audits::{self, Pending};
use super::bindings::{self, Products};
use super::intake::{self, Rejected, Taken};
use super::journal;
use super::produce::{self, Place, Product};
use super::slices::{Slice, Slices, Unit, slice_of, units};
use super::stage::{Part, Staged};
use super::{AfterFailure, Job};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::{Binding, Broken, Computed, Share};
use crate::graph::Node;
use crate::ident::NodeName;
use crate::interval::Instant;
use crate::lake::FileEntry;
use crate::plan::{
    AuditResult, Event, Phase, SourceResult, SourceStatus, Step, StepKind, StepResult, StepStatus,
};
use crate::project::{Materialization, Model, Source};

mod intervals;

/// The least memory a step is given: below it steps run one after another.
const LEAST_MEMORY: u64 = 256 * 1024 * 1024;

/// What the steps gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Worked {
    pub(super) results: Vec<StepResult>,
    pub(super) sources: Vec<SourceResult>,
    pub(super) audits: Vec<AuditResult>,
    pub(super) failures: Vec<Diagnostic>,
    pub(super) staged: Staged,
    stopped: bool,
}

impl Worked {
    /// Whether a signal ended the run.
    pub(super) const fn stopped(&self) -> bool {
        self.stopped
    }
}

/// What a finished piece of work says.
enum Done {
    Source { source: NodeName, taken: Result<Box<Taken>, Diagnostics> },
    Step { unit: Unit, product: Result<Product, Diagnostics>, result: StepResult },
    Stored { unit: Unit, stored: Result<Vec<FileEntry>, Unstored>, rows: Binding, result: StepResult },
    Reused { unit: Unit, files: Vec<FileEntry>, rows: Result<Binding, Diagnostics>, result: StepResult },
    Audit { pending: Pending, result: Result<AuditResult, Diagnostics> },
}

/// Runs every step and every rule that its results allow.
///
/// # Errors
///
/// Returns stores that do not answer; failed models and broken rules are in the result.
pub(super) async fn run(job: &Job<'_>) -> Result<Worked, Diagnostics> {
    let mut board = Board::new(job);
    let mut running: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    let mut storing: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    let mut stop = job.stop.clone();
    board.end_empty(job);
    loop {
        while running.len() < board.together
            && let Some(work) = board.next(job)
        {
            running.push(work);
        }
        if running.is_empty() && storing.is_empty() {
            break;
        }
        let done = tokio::select! {
            Some(done) = running.next() => done,
            Some(done) = storing.next() => done,
            () = stopped(&mut stop) => {
                board.worked.stopped = true;
                drop((running, storing));
                break;
            }
        };
        storing.extend(board.take(job, done)?);
    }
    board.skip_the_rest(job);
    Ok(board.worked)
}

/// Waits until a stop is asked for, for ever if nobody can ask any more.
async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What waits, what is done, what may not start any more.
struct Board {
    together: usize,
    share: Share,
    intakes: Vec<NodeName>,
    taken: BTreeMap<NodeName, (SourceResult, Rejected)>,
    waiting: Vec<Unit>,
    computing: BTreeSet<NodeName>,
    slices: BTreeMap<NodeName, Slices>,
    rules: BTreeSet<Pending>,
    checking: BTreeSet<Pending>,
    products: Arc<Products>,
    failed: BTreeSet<NodeName>,
    sequence: u32,
    worked: Worked,
}

impl Board {
    fn new(job: &Job<'_>) -> Self {
        let whole = job.engine.whole();
        let by_memory = usize::try_from(whole.memory / LEAST_MEMORY).unwrap_or(usize::MAX).max(1);
        let together = whole.threads.clamp(1, 4).min(by_memory);
        let share = Share { threads: whole.threads, ..whole.divided(together) };
        let rechecks = job.plan.rechecks.iter();
        let rules = rechecks.map(|again| Pending { model: again.model.clone(), audit: again.audit });
        Self {
            together,
            share,
            intakes: job.plan.intakes.iter().map(|intake| intake.source.clone()).collect(),
            taken: BTreeMap::new(),
            waiting: wanted(job).into_iter().flat_map(|model| units(job, model)).collect(),
            computing: BTreeSet::new(),
            slices: BTreeMap::new(),
            rules: rules.collect(),
            checking: BTreeSet::new(),
            products: Arc::default(),
            failed: BTreeSet::new(),
            sequence: journal::place_before(job),
            worked: Worked::default(),
        }
    }

    /// The next piece of work that can start: rules first, so that broken results stop early.
    fn next<'a>(&mut self, job: &'a Job<'a>) -> Option<BoxFuture<'a, Done>> {
        let halted = job.mode.on_failure == AfterFailure::Stop && !self.worked.failures.is_empty();
        if halted {
            return None;
        }
        let ready = self.rules.iter().find(|rule| audits::ready(job, rule, &self.products)).cloned();
        if let Some(pending) = ready {
            self.rules.remove(&pending);
            self.checking.insert(pending.clone());
            return Some(Box::pin(check(job, pending, Arc::clone(&self.products), self.share)));
        }
        if let Some(at) = self.intakes.iter().position(|source| self.can_take(job, source)) {
            let source = self.intakes.remove(at);
            return Some(Box::pin(take(job, source, Arc::clone(&self.products), self.share)));
        }
        let at = self.waiting.iter().position(|unit| self.can_start(job, unit))?;
        let unit = self.waiting.remove(at);
        let step = job.plan.step(&unit.model)?;
        if self.computing.insert(unit.model.clone()) {
            job.observer.notice(Event::StepStarted { model: unit.model.clone(), kind: step.kind });
        }
        Some(Box::pin(compute(job, step, unit, Arc::clone(&self.products), self.share)))
    }

    /// Whether all that a source's rows refer to was taken in.
    fn can_take(&self, job: &Job<'_>, source: &NodeName) -> bool {
        let declared = job.typed.graph.project().pipeline.sources.get(source);
        let mut parents = declared.into_iter().flat_map(Source::parents);
        parents.all(|parent| self.taken.contains_key(parent))
    }

    /// Notes a source that was taken in; after the last one, what is told of them can be read.
    fn take_source(&mut self, job: &Job<'_>, source: NodeName, taken: Taken) {
        job.observer.notice(Event::SourceFinished(taken.result.clone()));
        if taken.result.status == SourceStatus::TooManyRejected {
            let reads = |model: &&Model| job.typed.graph.all_sources_read(&model.name).contains(&source);
            let readers: Vec<NodeName> =
                job.typed.graph.models().filter(reads).map(|model| model.name.clone()).collect();
            for model in &readers {
                self.fail(job, model);
            }
        }
        let products = Arc::make_mut(&mut self.products);
        products.insert_source(source.clone(), taken.result.rows, taken.accepted);
        self.worked.sources.push(taken.result.clone());
        self.taken.insert(source, (taken.result, taken.rejected));
        if self.taken.len() == job.plan.intakes.len() {
            for (name, rows) in intake::told(&self.taken) {
                products.insert_source_named(name, rows);
            }
        }
    }

    fn can_start(&self, job: &Job<'_>, unit: &Unit) -> bool {
        let model = &unit.model;
        if job.plan.step(model).is_some_and(|step| unit.done(job, step).is_some()) {
            // What it was made from may not be there again.
            return !self.failed.contains(model);
        }
        let inputs = job.typed.graph.inputs(model);
        let read = job.typed.graph.models_read(model);
        let checked = read.iter().all(|input| !self.has_open_rule(job, input));
        bindings::available(job, inputs, &self.products)
            && checked
            && !self.failed.contains(model)
            && read.iter().all(|input| !self.failed.contains(input))
    }

    /// Whether a rule of `input` is being checked or could be: its readers wait for it. A rule
    /// that reads what comes after `input` blocks nobody.
    fn has_open_rule(&self, job: &Job<'_>, input: &NodeName) -> bool {
        let ready = |rule: &&Pending| audits::ready(job, rule, &self.products);
        let mut open = self.checking.iter().chain(self.rules.iter().filter(ready));
        open.any(|rule| rule.model == *input)
    }

    /// Takes in what was done; returns what is to be stored now.
    fn take<'a>(&mut self, job: &'a Job<'a>, done: Done) -> Result<Option<BoxFuture<'a, Done>>, Diagnostics> {
        match done {
            Done::Source { source, taken: Ok(taken) } => self.take_source(job, source, *taken),
            Done::Source { taken: Err(found), .. } => self.worked.failures.extend(found.sorted()),
            Done::Step { unit, product: Ok(product), result } => {
                return Ok(match unit.interval {
                    Some(_) => self.take_interval(job, unit, product, result),
                    None => self.take_whole(job, unit, product, result),
                });
            }
            Done::Stored { unit, stored: Ok(files), rows, result } => {
                self.take_files(job, unit, Slice { files, rows }, result);
            }
            Done::Reused { unit, files, rows: Ok(rows), result } => {
                match unit.interval {
                    Some(_) => self.slices_of(job, &unit.model).begin(&[], &result),
                    // Its own rules held when it was written, or it would not be gone on with.
                    None => self.add_rows(job, &unit.model, &[], rows.clone()),
                }
                self.take_files(job, unit, Slice { files, rows }, result);
            }
            Done::Stored { stored: Err(Unstored::Journal(found)), .. } => return Err(found),
            Done::Step { unit, product: Err(found), mut result }
            | Done::Reused { unit, rows: Err(found), mut result, .. }
            | Done::Stored { unit, stored: Err(Unstored::Files(found)), mut result, .. } => {
                result.status = StepStatus::Error;
                self.worked.failures.extend(found.sorted());
                self.give_up(job, &unit, result);
            }
            Done::Audit { pending, result } => {
                self.checking.remove(&pending);
                self.release(job);
                match result {
                    Ok(audit) => {
                        if audit.broken > 0 {
                            self.fail(job, &pending.model);
                        }
                        self.worked.audits.push(audit);
                    }
                    Err(found) => {
                        self.worked.failures.extend(found.sorted());
                        self.fail(job, &pending.model);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes in a table that was computed whole; returns what is to be stored now.
    fn take_whole<'a>(
        &mut self,
        job: &'a Job<'a>,
        unit: Unit,
        product: Product,
        mut result: StepResult,
    ) -> Option<BoxFuture<'a, Done>> {
        if product.broken.iter().any(|broken| broken.rows > 0) {
            result.status = StepStatus::AuditFailed;
            self.fail(job, &unit.model);
        }
        self.add_rows(job, &unit.model, &product.broken, product.binding.clone());
        if let (Some(computed), Some(step)) = (product.computed, job.plan.step(&unit.model)) {
            let broken = product.broken.iter().map(|broken| broken.rows).sum();
            let at = self.place(unit, step, broken);
            return Some(Box::pin(store(job, at, computed, product.binding, result)));
        }
        self.finish(job, result);
        None
    }

    /// Makes a model's rows known, and its rules ready to be checked.
    fn add_rows(&mut self, job: &Job<'_>, model: &NodeName, broken: &[Broken], rows: Binding) {
        self.worked.audits.extend(computed_audits(job, model, broken));
        Arc::make_mut(&mut self.products).insert(model.clone(), rows);
        self.rules.extend(audits::queries(job, model));
    }

    /// Takes in files that are in the store.
    fn take_files(&mut self, job: &Job<'_>, unit: Unit, slice: Slice, result: StepResult) {
        if let Some(at) = unit.interval {
            self.keep_interval(job, &unit.model, at, slice, &result);
        } else {
            let part = Part { slice: slice_of(job, &unit), files: slice.files };
            self.worked.staged.add(unit.model, vec![part]);
            self.finish(job, result);
        }
    }

    /// The next place in the journal.
    fn place<'a>(&mut self, unit: Unit, step: &'a Step, broken: u64) -> Place<'a> {
        self.sequence += 1;
        Place { sequence: self.sequence, unit, step, broken }
    }

    /// Lets go of the rows of sources that nobody will read any more: they may fill the memory.
    fn release(&mut self, job: &Job<'_>) {
        let graph = &job.typed.graph;
        let mut wanted: BTreeSet<NodeName> = BTreeSet::new();
        for intake in &self.intakes {
            let source = graph.project().pipeline.sources.get(intake);
            wanted.extend(source.into_iter().flat_map(Source::parents).cloned());
        }
        for model in self.waiting.iter().map(|unit| &unit.model).chain(&self.computing) {
            wanted.extend(graph.all_sources_read(model));
        }
        for rule in self.rules.iter().chain(&self.checking) {
            let inputs = graph.audit_inputs(&rule.model).get(rule.audit).into_iter().flatten();
            wanted.extend(inputs.filter_map(|input| input.node.source().cloned()));
        }
        Arc::make_mut(&mut self.products).keep_sources(&wanted);
    }

    fn finish(&mut self, job: &Job<'_>, result: StepResult) {
        self.computing.remove(&result.model);
        self.release(job);
        job.observer.notice(Event::StepFinished(result.clone()));
        self.worked.results.push(result);
        if self.waiting.is_empty() {
            job.observer.notice(Event::Phase(Phase::Audit));
        }
    }

    /// Keeps everything that needs `model` from starting.
    fn fail(&mut self, job: &Job<'_>, model: &NodeName) {
        self.failed.insert(model.clone());
        self.failed.extend(job.typed.graph.all_downstream(model));
    }

    fn skip_the_rest(&mut self, job: &Job<'_>) {
        let now = (job.clock)();
        let mut waiting: Vec<NodeName> =
            std::mem::take(&mut self.waiting).into_iter().map(|unit| unit.model).collect();
        waiting.dedup();
        // A step of which some intervals were computed is told as one that was not.
        waiting.extend(std::mem::take(&mut self.slices).into_keys());
        waiting.sort();
        waiting.dedup();
        let is_told = |model: &NodeName| self.worked.results.iter().any(|result| result.model == *model);
        waiting.retain(|model| !is_told(model));
        for model in waiting {
            let kind = job.plan.step(&model).map_or(StepKind::Intermediate, |step| step.kind);
            self.worked.results.push(StepResult {
                model,
                kind,
                status: StepStatus::Skipped,
                rows: 0,
                bytes: 0,
                files: 0,
                started_at: now,
                finished_at: now,
            });
        }
    }
}

/// The rules that were checked while the model's rows passed.
fn computed_audits(job: &Job<'_>, model: &NodeName, broken: &[Broken]) -> Vec<AuditResult> {
    let Some(model) = job.typed.graph.model(model) else { return Vec::new() };
    if model.materialization == Materialization::View {
        return Vec::new();
    }
    let audits = audits::while_computing(model, broken);
    for audit in &audits {
        job.observer.notice(Event::AuditFinished(audit.clone()));
    }
    audits
}

async fn check(job: &Job<'_>, pending: Pending, products: Arc<Products>, share: Share) -> Done {
    let result = audits::check(job, &pending, &products, share).await;
    Done::Audit { pending, result }
}

async fn take(job: &Job<'_>, source: NodeName, products: Arc<Products>, share: Share) -> Done {
    let taken = intake::take((job.engine, share), job.typed, job.state, &source, &products).await;
    Done::Source { source, taken: taken.map(Box::new) }
}

async fn compute(job: &Job<'_>, step: &Step, unit: Unit, products: Arc<Products>, share: Share) -> Done {
    let started_at = (job.clock)();
    if let Some(files) = unit.done(job, step) {
        return reuse(job, step, unit, files, started_at);
    }
    let product = produce::produce(job, step, &unit, &products, share).await;
    let computed = product.as_ref().ok().and_then(|product| product.computed.as_ref());
    let files = computed.map(|computed| computed.written().files.as_slice()).unwrap_or_default();
    let result = StepResult {
        model: step.model.clone(),
        kind: step.kind,
        status: StepStatus::Success,
        rows: product.as_ref().map_or(0, |product| product.rows),
        bytes: files.iter().map(|file| file.bytes).sum(),
        files: files.len(),
        started_at,
        finished_at: (job.clock)(),
    };
    Done::Step { unit, product, result }
}

/// A table that this attempt has written before it was broken off.
fn reuse(job: &Job<'_>, step: &Step, unit: Unit, files: &[FileEntry], started_at: Instant) -> Done {
    let model = job.typed.graph.model(&step.model);
    let named: Vec<&FileEntry> = files.iter().collect();
    let rows = model
        .and_then(|model| bindings::published_files(job.staging, &step.model, &named, &model.contract))
        .ok_or_else(|| super::bug("a finished step of an unknown model").into());
    let result = StepResult {
        model: step.model.clone(),
        kind: step.kind,
        status: StepStatus::Reused,
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        files: files.len(),
        started_at,
        finished_at: (job.clock)(),
    };
    Done::Reused { unit, files: files.to_vec(), rows, result }
}

/// The steps to do: of an attempt that is gone on with, without what only finished steps needed.
fn wanted(job: &Job<'_>) -> Vec<NodeName> {
    let all = || job.plan.steps.iter().map(|step| step.model.clone());
    let Some(resumed) = &job.resumed else { return all().collect() };
    let graph = &job.typed.graph;
    let published = job.plan.steps.iter().filter(|step| step.kind == StepKind::Publish);
    let rules = published.clone().map(|step| &step.model).chain(job.plan.rechecks.iter().map(|it| &it.model));
    let read_by_rules = rules.flat_map(|model| graph.audit_inputs(model).iter().flatten());
    let mut open: Vec<NodeName> = published.map(|step| step.model.clone()).collect();
    open.extend(read_by_rules.filter_map(|input| match &input.node {
        Node::Model(name) => Some(name.clone()),
        Node::Source(_) => None,
    }));
    let mut wanted = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(step) = job.plan.step(&name) else { continue };
        if wanted.insert(name.clone()) && !resumed.is_done(step) {
            open.extend(graph.models_read(&name));
        }
    }
    all().filter(|name| wanted.contains(name)).collect()
}

/// Waits until a computed table is in the store, then writes so in the journal.
async fn store(job: &Job<'_>, at: Place<'_>, computed: Computed, rows: Binding, result: StepResult) -> Done {
    let stored = match computed.stored().await {
        Ok(written) => produce::tell(job, &at, &written).await.map_err(Unstored::Journal),
        Err(found) => Err(Unstored::Files(found)),
    };
    let result = StepResult { finished_at: (job.clock)(), ..result };
    Done::Stored { unit: at.unit, stored, rows, result }
}

/// Why a computed table is not staged.
enum Unstored {
    /// Its files are not in the store.
    Files(Diagnostics),
    /// The journal does not have it: nobody could tell what is there.
    Journal(Diagnostics),
}
