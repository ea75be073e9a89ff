//! What each name in a query is bound to: pinned sources, results of this run, published tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Job;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{Binding, Bindings, Bound, Cut, DataFile, FileSet, SourceScan};
use crate::graph::{Input, Node};
use crate::ident::{NodeName, VariableName};
use crate::interval::{Instant, Interval};
use crate::lake::{FileEntry, Lake, Slice};
use crate::plan::TypedGraph;
use crate::project::{CURRENCY, Contract, Model, Source, SourceContract, quality};
use crate::state::{PinnedFile, SourceState, State};

/// What can be read by now: the rows of models, and the accepted ones of sources with contracts.
#[derive(Debug, Clone, Default)]
pub(super) struct Products {
    models: BTreeMap<NodeName, Binding>,
    sources: BTreeMap<NodeName, Binding>,
    visible: BTreeMap<NodeName, u64>,
}

impl Products {
    /// Adds a model's rows.
    pub(super) fn insert(&mut self, model: NodeName, rows: Binding) {
        self.models.insert(model, rows);
    }

    /// Adds a source's accepted rows, `visible` being those and the rejected ones.
    pub(super) fn insert_source(&mut self, source: NodeName, visible: u64, rows: Binding) {
        self.visible.insert(source.clone(), visible);
        self.sources.insert(source, rows);
    }

    /// How many rows of a source that was taken in can be seen.
    pub(super) fn visible(&self, source: &NodeName) -> Option<u64> {
        self.visible.get(source).copied()
    }

    /// Lets go of the sources that are not `wanted`.
    pub(super) fn keep_sources(&mut self, wanted: &BTreeSet<NodeName>) {
        self.sources.retain(|name, _| wanted.contains(name));
    }

    /// Adds what the program tells of the sources.
    pub(super) fn insert_source_named(&mut self, name: &str, rows: Binding) {
        self.sources.extend(NodeName::parse(name).ok().map(|name| (name, rows)));
    }

    /// A model's rows.
    pub(super) fn model(&self, model: &NodeName) -> Option<&Binding> {
        self.models.get(model)
    }

    /// A source's accepted rows.
    pub(super) fn source(&self, source: &NodeName) -> Option<&Binding> {
        self.sources.get(source)
    }
}

/// Whether a source is read as it was taken in, not as its files are.
fn is_taken_in(typed: &TypedGraph, name: &NodeName) -> bool {
    let source = typed.graph.project().pipeline.sources.get(name);
    source.map_or_else(|| quality::relation(name.as_str()).is_some(), |source| source.contract.is_some())
}

/// Binds every input of a query.
///
/// # Errors
///
/// Returns a bug of ours if an input is neither computed nor published nor pinned.
pub(super) fn bind(
    job: &Job<'_>,
    inputs: &[Input],
    products: &Products,
    reading: Reading,
) -> Result<Bindings, Diagnostics> {
    let mut bindings = Bindings::new();
    for input in inputs {
        let binding = match &input.node {
            Node::Source(name) => source(job.typed, job.state, products, name),
            Node::Model(name) => match products.model(name).cloned().or_else(|| published(job, name)) {
                Some(rows) if reading == Reading::History && !input.is_latest() => {
                    Some(with_history((job.typed, job.state, job.lake), name, rows)?)
                }
                rows => rows,
            },
        };
        let missing = || Diagnostic::error(code::BUG, format!("`{}` was not computed", input.node));
        bindings.insert(input.table.clone(), binding.ok_or_else(missing)?);
    }
    Ok(bindings)
}

/// What the name of a snapshot's table means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Every snapshot up to the day looked from: for models.
    History,
    /// The snapshot of the day looked from: for rules, which are about what is written now.
    Current,
}

