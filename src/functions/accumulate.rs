//! Accumulators of `sum` and `avg` for one group: plain, sliding and distinct.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;

use super::exact::ExactSum;
use super::fault::overflow;
use super::finish::Finish;
use super::total::Kind;

/// The whole numbers of an integer or decimal column, unscaled, without the nulls.
pub(super) fn for_each_whole(values: &ArrayRef, mut each: impl FnMut(i128)) -> Result<()> {
    match values.data_type() {
        DataType::Int64 => {
            values.as_primitive::<Int64Type>().iter().flatten().for_each(|value| each(i128::from(value)));
        }
        DataType::Decimal128(_, _) => values.as_primitive::<Decimal128Type>().iter().flatten().for_each(each),
        other => return internal_err!("`sum` and `avg` were not coerced: {other}"),
    }
    Ok(())
}

#[derive(Debug)]
enum Sum {
    Whole { sum: i128, scale: i8 },
    Float(ExactSum),
}

/// The total of one group; also of a sliding frame, for it can take rows away.
#[derive(Debug)]
pub(super) struct RunningTotal {
    sum: Sum,
    count: i64,
    finish: Finish,
}

impl RunningTotal {
    pub(super) fn try_new(kind: Kind, argument: &DataType, returned: &DataType) -> Result<Self> {
        let sum = match argument {
            DataType::Float64 => Sum::Float(ExactSum::default()),
            DataType::Int64 => Sum::Whole { sum: 0, scale: 0 },
            DataType::Decimal128(_, scale) => Sum::Whole { sum: 0, scale: *scale },
            other => return internal_err!("`{}` was not coerced: {other}", kind.name()),
        };
        Ok(Self { sum, count: 0, finish: Finish::try_new(kind, returned)? })
    }

    fn change(&mut self, values: &ArrayRef, sign: i64) -> Result<()> {
        let rows = values.len() - values.null_count();
        self.count += sign * i64::try_from(rows).unwrap_or(i64::MAX);
        match &mut self.sum {
            Sum::Whole { sum, .. } => {
                let mut wrapped = false;
                for_each_whole(values, |value| {
                    let (next, over) = sum.overflowing_add(i128::from(sign) * value);
                    *sum = next;
                    wrapped |= over;
                })?;
                if wrapped { Err(self.finish.overflow()) } else { Ok(()) }
            }
            Sum::Float(sum) => {
                let numbers = values.as_primitive::<Float64Type>().iter().flatten();
                numbers.for_each(|number| if sign < 0 { sum.subtract(number) } else { sum.add(number) });
                Ok(())
            }
        }
    }
}

impl Accumulator for RunningTotal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(&values[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.change(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(self.finish.data_type());
        }
        match &self.sum {
            Sum::Whole { sum, .. } => self.finish.scalar(*sum, self.count),
            Sum::Float(sum) => Ok(ScalarValue::Float64(Some(self.finish.float(sum.value(), self.count)))),
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = match &self.sum {
            Sum::Whole { sum, scale } => {
                ScalarValue::Decimal128((self.count > 0).then_some(*sum), DECIMAL128_MAX_PRECISION, *scale)
            }
            Sum::Float(sum) => {
                let parts: Vec<_> = sum.to_parts().into_iter().map(ScalarValue::from).collect();
                ScalarValue::List(ScalarValue::new_list(&parts, &DataType::Float64, true))
            }
        };
        Ok(vec![sum, ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.count += states[1].as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        match &mut self.sum {
            Sum::Whole { sum, .. } => {
                for part in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
                    *sum = sum.checked_add(part).ok_or_else(|| self.finish.overflow())?;
                }
            }
            Sum::Float(sum) => {
                for parts in states[0].as_list::<i32>().iter().flatten() {
                    parts.as_primitive::<Float64Type>().iter().flatten().for_each(|part| sum.add(part));
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let heap = match &self.sum {
            Sum::Whole { .. } => 0,
            Sum::Float(sum) => sum.heap(),
        };
        size_of_val(self) + heap
    }
}

/// The total of the different values of one group; doubles are told apart by their bits.
#[derive(Debug)]
pub(super) struct DistinctTotal {
    kind: Kind,
    argument: DataType,
    returned: DataType,
    whole: BTreeSet<i128>,
    floats: BTreeSet<u64>,
}

impl DistinctTotal {
    pub(super) fn new(kind: Kind, argument: &DataType, returned: &DataType) -> Self {
        Self {
            kind,
            argument: argument.clone(),
            returned: returned.clone(),
            whole: BTreeSet::new(),
            floats: BTreeSet::new(),
        }
    }

    fn keep(&mut self, values: &ArrayRef) -> Result<()> {
        if let DataType::Float64 = values.data_type() {
            let numbers = values.as_primitive::<Float64Type>().iter().flatten();
            // Zero has two signs and one value.
            self.floats.extend(numbers.map(|number| (number + 0.0).to_bits()));
            return Ok(());
        }
        for_each_whole(values, |value| {
            self.whole.insert(value);
        })
    }
}

impl Accumulator for DistinctTotal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.keep(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = RunningTotal::try_new(self.kind, &self.argument, &self.returned)?;
        match &mut total.sum {
            Sum::Float(sum) => self.floats.iter().for_each(|bits| sum.add(f64::from_bits(*bits))),
            Sum::Whole { sum, .. } => {
                for value in &self.whole {
                    *sum = sum.checked_add(*value).ok_or_else(|| overflow(self.kind.name(), "DECIMAL"))?;
                }
            }
        }
        total.count = i64::try_from(self.floats.len() + self.whole.len()).unwrap_or(i64::MAX);
        total.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = match &self.argument {
            DataType::Float64 => {
                let numbers: Vec<_> =
                    self.floats.iter().map(|bits| ScalarValue::from(f64::from_bits(*bits))).collect();
                ScalarValue::new_list(&numbers, &DataType::Float64, true)
            }
            argument => {
                let scale = match argument {
                    DataType::Decimal128(_, scale) => *scale,
                    _ => 0,
                };
                let whole =
                    |value: &i128| ScalarValue::Decimal128(Some(*value), DECIMAL128_MAX_PRECISION, scale);
                let values: Vec<_> = self.whole.iter().map(whole).collect();
                ScalarValue::new_list(&values, &DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale), true)
            }
        };
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for seen in states[0].as_list::<i32>().iter().flatten() {
            self.keep(&seen)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self.whole.len() * 2 * size_of::<i128>()
            + self.floats.len() * 2 * size_of::<u64>()
    }
}
