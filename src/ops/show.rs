//! `show`: rows of a published table, of a model as the files say now, or of any SELECT.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::scratch::Scratch;
use super::{Common, Error, Surroundings, context};
use crate::diagnostic::{Diagnostic, SourceFile, code, nearest};
use crate::engine::{self, Binding, Bindings, Cut, DataFile, Relation};
use crate::graph::Graph;
use crate::ident::NodeName;
use crate::interval::spoken;
use crate::lake::{Commit, FileEntry, Lake, Part, TableEntry};
use crate::plan::{self, Request};
use crate::project::{self, LATEST, Model};
use crate::query::{self, Query, TableName};
use crate::run;
use crate::state;

/// What to show.
#[derive(Debug, Clone)]
pub struct ShowRequest {
    /// A table, a model, or a SELECT over them.
    pub what: String,
    /// How many rows.
    pub limit: usize,
}

/// Rows for a person.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Where the rows come from, such as `version 3, as of 2026-01-01`.
    pub origin: String,
    /// Whether there are more.
    pub more: More,
}

/// Whether rows were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// These are all.
    No,
    /// There are more.
    Yes,
}

/// Shows rows: of what is published where that answers, else computed from the files as they are.
///
/// # Errors
///
/// Returns unknown tables and columns, and what keeps a draft from being computed.
pub async fn show(around: &Surroundings, common: &Common, request: &ShowRequest) -> Result<Shown, Error> {
    let asked = context::asked(around, common)?;
    let root = context::root(around, common, asked.pipeline())?;
    let lake = Lake::open(root).await?;
    let last = lake.last_commit().await?;
    let query = parse(&request.what, &asked.graph, last.as_ref())?;
    let tables = needed(&query);
    let all_published = last.as_ref().filter(|commit| {
        tables.iter().all(|table| match table {
            TableName::Bare(name) => stored(commit, name).is_some(),
            TableName::Source(_) => false,
        })
    });
    let otherwise = common.as_of.is_some() || !common.vars.is_empty();
    let asking = Asking { around, common, asked: &asked, lake: &lake, query: &query, limit: request.limit };
    match all_published {
        Some(commit) if !otherwise => published(&asking, commit).await,
        _ => draft(&asking, last).await,
    }
}

/// `select * from TABLE` for a name, else the SELECT itself.
fn parse(what: &str, graph: &Graph, last: Option<&Commit>) -> Result<Query, Error> {
    let word = what.trim().trim_end_matches(';');
    if word.contains(char::is_whitespace) {
        return Ok(query::parse(&SourceFile::new("query", what))?);
    }
    let latest = graph.models().filter_map(Model::latest);
    let models = graph.models().map(|model| model.name.clone()).chain(latest).map(|name| name.to_string());
    let published = last.into_iter().flat_map(|commit| &commit.tables).flat_map(|(name, entry)| {
        let latest = entry.latest_snapshot().map(|_| format!("{name}{LATEST}"));
        std::iter::once(name.to_string()).chain(latest)
    });
    let sources = graph.project().pipeline.sources.keys();
    let sources = sources.flat_map(|name| [name.to_string(), format!("sources.{name}")]);
    let known: Vec<String> = models.chain(published).chain(sources).collect();
    if !known.iter().any(|name| name == word) {
        let unknown = Diagnostic::error(code::UNKNOWN_TABLE, format!("there is no table or model `{word}`"));
        return Err(Error::from(match nearest(word, known.iter().map(String::as_str)) {
            Some(near) => unknown.help(format!("did you mean `{near}`?")),
            None => unknown.help("type `goodwill ls` to see what there is"),
        }));
    }
    let is_meant = |model: &&Model| {
        model.name.as_str() == word || model.latest().is_some_and(|latest| latest.as_str() == word)
    };
    let order = graph.models().find(is_meant).map(|model| &model.contract.order_by);
    let order =
        order.filter(|order| !order.is_empty()).map(|order| format!(" order by {}", order.join(", ")));
    let text = format!("select * from {word}{}", order.unwrap_or_default());
    Ok(query::parse(&SourceFile::new("query", &text))?)
}

fn needed(query: &Query) -> Vec<TableName> {
    query.inputs.iter().filter_map(|input| input.table.clone()).collect()
}

/// Who asks what of which root.
struct Asking<'a> {
    around: &'a Surroundings,
    common: &'a Common,
    asked: &'a context::Asked,
    lake: &'a Lake,
    query: &'a Query,
    limit: usize,
}