/// The rows of a model as those who read its table see them: with the snapshots of earlier days, if
/// it keeps them.
///
/// # Errors
///
/// Returns a bug of ours if the two cannot be put together.
pub(super) fn with_history(
    (typed, state, lake): (&TypedGraph, &State, &Lake),
    name: &NodeName,
    current: Binding,
) -> Result<Binding, Diagnostics> {
    let entry = state.last.as_ref().and_then(|commit| commit.tables.get(name));
    let (Some(model), Some(entry)) = (typed.graph.model(name), entry) else { return Ok(current) };
    let files: Vec<&FileEntry> = typed.earlier(model, entry).flat_map(|part| &part.files).collect();
    if files.is_empty() {
        return Ok(current);
    }
    let earlier = published_files(lake, name, &files, &model.contract);
    let earlier = earlier.ok_or_else(|| super::bug("a published file has no key"))?;
    Ok(Binding::Union(vec![earlier, current]))
}

/// Whether every input of a query can be bound.
pub(super) fn available(job: &Job<'_>, inputs: &[Input], products: &Products) -> bool {
    inputs.iter().all(|input| match &input.node {
        Node::Source(name) => !is_taken_in(job.typed, name) || products.source(name).is_some(),
        Node::Model(name) => {
            let pending = job.plan.step(name).is_some();
            products.model(name).is_some() || (!pending && published(job, name).is_some())
        }
    })
}

/// The rows of a source before `as_of`, known by `known_at`; with a contract the accepted ones.
pub(super) fn source(
    typed: &TypedGraph,
    state: &State,
    products: &Products,
    name: &NodeName,
) -> Option<Binding> {
    if is_taken_in(typed, name) {
        return products.source(name).cloned();
    }
    let declared = typed.graph.project().pipeline.sources.get(name)?;
    let pinned = state.sources.get(name)?;
    Some(Binding::Parquet {
        files: pinned_files(pinned),
        schema: Arc::clone(&pinned.schema),
        cut: cut(typed, declared),
        sorted_by: Vec::new(),
    })
}

/// The rows of a source whenever they happened, as its files have them.
pub(super) fn at_any_time(typed: &TypedGraph, state: &State, source: &Source) -> Option<Binding> {
    let pinned = state.sources.get(&source.name)?;
    let cut = Cut { event_time: None, ..cut(typed, source) };
    Some(match &source.contract {
        Some(contract) => {
            let mut scan = scan(typed, source, contract, pinned);
            scan.cut = cut;
            Binding::Source(Arc::new(scan))
        }
        None => Binding::Parquet {
            files: pinned_files(pinned),
            schema: Arc::clone(&pinned.schema),
            cut,
            sorted_by: Vec::new(),
        },
    })
}

fn pinned_files(source: &SourceState) -> Vec<DataFile> {
    source.files.iter().map(data_file).collect()
}

fn data_file(file: &PinnedFile) -> DataFile {
    DataFile {
        store: file.store.clone(),
        key: file.info.key.clone(),
        size: file.info.size,
        rows: file.rows,
        etag: file.info.etag.clone(),
        metadata: file.metadata.clone(),
        content: None,
    }
}

/// A source as its contract says.
pub(super) fn scan(
    typed: &TypedGraph,
    source: &Source,
    contract: &SourceContract,
    pinned: &SourceState,
) -> SourceScan {
    let files = pinned.kinds.iter().enumerate().map(|(at, kind)| FileSet {
        files: pinned.files.iter().filter(|file| file.kind == at).map(data_file).collect(),
        schema: Arc::clone(&kind.schema),
        readings: kind.readings.clone(),
    });
    let currency = VariableName::parse(CURRENCY).ok().and_then(|name| typed.parameters.get(&name));
    let currency = currency.map(ToString::to_string);
    SourceScan::new(
        source.name.clone(),
        files.collect(),
        Arc::new(contract.clone()),
        cut(typed, source),
        currency,
    )
}

/// Where a source's rows are cut in time.
pub(super) fn cut(typed: &TypedGraph, source: &Source) -> Cut {
    let zone = &typed.graph.project().pipeline.time_zone;
    let bound = |column: &crate::project::Located<String>, at: Instant| Bound {
        column: column.value.clone(),
        at,
        day: at.day_in(zone),
    };
    Cut {
        event_time: source.event_time.as_ref().map(|column| bound(column, typed.as_of)),
        known_at: source.ingested_at.as_ref().map(|column| bound(column, typed.known_at)),
    }
}

