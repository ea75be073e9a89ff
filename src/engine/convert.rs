//! Values of a file in the types of its source's contract: exactly, or null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `expression` as a value of `target`; null where there is none that is the same.
pub(super) fn converted(expression: Expr, target: &DataType) -> Expr {
    call(expression, target, Gives::Value)
}

/// Whether `expression` has a value of `target` that is the same, or is null itself.
pub(super) fn is_readable(expression: Expr, target: &DataType) -> Expr {
    call(expression, target, Gives::Readable)
}

fn call(expression: Expr, target: &DataType, gives: Gives) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    let function = Convert { target: target.clone(), gives, signature };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(function)), vec![expression]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Gives {
    Value,
    Readable,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Convert {
    target: DataType,
    gives: Gives,
    signature: Signature,
}

impl Convert {
    fn data_type(&self) -> DataType {
        match self.gives {
            Gives::Value => self.target.clone(),
            Gives::Readable => DataType::Boolean,
        }
    }

    fn apply(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let values = plain(values)?;
        let result = convert(&values, &self.target)?;
        Ok(match self.gives {
            Gives::Value => result,
            Gives::Readable => {
                let kept = (0..values.len()).map(|row| values.is_null(row) || result.is_valid(row));
                Arc::new(kept.map(Some).collect::<BooleanArray>())
            }
        })
    }
}

/// The values without a dictionary, text as plain text.
fn plain(values: &ArrayRef) -> Result<ArrayRef> {
    let plain = match values.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    let plain = if plain.is_string() { DataType::Utf8 } else { plain };
    cast(values, &plain)
}

fn cast(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let safe = CastOptions { safe: true, ..CastOptions::default() };
    Ok(cast_with_options(values, to, &safe)?)
}

/// The values in `target`, null where they would not come back as they were.
fn convert(values: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let from = values.data_type();
    if from == target {
        return Ok(Arc::clone(values));
    }
    if from.is_string() && target.is_numeric() {
        return Ok(parsed(values, target));
    }
    let result = cast(values, target)?;
    // Finer digits than the contract's of an instant are left out; all else must come back.
    let is_instant = matches!((from, target), (DataType::Timestamp(_, _), DataType::Timestamp(_, _)));
    if is_instant || from.is_string() || from.is_null() || target.is_string() {
        return Ok(result);
    }
    let back = cast(&result, from)?;
    let same = not_distinct(&back, values)?;
    let differs: BooleanArray = same.iter().map(|same| Some(same != Some(true))).collect();
    Ok(nullif(&result, &differs)?)
}

/// Numbers written as text, in plain notation.
fn parsed(values: &ArrayRef, target: &DataType) -> ArrayRef {
    let texts = values.as_string::<i32>().iter().map(|text| text.map(str::trim));
    match target {
        DataType::Decimal128(precision, scale) => {
            let numbers = texts.map(|text| text.and_then(|text| parse_decimal(text, *precision, *scale)));
            Arc::new(numbers.collect::<Decimal128Array>().with_data_type(target.clone()))
        }
        DataType::Float64 => {
            let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
            Arc::new(texts.map(|text| text.and_then(number)).collect::<Float64Array>())
        }
        _ => {
            let whole: ArrayRef =
                Arc::new(texts.map(|text| text.and_then(|text| text.parse().ok())).collect::<Int64Array>());
            cast(&whole, target).unwrap_or(whole)
        }
    }
}

fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let kept = usize::try_from(scale).ok()?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > kept {
        return None;
    }
    let unscaled: i128 = format!("0{whole}{fraction:0<kept$}").parse().ok()?;
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (unscaled < limit).then_some(if negative { -unscaled } else { unscaled })
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &'static str {
        match self.gives {
            Gives::Value => "read_as_contract",
            Gives::Readable => "is_readable",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), self.data_type(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(self.apply(values)?)),
            [ColumnarValue::Scalar(value)] => {
                let array = self.apply(&value.to_array_of_size(1)?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            _ => internal_err!("a conversion takes one argument"),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringArray, TimestampMillisecondArray};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "tests read better")]
    fn check(values: ArrayRef, target: &DataType, expected: &[Option<&str>]) {
        let result = cast(&convert(&values, target).expect("converted"), &DataType::Utf8).expect("text");
        let found: Vec<_> = result.as_string::<i32>().iter().collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_number_that_would_not_come_back_is_null() {
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![10.1, 10.125, f64::NAN, -0.07]));
        check(doubles, &DataType::Decimal128(18, 2), &[Some("10.10"), None, None, Some("-0.07")]);
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![1, 40_000]));
        check(whole, &DataType::Int16, &[Some("1"), None]);
        let amounts = Decimal128Array::from(vec![10_100, 10_125]).with_data_type(DataType::Decimal128(18, 3));
        check(Arc::new(amounts), &DataType::Decimal128(18, 2), &[Some("10.10"), None]);
    }

    #[test]
    fn a_day_is_read_from_its_midnight_and_from_text() {
        for zone in [None, Some("UTC")] {
            let instants =
                TimestampMillisecondArray::from(vec![86_400_000, 86_400_001]).with_timezone_opt(zone);
            check(Arc::new(instants), &DataType::Date32, &[Some("1970-01-02"), None]);
        }
        let texts = || -> ArrayRef { Arc::new(StringArray::from(vec!["2024-02-29", "2023-02-29", "soon"])) };
        check(texts(), &DataType::Date32, &[Some("2024-02-29"), None, None]);
        let instant = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["2024-02-29T08:00:00+02:00", "later"]));
        check(texts, &instant, &[Some("2024-02-29T06:00:00Z"), None]);
    }

    #[test]
    fn text_is_a_number_only_in_plain_notation() {
        let texts = || -> ArrayRef {
            Arc::new(StringArray::from(vec![
                Some("12"),
                Some(" 1.50 "),
                Some("1e3"),
                Some("n/a"),
                Some(""),
                None,
            ]))
        };
        check(texts(), &DataType::Decimal128(18, 2), &[Some("12.00"), Some("1.50"), None, None, None, None]);
        check(texts(), &DataType::Int64, &[Some("12"), None, None, None, None, None]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["1.005", "1.5000", "-.5", "99999"]));
        check(texts, &DataType::Decimal128(4, 2), &[None, Some("1.50"), Some("-0.50"), None]);
    }
}
