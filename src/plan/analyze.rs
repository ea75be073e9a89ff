//! Types every query of a graph against its inputs' schemas and contracts.
//!
//! **Invariant:** no I/O. A model is typed against the contracts of the models it reads, never
//! against their SQL, so that one mistake does not hide the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::{TypedGraph, TypedModel, intervals};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code, nearest};
use crate::engine::{self, Relation, Typed};
use crate::graph::{Graph, Input, Node};
use crate::ident::NodeName;
use crate::interval::Instant;
use crate::project::{Located, Model, SEGMENT_MATCHES, SNAPSHOT_DAY, absent_parameter, quality};
use crate::query::{Parameters, TableName, Value};
use crate::state::State;

/// Types the models and audits of `graph` in the world of `state`.
///
/// # Errors
///
/// Returns every finding of every query at once.
pub fn analyze(
    graph: Graph,
    state: &State,
    parameters: Parameters,
    (as_of, known_at): (Instant, Instant),
) -> Result<TypedGraph, Diagnostics> {
    let mut found = Diagnostics::default();
    let sources = &state.schemas();
    let parameters = with_absences(parameters, state);
    check_cuts(&graph, sources, &mut found);
    let rules = check_rules(&graph, sources, &parameters);
    let are_sound = !rules.has_errors();
    found.extend(rules);
    let mut models = BTreeMap::new();
    // Rules that are wrong alone are wrong together: once is enough.
    for model in graph.models().filter(|model| are_sound || model.name.as_str() != SEGMENT_MATCHES) {
        let typed = type_model(&graph, model, sources, &parameters);
        let typed = typed.map_err(|found| with_affected(&found, &graph, &model.name));
        if let Some(typed) = found.keep(typed) {
            models.insert(model.name.clone(), typed);
        }
    }
    found.or_ok(TypedGraph { graph, parameters, as_of, known_at, models })
}

/// The parameters, with what a look at the sources found.
fn with_absences(mut parameters: Parameters, state: &State) -> Parameters {
    for name in state.sources.keys().filter(|name| state.is_absent(name)) {
        if let Some(parameter) = absent_parameter(name) {
            parameters.insert(parameter, Value::Bool(true));
        }
    }
    parameters
}

/// Types the query of `model` once more for a unit test: other parameters, inputs that may be null.
///
/// # Errors
///
/// Returns every finding of the query.
pub fn retype(
    graph: &Graph,
    model: &Model,
    sources: &BTreeMap<NodeName, SchemaRef>,
    parameters: &Parameters,
) -> Result<Typed, Diagnostics> {
    let zone = &graph.project().pipeline.time_zone;
    let as_of = crate::query::instant("as_of", parameters);
    let last = model
        .incremental
        .zip(as_of)
        .and_then(|(incremental, as_of)| incremental.batch.intervals(incremental.begin, as_of, zone).pop());
    // A test of an incremental model is of the last interval before the day it looks from.
    let parameters = &match (last, model.incremental) {
        (Some(last), _) => intervals::with_interval(parameters, last, |at| at.day_in(zone)),
        (None, Some(incremental)) => {
            let first = incremental.batch.first_interval(incremental.begin, zone);
            intervals::with_interval(parameters, first, |at| at.day_in(zone))
        }
        (None, None) => parameters.clone(),
    };
    let mut relations = relations(graph, graph.inputs(&model.name), sources);
    // A row of a test leaves columns out: what is never null in the data may be null here.
    for relation in &mut relations {
        relation.schema = nullable(&relation.schema);
    }
    engine::analyze(&model.query, &relations, parameters).and_then(|typed| conform(&typed, model))
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let nullable = |field: &FieldRef| field.as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(nullable).collect::<Vec<_>>()))
}

