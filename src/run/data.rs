//! Data tests: the rules of published tables, checked where they lie.

use std::collections::{BTreeMap, BTreeSet};

use super::{audits, bindings};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::{self, Bindings, Engine};
use crate::graph::Node;
use crate::ident::NodeName;
use crate::lake::Lake;
use crate::plan::{self, AuditResult, TypedGraph};
use crate::project::{self, Audit, Model, Visibility};
use crate::query::TableName;
use crate::state::State;

/// Checks every rule of the selected published tables that published tables can answer.
///
/// # Errors
///
/// Returns why a query failed; broken rules are results.
pub async fn data_tests(
    engine: &Engine,
    typed: &TypedGraph,
    state: &State,
    lake: &Lake,
    selected: &BTreeSet<NodeName>,
) -> Result<Vec<AuditResult>, Diagnostics> {
    let mut results = Vec::new();
    let published = typed.graph.models().filter(|model| model.visibility == Visibility::Published);
    for model in published.filter(|model| selected.contains(&model.name)) {
        for (at, audit) in model.audits.iter().enumerate() {
            results.extend(data_test(engine, typed, state, lake, (model, at, audit)).await?);
        }
    }
    Ok(results)
}

/// One rule; `None` if it reads something that is not published.
async fn data_test(
    engine: &Engine,
    typed: &TypedGraph,
    state: &State,
    lake: &Lake,
    (model, at, audit): (&Model, usize, &Audit),
) -> Result<Option<AuditResult>, Diagnostics> {
    let own = TableName::Bare(model.name.clone());
    let inputs = typed.graph.audit_inputs(&model.name).get(at).map(Vec::as_slice).unwrap_or_default();
    let mut tables: BTreeMap<TableName, &Model> = BTreeMap::from([(own, model)]);
    for input in inputs {
        let Node::Model(name) = &input.node else { return Ok(None) };
        let Some(read) = typed.graph.model(name) else { return Ok(None) };
        tables.insert(input.table.clone(), read);
    }
    let mut bound = Bindings::new();
    for (table, model) in &tables {
        // Of a snapshot the day that is looked from, as when it was published.
        let Some(binding) = bindings::current((typed, state, lake), &model.name) else {
            return Ok(None);
        };
        bound.insert(table.clone(), binding);
    }
    let query = project::audit_query(audit, model)?;
    let relations: Vec<_> =
        tables.iter().map(|(table, model)| plan::relation(model, table.clone())).collect();
    let at_audit = |found: Diagnostics| {
        found.iter().map(|f: &Diagnostic| f.clone().at(audit.place.clone())).collect::<Diagnostics>()
    };
    let query = engine::analyze(&query, &relations, &typed.parameters).map_err(at_audit)?;
    let batches = engine.collect(&query, &bound, None, engine.whole()).await.map_err(at_audit)?;
    let shown = audits::shown(&typed.graph, &query, engine.values());
    Ok(Some(audits::result(model, audit, &batches, &shown)))
}
