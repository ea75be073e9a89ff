//! Audits of single rows and neighbours, done while rows are written.
//!
//! **Invariant:** an example never shows a value of a personal column.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow::row::{OwnedRow, RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;

use crate::project::{Contract, Nullability, Privacy};
use crate::query::Value;

/// The most examples that are kept of a broken check.
const EXAMPLES: usize = 5;

/// A rule about rows that can be checked while they pass.
#[derive(Debug, Clone, PartialEq)]
pub enum RowCheck {
    /// No two rows share the contract's grain.
    Grain,
    /// The column has a value in each row.
    NotNull(String),
    /// Each value of the column is one of these; null is none.
    AcceptedValues(String, Vec<String>),
    /// Each value of the column lies within these bounds, both included; null is no value.
    Range {
        /// The column: a number, a date or a timestamp.
        column: String,
        /// The smallest value allowed.
        min: Option<Value>,
        /// The largest value allowed.
        max: Option<Value>,
    },
}

/// A check that rows broke.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// The check.
    pub check: RowCheck,
    /// How many rows broke it; for the grain, how many repeat another row's key.
    pub rows: u64,
    /// Up to five of them by their grain, such as `customer_id = 42`; personal values are hidden.
    pub examples: Vec<String>,
}

/// Checks rows in the order they are written.
pub(super) struct Checker {
    rules: Vec<Rule>,
    grain: Vec<(usize, String, Privacy)>,
    converter: Option<RowConverter>,
    last: Option<OwnedRow>,
}

struct Rule {
    check: RowCheck,
    column: Option<usize>,
    rows: u64,
    examples: Vec<String>,
}

impl Checker {
    /// Checks `checks`, and that the columns a contract requires have values.
    ///
    /// The grain is checked between neighbours, which is right only if [`neighbours`] says so.
    pub(super) fn try_new(checks: &[RowCheck], contract: &Contract) -> Result<Self> {
        let schema = contract.schema();
        let required = contract.columns.iter().filter(|column| column.nullable == Nullability::Required);
        let mut all: Vec<RowCheck> = checks.to_vec();
        for column in required {
            let check = RowCheck::NotNull(column.name.clone());
            if !all.contains(&check) {
                all.push(check);
            }
        }
        let key = |name: &String| {
            let at = schema.index_of(name).ok()?;
            Some((at, name.clone(), contract.column(name)?.privacy))
        };
        let grain: Vec<_> = contract.grain.iter().filter_map(key).collect();
        let fields =
            grain.iter().map(|(at, _, _)| SortField::new(schema.field(*at).data_type().clone())).collect();
        let adjacent = checks.contains(&RowCheck::Grain) && !grain.is_empty();
        let converter = adjacent.then(|| RowConverter::new(fields)).transpose()?;
        let rule = |check: RowCheck| {
            let column = match &check {
                RowCheck::Grain => None,
                RowCheck::NotNull(name) | RowCheck::AcceptedValues(name, _) => schema.index_of(name).ok(),
                RowCheck::Range { column, .. } => schema.index_of(column).ok(),
            };
            Rule { check, column, rows: 0, examples: Vec::new() }
        };
        Ok(Self { rules: all.into_iter().map(rule).collect(), grain, converter, last: None })
    }

    /// Looks at the next rows.
    pub(super) fn observe(&mut self, batch: &RecordBatch) -> Result<()> {
        let repeated = self.repeated(batch)?;
        for rule in &mut self.rules {
            let broken = match (&rule.check, rule.column) {
                (RowCheck::Grain, _) => repeated.clone(),
                (RowCheck::NotNull(_), Some(at)) => nulls(batch.column(at)),
                (RowCheck::AcceptedValues(_, accepted), Some(at)) => strangers(batch.column(at), accepted)?,
                (RowCheck::Range { min, max, .. }, Some(at)) => {
                    outside(batch.column(at), min.as_ref(), max.as_ref())?
                }
                (_, None) => Vec::new(),
            };
            rule.rows += u64::try_from(broken.len()).unwrap_or(u64::MAX);
            for row in broken.into_iter().take(EXAMPLES - rule.examples.len()) {
                rule.examples.push(example(&self.grain, batch, row));
            }
        }
        Ok(())
    }

    /// What was broken, in the order of the checks.
    pub(super) fn finish(self) -> Vec<Broken> {
        let broken = |rule: Rule| Broken { check: rule.check, rows: rule.rows, examples: rule.examples };
        self.rules.into_iter().filter(|rule| rule.rows > 0).map(broken).collect()
    }

    fn repeated(&mut self, batch: &RecordBatch) -> Result<Vec<usize>> {
        let Some(converter) = &mut self.converter else {
            return Ok(Vec::new());
        };
        let columns: Vec<ArrayRef> =
            self.grain.iter().map(|(at, _, _)| Arc::clone(batch.column(*at))).collect();
        let keys = converter.convert_columns(&columns)?;
        let mut found = Vec::new();
        for row in 0..keys.num_rows() {
            let before =
                if row == 0 { self.last.as_ref().map(OwnedRow::row) } else { Some(keys.row(row - 1)) };
            if before.is_some_and(|before| before == keys.row(row)) {
                found.push(row);
            }
        }
        if let Some(last) = keys.num_rows().checked_sub(1) {
            self.last = Some(keys.row(last).owned());
        }
        Ok(found)
    }
}

