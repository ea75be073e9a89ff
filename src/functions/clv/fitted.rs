//! The parameters that a function of one customer is given: a STRUCT, read by the names of its fields.

use arrow::array::{Array, AsArray, Float64Array, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::ColumnarValue;

use super::model::{correlation_field, error_field, pairs};
use crate::functions::fault::impossible;
use crate::functions::sql_type;
use crate::stats::Uncertain;

/// What is read of a STRUCT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) function: &'a str,
    pub(super) numbers: &'a [String],
    pub(super) texts: &'a [&'a str],
}

impl Wanted<'_> {
    /// Whether `data_type` has what is wanted, as far as its names and types tell.
    pub(super) fn check(&self, data_type: &DataType) -> Result<()> {
        let function = self.function;
        let fields = match data_type {
            DataType::Null => return Ok(()),
            DataType::Struct(fields) => fields,
            other => return plan_err!("`{function}` needs a fit, a STRUCT, first, not {}", sql_type(other)),
        };
        for name in self.numbers.iter().map(String::as_str).chain(self.texts.iter().copied()) {
            let Some((_, field)) = fields.find(name) else {
                return plan_err!("`{function}` needs a fit with a field `{name}`");
            };
            let is_text = self.texts.contains(&name);
            let fits = if is_text { field.data_type().is_string() } else { field.data_type().is_numeric() };
            if !fits && !field.data_type().is_null() {
                let kind = if is_text { "a text" } else { "a number" };
                return plan_err!("`{function}` needs {kind} as field `{name}` of the fit");
            }
        }
        Ok(())
    }
}

/// Where a model's parameters, their standard errors and correlations are among the numbers read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<const N: usize> {
    parameters: [usize; N],
    errors: [Option<usize>; N],
    correlations: [[Option<usize>; N]; N],
}

/// The fits of a batch: one for all rows, or one a row.
#[derive(Debug)]
pub(super) struct Fits {
    function: String,
    names: Vec<String>,
    rows: Option<StructArray>,
    numbers: Vec<Float64Array>,
    texts: Vec<StringArray>,
    is_one: bool,
}

impl Fits {
    pub(super) fn try_new(wanted: &Wanted<'_>, given: &ColumnarValue) -> Result<Self> {
        let (fits, is_one) = match given {
            ColumnarValue::Scalar(ScalarValue::Struct(fit)) => (Some(fit.as_ref().clone()), true),
            ColumnarValue::Scalar(_) => (None, true),
            ColumnarValue::Array(fits) => (fits.as_struct_opt().cloned(), false),
        };
        let column =
            |name: &str, data_type: &DataType| match fits.as_ref().map(|fits| fits.column_by_name(name)) {
                Some(Some(column)) => Ok(Some(cast(column, data_type)?)),
                Some(None) => exec_err!("`{}` needs a fit with a field `{name}`", wanted.function),
                None => Ok(None),
            };
        let mut numbers = Vec::new();
        for name in wanted.numbers {
            numbers
                .extend(column(name, &DataType::Float64)?.map(|it| it.as_primitive::<Float64Type>().clone()));
        }
        let mut texts = Vec::new();
        for name in wanted.texts {
            texts.extend(column(name, &DataType::Utf8)?.map(|it| it.as_string::<i32>().clone()));
        }
        let names = wanted.numbers.to_vec();
        Ok(Self { function: wanted.function.to_owned(), names, rows: fits, numbers, texts, is_one })
    }

    /// Where the fields of a model with these parameters are; none if the STRUCT has not all of them.
    pub(super) fn places<const N: usize>(&self, parameters: [&str; N]) -> Option<Places<N>> {
        let place = |name: &str| self.names.iter().position(|known| known == name);
        let mut places = [0; N];
        for (at, name) in parameters.iter().enumerate() {
            places[at] = place(name)?;
        }
        let mut correlations = [[None; N]; N];
        for (first, second) in pairs::<N>() {
            let at = place(&correlation_field(parameters[first], parameters[second]));
            correlations[first][second] = at;
            correlations[second][first] = at;
        }
        let errors = parameters.map(|name| place(&error_field(name)));
        Some(Places { parameters: places, errors, correlations })
    }

    /// The parameters for a row; none if one of them is null, as in a fit that could not be.
    pub(super) fn parameters<const N: usize>(
        &self,
        row: usize,
        places: &Places<N>,
    ) -> Result<Option<[f64; N]>> {
        let mut parameters = [0.0; N];
        for (parameter, place) in parameters.iter_mut().zip(places.parameters) {
            let Some(number) = self.number(row, place) else { return Ok(None) };
            if !(number.is_finite() && number > 0.0) {
                return Err(impossible(&self.function, "a parameter of the fit is not positive"));
            }
            *parameter = number;
        }
        Ok(Some(parameters))
    }

    /// The same with their standard errors and correlations; a null error holds its parameter.
    pub(super) fn uncertain<const N: usize>(
        &self,
        row: usize,
        places: &Places<N>,
    ) -> Result<Option<Uncertain<N>>> {
        let Some(parameters) = self.parameters(row, places)? else { return Ok(None) };
        let at = |place: Option<usize>| place.and_then(|place| self.number(row, place));
        let standard_errors = places.errors.map(at);
        if standard_errors.iter().flatten().any(|error| !(error.is_finite() && *error >= 0.0)) {
            return Err(impossible(
                &self.function,
                "a standard error of the fit is negative, NaN or infinite",
            ));
        }
        let mut correlations = places.correlations.map(|row| row.map(|place| at(place).unwrap_or(0.0)));
        for (diagonal, row) in correlations.iter_mut().enumerate() {
            row[diagonal] = 1.0;
        }
        if correlations.iter().flatten().any(|correlation| !(-1.0..=1.0).contains(correlation)) {
            return Err(impossible(&self.function, "a correlation of the fit is not from -1 to 1"));
        }
        Ok(Some(Uncertain { parameters, standard_errors, correlations }))
    }

    fn number(&self, row: usize, place: usize) -> Option<f64> {
        let row = self.row(row)?;
        let column = self.numbers.get(place)?;
        column.is_valid(row).then(|| column.value(row))
    }

    /// The text of field number `at` for a row.
    pub(super) fn text(&self, row: usize, at: usize) -> Option<&str> {
        let row = self.row(row)?;
        let column = self.texts.get(at)?;
        column.is_valid(row).then(|| column.value(row))
    }

    fn row(&self, row: usize) -> Option<usize> {
        let row = if self.is_one { 0 } else { row };
        self.rows.as_ref().filter(|fits| fits.is_valid(row)).map(|_| row)
    }
}
