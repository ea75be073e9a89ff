//! Minimum, maximum and nulls of a column, gathered while it is written.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{max, max_boolean, max_string, min, min_boolean, min_string};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use crate::interval::Instant;
use crate::query::Value;

/// What is known of one written column; of personal data only how many nulls.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStats {
    /// The column.
    pub name: String,
    /// Rows without a value.
    pub nulls: u64,
    /// The smallest value; none if there is no value or the column is personal.
    pub min: Option<Value>,
    /// The largest value; none if there is no value or the column is personal.
    pub max: Option<Value>,
}

/// The smallest and largest value of an array of a published type.
pub(super) fn extremes(array: &ArrayRef) -> Option<(Value, Value)> {
    macro_rules! of {
        ($type:ty, $value:expr) => {{
            let array = array.as_primitive::<$type>();
            min(array).zip(max(array)).map(|(low, high)| ($value(low), $value(high)))
        }};
    }
    match array.data_type() {
        DataType::Int16 => of!(Int16Type, |number: i16| Value::Int(number.into())),
        DataType::Int32 => of!(Int32Type, |number: i32| Value::Int(number.into())),
        DataType::Int64 => of!(Int64Type, Value::Int),
        DataType::Float64 => of!(Float64Type, Value::Double),
        DataType::Date32 => of!(Date32Type, Value::Date),
        DataType::Timestamp(_, _) => {
            of!(TimestampMicrosecondType, |micros| Value::Timestamp(Instant::from_micros(micros)))
        }
        DataType::Decimal128(precision, scale) => {
            of!(Decimal128Type, |unscaled| Value::Decimal { unscaled, precision: *precision, scale: *scale })
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            let text = |text: &str| Value::String(text.to_owned());
            min_string(array).zip(max_string(array)).map(|(low, high)| (text(low), text(high)))
        }
        DataType::Boolean => {
            let array = array.as_boolean();
            min_boolean(array)
                .zip(max_boolean(array))
                .map(|(low, high)| (Value::Bool(low), Value::Bool(high)))
        }
        _ => None,
    }
}

impl ColumnStats {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), nulls: 0, min: None, max: None }
    }

    pub(super) fn count_nulls(&mut self, array: &ArrayRef) {
        self.nulls += u64::try_from(array.null_count()).unwrap_or(u64::MAX);
    }

    pub(super) fn widen(&mut self, low: Value, high: Value) {
        if self.min.as_ref().is_none_or(|known| is_less(&low, known)) {
            self.min = Some(low);
        }
        if self.max.as_ref().is_none_or(|known| is_less(known, &high)) {
            self.max = Some(high);
        }
    }
}

/// Whether `left` is below `right`; values of one column have one type.
fn is_less(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left < right,
        (Value::Decimal { unscaled: left, .. }, Value::Decimal { unscaled: right, .. }) => left < right,
        (Value::Double(left), Value::Double(right)) => left < right,
        (Value::String(left), Value::String(right)) => left < right,
        (Value::Bool(left), Value::Bool(right)) => !left & right,
        (Value::Date(left), Value::Date(right)) => left < right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left < right,
        _ => false,
    }
}
