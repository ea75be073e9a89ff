//! A model's columns against its contract: what is the same, what is cast, what is refused.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Column as PlanColumn;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};

use super::analyze::Typed;
use super::conform::conform;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::functions::sql_type;
use crate::project::{Column, Contract};

/// How a column gets its contract's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It has it.
    None,
    /// A cast that may fail on a value, and then fails the run.
    Checked,
    /// Only the analyst may decide what is lost.
    Refused,
}

/// Ends the query with casts to the contract: its columns, in its order, of its types.
///
/// # Errors
///
/// Returns all columns that are missing, not in the contract, or there twice as one GW0209, and
/// one GW0210 for each type that only the analyst's own cast may change. They name columns in
/// backticks and have no place: the caller knows where the columns stand.
pub fn cast_to_contract(typed: &Typed, contract: &Contract) -> Result<Typed, Diagnostics> {
    let mut found = Diagnostics::default();
    if let Some(difference) = difference(typed, contract) {
        found.push(difference);
    }
    let mut expressions = Vec::new();
    for column in &contract.columns {
        match cast_column(typed, column) {
            Some(Ok(expression)) => expressions.push(expression),
            Some(Err(refused)) => found.push(refused),
            None => {}
        }
    }
    found.or_ok(())?;
    let projection = Projection::try_new(expressions, Arc::new(typed.plan.clone()));
    let bug = |_| Diagnostics::from(Diagnostic::error(code::BUG, "the contract's casts cannot be planned"));
    Ok(typed.with_plan(LogicalPlan::Projection(projection.map_err(bug)?)))
}

fn difference(typed: &Typed, contract: &Contract) -> Option<Diagnostic> {
    let names: Vec<_> = typed.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut lines = Vec::new();
    for column in contract.columns.iter().filter(|column| !names.contains(&column.name.as_str())) {
        lines.push(format!(
            "`{}` ({}) is in the contract and not in the SELECT",
            column.name, column.data_type
        ));
    }
    for (at, name) in names.iter().enumerate() {
        if contract.column(name).is_none() {
            lines.push(format!("`{name}` is in the SELECT and not in the contract"));
        } else if names[..at].contains(name) {
            lines.push(format!("`{name}` is in the SELECT twice"));
        }
    }
    let message = format!("the columns are not the contract's: {}", lines.join("; "));
    let found = Diagnostic::error(code::CONTRACT_MISMATCH, message);
    (!lines.is_empty()).then(|| found.help("change the SELECT or the `columns` of the contract"))
}

fn cast_column(typed: &Typed, column: &Column) -> Option<Result<Expr, Diagnostic>> {
    let at = typed.schema.index_of(&column.name).ok()?;
    let (qualifier, field) = typed.plan.schema().qualified_field(at);
    let value = Expr::Column(PlanColumn::new(qualifier.cloned(), field.name()));
    let target = column.data_type.arrow();
    let expression = match change(field.data_type(), &target) {
        Change::None => value,
        Change::Checked => conform(value, &column.name, &target),
        Change::Refused => return Some(Err(refused(column, field.data_type()))),
    };
    Some(Ok(expression.alias(&column.name)))
}

fn refused(column: &Column, from: &DataType) -> Diagnostic {
    let (name, to) = (&column.name, column.data_type);
    let message =
        format!("`{name}` is {} and its contract says {to}: that would lose something", sql_type(from));
    let found = Diagnostic::error(code::CANNOT_NARROW, message);
    let rounded = from.is_decimal() || from.is_floating();
    found.help(if rounded && matches!(column.data_type.arrow(), DataType::Decimal128(_, _)) {
        format!("decide how it is rounded: `cast({name} as {to}) as {name}` rounds half away from zero")
    } else {
        format!("write the cast yourself: `cast({name} as {to}) as {name}`")
    })
}

fn change(from: &DataType, to: &DataType) -> Change {
    match (from, to) {
        // Doubles are always looked at: NaN is no number.
        (DataType::Float64 | DataType::Float32 | DataType::Float16, DataType::Float64)
        | (DataType::Null, _) => Change::Checked,
        (from, to) if from == to => Change::None,
        (DataType::Dictionary(_, values), to) => match change(values, to) {
            Change::None => Change::Checked,
            other => other,
        },
        (from, to) if from.is_decimal() => narrowed_decimal(from, to),
        (from, to) if from.is_integer() => changed_integer(from, to),
        (from, DataType::Utf8) if from.is_string() => Change::Checked,
        (DataType::Date64, DataType::Date32)
        | (DataType::Timestamp(_, _), DataType::Timestamp(TimeUnit::Microsecond, _)) => Change::Checked,
        _ => Change::Refused,
    }
}

fn changed_integer(from: &DataType, to: &DataType) -> Change {
    // A double holds each integer of 32 bits, not each of 64.
    let small = from.primitive_width().is_some_and(|bytes| bytes <= 4);
    match to {
        DataType::Decimal128(_, _) => Change::Checked,
        DataType::Float64 if !small => Change::Refused,
        to if to.is_integer() || *to == DataType::Float64 => Change::Checked,
        _ => Change::Refused,
    }
}

fn narrowed_decimal(from: &DataType, to: &DataType) -> Change {
    let scale = |data_type: &DataType| match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    };
    match (scale(from), scale(to)) {
        (Some(from), Some(to)) if from <= to => Change::Checked,
        (Some(0), None) if to.is_integer() => Change::Checked,
        _ => Change::Refused,
    }
}
