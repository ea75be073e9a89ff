//! The parameters that a function of one customer is given: a STRUCT, read by the names of its fields.

use arrow::array::{Array, AsArray, Float64Array, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::ColumnarValue;

use crate::functions::fault::impossible;
use crate::functions::sql_type;

/// What is read of a STRUCT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) function: &'a str,
    pub(super) numbers: &'a [&'a str],
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
        for name in self.numbers.iter().chain(self.texts) {
            let Some((_, field)) = fields.find(name) else {
                return plan_err!("`{function}` needs a fit with a field `{name}`");
            };
            let is_text = self.texts.contains(name);
            let fits = if is_text { field.data_type().is_string() } else { field.data_type().is_numeric() };
            if !fits && !field.data_type().is_null() {
                let kind = if is_text { "a text" } else { "a number" };
                return plan_err!("`{function}` needs {kind} as field `{name}` of the fit");
            }
        }
        Ok(())
    }
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
            |name: &&str, data_type: &DataType| match fits.as_ref().map(|fits| fits.column_by_name(name)) {
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
        let names = wanted.numbers.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self { function: wanted.function.to_owned(), names, rows: fits, numbers, texts, is_one })
    }

    /// Where the numbers of a field are.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// The first `N` wanted parameters for a row; none if one of them is null, as in a fit that could not be.
    pub(super) fn first<const N: usize>(&self, row: usize) -> Result<Option<[f64; N]>> {
        self.parameters(row, std::array::from_fn(|at| at))
    }

    /// The parameters at `places` for a row; none if one of them is null.
    pub(super) fn parameters<const N: usize>(
        &self,
        row: usize,
        places: [usize; N],
    ) -> Result<Option<[f64; N]>> {
        let Some(row) = self.row(row) else { return Ok(None) };
        let mut parameters = [0.0; N];
        for (parameter, place) in parameters.iter_mut().zip(places) {
            let Some(column) = self.numbers.get(place).filter(|column| column.is_valid(row)) else {
                return Ok(None);
            };
            *parameter = column.value(row);
            if !(parameter.is_finite() && *parameter > 0.0) {
                return Err(impossible(&self.function, "a parameter of the fit is not positive"));
            }
        }
        Ok(Some(parameters))
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
