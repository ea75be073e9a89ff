//! Rules that are queries: whoever breaks them keeps everything from being published.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Field;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Job;
use super::bindings::{self, Products, Reading};
use crate::diagnostic::{Diagnostics, Place};
use crate::engine::{Broken, ColumnLineage, RowCheck, Share, Typed, Values};
use crate::graph::Graph;
use crate::ident::NodeName;
use crate::interval::{Instant, Interval};
use crate::plan::{AuditResult, Event, TypedGraph};
use crate::project::{Audit, ColumnType, Model, Privacy, Rule};
use crate::query::{TableName, Value};

/// How many broken rows are shown.
const EXAMPLES: usize = 5;

/// One rule to check with a query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pending {
    pub(super) model: NodeName,
    pub(super) audit: usize,
}

/// The rules of a published model that are checked while its rows are written.
pub(super) fn row_checks(model: &Model) -> Vec<RowCheck> {
    model.audits.iter().filter_map(|audit| row_check(&audit.rule)).collect()
}

/// What rows of an interval must keep beside the model's own rules: their times lie in it, or they would
/// be there twice when the next one is built.
pub(super) fn of_interval(typed: &TypedGraph, model: &Model, interval: Interval) -> Option<RowCheck> {
    let column = model.contract.column(&model.timing.as_ref()?.column)?;
    let zone = &typed.graph.project().pipeline.time_zone;
    let Interval { start, end } = interval;
    let (min, max) = match column.data_type {
        ColumnType::Date => (Value::Date(start.day_in(zone)), Value::Date(end.day_in(zone) - 1)),
        _ => (Value::Timestamp(start), Value::Timestamp(Instant::from_micros(end.micros() - 1))),
    };
    Some(RowCheck::Range { column: column.name.clone(), min: Some(min), max: Some(max) })
}

fn row_check(rule: &Rule) -> Option<RowCheck> {
    match rule {
        Rule::Grain => Some(RowCheck::Grain),
        Rule::NotNull { column } => Some(RowCheck::NotNull(column.clone())),
        Rule::AcceptedValues { column, values } => {
            Some(RowCheck::AcceptedValues(column.clone(), values.clone()))
        }
        Rule::Range { column, min, max } => {
            Some(RowCheck::Range { column: column.clone(), min: min.clone(), max: max.clone() })
        }
        Rule::NoRows { .. } => None,
    }
}

/// What the rules checked while rows passed found: one result a rule, and one for each column
/// the contract requires without a rule saying so, if it has nulls.
pub(super) fn while_computing(model: &Model, broken: &[Broken]) -> Vec<AuditResult> {
    let rules = model.audits.iter().filter_map(|audit| Some((audit, row_check(&audit.rule)?)));
    let rules: Vec<(&Audit, RowCheck)> = rules.collect();
    let result = |audit: &str, found: Option<&Broken>| AuditResult {
        model: model.name.clone(),
        audit: audit.to_owned(),
        broken: found.map_or(0, |found| found.rows),
        examples: found.map(|found| found.examples.clone()).unwrap_or_default(),
        help: None,
    };
    let checked = rules
        .iter()
        .map(|(audit, check)| result(&audit.name, broken.iter().find(|found| found.check == *check)));
    let mut results: Vec<AuditResult> = checked.collect();
    for found in broken.iter().filter(|found| rules.iter().all(|(_, check)| *check != found.check)) {
        let name = implied_name(&found.check);
        match results.iter_mut().find(|known| known.audit == name) {
            // Each interval has bounds of its own; that its rows lie in them is one rule.
            Some(known) => {
                known.broken += found.rows;
                let room = EXAMPLES.saturating_sub(known.examples.len());
                known.examples.extend(found.examples.iter().take(room).cloned());
            }
            None => {
                results.push(AuditResult { help: implied_help(&found.check), ..result(&name, Some(found)) });
            }
        }
    }
    results
}

fn implied_name(check: &RowCheck) -> String {
    match check {
        RowCheck::NotNull(column) => format!("required {column}"),
        RowCheck::Range { column, .. } => format!("{column} {IN_ITS_INTERVAL}"),
        other => format!("{other:?}"),
    }
}

fn implied_help(check: &RowCheck) -> Option<String> {
    let RowCheck::Range { column, .. } = check else { return None };
    Some(format!(
        "give the rows of the interval alone: `where {column} >= $interval_start and {column} < $interval_end` \
         (for a day `$interval_start_day` and `$interval_end_day`); rows of a whole week or month need that \
         `batch_size`"
    ))
}

