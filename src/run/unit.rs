//! Unit tests of models: rows given, one model run in memory, rows compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{
    CastOptions, SortColumn, cast_with_options, concat_batches, filter_record_batch, lexsort_to_indices,
    take_record_batch,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{Binding, Bindings, Engine, Typed};
use crate::functions::sql_type;
use crate::ident::NodeName;
use crate::project::{Cell, Contract, Model, Rows, UnitTest};
use crate::query::TableName;

/// The largest difference between doubles that are called equal, relative to the larger.
const DOUBLE_TOLERANCE: f64 = 1e-9;

/// What became of a unit test.
#[derive(Debug, Clone)]
pub struct UnitOutcome {
    /// The test's name.
    pub name: String,
    /// The model.
    pub model: NodeName,
    /// Why it failed; `None` if the rows are as expected.
    pub failure: Option<Diagnostic>,
}

/// Reads what `test` gives as its inputs' types, of the given `schemas`, and what it expects as the
/// type of `typed`, its model's query.
///
/// # Errors
///
/// Returns columns that are not there, and values that do not fit theirs.
pub fn read_unit_test(
    test: &UnitTest,
    typed: &Typed,
    schemas: &BTreeMap<TableName, SchemaRef>,
) -> Result<Bindings, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut bindings = Bindings::new();
    for (table, schema) in schemas {
        let empty = Rows::new();
        let rows = test.given.get(table).map_or(&empty, |given| &given.value);
        if let Some(batch) = found.keep(batch(rows, schema, &table.to_string())) {
            let binding = Binding::Memory { schema: batch.schema(), batches: vec![batch] };
            bindings.insert(table.clone(), binding);
        }
    }
    found.keep(batch(&test.expect.value, &typed.schema, test.model.value.as_str()));
    found.or_ok(bindings)
}

/// Runs `test` with `typed`, its model's query typed with the test's parameters, over inputs of
/// the given `schemas`; inputs among `constants` are as these where the test gives no rows of them.
///
/// # Errors
///
/// Returns what [`read_unit_test`] returns, and why the query failed.
pub async fn unit_test(
    engine: &Engine,
    test: &UnitTest,
    model: &Model,
    typed: &Typed,
    (schemas, constants): (&BTreeMap<TableName, SchemaRef>, &Bindings),
) -> Result<UnitOutcome, Diagnostics> {
    let mut bindings = read_unit_test(test, typed, schemas)?;
    for (table, rows) in constants.iter().filter(|(table, _)| !test.given.contains_key(table)) {
        if let Some(bound) = bindings.get_mut(table) {
            bound.clone_from(rows);
        }
    }
    let batches = engine.collect(typed, &bindings, None, engine.whole()).await?;
    let actual = compared(test, ordered(&typed.schema, &batches, &model.contract)?)?;
    let failure = compare(test, &actual, &model.contract);
    Ok(UnitOutcome { name: test.name.clone(), model: model.name.clone(), failure })
}

/// The rows as typed by a person, read as the input's types; a column left out is null.
fn batch(rows: &Rows, schema: &SchemaRef, table: &str) -> Result<RecordBatch, Diagnostics> {
    let mut found = Diagnostics::default();
    for cell in rows.iter().flatten() {
        if schema.field_with_name(&cell.column).is_err() {
            let message = format!("`{table}` has no column `{}`", cell.column);
            found.push(Diagnostic::error(code::BAD_UNIT_TEST, message).at(cell.place.clone()));
        }
    }
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        let cells: Vec<Option<&Cell>> =
            rows.iter().map(|row| row.iter().find(|cell| cell.column == *field.name())).collect();
        if let Some(column) = found.keep(column(&cells, field.data_type())) {
            columns.push(column);
            fields.push(Field::new(field.name(), field.data_type().clone(), true));
        }
    }
    found.or_ok(())?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    batch.map_err(|cause| super::bug(&format!("given rows do not make a table: {cause}")).into())
}

fn column(cells: &[Option<&Cell>], data_type: &DataType) -> Result<ArrayRef, Diagnostics> {
    let texts: StringArray = cells.iter().map(|cell| cell.and_then(|cell| cell.text.as_deref())).collect();
    let lenient = CastOptions { safe: true, ..CastOptions::default() };
    let wrong = |cell: &Cell| {
        let text = cell.text.as_deref().unwrap_or("null");
        let message = format!("`{text}` is no value for `{}` ({})", cell.column, sql_type(data_type));
        Diagnostic::error(code::BAD_UNIT_TEST, message).at(cell.place.clone())
    };
    let Ok(values) = cast_with_options(&texts, data_type, &lenient) else {
        return Err(cells.iter().flatten().map(|cell| wrong(cell)).collect());
    };
    let lost = |(at, cell): (usize, Option<&Cell>)| {
        cell.filter(|cell| cell.text.is_some() && values.is_null(at)).map(wrong)
    };
    let found: Diagnostics = cells.iter().copied().enumerate().filter_map(lost).collect();
    found.or_ok(values)
}

