//! Rows that break their source's contract: known copies of good rows with one thing wrong each.
//!
//! **Invariant:** a broken row is one more row, so leaving it out leaves the company as it is;
//! it breaks one rule; and its original is as late as can be but for the last days, so that every
//! day near the end sees it and hardly one before: the share of broken rows stays what it is.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::figures::BROKEN_PER_THOUSAND;
use super::history::DAY;
use super::kinds::{Kind, Wrong, kinds};
use super::rows::MONEY;
use super::streams::{float, whole};
use super::table::Table;

/// Counts of broken rows, by source, rule and column.
pub(super) type Counts = BTreeMap<(&'static str, &'static str, &'static str), i64>;

/// Where keys begin that nobody has.
const NOBODY: i64 = 9_000_000_000_000_000;
/// Keys that nobody has, set aside for each part.
const NOBODIES_PER_PART: i64 = 100_000;

/// What originals are taken from: the first rows of a part.
pub(super) struct Originals<'a> {
    /// The number of the part.
    pub(super) part: usize,
    /// The first rows of each table of it.
    pub(super) batches: &'a [(Table, RecordBatch)],
    /// The first instant that is no longer part of the history.
    pub(super) until: i64,
}

impl Originals<'_> {
    /// The broken rows that go with `rows` sound ones of `table`, counted in `counts`; none
    /// without an original that is old enough.
    pub(super) fn broken(
        &self,
        table: Table,
        rows: u64,
        counts: &mut Counts,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let kinds = kinds(table);
        let rows = float(i64::try_from(rows).unwrap_or_default());
        let wanted = whole((rows * BROKEN_PER_THOUSAND / 1_000.0).floor()).min(NOBODIES_PER_PART);
        let batch = self.batches.iter().find(|(of, _)| *of == table).map(|(_, batch)| batch);
        let (Some(batch), false, true) = (batch, kinds.is_empty(), wanted > 0) else { return Ok(None) };
        let old = self.old(table, batch);
        let mut found = Vec::new();
        let part = i64::try_from(self.part).unwrap_or_default();
        let shift = self.part.wrapping_mul(5);
        for (at, nobody) in (0..).zip(0..wanted) {
            let Some(original) = old.get(at % old.len().max(1)) else { break };
            let Some(kind) = kinds.get((shift + at) % kinds.len()) else { break };
            let nobody = NOBODY + part * NOBODIES_PER_PART + nobody;
            found.push(broken(&batch.slice(*original, 1), kind, nobody)?);
            *counts.entry((table.name(), kind.0, kind.1)).or_default() += 1;
        }
        if found.is_empty() {
            return Ok(None);
        }
        concat_batches(&batch.schema(), &found).map(Some)
    }

    /// The places of rows from before the last days, the latest first.
    fn old(&self, table: Table, batch: &RecordBatch) -> Vec<usize> {
        let limit = self.until - 3 * DAY;
        let times = match table {
            Table::OrderLines => self.times_of(batch, "order_id", Table::Orders),
            Table::SurveyAnswers => self.times_of(batch, "survey_id", Table::Surveys),
            _ => times(table, batch),
        };
        let Some(times) = times else { return (0..batch.num_rows()).collect() };
        let mut old = (0..).zip(times).filter(|(_, at)| *at < limit).collect::<Vec<(usize, i64)>>();
        old.sort_by_key(|(place, at)| (Reverse(*at), *place));
        old.into_iter().map(|(place, _)| place).collect()
    }

    /// The instants of the rows that those of `batch` belong to.
    fn times_of(&self, batch: &RecordBatch, key: &str, parent: Table) -> Option<Vec<i64>> {
        let (_, parents) = self.batches.iter().find(|(of, _)| *of == parent)?;
        let keys = |rows: &RecordBatch| Some(rows.column_by_name(key)?.as_primitive::<Int64Type>().clone());
        let parent_keys = keys(parents)?;
        let known = parent_keys.values().iter().copied().zip(times(parent, parents)?);
        let known = known.collect::<BTreeMap<_, _>>();
        let time = |key: &i64| known.get(key).copied().unwrap_or(i64::MAX);
        Some(keys(batch)?.values().iter().map(time).collect())
    }
}

/// The instants by which rows of `table` are cut.
fn times(table: Table, batch: &RecordBatch) -> Option<Vec<i64>> {
    let column = match table {
        Table::Customers | Table::Leads | Table::Opportunities | Table::Prospects => "created_at",
        Table::CustomerHistory | Table::ProductCosts | Table::Assignments => "valid_from",
        Table::Consents | Table::OrderStatus | Table::LeadStatuses | Table::OpportunityStages => "changed_at",
        Table::Products => "launched_at",
        Table::Orders => "ordered_at",
        Table::Returns => "returned_at",
        Table::Contracts => "started_at",
        Table::CampaignMembers => "assigned_at",
        Table::Touches => "touched_at",
        Table::PartyLinks => "linked_at",
        Table::ServiceCases => "opened_at",
        Table::Surveys => "answered_at",
        Table::Events => "occurred_at",
        Table::Needs => "stated_at",
        Table::Wallet => "period_start",
        _ => return None,
    };
    let array = batch.column_by_name(column)?;
    if let Some(days) = array.as_primitive_opt::<Date32Type>() {
        return Some(days.values().iter().map(|day| i64::from(*day) * DAY).collect());
    }
    Some(array.as_primitive_opt::<TimestampMicrosecondType>()?.values().to_vec())
}

/// The one row of `original` with what `kind` says wrong.
fn broken(original: &RecordBatch, kind: &Kind, nobody: i64) -> Result<RecordBatch, ArrowError> {
    let (_, column, wrong) = kind;
    let schema = original.schema();
    let change = |(field, array): (&Arc<arrow::datatypes::Field>, &ArrayRef)| {
        let is_key = matches!(wrong, Wrong::Nobody(Some(key)) if *key == field.name());
        match (field.name() == column, is_key) {
            (true, _) => wrong_value(field.data_type(), *wrong, nobody),
            (_, true) => Arc::new(Int64Array::from(vec![nobody])),
            _ => Arc::clone(array),
        }
    };
    let columns = schema.fields().iter().zip(original.columns()).map(change).collect();
    RecordBatch::try_new(schema, columns)
}

fn wrong_value(of: &DataType, wrong: Wrong, nobody: i64) -> ArrayRef {
    match (wrong, of) {
        (Wrong::Text, _) => Arc::new(StringArray::from(vec!["unheard_of"])),
        (Wrong::Low, DataType::Int32) => Arc::new(Int32Array::from(vec![-1])),
        (Wrong::Low, DataType::Float64) => Arc::new(Float64Array::from(vec![-1.0])),
        (Wrong::Low, _) => Arc::new(Decimal128Array::from(vec![-100]).with_data_type(MONEY)),
        (Wrong::NotFinite, _) => Arc::new(Float64Array::from(vec![f64::NAN])),
        (Wrong::Early, DataType::Date32) => Arc::new(Date32Array::from(vec![-1])),
        (Wrong::Early, _) => Arc::new(TimestampMicrosecondArray::from(vec![-DAY]).with_timezone("UTC")),
        (Wrong::Nobody(_), _) => Arc::new(Int64Array::from(vec![nobody])),
        (Wrong::Nothing | Wrong::Twice, _) => new_null_array(of, 1),
    }
}
