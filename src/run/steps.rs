//! Runs the plan's steps: inputs first, independent ones together.
//!
//! What reads a table starts when its rows are computed and its rules hold; the table's last bytes may
//! reach the store meanwhile. A step is finished, and in the journal, when they have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use super::audits::{self, Pending};
use super::bindings::{self, Products, Reading};
use super::intake::{self, Rejected, Taken};
use super::journal::{self, Finished, Resumed};
use super::stage::Staged;
use super::{AfterFailure, Job, commit};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::{
    Binding, Bindings, Broken, Computed, MaterializeRequest, Progress, Share, WriteRequest, Written,
    WrittenFile,
};
use crate::graph::Node;
use crate::ident::NodeName;
use crate::interval::Instant;
use crate::lake::FileEntry;
use crate::plan::{
    AuditResult, Event, Phase, SourceResult, SourceStatus, Step, StepKind, StepResult, StepStatus, TypedModel,
};
use crate::project::{Materialization, Model, Source};

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
    Step { model: NodeName, product: Result<Product, Diagnostics>, result: StepResult },
    Stored { model: NodeName, stored: Result<Vec<FileEntry>, Unstored>, result: StepResult },
    Reused { model: NodeName, files: Vec<FileEntry>, rows: Result<Binding, Diagnostics>, result: StepResult },
    Audit { pending: Pending, result: Result<AuditResult, Diagnostics> },
}

/// Why a computed table is not staged.
enum Unstored {
    /// Its files are not in the store.
    Files(Diagnostics),
    /// The journal does not have it: nobody could tell what is there.
    Journal(Diagnostics),
}

/// A computed model: its rows and, if published, its files.
struct Product {
    binding: Binding,
    rows: u64,
    broken: Vec<Broken>,
    computed: Option<Computed>,
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
    waiting: Vec<NodeName>,
    computing: BTreeSet<NodeName>,
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
            waiting: wanted(job),
            computing: BTreeSet::new(),
            rules: rules.collect(),
            checking: BTreeSet::new(),
            products: Arc::default(),
            failed: BTreeSet::new(),
            sequence: job.resumed.as_ref().map_or(0, Resumed::last),
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
        let at = self.waiting.iter().position(|model| self.can_start(job, model))?;
        let model = self.waiting.remove(at);
        let step = job.plan.step(&model)?;
        self.computing.insert(model);
        Some(Box::pin(compute(job, step, Arc::clone(&self.products), self.share)))
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