/// The columns of everything `model` reads, by the names its SQL uses.
#[must_use]
pub fn input_schemas(
    graph: &Graph,
    model: &NodeName,
    sources: &BTreeMap<NodeName, SchemaRef>,
) -> BTreeMap<TableName, SchemaRef> {
    let relations = relations(graph, graph.inputs(model), sources);
    relations.into_iter().map(|relation| (relation.name, relation.schema)).collect()
}

fn type_model(
    graph: &Graph,
    model: &Model,
    sources: &BTreeMap<NodeName, SchemaRef>,
    parameters: &Parameters,
) -> Result<TypedModel, Diagnostics> {
    let mut found = Diagnostics::default();
    let query = match &model.incremental {
        // Any interval does: the types are the same in all.
        Some(incremental) => {
            let zone = &graph.project().pipeline.time_zone;
            let first = incremental.batch.first_interval(incremental.begin, zone);
            let parameters = intervals::with_interval(parameters, first, |at| at.day_in(zone));
            type_query(graph, model, sources, &parameters)
        }
        None => type_query(graph, model, sources, parameters),
    };
    let query = found.keep(query);
    let mut audits = Vec::new();
    for (audit, inputs) in model.audits.iter().zip(graph.audit_inputs(&model.name)) {
        let Some(query) = audit.query() else {
            audits.push(None);
            continue;
        };
        let relations = relations(graph, inputs, sources);
        let typed = engine::analyze(query, &relations, parameters)
            .map_err(|found| at_audit(&found, &audit.name, &audit.place));
        audits.push(found.keep(typed).map(Arc::new));
    }
    match query {
        Some(query) => found.or_ok(TypedModel { query: Arc::new(query), audits }),
        None => Err(found),
    }
}

/// Types the query of a model, ending in casts to its contract.
pub(super) fn type_query(
    graph: &Graph,
    model: &Model,
    sources: &BTreeMap<NodeName, SchemaRef>,
    parameters: &Parameters,
) -> Result<Typed, Diagnostics> {
    let relations = relations(graph, graph.inputs(&model.name), sources);
    engine::analyze(&model.query, &relations, parameters).and_then(|typed| conform(&typed, model))
}

/// Types the rule of each segment alone, so that all mistakes are found at once.
fn check_rules(
    graph: &Graph,
    sources: &BTreeMap<NodeName, SchemaRef>,
    parameters: &Parameters,
) -> Diagnostics {
    let Ok(matches) = NodeName::parse(SEGMENT_MATCHES) else { return Diagnostics::default() };
    let relations = relations(graph, graph.inputs(&matches), sources);
    let segments = graph.project().segments.iter();
    let wrong = segments.filter_map(|segment| {
        engine::check_condition(&segment.check, &segment.rule.place, &relations, parameters).err()
    });
    let mut found = Diagnostics::default();
    for wrong in wrong {
        found.extend(with_affected(&wrong, graph, &matches));
    }
    found
}

/// Casts to the contract; what does not fit is shown where the column is named.
fn conform(typed: &Typed, model: &Model) -> Result<Typed, Diagnostics> {
    engine::cast_to_contract(typed, &model.contract).map_err(|found| {
        let placed = |finding: &Diagnostic| match finding.place {
            Some(_) => finding.clone(),
            None => finding.clone().at(place_of_column(model, &finding.message)),
        };
        found.iter().map(placed).collect()
    })
}

/// The place of the first column that a finding names in backticks: in the SELECT list, else in
/// the contract.
fn place_of_column(model: &Model, message: &str) -> Place {
    let mut named = message.split('`').skip(1).step_by(2);
    if let Some(place) = named.clone().find_map(|name| model.query.output_place(name)) {
        return place;
    }
    let position = |name: &str| model.contract.columns.iter().position(|column| column.name == name);
    let column = named.find_map(position);
    column.and_then(|at| model.column_places.get(at)).unwrap_or(&model.place).clone()
}

