//! Takes in the sources with contracts, and tells what became of their rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use super::bindings::{self, Products};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{Binding, Dating, Engine, Intake, IntakeRequest, Share, Total};
use crate::ident::NodeName;
use crate::plan::{RuleResult, SourceResult, SourceStatus, TotalResult, TypedGraph};
use crate::project::{History, Source, SourceCheck, SourceContract, quality};
use crate::state::{SourceState, State};

/// A source that was taken in.
pub(super) struct Taken {
    /// How models read its accepted rows.
    pub(super) accepted: Binding,
    /// What became of its rows.
    pub(super) result: SourceResult,
    /// The rejected ones: key, rule, column and how many.
    pub(super) rejected: Vec<(String, &'static str, String, u64)>,
}

/// Takes in the source `name`; those its rows refer to are among `products`.
///
/// # Errors
///
/// Returns what failed while it ran, and sums that do not add up.
pub(super) async fn take(
    (engine, share): (&Engine, Share),
    typed: &TypedGraph,
    state: &State,
    name: &NodeName,
    products: &Products,
) -> Result<Taken, Diagnostics> {
    let sources = &typed.graph.project().pipeline.sources;
    let known = sources
        .get(name)
        .and_then(|source| Some((source, source.contract.as_ref()?, state.sources.get(name)?)));
    let Some((source, contract, pinned)) = known else {
        return Err(super::bug("an intake of an unknown source").into());
    };
    let parents = source.parents().filter(|parent| !state.is_absent(parent));
    let parents = parents.filter_map(|parent| Some((parent.clone(), products.source(parent)?.clone())));
    let times = [&source.ingested_at, &source.event_time].into_iter().flatten();
    let request = IntakeRequest {
        scan: Arc::new(bindings::scan(typed, source, contract, pinned)),
        newest_by: times.map(|column| column.value.clone()).collect(),
        dated_by: dating(typed, state, contract, products),
        parents: parents.collect(),
        keep: engine.keep(),
    };
    let intake = engine.intake(&request, share).await?;
    add_up(source, &intake)?;
    let keys = intake.keys.iter();
    let rejected = keys.map(|(key, rows)| (key.key.clone(), key.rule, key.column.clone(), *rows));
    let rejected = rejected.collect();
    Ok(Taken { result: result(source, pinned, &intake), rejected, accepted: intake.accepted })
}

/// The source whose rows date those of `contract`; none if it is absent or all its rows can be seen.
fn dating(
    typed: &TypedGraph,
    state: &State,
    contract: &SourceContract,
    products: &Products,
) -> Option<Dating> {
    let column = contract.dated_by.as_ref()?;
    contract.rules.iter().find_map(|rule| match &rule.check {
        SourceCheck::Orphan { column: own, to, field } if own == column && !state.is_absent(to) => {
            let parent = typed.graph.project().pipeline.sources.get(to)?;
            let pinned = state.sources.get(to).filter(|pinned| products.visible(to) != Some(pinned.rows))?;
            let scan = bindings::scan(typed, parent, parent.contract.as_ref()?, pinned);
            Some(Dating { column: column.clone(), scan: Arc::new(scan), field: field.clone() })
        }
        _ => None,
    })
}

/// What was accepted and what was rejected must be all there was.
fn add_up(source: &Source, intake: &Intake) -> Result<(), Diagnostics> {
    let differs = |total: &&Total| total.accepted.checked_add(total.rejected) != Some(total.raw);
    let wrong = intake.totals.iter().filter(differs).map(|total| {
        let what = if total.column.is_empty() { "rows".to_owned() } else { format!("`{}`", total.column) };
        let message =
            format!("accepted and rejected {what} of source `{}` do not add up to all of them", source.name);
        Diagnostic::error(code::AUDIT_FAILED, message)
    });
    wrong.collect::<Diagnostics>().or_ok(())
}

fn result(source: &Source, pinned: &SourceState, intake: &Intake) -> SourceResult {
    let status = match (pinned.standing, intake.rows, intake.rejected) {
        (crate::state::Standing::Absent, _, _) => SourceStatus::Absent,
        (_, 0, _) => SourceStatus::Empty,
        (_, _, 0) => SourceStatus::Ok,
        (_, rows, rejected) if source.max_rejected.is_exceeded(rejected, rows) => {
            SourceStatus::TooManyRejected
        }
        _ => SourceStatus::Rejected,
    };
    let rules = intake.counts.iter().map(|count| RuleResult {
        rule: count.rule.to_owned(),
        column: count.column.clone(),
        failed: count.failed,
    });
    let totals = intake.totals.iter().filter(|total| !total.column.is_empty()).map(|total| TotalResult {
        column: total.column.clone(),
        raw: decimal(total.raw, total.scale),
        accepted: decimal(total.accepted, total.scale),
        rejected: decimal(total.rejected, total.scale),
    });
    SourceResult {
        source: source.name.clone(),
        status,
        rows: intake.rows,
        rejected: intake.rejected,
        max_rejected: source.max_rejected.to_string(),
        undated: source.history == History::Undated,
        rules: rules.collect(),
        totals: totals.collect(),
    }
}

/// A number of so many digits after the point, as text.
fn decimal(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// What the program tells of the sources, as tables that SQL reads.
pub(super) fn told(taken: &BTreeMap<NodeName, (SourceResult, Rejected)>) -> Vec<(&'static str, Binding)> {
    let tables =
        [(quality::REJECTED_ROWS, rejected_rows(taken)), (quality::SOURCE_QUALITY, source_quality(taken))];
    let table = |(name, columns): (&'static str, Vec<ArrayRef>)| {
        let schema = quality::relation(name)?;
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).ok()?;
        Some((name, Binding::Memory { schema, batches: vec![batch] }))
    };
    tables.into_iter().filter_map(table).collect()
}

/// Rejected rows: key, rule, column and how many.
pub(super) type Rejected = Vec<(String, &'static str, String, u64)>;

fn rejected_rows(taken: &BTreeMap<NodeName, (SourceResult, Rejected)>) -> Vec<ArrayRef> {
    let rows = || taken.iter().flat_map(|(name, (_, rejected))| rejected.iter().map(move |row| (name, row)));
    vec![
        Arc::new(rows().map(|(name, _)| Some(name.as_str())).collect::<StringArray>()),
        Arc::new(rows().map(|(_, row)| Some(row.0.as_str())).collect::<StringArray>()),
        Arc::new(rows().map(|(_, row)| Some(row.1)).collect::<StringArray>()),
        Arc::new(rows().map(|(_, row)| Some(row.2.as_str())).collect::<StringArray>()),
        Arc::new(rows().map(|(_, row)| number(row.3)).collect::<Int64Array>()),
    ]
}

/// One line of the report.
struct Line {
    source: NodeName,
    check: String,
    rows: u64,
    failed: Option<u64>,
    status: &'static str,
}

fn source_quality(taken: &BTreeMap<NodeName, (SourceResult, Rejected)>) -> Vec<ArrayRef> {
    let lines: Vec<Line> = taken.values().flat_map(|(result, _)| lines(result)).collect();
    vec![
        Arc::new(lines.iter().map(|line| Some(line.source.as_str())).collect::<StringArray>()),
        Arc::new(lines.iter().map(|line| Some(line.check.as_str())).collect::<StringArray>()),
        Arc::new(lines.iter().map(|line| number(line.rows)).collect::<Int64Array>()),
        Arc::new(lines.iter().map(|line| line.failed.and_then(number)).collect::<Int64Array>()),
        Arc::new(lines.iter().map(share).collect::<Float64Array>()),
        Arc::new(lines.iter().map(|line| Some(line.status)).collect::<StringArray>()),
    ]
}

fn lines(result: &SourceResult) -> Vec<Line> {
    let line = |check: String, failed, status| Line {
        source: result.source.clone(),
        check,
        rows: result.rows,
        failed,
        status,
    };
    let whole = match result.status {
        SourceStatus::Absent => "absent",
        SourceStatus::Empty => "empty",
        SourceStatus::Ok => "ok",
        SourceStatus::Rejected | SourceStatus::TooManyRejected => "rejected",
    };
    let mut lines = vec![line("accepted".to_owned(), Some(result.rejected), whole)];
    if result.undated {
        lines.push(line("dated".to_owned(), None, "undated"));
    }
    lines.extend(result.rules.iter().map(|rule| {
        let check = format!("{} {}", rule.rule, rule.column);
        let status = match rule.failed {
            None => "unchecked",
            Some(_) if matches!(result.status, SourceStatus::Absent | SourceStatus::Empty) => whole,
            Some(0) => "ok",
            Some(_) => "rejected",
        };
        line(check.trim_end().to_owned(), rule.failed, status)
    }));
    lines
}

fn number(rows: u64) -> Option<i64> {
    i64::try_from(rows).ok()
}

#[expect(clippy::cast_precision_loss, reason = "a share of rows, for people")]
fn share(line: &Line) -> Option<f64> {
    line.failed.filter(|_| line.rows > 0).map(|failed| failed as f64 / line.rows as f64)
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn sums_are_shown_with_their_digits() {
        let found = [(12_345, 2), (-5, 2), (0, 2), (7, 0)].map(|(unscaled, scale)| decimal(unscaled, scale));
        assert_eq!(found, ["123.45", "-0.05", "0.00", "7"]);
    }
}
