//! What each name in a query is bound to: pinned sources, results of this run, published tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Job;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{Binding, Bindings, Bound, Cut, DataFile};
use crate::graph::{Input, Node};
use crate::ident::NodeName;
use crate::lake::{Lake, TableEntry};
use crate::plan::TypedGraph;
use crate::project::{Contract, Source};
use crate::state::{SourceState, State};

/// The rows of models that can be read by now, by model.
pub(super) type Products = BTreeMap<NodeName, Binding>;

/// Binds every input of a query.
///
/// # Errors
///
/// Returns a bug of ours if an input is neither computed nor published nor pinned.
pub(super) fn bind(job: &Job<'_>, inputs: &[Input], products: &Products) -> Result<Bindings, Diagnostics> {
    let mut bindings = Bindings::new();
    for input in inputs {
        let binding = match &input.node {
            Node::Source(name) => source(job.typed, job.state, name),
            Node::Model(name) => products.get(name).cloned().or_else(|| published(job, name)),
        };
        let missing = || Diagnostic::error(code::BUG, format!("`{}` was not computed", input.node));
        bindings.insert(input.table.clone(), binding.ok_or_else(missing)?);
    }
    Ok(bindings)
}

/// Whether every input of a query can be bound.
pub(super) fn available(job: &Job<'_>, inputs: &[Input], products: &Products) -> bool {
    inputs.iter().all(|input| match &input.node {
        Node::Source(_) => true,
        Node::Model(name) => {
            let pending = job.plan.step(name).is_some();
            products.contains_key(name) || (!pending && published(job, name).is_some())
        }
    })
}

/// The rows of a source before `as_of`, known by `known_at`.
pub(super) fn source(typed: &TypedGraph, state: &State, name: &NodeName) -> Option<Binding> {
    let declared = typed.graph.project().pipeline.sources.get(name)?;
    let pinned = state.sources.get(name)?;
    Some(Binding::Parquet {
        files: pinned_files(pinned),
        schema: Arc::clone(&pinned.schema),
        cut: cut(typed, declared),
        sorted_by: Vec::new(),
    })
}

fn pinned_files(source: &SourceState) -> Vec<DataFile> {
    let file = |file: &crate::state::PinnedFile| DataFile {
        store: file.store.clone(),
        key: file.info.key.clone(),
        size: file.info.size,
        rows: file.rows,
        etag: file.info.etag.clone(),
        metadata: file.metadata.clone(),
        content: None,
    };
    source.files.iter().map(file).collect()
}

/// Where a source's rows are cut in time.
pub(super) fn cut(typed: &TypedGraph, source: &Source) -> Cut {
    let zone = &typed.graph.project().pipeline.time_zone;
    let bound = |column: &crate::project::Located<String>, at: crate::interval::Instant| Bound {
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
    let entry = job.state.last.as_ref()?.tables.get(name)?;
    let model = job.typed.graph.model(name)?;
    of_entry(job.lake, name, entry, &model.contract)
}

/// The rows of a published table.
pub(super) fn of_entry(
    lake: &Lake,
    name: &NodeName,
    entry: &TableEntry,
    contract: &Contract,
) -> Option<Binding> {
    let file = |file: &crate::lake::FileEntry| {
        let key = lake.file_key(name, file).ok()?;
        Some(DataFile::unchanging(lake.store().clone(), key, file.bytes, file.rows))
    };
    let files = entry.files().map(file).collect::<Option<Vec<_>>>()?;
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
