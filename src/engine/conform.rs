//! The checked casts that bring a column to its contract's type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::functions::{Fault, sql_type};

/// `expression` cast to `target` for the output column `column`: a value that does not fit and a
/// NaN are errors, never NULL.
pub(super) fn conform(expression: Expr, column: &str, target: &DataType) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    let function = Conform { column: column.to_owned(), target: target.clone(), signature };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), vec![expression]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Conform {
    column: String,
    target: DataType,
    signature: Signature,
}

impl Conform {
    fn cast(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let result = if *values.data_type() == self.target {
            Arc::clone(values)
        } else {
            cast_with_options(values, &self.target, &options)?
        };
        let lost = result.logical_null_count().saturating_sub(values.logical_null_count());
        if lost > 0 {
            let (column, data_type) = (self.column.clone(), sql_type(&self.target));
            return Err(Fault::Narrowing { column, data_type, rows: lost }.into());
        }
        if self.target == DataType::Float64 {
            let numbers = result.as_primitive::<Float64Type>();
            let rows = numbers.iter().flatten().filter(|number| !number.is_finite()).count();
            if rows > 0 {
                return Err(Fault::NotFinite { column: self.column.clone(), rows }.into());
            }
            // Zero has two signs, and which of them a group keeps depends on the order of rows.
            return Ok(Arc::new(numbers.unary::<_, Float64Type>(|number| number + 0.0)));
        }
        Ok(result)
    }
}

impl ScalarUDFImpl for Conform {
    fn name(&self) -> &'static str {
        "cast_to_contract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.target.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(self.cast(values)?)),
            [ColumnarValue::Scalar(value)] => {
                let array = self.cast(&value.to_array_of_size(1)?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            _ => internal_err!("`cast_to_contract` takes one argument"),
        }
    }
}