/// What the rule is called that a row's time lies in the interval it was computed for.
const IN_ITS_INTERVAL: &str = "in its interval";

/// The rules of `model` that are queries.
pub(super) fn queries(job: &Job<'_>, model: &NodeName) -> Vec<Pending> {
    let audits = job.typed.model(model).map(|typed| typed.audits.as_slice()).unwrap_or_default();
    let queries = audits.iter().enumerate().filter(|(_, query)| query.is_some());
    queries.map(|(audit, _)| Pending { model: model.clone(), audit }).collect()
}

/// Whether all that a rule reads can be read by now.
pub(super) fn ready(job: &Job<'_>, pending: &Pending, products: &Products) -> bool {
    let inputs = job.typed.graph.audit_inputs(&pending.model).get(pending.audit);
    inputs.is_some_and(|inputs| bindings::available(job, inputs, products))
}

/// Checks one rule.
///
/// # Errors
///
/// Returns why its query failed.
pub(super) async fn check(
    job: &Job<'_>,
    pending: &Pending,
    products: &Products,
    share: Share,
) -> Result<AuditResult, Diagnostics> {
    let graph = &job.typed.graph;
    let (Some(model), Some(typed)) = (graph.model(&pending.model), job.typed.model(&pending.model)) else {
        return Err(super::bug("an audit of an unknown model").into());
    };
    let inputs = graph.audit_inputs(&pending.model).get(pending.audit).map(Vec::as_slice);
    let inputs = inputs.unwrap_or_default();
    let bindings = bindings::bind(job, inputs, products, Reading::Current)?;
    let (Some(audit), Some(Some(query))) = (model.audits.get(pending.audit), typed.audits.get(pending.audit))
    else {
        return Err(super::bug("an audit without a query").into());
    };
    let batches = job.engine.collect(query, &bindings, None, share).await;
    let batches = batches.map_err(|found| at_audit(&found, &audit.place))?;
    let shown = shown(graph, query, job.engine.values());
    let result = result(model, audit, &batches, &shown);
    job.observer.notice(Event::AuditFinished(result.clone()));
    Ok(result)
}

/// Which columns of a rule's result may be told: those computed from no personal column, whatever
/// their name, and from no source, whose columns nobody has declared.
pub(super) fn shown(graph: &Graph, query: &Typed, values: Values) -> Vec<bool> {
    let public = |(table, column): &(TableName, String)| match table {
        TableName::Source(_) => false,
        TableName::Bare(name) => graph
            .model(name)
            .and_then(|model| model.contract.column(column))
            .is_some_and(|column| column.privacy == Privacy::Public),
    };
    let told = |column: &ColumnLineage| values == Values::Shown || column.from.iter().all(public);
    query.lineage.iter().map(told).collect()
}

/// What the rows a rule's query returned mean; `shown` says which of its columns may be told.
pub(super) fn result(model: &Model, audit: &Audit, batches: &[RecordBatch], shown: &[bool]) -> AuditResult {
    let rows = batches.iter().map(|batch| u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
    AuditResult {
        model: model.name.clone(),
        audit: audit.name.clone(),
        broken: rows.sum(),
        examples: examples(batches, shown),
        help: None,
    }
}

fn at_audit(found: &Diagnostics, place: &Place) -> Diagnostics {
    found.iter().map(|finding| finding.clone().at(place.clone())).collect()
}

/// Some rows, with the columns that may be told.
fn examples(batches: &[RecordBatch], shown: &[bool]) -> Vec<String> {
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    let texts = rows.take(EXAMPLES).map(|(batch, row)| example(batch, row, shown));
    texts.filter(|text| !text.is_empty()).collect()
}

fn example(batch: &RecordBatch, row: usize, shown: &[bool]) -> String {
    let options = FormatOptions::default().with_null("null");
    let schema = batch.schema();
    let told = schema.fields().iter().zip(batch.columns()).zip(shown).filter(|(_, shown)| **shown);
    let value = |((field, array), _): ((&Arc<Field>, &ArrayRef), &bool)| {
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options).ok()?;
        Some(format!("{} = {}", field.name(), formatter.value(row)))
    };
    told.filter_map(value).collect::<Vec<_>>().join(", ")
}