    fn can_start(&self, job: &Job<'_>, model: &NodeName) -> bool {
        let step = job.plan.step(model);
        if step.zip(job.resumed.as_ref()).is_some_and(|(step, resumed)| resumed.files(step).is_some()) {
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
            Done::Step { model, product: Ok(product), mut result } => {
                let audits = computed_audits(job, &model, &product.broken);
                if audits.iter().any(|audit| audit.broken > 0) {
                    result.status = StepStatus::AuditFailed;
                    self.fail(job, &model);
                }
                self.worked.audits.extend(audits);
                Arc::make_mut(&mut self.products).insert(model.clone(), product.binding);
                self.rules.extend(audits::queries(job, &model));
                if let (Some(computed), Some(step)) = (product.computed, job.plan.step(&model)) {
                    self.sequence += 1;
                    let broken = product.broken.iter().map(|broken| broken.rows).sum();
                    let at = Place { sequence: self.sequence, step, broken };
                    return Ok(Some(Box::pin(store(job, at, computed, result))));
                }
                self.finish(job, result);
            }
            Done::Stored { model, stored: Ok(files), result } => {
                self.worked.staged.add(model, files);
                self.finish(job, result);
            }
            Done::Reused { model, files, rows: Ok(rows), result } => {
                // Its own rules held when it was written, or it would not be gone on with.
                self.worked.audits.extend(computed_audits(job, &model, &[]));
                Arc::make_mut(&mut self.products).insert(model.clone(), rows);
                self.rules.extend(audits::queries(job, &model));
                self.worked.staged.add(model, files);
                self.finish(job, result);
            }
            Done::Stored { stored: Err(Unstored::Journal(found)), .. } => return Err(found),
            Done::Step { model, product: Err(found), mut result }
            | Done::Reused { model, rows: Err(found), mut result, .. }
            | Done::Stored { model, stored: Err(Unstored::Files(found)), mut result } => {
                result.status = StepStatus::Error;
                self.worked.failures.extend(found.sorted());
                self.fail(job, &model);
                self.finish(job, result);
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

    /// Lets go of the rows of sources that nobody will read any more: they may fill the memory.
    fn release(&mut self, job: &Job<'_>) {
        let graph = &job.typed.graph;
        let mut wanted: BTreeSet<NodeName> = BTreeSet::new();
        for intake in &self.intakes {
            let source = graph.project().pipeline.sources.get(intake);
            wanted.extend(source.into_iter().flat_map(Source::parents).cloned());
        }
        for model in self.waiting.iter().chain(&self.computing) {
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
        for model in std::mem::take(&mut self.waiting) {
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

async fn compute(job: &Job<'_>, step: &Step, products: Arc<Products>, share: Share) -> Done {
    job.observer.notice(Event::StepStarted { model: step.model.clone(), kind: step.kind });
    let started_at = (job.clock)();
    if let Some(files) = job.resumed.as_ref().and_then(|resumed| resumed.files(step)) {
        return reuse(job, step, files, started_at);
    }
    let product = produce(job, step, &products, share).await;
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
    Done::Step { model: step.model.clone(), product, result }
}

/// A table that this attempt has written before it was broken off.
fn reuse(job: &Job<'_>, step: &Step, files: &[FileEntry], started_at: Instant) -> Done {
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
    Done::Reused { model: step.model.clone(), files: files.to_vec(), rows, result }
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
        if wanted.insert(name.clone()) && resumed.files(step).is_none() {
            open.extend(graph.models_read(&name));
        }
    }
    all().filter(|name| wanted.contains(name)).collect()
}

/// Where in the journal a step is told, and what is told of it.
struct Place<'a> {
    sequence: u32,
    step: &'a Step,
    broken: u64,
}

/// Waits until a computed table is in the store, then writes so in the journal.
async fn store(job: &Job<'_>, at: Place<'_>, computed: Computed, result: StepResult) -> Done {
    let stored = match computed.stored().await {
        Ok(written) => tell(job, &at, &written).await.map_err(Unstored::Journal),
        Err(found) => Err(Unstored::Files(found)),
    };
    let result = StepResult { finished_at: (job.clock)(), ..result };
    Done::Stored { model: at.step.model.clone(), stored, result }
}

/// Writes in the journal that a table is stored; its files as the commit names them.
async fn tell(job: &Job<'_>, at: &Place<'_>, written: &Written) -> Result<Vec<FileEntry>, Diagnostics> {
    let Place { sequence, step, broken } = *at;
    let model = job.typed.graph.model(&step.model);
    let model = model.ok_or_else(|| super::bug("a step of an unknown model"))?;
    let finished = Finished {
        model: step.model.clone(),
        fingerprint: step.fingerprint.clone(),
        broken,
        files: commit::file_entries(job, model, written)?,
    };
    journal::write(job, sequence, &finished).await?;
    Ok(finished.files)
}

async fn produce(
    job: &Job<'_>,
    step: &Step,
    products: &Products,
    share: Share,
) -> Result<Product, Diagnostics> {
    let graph = &job.typed.graph;
    let (Some(model), Some(typed)) = (graph.model(&step.model), job.typed.model(&step.model)) else {
        return Err(super::bug("a step of an unknown model").into());
    };
    let bindings = bindings::bind(job, graph.inputs(&step.model), products, Reading::History)?;
    match (step.kind, model.materialization) {
        (StepKind::Publish, _) => write(job, model, typed, bindings, share).await,
        (StepKind::Intermediate, Materialization::View) => {
            let binding = Binding::View(Arc::clone(&typed.query), Arc::new(bindings));
            Ok(Product { binding, rows: 0, broken: Vec::new(), computed: None })
        }
        (StepKind::Intermediate, Materialization::Table | Materialization::Snapshot) => {
            keep(job, model, typed, bindings, share).await
        }
    }
}

async fn keep(
    job: &Job<'_>,
    model: &Model,
    typed: &TypedModel,
    bindings: Bindings,
    share: Share,
) -> Result<Product, Diagnostics> {
    let request = MaterializeRequest {
        name: model.name.clone(),
        typed: Arc::clone(&typed.query),
        bindings: Arc::new(bindings),
        contract: Arc::new(model.contract.clone()),
        checks: audits::row_checks(model),
        keep: job.engine.keep(),
    };
    let kept = job.engine.materialize(&request, share).await?;
    Ok(Product { binding: kept.binding, rows: kept.rows, broken: kept.broken, computed: None })
}

async fn write(
    job: &Job<'_>,
    model: &Model,
    typed: &TypedModel,
    bindings: Bindings,
    share: Share,
) -> Result<Product, Diagnostics> {
    let (observer, name) = (Arc::clone(&job.observer), model.name.clone());
    let request = WriteRequest {
        typed: Arc::clone(&typed.query),
        bindings: Arc::new(bindings),
        contract: Arc::new(model.contract.clone()),
        checks: audits::row_checks(model),
        store: job.staging.store().clone(),
        folder: job.staging.data_folder(&model.name, &job.attempt).map_err(commit::found)?,
        footer: BTreeMap::from([
            ("goodwill.as_of".to_owned(), job.plan.as_of.to_string()),
            ("goodwill.contract".to_owned(), serde_json::to_string(&model.contract).unwrap_or_default()),
        ]),
        on_progress: Some(Arc::new(move |progress: Progress| {
            observer.notice(Event::StepProgress { model: name.clone(), rows: progress.rows });
        })),
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