/// Whether rows of one key stand side by side in the contract's order.
pub(super) fn neighbours(contract: &Contract) -> bool {
    let grain: BTreeSet<_> = contract.grain.iter().collect();
    let first: BTreeSet<_> = contract.order_by.iter().take(grain.len()).collect();
    contract.order_by.is_empty() || first == grain
}

fn example(grain: &[(usize, String, Privacy)], batch: &RecordBatch, row: usize) -> String {
    let part = |(at, name, privacy): &(usize, String, Privacy)| match privacy {
        Privacy::Personal => format!("{name} = (hidden)"),
        Privacy::Public => {
            let value = array_value_to_string(batch.column(*at), row).unwrap_or_default();
            format!("{name} = {value}")
        }
    };
    grain.iter().map(part).collect::<Vec<_>>().join(", ")
}

pub(super) fn nulls(column: &ArrayRef) -> Vec<usize> {
    if column.null_count() == 0 {
        return Vec::new();
    }
    (0..column.len()).filter(|row| column.is_null(*row)).collect()
}

pub(super) fn strangers(column: &ArrayRef, accepted: &[String]) -> Result<Vec<usize>> {
    let texts = cast(column, &DataType::Utf8)?;
    let accepted: BTreeSet<&str> = accepted.iter().map(String::as_str).collect();
    let texts = texts.as_string::<i32>().iter().enumerate();
    Ok(texts
        .filter(|(_, text)| text.is_some_and(|text| !accepted.contains(text)))
        .map(|(row, _)| row)
        .collect())
}

pub(super) fn outside(column: &ArrayRef, min: Option<&Value>, max: Option<&Value>) -> Result<Vec<usize>> {
    match column.data_type() {
        DataType::Float64 => {
            let (low, high) = (min.and_then(as_double), max.and_then(as_double));
            let out =
                |number: f64| low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high);
            Ok(rows(column.as_primitive::<Float64Type>().iter(), out))
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().iter().map(|day| day.map(i128::from));
            Ok(between(days, 0, min, max))
        }
        DataType::Timestamp(_, _) => {
            let micros =
                column.as_primitive::<TimestampMicrosecondType>().iter().map(|at| at.map(i128::from));
            Ok(between(micros, 0, min, max))
        }
        DataType::Decimal128(_, scale) => {
            Ok(between(column.as_primitive::<Decimal128Type>().iter(), *scale, min, max))
        }
        _ => {
            let whole = cast(column, &DataType::Int64)?;
            let whole = whole
                .as_primitive::<Int64Type>()
                .iter()
                .map(|number| number.map(i128::from))
                .collect::<Vec<_>>();
            Ok(between(whole.into_iter(), 0, min, max))
        }
    }
}

fn rows<T>(values: impl Iterator<Item = Option<T>>, out: impl Fn(T) -> bool) -> Vec<usize> {
    values.enumerate().filter_map(|(row, value)| value.is_some_and(&out).then_some(row)).collect()
}

/// Rows outside the bounds; `scale` is that of the values.
fn between(
    values: impl Iterator<Item = Option<i128>>,
    scale: i8,
    min: Option<&Value>,
    max: Option<&Value>,
) -> Vec<usize> {
    let low = min.and_then(|bound| exact(bound, scale, Rounding::Up));
    let high = max.and_then(|bound| exact(bound, scale, Rounding::Down));
    rows(values, |number| low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Up,
    Down,
}

/// A bound in units of the column: the nearest value that is within it.
fn exact(bound: &Value, scale: i8, rounding: Rounding) -> Option<i128> {
    let (unscaled, from) = match bound {
        Value::Int(number) => (i128::from(*number), 0),
        Value::Date(days) => (i128::from(*days), 0),
        Value::Timestamp(at) => (i128::from(at.micros()), 0),
        Value::Decimal { unscaled, scale, .. } => (*unscaled, *scale),
        Value::Double(number) => return double_bound(*number, scale, rounding),
        Value::String(_) | Value::Bool(_) => return None,
    };
    let shift = u32::from(scale.abs_diff(from));
    let factor = 10_i128.checked_pow(shift)?;
    if scale >= from {
        return unscaled.checked_mul(factor);
    }
    let floor = unscaled.div_euclid(factor);
    let inexact = unscaled.rem_euclid(factor) != 0;
    Some(if rounding == Rounding::Up && inexact { floor + 1 } else { floor })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a bound beyond 128 bits saturates, which bounds nothing"
)]
fn double_bound(number: f64, scale: i8, rounding: Rounding) -> Option<i128> {
    let scaled = number * 10_f64.powi(scale.into());
    let whole = if rounding == Rounding::Up { scaled.ceil() } else { scaled.floor() };
    whole.is_finite().then_some(whole as i128)
}

#[expect(clippy::cast_precision_loss, reason = "the column is a double")]
fn as_double(bound: &Value) -> Option<f64> {
    match bound {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        Value::Decimal { unscaled, scale, .. } => Some(*unscaled as f64 / 10_f64.powi((*scale).into())),
        _ => None,
    }
}

/// What was broken, with the count and examples of keys that were found another way.
pub(super) fn broken_grain(counts: &BTreeMap<String, u64>, rows: u64) -> Option<Broken> {
    let examples = counts.keys().take(EXAMPLES).cloned().collect();
    (rows > 0).then_some(Broken { check: RowCheck::Grain, rows, examples })
}