/// The result in the contract's order.
fn ordered(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    contract: &Contract,
) -> Result<RecordBatch, Diagnostics> {
    let failed = |cause: arrow::error::ArrowError| {
        Diagnostics::from(super::bug(&format!("rows cannot be ordered: {cause}")))
    };
    let schema = batches.first().map_or_else(|| Arc::clone(schema), RecordBatch::schema);
    let batch = concat_batches(&schema, batches).map_err(failed)?;
    let keys = contract.order_by.iter().filter_map(|name| batch.column_by_name(name));
    let options = arrow::compute::SortOptions { descending: false, nulls_first: false };
    let keys: Vec<SortColumn> =
        keys.map(|values| SortColumn { values: Arc::clone(values), options: Some(options) }).collect();
    if keys.is_empty() || batch.num_rows() < 2 {
        return Ok(batch);
    }
    let order = lexsort_to_indices(&keys, None).map_err(failed)?;
    take_record_batch(&batch, &order).map_err(failed)
}

/// The rows that the test compares.
fn compared(test: &UnitTest, actual: RecordBatch) -> Result<RecordBatch, Diagnostics> {
    if test.only.is_empty() {
        return Ok(actual);
    }
    let counts = |row: usize| {
        test.only.iter().all(|values| {
            let is = |cell: &Cell| {
                texts(&actual, row, &[&cell.column]).first().is_some_and(|text| equal(cell, text, &actual))
            };
            values.iter().any(is)
        })
    };
    let counting: BooleanArray = (0..actual.num_rows()).map(|row| Some(counts(row))).collect();
    filter_record_batch(&actual, &counting)
        .map_err(|cause| super::bug(&format!("rows cannot be picked: {cause}")).into())
}

fn compare(test: &UnitTest, actual: &RecordBatch, contract: &Contract) -> Option<Diagnostic> {
    let expected = &test.expect.value;
    let mut columns: Vec<&str> = Vec::new();
    for cell in expected.iter().flatten() {
        if !columns.contains(&cell.column.as_str()) {
            columns.push(&cell.column);
        }
    }
    let shown =
        if columns.is_empty() { contract.grain.iter().map(String::as_str).collect() } else { columns };
    let rows: Vec<Vec<String>> = (0..actual.num_rows()).map(|row| texts(actual, row, &shown)).collect();
    let mut lines = Vec::new();
    for at in 0..expected.len().max(rows.len()) {
        lines.extend(difference(at, (expected.get(at), rows.get(at)), &shown, actual));
    }
    if lines.is_empty() {
        return None;
    }
    let message = format!(
        "unit test `{}` of `{}`: {} rows expected, {} rows came out",
        test.name,
        test.model.value,
        expected.len(),
        rows.len()
    );
    let failed = Diagnostic::error(code::UNIT_TEST_FAILED, message).at(test.place.clone());
    Some(lines.into_iter().take(12).fold(failed, Diagnostic::help))
}

fn difference(
    at: usize,
    (expected, actual): (Option<&Vec<Cell>>, Option<&Vec<String>>),
    shown: &[&str],
    batch: &RecordBatch,
) -> Option<String> {
    let row = |values: &[String]| {
        let pairs = shown.iter().zip(values).map(|(name, value)| format!("{name}: {value}"));
        pairs.collect::<Vec<_>>().join(", ")
    };
    match (expected, actual) {
        (Some(cells), Some(values)) => {
            let mut text = String::new();
            for cell in cells {
                let actual = shown.iter().zip(values).find(|(name, _)| **name == cell.column);
                let actual = actual.map_or("", |(_, value)| value.as_str());
                if !equal(cell, actual, batch) {
                    let wanted = cell.text.as_deref().unwrap_or("null");
                    let _ = write!(text, " `{}` is {actual}, expected {wanted};", cell.column);
                }
            }
            (!text.is_empty()).then(|| format!("row {}:{}", at + 1, text.trim_end_matches(';')))
        }
        (Some(cells), None) => {
            let pairs = cells
                .iter()
                .map(|cell| format!("{}: {}", cell.column, cell.text.as_deref().unwrap_or("null")));
            Some(format!("row {} is missing: {}", at + 1, pairs.collect::<Vec<_>>().join(", ")))
        }
        (None, Some(values)) => Some(format!("row {} is too many: {}", at + 1, row(values))),
        (None, None) => None,
    }
}

/// Whether the expected cell, read as the column's type, is the actual value.
fn equal(cell: &Cell, actual: &str, batch: &RecordBatch) -> bool {
    let Some(wanted) = &cell.text else { return actual == "null" };
    let Some(values) = batch.column_by_name(&cell.column) else { return false };
    if matches!(values.data_type(), DataType::Float64 | DataType::Float32) {
        return match (wanted.parse::<f64>(), actual.parse::<f64>()) {
            (Ok(wanted), Ok(actual)) => {
                (wanted - actual).abs() <= DOUBLE_TOLERANCE * wanted.abs().max(actual.abs())
            }
            _ => wanted == actual,
        };
    }
    let read = column(&[Some(cell)], values.data_type());
    read.is_ok_and(|read| text(&read, 0) == actual)
}

fn texts(batch: &RecordBatch, row: usize, columns: &[&str]) -> Vec<String> {
    let value = |name: &&str| batch.column_by_name(name).map_or_else(String::new, |values| text(values, row));
    columns.iter().map(value).collect()
}

fn text(values: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    ArrayFormatter::try_new(values.as_ref(), &options)
        .map_or_else(|_| String::new(), |f| f.value(row).to_string())
}
