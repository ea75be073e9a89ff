//! Drafts: what a query would give if the files were run now; nothing is written or published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bindings::{self, Products};
use super::intake;
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::engine::{self, Binding, Bindings, Engine, MaterializeRequest, Relation, Typed};
use crate::graph::Node;
use crate::ident::NodeName;
use crate::lake::Lake;
use crate::plan::{self, Plan, TypedGraph};
use crate::project::{Materialization, Model, quality};
use crate::query::{Query, TableName};
use crate::state::State;

/// A query with everything it needs to be run.
#[derive(Debug)]
pub struct Draft {
    /// The query, typed.
    pub query: Typed,
    /// Its inputs' rows.
    pub bindings: Bindings,
}

/// What a draft is computed with, and from.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The models.
    pub typed: &'a TypedGraph,
    /// The sources, and what is published.
    pub state: &'a State,
    /// The root.
    pub lake: &'a Lake,
    /// Which models are computed from their SQL.
    pub plan: &'a Plan,
}

/// Computes the models `query` needs: those that the plan would compute from their SQL, the others
/// from what is published.
///
/// # Errors
///
/// Returns unknown tables, the query's own findings, and models that fail.
pub async fn draft(ground: &Ground<'_>, query: &Query) -> Result<Draft, Diagnostics> {
    let Ground { typed, state, .. } = *ground;
    let graph = &typed.graph;
    let mut relations = Vec::new();
    let mut wanted = BTreeSet::new();
    let mut nodes = Vec::new();
    for input in &query.inputs {
        let node = node(typed, input.table.as_ref());
        let Some((table, node)) = input.table.clone().zip(node) else {
            return Err(unknown(typed, &input.written, input.place.clone()).into());
        };
        if let Node::Model(name) = &node {
            wanted.insert(name.clone());
            wanted.extend(graph.all_upstream(name));
        }
        relations.extend(relation(typed, state, &table, &node));
        nodes.push((table, node));
    }
    let query = engine::analyze(query, &relations, &typed.parameters)?;
    let mut products = sources(ground, &wanted, &nodes).await?;
    for model in graph.models().filter(|model| wanted.contains(&model.name)) {
        let binding = produce(ground, model, &products).await?;
        products.insert(model.name.clone(), binding);
    }
    let mut bound = Bindings::new();
    for (table, node) in nodes {
        let rows = of_input(ground, &table, &node, &products)?;
        bound.insert(table, rows);
    }
    Ok(Draft { query, bindings: bound })
}

/// Takes in the sources that the query and the models it needs read.
async fn sources(
    ground: &Ground<'_>,
    wanted: &BTreeSet<NodeName>,
    nodes: &[(TableName, Node)],
) -> Result<Products, Diagnostics> {
    let Ground { engine, typed, state, .. } = *ground;
    let graph = &typed.graph;
    let mut read: BTreeSet<NodeName> = wanted.iter().flat_map(|model| graph.sources_read(model)).collect();
    read.extend(nodes.iter().filter_map(|(_, node)| match node {
        Node::Source(name) => Some(name.clone()),
        Node::Model(_) => None,
    }));
    let mut products = Products::default();
    let mut taken = BTreeMap::new();
    for source in graph.intakes(&read) {
        let done = intake::take((engine, engine.whole()), typed, state, &source.name, &products).await?;
        products.insert_source(source.name.clone(), done.result.rows, done.accepted);
        taken.insert(source.name.clone(), (done.result, done.rejected));
    }
    for (name, rows) in intake::told(&taken) {
        products.insert_source_named(name, rows);
    }
    Ok(products)
}

fn node(typed: &TypedGraph, table: Option<&TableName>) -> Option<Node> {
    let sources = &typed.graph.project().pipeline.sources;
    match table? {
        TableName::Source(name) if quality::relation(name.as_str()).is_some() => {
            Some(Node::Source(name.clone()))
        }
        TableName::Bare(name) if typed.graph.model(name).is_some() => Some(Node::Model(name.clone())),
        TableName::Bare(name) | TableName::Source(name) if sources.contains_key(name) => {
            Some(Node::Source(name.clone()))
        }
        TableName::Bare(name) => {
            typed.graph.project().snapshot_of(name).map(|model| Node::Model(model.name.clone()))
        }
        TableName::Source(_) => None,
    }
}

fn unknown(typed: &TypedGraph, written: &str, place: crate::diagnostic::Place) -> Diagnostic {
    let found = Diagnostic::error(code::UNKNOWN_TABLE, format!("table `{written}` not found")).at(place);
    match nearest(written, typed.graph.models().map(|model| model.name.as_str())) {
        Some(near) => found.label(format!("did you mean `{near}`?")),
        None => found.help("type `goodwill ls` to see what there is"),
    }
}

fn relation(typed: &TypedGraph, state: &State, table: &TableName, node: &Node) -> Option<Relation> {
    match node {
        Node::Model(name) => typed.graph.model(name).map(|model| plan::relation(model, table.clone())),
        Node::Source(name) => plan::source_relation(typed, state, name, table.clone()),
    }
}

async fn produce(ground: &Ground<'_>, model: &Model, products: &Products) -> Result<Binding, Diagnostics> {
    let Ground { engine, typed, state, lake, plan } = *ground;
    if plan.step(&model.name).is_none()
        && let Some(binding) = bindings::current((typed, state, lake), &model.name)
    {
        return Ok(binding);
    }
    let mut inputs = Bindings::new();
    for input in typed.graph.inputs(&model.name) {
        inputs.insert(input.table.clone(), of_input(ground, &input.table, &input.node, products)?);
    }
    let Some(queries) = typed.model(&model.name) else {
        return Err(super::bug("a draft of an unknown model").into());
    };
    let request = |name: String, typed: Arc<Typed>, inputs: Bindings| MaterializeRequest {
        name,
        typed,
        bindings: Arc::new(inputs),
        contract: Arc::new(model.contract.clone()),
        checks: Vec::new(),
        keep: engine.keep(),
    };
    match model.materialization {
        Materialization::View => Ok(Binding::View(Arc::clone(&queries.query), Arc::new(inputs))),
        Materialization::Table | Materialization::Snapshot => {
            let request = request(model.name.to_string(), Arc::clone(&queries.query), inputs);
            Ok(engine.materialize(&request, engine.whole()).await?.binding)
        }
        Materialization::Incremental => {
            let mut rows = Vec::new();
            for (at, interval) in typed.intervals(model).into_iter().enumerate() {
                let of_interval = Arc::new(typed.of_interval(model, state, interval)?);
                let inputs = bindings::within(typed, model, interval, inputs.clone());
                let request = request(format!("{}-{at}", model.name), of_interval, inputs);
                rows.push(engine.materialize(&request, engine.whole()).await?.binding);
            }
            Ok(bindings::united(rows))
        }
    }
}

fn of_input(
    ground: &Ground<'_>,
    table: &TableName,
    node: &Node,
    products: &Products,
) -> Result<Binding, Diagnostics> {
    let Ground { typed, state, lake, .. } = *ground;
    let rows = match node {
        Node::Source(name) => bindings::source(typed, state, products, name),
        Node::Model(name) => products.model(name).cloned(),
    };
    let rows = rows.ok_or_else(|| super::bug("a draft's input is not there"))?;
    match node {
        Node::Model(name) if table.node() == name => bindings::with_history((typed, state, lake), name, rows),
        _ => Ok(rows),
    }
}
