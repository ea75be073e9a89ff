//! One pass over a source: what one row shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Decimal128Type};
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;

use super::{MOST_LISTED, RejectedKey};
use crate::engine::execute::Job;
use crate::engine::rules::{RowRule, RowRules, UNREADABLE};
use crate::engine::source::contract_schema;
use crate::functions::Fault;
use crate::project::{Contract, Privacy, SourceContract};

/// What was found so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) rejected: u64,
    pub(super) failed: BTreeMap<(usize, String), u64>,
    pub(super) keys: BTreeMap<RejectedKey, u64>,
    pub(super) raw: Vec<i128>,
    pub(super) accepted: Vec<i128>,
    pub(super) accepted_rows: u64,
    pub(super) refused: Vec<i128>,
}

/// What a pass over the files gave.
pub(super) struct Passed {
    pub(super) found: Found,
    pub(super) kept: Option<Vec<RecordBatch>>,
}

/// One pass over a source.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) contract: Arc<SourceContract>,
    pub(super) rules: Arc<RowRules>,
    pub(super) keep: u64,
}

impl Pass {
    pub(super) async fn run(self, job: &Job, plan: &LogicalPlan) -> Result<Passed> {
        let mut stream = job.stream(plan).await?;
        let mut found = Found::default();
        let mut kept = Some(Vec::new());
        let mut held = 0_u64;
        while let Some(batch) = stream.try_next().await? {
            let accepted = self.judge(&batch, &mut found)?;
            held += u64::try_from(accepted.get_array_memory_size()).unwrap_or(u64::MAX);
            if held > self.keep {
                kept = None;
            }
            if let Some(kept) = &mut kept {
                kept.push(accepted);
            }
        }
        Ok(Passed { found, kept })
    }

    /// The rows of `batch` that keep every rule; the others are noted.
    fn judge(&self, batch: &RecordBatch, found: &mut Found) -> Result<RecordBatch> {
        let schema = contract_schema(&self.contract);
        let columns = batch.columns().iter().take(schema.fields().len()).map(Arc::clone).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        found.rows += count(rows.num_rows());
        add(&mut found.raw, &sums(&self.contract, &rows)?)?;
        let broken = self.rules.broken(|name| batch.column_by_name(name))?;
        let is_broken: BTreeSet<usize> = broken.iter().flatten().copied().collect();
        if is_broken.is_empty() {
            found.accepted_rows += count(rows.num_rows());
            add(&mut found.accepted, &sums(&self.contract, &rows)?)?;
            return Ok(rows);
        }
        for (rule, broken) in self.rules.iter().zip(&broken).filter(|(_, broken)| !broken.is_empty()) {
            self.note(rule, &rows, broken, found);
        }
        let keeps: BooleanArray = (0..rows.num_rows()).map(|row| Some(!is_broken.contains(&row))).collect();
        let breaks: BooleanArray = keeps.iter().map(|keeps| keeps.map(|keeps| !keeps)).collect();
        let (accepted, refused) = (filter_record_batch(&rows, &keeps)?, filter_record_batch(&rows, &breaks)?);
        found.accepted_rows += count(accepted.num_rows());
        found.rejected += count(refused.num_rows());
        add(&mut found.accepted, &sums(&self.contract, &accepted)?)?;
        add(&mut found.refused, &sums(&self.contract, &refused)?)?;
        Ok(accepted)
    }

    fn note(&self, rule: &RowRule, rows: &RecordBatch, broken: &[usize], found: &mut Found) {
        let (at, name, column) = match rule {
            RowRule::Readable { column } => ((0, column.clone()), UNREADABLE, column.clone()),
            RowRule::Declared { at, check } => {
                ((at + 1, String::new()), check.name(), check.column().unwrap_or_default().to_owned())
            }
        };
        *found.failed.entry(at).or_default() += count(broken.len());
        for row in broken {
            if found.keys.len() > MOST_LISTED {
                return;
            }
            let key = RejectedKey {
                key: key_text(&self.contract.table, rows, *row),
                rule: name,
                column: column.clone(),
            };
            *found.keys.entry(key).or_default() += 1;
        }
    }
}

/// The key of a row as text: `order_id = 17, line_no = 2`; personal values are hidden.
pub(super) fn key_text(contract: &Contract, rows: &RecordBatch, row: usize) -> String {
    let part = |name: &String| {
        let hidden = contract.column(name).is_none_or(|column| column.privacy == Privacy::Personal);
        let value = match rows.column_by_name(name) {
            Some(values) if values.is_null(row) => "null".to_owned(),
            Some(_) if hidden => "(hidden)".to_owned(),
            Some(values) => array_value_to_string(values, row).unwrap_or_default(),
            None => String::new(),
        };
        format!("{name} = {value}")
    };
    contract.grain.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// The sums of the contract's totals over `rows`, in units of their last digit.
pub(super) fn sums(contract: &SourceContract, rows: &RecordBatch) -> Result<Vec<i128>> {
    let sum = |name: &String| {
        let Some(values) = rows.column_by_name(name) else { return Ok(0) };
        let values = match values.data_type() {
            DataType::Decimal128(_, _) => Arc::clone(values),
            _ => cast(values, &DataType::Decimal128(38, 0))?,
        };
        let values = values.as_primitive::<Decimal128Type>().iter().flatten();
        let sum =
            |sum: i128, value: i128| sum.checked_add(value).ok_or_else(|| overflow("sum", "DECIMAL(38)"));
        values.into_iter().try_fold(0, sum)
    };
    contract.totals.iter().map(sum).collect()
}

pub(super) fn add(totals: &mut Vec<i128>, more: &[i128]) -> Result<()> {
    totals.resize(more.len(), 0);
    for (total, more) in totals.iter_mut().zip(more) {
        *total = total.checked_add(*more).ok_or_else(|| overflow("sum", "DECIMAL(38)"))?;
    }
    Ok(())
}

fn overflow(operation: &str, data_type: &str) -> DataFusionError {
    Fault::Overflow { operation: operation.to_owned(), data_type: data_type.to_owned() }.into()
}

pub(super) fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
