//! Arguments of these functions: which types they take, and their numbers.

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, plan_err};

use crate::functions::sql_type;

/// The type numbers are computed in, if `data_type` is one of numbers.
pub(super) fn number(function: &str, name: &str, data_type: &DataType) -> Result<DataType> {
    if data_type.is_numeric() || data_type.is_null() {
        return Ok(DataType::Float64);
    }
    plan_err!("`{function}` needs a number for `{name}`, not {}", sql_type(data_type))
}

/// A column of numbers.
pub(super) fn numbers(column: &ArrayRef) -> &Float64Array {
    column.as_primitive::<Float64Type>()
}