fn at_audit(found: &Diagnostics, audit: &str, place: &Place) -> Diagnostics {
    let moved = |finding: &Diagnostic| {
        let message = format!("audit `{audit}`: {}", finding.message);
        let mut moved = Diagnostic::error(code::BAD_AUDIT, message).at(place.clone());
        moved.label.clone_from(&finding.label);
        moved.help.clone_from(&finding.help);
        moved
    };
    found.iter().map(moved).collect()
}

fn relations(graph: &Graph, inputs: &[Input], sources: &BTreeMap<NodeName, SchemaRef>) -> Vec<Relation> {
    let mut relations: BTreeMap<TableName, Relation> = BTreeMap::new();
    for input in inputs {
        let relation = match &input.node {
            Node::Source(name) => of_source(graph, sources, name, input.table.clone()),
            Node::Model(name) => graph.model(name).map(|model| relation(model, input.table.clone())),
        };
        if let Some(relation) = relation {
            relations.insert(input.table.clone(), relation);
        }
    }
    relations.into_values().collect()
}

/// What readers of the source `source` see, under `name`.
#[must_use]
pub fn source_relation(
    typed: &TypedGraph,
    state: &State,
    source: &NodeName,
    name: TableName,
) -> Option<Relation> {
    of_source(&typed.graph, &state.schemas(), source, name)
}

/// With a contract, the key of a source is unique.
fn of_source(
    graph: &Graph,
    sources: &BTreeMap<NodeName, SchemaRef>,
    name: &NodeName,
    table: TableName,
) -> Option<Relation> {
    let schema = sources.get(name).cloned().or_else(|| quality::relation(name.as_str()))?;
    let pipeline = &graph.project().pipeline;
    let contract = pipeline.sources.get(name).and_then(|source| source.contract.as_ref());
    let grain = contract.map(|contract| contract.table.grain.clone()).filter(|grain| !grain.is_empty());
    let file = contract.map_or(&pipeline.file, |contract| contract.place.file());
    Some(Relation {
        name: table,
        schema,
        keys: grain.into_iter().collect(),
        defined_in: Some(file.path().to_owned()),
    })
}

/// What readers of `model` see: its contract, under `name`.
#[must_use]
pub fn relation(model: &Model, name: TableName) -> Relation {
    let mut grain = model.contract.grain.clone();
    if *name.node() != model.name {
        // The latest snapshot has one day only.
        grain.retain(|column| column != SNAPSHOT_DAY);
    }
    let grain = Some(grain).filter(|grain| !grain.is_empty());
    Relation {
        name,
        schema: model.contract.schema(),
        keys: grain.into_iter().collect(),
        defined_in: Some(model.query.file.path().to_owned()),
    }
}

/// The columns sources are cut by must exist.
fn check_cuts(graph: &Graph, sources: &BTreeMap<NodeName, SchemaRef>, found: &mut Diagnostics) {
    for (name, source) in &graph.project().pipeline.sources {
        let Some(schema) = sources.get(name) else { continue };
        for column in [&source.event_time, &source.ingested_at].into_iter().flatten() {
            if schema.index_of(&column.value).is_err() {
                found.push(unknown_cut(name, column, schema));
            }
        }
    }
}

fn unknown_cut(source: &NodeName, column: &Located<String>, schema: &SchemaRef) -> Diagnostic {
    let message = format!("source `{source}` has no column `{}`", column.value);
    let found = Diagnostic::error(code::UNKNOWN_COLUMN, message).at(column.place.clone());
    let names = schema.fields().iter().map(|field| field.name().as_str());
    match nearest(&column.value, names.clone()) {
        Some(near) => found.label(format!("did you mean `{near}`?")),
        None => found.help(format!("columns: {}", names.collect::<Vec<_>>().join(", "))),
    }
}

fn with_affected(found: &Diagnostics, graph: &Graph, model: &NodeName) -> Diagnostics {
    let affected: Vec<NodeName> = graph.all_downstream(model).into_iter().collect();
    found.iter().map(|finding| finding.clone().affects(affected.clone())).collect()
}
