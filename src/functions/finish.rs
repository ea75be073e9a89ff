//! The last step of `sum` and `avg`: from an exact total to the type that was promised.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, DecimalType};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};

use super::fault::overflow;
use super::total::Kind;

/// What an average's digits are shifted by: it has four more than its argument.
const AVERAGE_FACTOR: i128 = 10_000;

/// Turns an exact total and a count into the result, checked.
#[derive(Debug, Clone)]
pub(super) struct Finish {
    kind: Kind,
    returned: DataType,
}

impl Finish {
    pub(super) fn try_new(kind: Kind, returned: &DataType) -> Result<Self> {
        match returned {
            DataType::Int64 | DataType::Float64 | DataType::Decimal128(_, _) => {
                Ok(Self { kind, returned: returned.clone() })
            }
            other => internal_err!("`{}` cannot return {other}", kind.name()),
        }
    }

    pub(super) const fn data_type(&self) -> &DataType {
        &self.returned
    }

    pub(super) fn overflow(&self) -> DataFusionError {
        overflow(self.kind.name(), super::sql_type(&self.returned))
    }

    /// The result of one group with at least one row.
    pub(super) fn scalar(&self, sum: i128, count: i64) -> Result<ScalarValue> {
        Ok(match self.returned {
            DataType::Int64 => ScalarValue::Int64(Some(self.integer(sum)?)),
            DataType::Decimal128(precision, scale) => {
                ScalarValue::Decimal128(Some(self.decimal(sum, count, precision)?), precision, scale)
            }
            _ => ScalarValue::Float64(Some(Self::quotient(sum, count))),
        })
    }

    /// The results of many groups; a group without rows is null.
    pub(super) fn array(&self, sums: &[i128], counts: &[i64]) -> Result<ArrayRef> {
        let groups = || sums.iter().zip(counts);
        Ok(match self.returned {
            DataType::Int64 => {
                let results =
                    groups().map(|(sum, count)| (*count > 0).then(|| self.integer(*sum)).transpose());
                Arc::new(results.collect::<Result<Int64Array>>()?)
            }
            DataType::Decimal128(precision, _) => {
                let result = |(sum, count): (&i128, &i64)| {
                    (*count > 0).then(|| self.decimal(*sum, *count, precision)).transpose()
                };
                let results: Decimal128Array = groups().map(result).collect::<Result<_>>()?;
                Arc::new(results.with_data_type(self.returned.clone()))
            }
            _ => {
                let result = |(sum, count): (&i128, &i64)| (*count > 0).then(|| Self::quotient(*sum, *count));
                Arc::new(groups().map(result).collect::<Float64Array>())
            }
        })
    }

    /// The result of an exact float total.
    #[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^53")]
    pub(super) fn float(&self, sum: f64, count: i64) -> f64 {
        match self.kind {
            Kind::Sum => sum,
            Kind::Average => sum / count as f64,
        }
    }

    fn integer(&self, sum: i128) -> Result<i64> {
        i64::try_from(sum).map_err(|_| self.overflow())
    }

    #[expect(clippy::cast_precision_loss, reason = "the average of integers is a double")]
    fn quotient(sum: i128, count: i64) -> f64 {
        sum as f64 / count as f64
    }

    fn decimal(&self, sum: i128, count: i64, precision: u8) -> Result<i128> {
        let value = match self.kind {
            Kind::Sum => Some(sum),
            Kind::Average => average(sum, i128::from(count)),
        };
        let fits = |value: &i128| Decimal128Type::is_valid_decimal_precision(*value, precision);
        value.filter(fits).ok_or_else(|| self.overflow())
    }
}

/// `sum * 10^4 / count`, rounded half away from zero, without an intermediate that is too large.
fn average(sum: i128, count: i128) -> Option<i128> {
    let whole = (sum / count).checked_mul(AVERAGE_FACTOR)?;
    let rest = (sum % count).checked_mul(AVERAGE_FACTOR)?;
    let (quotient, left) = (rest / count, rest % count);
    let away = if left.unsigned_abs() * 2 >= count.unsigned_abs() { left.signum() } else { 0 };
    whole.checked_add(quotient)?.checked_add(away)
}

#[cfg(test)]
mod tests {
    use super::average;

    #[test]
    fn averages_round_half_away_from_zero() {
        // 1.00 / 3 = 0.333333…, two digits become six; 2.00 / 3 = 0.666667.
        assert_eq!(average(100, 3), Some(333_333));
        assert_eq!(average(200, 3), Some(666_667));
        assert_eq!(average(-200, 3), Some(-666_667));
        // 1 / 20000 at four digits is 0.00005: half, away from zero.
        assert_eq!(average(1, 20_000), Some(1));
        assert_eq!(average(-1, 20_000), Some(-1));
    }

    #[test]
    fn a_quotient_beyond_128_bits_is_none() {
        assert_eq!(average(i128::MAX, 1), None);
        assert!(average(i128::MAX, 100_000).is_some());
    }
}
