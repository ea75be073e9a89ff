//! The schema lock: what the sources' columns were when somebody last looked.
//!
//! `schema.lock` lies in the project and in its history, so that `check` types every query
//! without data, without a network, in milliseconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::{SourceState, Standing, State, drift};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine;
use crate::graph::Graph;
use crate::ident::{NodeName, PipelineName};
use crate::project::Source;

/// The version of the lock's format.
const VERSION: u32 = 1;

/// The columns of all sources of a project's pipelines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaLock {
    /// The format, 1.
    pub version: u32,
    /// The sources of each pipeline.
    pub pipelines: BTreeMap<PipelineName, BTreeMap<NodeName, Vec<LockedColumn>>>,
}

/// One column of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type as text, such as `Timestamp(Microsecond, Some("UTC"))`.
    pub data_type: String,
    /// Whether values may be missing.
    pub nullable: bool,
}

impl Default for SchemaLock {
    fn default() -> Self {
        Self { version: VERSION, pipelines: BTreeMap::new() }
    }
}

impl SchemaLock {
    /// Reads a lock.
    ///
    /// # Errors
    ///
    /// Returns `GW0110` for a lock of another version and `GW0103` for anything else.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let wrong = |why: String| {
            let found = Diagnostic::error(code::WRONG_VALUE, format!("`schema.lock` cannot be read: {why}"));
            found.help("write it anew: `goodwill schema sync`")
        };
        let lock: Self = serde_json::from_str(text).map_err(|cause| wrong(cause.to_string()))?;
        if lock.version == VERSION {
            return Ok(lock);
        }
        let message = format!("version {} of `schema.lock` is unknown", lock.version);
        let found = Diagnostic::error(code::UNSUPPORTED_VERSION, message);
        let found =
            found.help(format!("this program reads version {VERSION}: use the newer Goodwill that wrote it"));
        Err(found.help("or write it anew: `goodwill schema sync`"))
    }

    /// The lock's content, the same bytes for the same lock.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The lock with the sources of `pipeline` as they are in `state`.
    #[must_use]
    pub fn with(mut self, pipeline: &PipelineName, state: &State) -> Self {
        let columns = |source: &SourceState| {
            // What files have, not what the contract makes of it.
            let schema = source.kinds.first().map_or(&source.schema, |kind| &kind.schema);
            schema
                .fields()
                .iter()
                .map(|field| LockedColumn {
                    name: field.name().clone(),
                    data_type: field.data_type().to_string(),
                    nullable: field.is_nullable(),
                })
                .collect()
        };
        let sources = state.sources.iter().filter(|(_, source)| source.standing == Standing::Present);
        let sources = sources.map(|(name, source)| (name.clone(), columns(source)));
        self.pipelines.insert(pipeline.clone(), sources.collect());
        self
    }
}

/// The world as the lock says it was: schemas, no files, no commit.
///
/// # Errors
///
/// Returns `GW0302` for each source that neither the lock has nor a contract describes, and `GW0403`
/// for each locked column its contract does not allow.
pub fn locked(graph: &Graph, lock: &SchemaLock) -> Result<State, Diagnostics> {
    let pipeline = &graph.project().pipeline;
    let known = lock.pipelines.get(&pipeline.name);
    let mut found = Diagnostics::default();
    let mut state = State::default();
    for source in graph.sources() {
        let columns = known.and_then(|sources| sources.get(&source.name));
        let schema = columns.map(|columns| schema(&source.name, columns)).transpose();
        let Some(schema) = found.keep(schema) else { continue };
        if let Some(pinned) = found.keep(locked_source(source, schema)) {
            state.sources.insert(source.name.clone(), pinned);
        }
    }
    found.or_ok(state)
}

/// A source with the columns it had, or its contract's, which need no look.
fn locked_source(source: &Source, schema: Option<SchemaRef>) -> Result<SourceState, Diagnostics> {
    match (&source.contract, schema) {
        (None, Some(schema)) => Ok(without_files(schema)),
        (None, None) => {
            let message = format!("`schema.lock` does not know source `{}`", source.name);
            let missing = Diagnostic::error(code::NO_LOCK, message).at(source.place.clone());
            Err(missing.help("write it: `goodwill schema sync`").into())
        }
        (Some(contract), None) => Ok(without_files(engine::contract_schema(contract))),
        (Some(contract), Some(schema)) => {
            let compared = drift::compare(source, contract, &[("schema.lock".to_owned(), schema)])?;
            let state = without_files(engine::contract_schema(contract));
            Ok(SourceState { warning: compared.warning, ..state })
        }
    }
}

fn schema(source: &NodeName, columns: &[LockedColumn]) -> Result<SchemaRef, Diagnostics> {
    let field = |column: &LockedColumn| {
        let data_type: DataType = column.data_type.parse().map_err(|_| {
            let message = format!(
                "`schema.lock` gives `{source}.{}` the unknown type `{}`",
                column.name, column.data_type
            );
            Diagnostics::from(
                Diagnostic::error(code::UNKNOWN_TYPE, message).help("write it anew: `goodwill schema sync`"),
            )
        })?;
        Ok::<_, Diagnostics>(Field::new(&column.name, data_type, column.nullable))
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// A source nobody looked at.
pub(super) fn without_files(schema: SchemaRef) -> SourceState {
    SourceState {
        schema,
        standing: Standing::Present,
        files: Vec::new(),
        kinds: Vec::new(),
        warning: None,
        rows: 0,
        bytes: 0,
        fingerprint: String::new(),
    }
}
