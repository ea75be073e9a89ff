//! The rules of a source that one row shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, TimestampMicrosecondType};
use datafusion::common::{Column, Result, TableReference, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::checks::{nulls, outside, strangers};
use crate::project::{SourceCheck, SourceContract};

/// 2262-01-01 in days since 1970: nanoseconds in 64 bits end in that year.
const LAST_DAY: i32 = 106_650;

/// The name a rule has for a value that is none of its column's type.
pub(super) const UNREADABLE: &str = "unreadable";

/// A rule of a row and the column it looks at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RowRule {
    /// The value could be read as the contract's type; its column says so.
    Readable {
        /// The contract's column.
        column: String,
    },
    /// A rule of the contract, by its position there.
    Declared {
        /// The position among the contract's rules.
        at: usize,
        /// The rule.
        check: SourceCheck,
    },
}

/// The rules of a source that one row shows, in the order they are told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowRules {
    rules: Vec<(RowRule, String)>,
    currency: Option<String>,
}

impl RowRules {
    /// The rules of `contract`; `checked` are the columns whose values may be unreadable.
    pub(super) fn new(contract: &SourceContract, checked: &[String], currency: Option<String>) -> Self {
        let readable = checked
            .iter()
            .map(|column| (RowRule::Readable { column: column.clone() }, readable_column(column)));
        let declared = contract.rules.iter().enumerate().filter_map(|(at, rule)| {
            let column = rule.check.column()?.to_owned();
            let shown = !matches!(rule.check, SourceCheck::Orphan { .. });
            shown.then(|| (RowRule::Declared { at, check: rule.check.clone() }, column))
        });
        Self { rules: readable.chain(declared).collect(), currency }
    }

    /// The rules.
    pub(super) fn iter(&self) -> impl Iterator<Item = &RowRule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// The columns the rules look at, each once.
    pub(super) fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for (_, column) in &self.rules {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
        columns
    }

    /// The rows that break each rule, in the order of the rules.
    pub(super) fn broken<'a>(
        &self,
        column: impl Fn(&str) -> Option<&'a ArrayRef>,
    ) -> Result<Vec<Vec<usize>>> {
        let mut unreadable: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut broken = Vec::new();
        for (rule, name) in &self.rules {
            let Some(values) = column(name) else {
                return internal_err!("a rule's column `{name}` was not read");
            };
            let mut rows = self.broken_by(rule, values)?;
            match rule {
                RowRule::Readable { column } => drop(unreadable.insert(column, rows.clone())),
                // A value that could not be read is not missing.
                RowRule::Declared { .. } => {
                    if let Some(known) = unreadable.get(name.as_str()) {
                        rows.retain(|row| known.binary_search(row).is_err());
                    }
                }
            }
            broken.push(rows);
        }
        Ok(broken)
    }

    fn broken_by(&self, rule: &RowRule, values: &ArrayRef) -> Result<Vec<usize>> {
        let RowRule::Declared { check, .. } = rule else {
            let readable = values.as_boolean();
            return Ok((0..readable.len()).filter(|row| !readable.value(*row)).collect());
        };
        match check {
            SourceCheck::MissingKey { .. } | SourceCheck::NotNull { .. } => Ok(nulls(values)),
            SourceCheck::AcceptedValues { values: accepted, .. } => strangers(values, accepted),
            SourceCheck::OtherCurrency { .. } => strangers(values, self.currency.as_slice()),
            SourceCheck::Range { min, max, .. } => outside(values, min.as_ref(), max.as_ref()),
            SourceCheck::NotFinite { .. } => {
                let numbers = values.as_primitive::<Float64Type>().iter().enumerate();
                Ok(numbers.filter(|(_, n)| n.is_some_and(|n| !n.is_finite())).map(|(row, _)| row).collect())
            }
            SourceCheck::ImpossibleDate { .. } => impossible(values),
            SourceCheck::DuplicateKey | SourceCheck::Orphan { .. } => Ok(Vec::new()),
        }
    }

    /// Whether a row keeps every rule, over the columns of `table`.
    pub(super) fn kept(self: &Arc<Self>, table: &TableReference) -> Option<Expr> {
        let columns = self.columns();
        let column = |name: &&str| Expr::Column(Column::new(Some(table.clone()), *name));
        let arguments: Vec<Expr> = columns.iter().map(column).collect();
        if arguments.is_empty() {
            return None;
        }
        let signature = Signature::any(arguments.len(), Volatility::Immutable);
        let function = Kept {
            names: columns.iter().map(|name| (*name).to_owned()).collect(),
            rules: Arc::clone(self),
            signature,
        };
        Some(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), arguments)))
    }
}

/// The column that says whether a value of `column` could be read; no contract has such a name.
pub(super) fn readable_column(column: &str) -> String {
    format!("{column} is readable")
}

/// Days and instants before 1970 or from 2262 on.
fn impossible(values: &ArrayRef) -> Result<Vec<usize>> {
    let micros = i64::from(LAST_DAY) * 86_400_000_000;
    Ok(match values.data_type() {
        DataType::Date32 => {
            let days = values.as_primitive::<Date32Type>().iter().enumerate();
            days.filter(|(_, day)| day.is_some_and(|day| !(0..LAST_DAY).contains(&day)))
                .map(|(row, _)| row)
                .collect()
        }
        _ => {
            let instants = cast(values, &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None))?;
            let instants = instants.as_primitive::<TimestampMicrosecondType>().iter().enumerate();
            instants
                .filter(|(_, at)| at.is_some_and(|at| !(0..micros).contains(&at)))
                .map(|(row, _)| row)
                .collect()
        }
    })
}

/// Whether a row keeps all rules: what a scan filters by.
#[derive(Debug)]
struct Kept {
    names: Vec<String>,
    rules: Arc<RowRules>,
    signature: Signature,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for Kept {}

impl std::hash::Hash for Kept {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.names.hash(state);
    }
}

impl ScalarUDFImpl for Kept {
    fn name(&self) -> &'static str {
        "keeps_contract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        // Constants come as one value.
        let whole = |array: ArrayRef| {
            if array.len() == rows {
                return Ok(array);
            }
            datafusion::common::ScalarValue::try_from_array(&array, 0)?.to_array_of_size(rows)
        };
        let arrays = arrays.into_iter().map(whole).collect::<Result<Vec<_>>>()?;
        let broken = self
            .rules
            .broken(|name| self.names.iter().position(|known| known == name).and_then(|at| arrays.get(at)))?;
        let mut kept = vec![true; rows];
        for row in broken.into_iter().flatten() {
            if let Some(kept) = kept.get_mut(row) {
                *kept = false;
            }
        }
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(kept))))
    }
}