async fn published(asking: &Asking<'_>, commit: &Commit) -> Result<Shown, Error> {
    let Asking { around, common, asked, lake, query, limit } = *asking;
    let mut relations = Vec::new();
    let mut bindings = Bindings::new();
    for table in needed(query) {
        let Some(Stored { name, entry, parts }) = stored(commit, table.node()) else { continue };
        let schema = schema(entry);
        relations.push(Relation {
            name: table.clone(),
            schema: Arc::clone(&schema),
            keys: vec![entry.contract.grain.clone()],
            defined_in: None,
        });
        let named = parts.iter().flat_map(|part| &part.files);
        bindings.insert(table, binding(lake, name, entry, named, schema)?);
    }
    let typed = engine::analyze(query, &relations, &asked.parameters)?;
    let scratch = Scratch::of(around, &(around.fresh_word)())?;
    let engine = context::engine(around, common, Some(asked.pipeline()), scratch.path())?;
    let batches = engine.collect(&typed, &bindings, Some(limit.saturating_add(1)), engine.whole()).await?;
    let as_of = spoken(commit.as_of, &asked.pipeline().time_zone_name);
    let origin = format!("version {}, as of {as_of}", commit.version);
    Ok(shown(Arc::clone(&typed.schema), batches, origin, limit))
}

/// The columns of a published table, as its commit says.
pub(super) fn schema(entry: &TableEntry) -> SchemaRef {
    let field = |column: &crate::lake::TableColumn| {
        let data_type = project::ColumnType::parse(&column.data_type.to_string());
        let data_type = data_type.map_or(arrow::datatypes::DataType::Utf8, project::ColumnType::arrow);
        arrow::datatypes::Field::new(&column.name, data_type, column.nullable)
    };
    Arc::new(arrow::datatypes::Schema::new(entry.contract.columns.iter().map(field).collect::<Vec<_>>()))
}

/// A published table, or the latest of its snapshots.
struct Stored<'a> {
    name: &'a NodeName,
    entry: &'a TableEntry,
    parts: &'a [Part],
}

/// What is published under `name`.
fn stored<'a>(commit: &'a Commit, name: &NodeName) -> Option<Stored<'a>> {
    if let Some((name, entry)) = commit.tables.get_key_value(name) {
        return Some(Stored { name, entry, parts: &entry.parts });
    }
    let of = NodeName::parse(name.as_str().strip_suffix(LATEST)?).ok()?;
    let (name, entry) = commit.tables.get_key_value(&of)?;
    Some(Stored { name, entry, parts: std::slice::from_ref(entry.latest_snapshot()?) })
}

/// These files of a published table, to be read.
pub(super) fn binding<'a>(
    lake: &Lake,
    name: &NodeName,
    entry: &TableEntry,
    named: impl Iterator<Item = &'a FileEntry>,
    schema: SchemaRef,
) -> Result<Binding, Error> {
    let mut files = Vec::new();
    for file in named {
        let key = lake.file_key(name, file)?;
        files.push(DataFile::unchanging(lake.store().clone(), key, file.bytes, file.rows));
    }
    let sorted_by = entry.contract.order_by.clone();
    Ok(Binding::Parquet { files, schema, cut: Cut::default(), sorted_by })
}

/// Computes what the query needs from the files as they are, in memory, and publishes nothing.
async fn draft(asking: &Asking<'_>, last: Option<Commit>) -> Result<Shown, Error> {
    let Asking { around, common, asked, lake, query, limit } = *asking;
    let sources = context::sources(around, common, asked.pipeline())?;
    let state = state::pin(&asked.graph, &sources, last).await?;
    let typed = asked.analyze(&state)?;
    let scratch = Scratch::of(around, &(around.fresh_word)())?;
    let engine = context::engine(around, common, Some(asked.pipeline()), scratch.path())?;
    let plan = plan::build(&typed, &state, &Request::default())?;
    let ground = run::Ground { engine: &engine, typed: &typed, state: &state, lake, plan: &plan };
    let drafted = run::draft(&ground, query).await?;
    let batches = engine
        .collect(&drafted.query, &drafted.bindings, Some(limit.saturating_add(1)), engine.whole())
        .await?;
    let origin = format!("draft, as of {}", spoken(typed.as_of, &asked.pipeline().time_zone_name));
    Ok(shown(Arc::clone(&drafted.query.schema), batches, origin, limit))
}

fn shown(schema: SchemaRef, batches: Vec<RecordBatch>, origin: String, limit: usize) -> Shown {
    let mut left = limit;
    let mut kept = Vec::new();
    let all: usize = batches.iter().map(RecordBatch::num_rows).sum();
    for batch in batches {
        let rows = batch.num_rows().min(left);
        left -= rows;
        kept.push(batch.slice(0, rows));
    }
    let more = if all > limit { More::Yes } else { More::No };
    Shown { schema, batches: kept, origin, more }
}
