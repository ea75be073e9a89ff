//! `sum` and `avg` of integers and decimals for many groups at once.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, Int64Array, PrimitiveArray,
};
use arrow::compute::and;
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Int64Type};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::finish::Finish;
use super::total::Kind;

/// Exact totals of groups: 128-bit sums, so that 64-bit values can never wrap underway.
#[derive(Debug)]
pub(super) struct GroupTotals {
    sums: Vec<i128>,
    counts: Vec<i64>,
    scale: i8,
    finish: Finish,
}

impl GroupTotals {
    pub(super) fn try_new(kind: Kind, argument: &DataType, returned: &DataType) -> Result<Self> {
        let scale = match argument {
            DataType::Int64 => 0,
            DataType::Decimal128(_, scale) => *scale,
            other => return internal_err!("`{}` was not coerced: {other}", kind.name()),
        };
        Ok(Self { sums: Vec::new(), counts: Vec::new(), scale, finish: Finish::try_new(kind, returned)? })
    }

    fn add<T>(&mut self, values: &PrimitiveArray<T>, groups: &[usize]) -> Result<()>
    where
        T: ArrowPrimitiveType,
        T::Native: Into<i128>,
    {
        let mut wrapped = false;
        let (sums, counts) = (&mut self.sums, &mut self.counts);
        let mut add = |group: usize, value: T::Native| {
            let (sum, over) = sums[group].overflowing_add(value.into());
            sums[group] = sum;
            counts[group] += 1;
            wrapped |= over;
        };
        if values.null_count() == 0 {
            groups.iter().zip(values.values()).for_each(|(group, value)| add(*group, *value));
        } else {
            let present = groups.iter().zip(values.iter());
            present.for_each(|(group, value)| {
                if let Some(value) = value {
                    add(*group, value);
                }
            });
        }
        if wrapped { Err(self.finish.overflow()) } else { Ok(()) }
    }

    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, 0);
        self.counts.resize(groups, 0);
    }

    fn state_arrays(&self, sums: Vec<i128>, counts: Vec<i64>) -> Vec<ArrayRef> {
        let data_type = DataType::Decimal128(DECIMAL128_MAX_PRECISION, self.scale);
        let sums = Decimal128Array::new(sums.into(), None).with_data_type(data_type);
        vec![Arc::new(sums), Arc::new(Int64Array::new(counts.into(), None))]
    }
}

/// `values` with nulls where `filter` is not true.
fn filtered(values: &ArrayRef, filter: Option<&BooleanArray>) -> Result<ArrayRef> {
    let Some(filter) = filter else {
        return Ok(Arc::clone(values));
    };
    let kept = filter.iter().map(|keep| Some(keep == Some(true))).collect::<BooleanArray>();
    let present = arrow::compute::is_not_null(values)?;
    let dropped = arrow::compute::not(&and(&kept, &present)?)?;
    Ok(arrow::compute::nullif(values, &dropped)?)
}

impl GroupsAccumulator for GroupTotals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let values = filtered(&values[0], opt_filter)?;
        match values.data_type() {
            DataType::Int64 => self.add(values.as_primitive::<Int64Type>(), group_indices),
            _ => self.add(values.as_primitive::<Decimal128Type>(), group_indices),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        self.finish.array(&sums, &counts)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        Ok(self.state_arrays(sums, counts))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let sums = values[0].as_primitive::<Decimal128Type>();
        let counts = values[1].as_primitive::<Int64Type>();
        for ((group, sum), count) in group_indices.iter().zip(sums.iter()).zip(counts.iter()) {
            let added = self.sums[*group].checked_add(sum.unwrap_or(0));
            self.sums[*group] = added.ok_or_else(|| self.finish.overflow())?;
            self.counts[*group] += count.unwrap_or(0);
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = filtered(&values[0], opt_filter)?;
        let counts = (0..values.len()).map(|row| i64::from(values.is_valid(row))).collect();
        let sums = match values.data_type() {
            DataType::Int64 => values
                .as_primitive::<Int64Type>()
                .iter()
                .map(|value| i128::from(value.unwrap_or(0)))
                .collect(),
            _ => values.as_primitive::<Decimal128Type>().iter().map(|value| value.unwrap_or(0)).collect(),
        };
        Ok(self.state_arrays(sums, counts))
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.capacity() * size_of::<i64>()
    }
}
