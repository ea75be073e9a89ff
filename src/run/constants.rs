//! Tables that are written in SQL themselves: they read nothing, so their rules can be asked without data.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::audits;
use crate::diagnostic::Diagnostics;
use crate::engine::{Binding, Bindings, Engine, MaterializeRequest};
use crate::graph::{Graph, Input, Node};
use crate::ident::NodeName;
use crate::plan::{AuditResult, TypedGraph};
use crate::project::Model;
use crate::query::TableName;

/// The models of `graph` that read no source, themselves or through others, inputs first.
fn constants(graph: &Graph) -> Vec<NodeName> {
    let mut found: BTreeSet<NodeName> = BTreeSet::new();
    let mut ordered = Vec::new();
    for model in graph.models() {
        let is_table = !model.is_snapshot() && !model.is_incremental();
        if is_table && graph.inputs(&model.name).iter().all(|input| is_among(input, &found)) {
            found.insert(model.name.clone());
            ordered.push(model.name.clone());
        }
    }
    ordered
}

fn is_among(input: &Input, models: &BTreeSet<NodeName>) -> bool {
    matches!(&input.node, Node::Model(name) if models.contains(name))
}

/// Whether a table that is written in SQL itself has rules.
#[must_use]
pub fn has_constant_rules(graph: &Graph) -> bool {
    let has_rules = |name: &NodeName| graph.model(name).is_some_and(|model| !model.audits.is_empty());
    constants(graph).iter().any(has_rules)
}

/// Asks the rules of tables that are written in SQL themselves, as far as they read no other table.
///
/// # Errors
///
/// Returns why a table or a rule could not be computed.
pub async fn constant_rules(engine: &Engine, typed: &TypedGraph) -> Result<Vec<AuditResult>, Diagnostics> {
    let (rows, mut results) = computed(engine, typed, &constants(&typed.graph)).await?;
    let known: BTreeSet<NodeName> = rows.iter().map(|(name, _)| name.clone()).collect();
    for model in rows.iter().filter_map(|(name, _)| typed.graph.model(name)) {
        results.extend(queries(engine, typed, model, (&known, &rows)).await?);
    }
    Ok(results)
}

/// The rows of tables that are written in SQL themselves, but of those that use a parameter: what these
/// hold is another question for each unit test.
///
/// # Errors
///
/// Returns why a table could not be computed.
pub async fn constant_rows(engine: &Engine, typed: &TypedGraph) -> Result<Bindings, Diagnostics> {
    let uses_none =
        |name: &&NodeName| typed.graph.model(name).is_some_and(|model| model.query.parameters.is_empty());
    let mut names: Vec<NodeName> = Vec::new();
    for name in constants(&typed.graph).iter().filter(uses_none) {
        let is_known = |input: &Input| matches!(&input.node, Node::Model(read) if names.contains(read));
        if typed.graph.inputs(name).iter().all(is_known) {
            names.push(name.clone());
        }
    }
    let (rows, _) = computed(engine, typed, &names).await?;
    Ok(rows.into_iter().map(|(name, rows)| (TableName::Bare(name), rows)).collect())
}

/// The rows of `constants`, inputs first, and what the rules that are checked on the way found.
async fn computed(
    engine: &Engine,
    typed: &TypedGraph,
    constants: &[NodeName],
) -> Result<(Vec<(NodeName, Binding)>, Vec<AuditResult>), Diagnostics> {
    let (mut rows, mut results) = (Vec::new(), Vec::new());
    for name in constants {
        let (Some(model), Some(queries)) = (typed.graph.model(name), typed.model(name)) else { continue };
        let request = MaterializeRequest {
            name: name.to_string(),
            typed: Arc::clone(&queries.query),
            bindings: Arc::new(bound(typed.graph.inputs(name), &rows)),
            contract: Arc::new(model.contract.clone()),
            checks: audits::row_checks(model),
            keep: engine.keep(),
        };
        let kept = engine.materialize(&request, engine.whole()).await?;
        results.extend(audits::while_computing(model, &kept.broken));
        rows.push((name.clone(), kept.binding));
    }
    Ok((rows, results))
}

async fn queries(
    engine: &Engine,
    typed: &TypedGraph,
    model: &Model,
    (known, rows): (&BTreeSet<NodeName>, &[(NodeName, Binding)]),
) -> Result<Vec<AuditResult>, Diagnostics> {
    let queries = typed.model(&model.name).map(|typed| typed.audits.as_slice()).unwrap_or_default();
    let inputs = typed.graph.audit_inputs(&model.name);
    let mut results = Vec::new();
    for ((audit, query), inputs) in model.audits.iter().zip(queries).zip(inputs) {
        let Some(query) = query else { continue };
        if inputs.iter().all(|input| is_among(input, known)) {
            let batches = engine.collect(query, &bound(inputs, rows), None, engine.whole()).await?;
            let shown = audits::shown(&typed.graph, query, engine.values());
            results.push(audits::result(model, audit, &batches, &shown));
        }
    }
    Ok(results)
}

fn bound(inputs: &[Input], rows: &[(NodeName, Binding)]) -> Bindings {
    let binding = |input: &Input| -> Option<(TableName, Binding)> {
        let (_, rows) = rows.iter().find(|(name, _)| input.node == Node::Model(name.clone()))?;
        Some((input.table.clone(), rows.clone()))
    };
    inputs.iter().filter_map(binding).collect()
}