fn published(job: &Job<'_>, name: &NodeName) -> Option<Binding> {
    current((job.typed, job.state, job.lake), name)
}

/// What is published of a model as seen from here: a snapshot's day, else the whole table.
pub(super) fn current(
    (typed, state, lake): (&TypedGraph, &State, &Lake),
    name: &NodeName,
) -> Option<Binding> {
    let entry = state.last.as_ref()?.tables.get(name)?;
    let model = typed.graph.model(name)?;
    let parts = typed.current(model, entry)?;
    let files: Vec<&FileEntry> = parts.into_iter().flat_map(|part| &part.files).collect();
    published_files(lake, name, &files, &model.contract)
}

/// The published intervals of a model as seen from here, but those that this run computes.
pub(super) fn published_intervals(job: &Job<'_>, name: &NodeName) -> Vec<(Slice, Binding)> {
    let last = job.state.last.as_ref();
    let (Some(model), Some(entry)) =
        (job.typed.graph.model(name), last.and_then(|last| last.tables.get(name)))
    else {
        return Vec::new();
    };
    let computed = job.plan.step(name).and_then(|step| step.intervals.as_deref()).unwrap_or_default();
    let kept = job.typed.kept_intervals(model, entry, computed);
    let rows = kept.filter_map(|part| {
        let files: Vec<&FileEntry> = part.files.iter().collect();
        Some((part.slice, published_files(job.lake, name, &files, &model.contract)?))
    });
    rows.collect()
}

/// What `model` reads of its inputs for one of its intervals: of those that tell a time, the rows of the
/// interval and of the days around it that the model names.
pub(super) fn within(
    typed: &TypedGraph,
    model: &Model,
    interval: Interval,
    mut bindings: Bindings,
) -> Bindings {
    let zone = &typed.graph.project().pipeline.time_zone;
    for input in typed.graph.inputs(&model.name) {
        let Some(column) = typed.time_of(input) else { continue };
        let Some(rows) = bindings.remove(&input.table) else { continue };
        let Interval { start, end } = typed.read_by(model, input, interval);
        let bound = |at: Instant| Bound { column: column.to_owned(), at, day: at.day_in(zone) };
        let (from, until) = (bound(start), bound(end));
        bindings.insert(input.table.clone(), Binding::Within { rows: Box::new(rows), from, until });
    }
    bindings
}

/// The rows of all of these, which have the same columns.
pub(super) fn united(parts: Vec<Binding>) -> Binding {
    let mut all: Vec<Binding> = Vec::new();
    for part in parts {
        match (all.last_mut(), part) {
            (
                Some(Binding::Parquet { files, schema, cut, sorted_by }),
                Binding::Parquet { files: more, schema: same, cut: also, sorted_by: so },
            ) if *schema == same && *cut == also && *sorted_by == so => files.extend(more),
            (Some(Binding::Memory { schema, batches }), Binding::Memory { schema: same, batches: more })
                if *schema == same =>
            {
                batches.extend(more);
            }
            (_, part) => all.push(part),
        }
    }
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => only,
        (last, _) => Binding::Union(all.into_iter().chain(last).collect()),
    }
}

/// The rows of files that are published, or written for good.
pub(super) fn published_files(
    lake: &Lake,
    name: &NodeName,
    files: &[&FileEntry],
    contract: &Contract,
) -> Option<Binding> {
    let file = |file: &&FileEntry| {
        let key = lake.file_key(name, file).ok()?;
        Some(DataFile::unchanging(lake.store().clone(), key, file.bytes, file.rows))
    };
    let files = files.iter().map(file).collect::<Option<Vec<_>>>()?;
    Some(of_files(files, contract))
}

/// The rows of files written by the contract.
pub(super) fn of_files(files: Vec<DataFile>, contract: &Contract) -> Binding {
    Binding::Parquet {
        files,
        schema: contract.schema(),
        cut: Cut::default(),
        sorted_by: contract.order_by.clone(),
    }
}
