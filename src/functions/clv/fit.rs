//! `bgnbd_fit`, `mbgnbd_fit`, `pareto_nbd_fit`, `gamma_gamma_fit` and `sbg_fit`: aggregates that give a STRUCT.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema, UInt64Type};
use datafusion::common::{Result, ScalarValue, internal_err, not_impl_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, Documentation, ReversedUDAF, Signature, Volatility,
};

use super::arguments::{number, numbers};
use super::documentation;
use super::model::{LIVES, LIVES_PARAMETERS, Orders, SPEND, SPEND_PARAMETERS, fields, scalar};
use crate::functions::fault::wrong_argument;
use crate::functions::sql_type;
use crate::stats::{
    ContractLife, ContractLives, Fit, FitStatus, Histories, History, Impossible, Spend, SpendCounts,
    TimeUnit, fit_contract_lives, fit_gamma_spend,
};

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Orders(Orders),
    Spend,
    Lives,
}

impl Kind {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Orders(_) => &["frequency", "recency", "age"],
            Self::Spend => &["frequency", "mean_value"],
            Self::Lives => &["age", "ended"],
        }
    }
}

/// An aggregate that fits a model to a group of customers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ModelFit {
    kind: Kind,
    name: String,
    signature: Signature,
}

impl ModelFit {
    pub(super) fn orders(model: Orders) -> Self {
        Self {
            kind: Kind::Orders(model),
            name: format!("{}_fit", model.name()),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    pub(super) fn spend() -> Self {
        Self {
            kind: Kind::Spend,
            name: format!("{SPEND}_fit"),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    pub(super) fn lives() -> Self {
        Self {
            kind: Kind::Lives,
            name: format!("{LIVES}_fit"),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    fn unit(&self, args: &AccumulatorArgs) -> Result<TimeUnit> {
        let Some(unit) = args.exprs.get(self.kind.arguments().len()) else {
            return Ok(TimeUnit::Day);
        };
        let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(unit)))) = unit.evaluate(&empty) else {
            return Err(wrong_argument(
                &self.name,
                "the unit of time is no text that is the same for all rows",
            ));
        };
        TimeUnit::parse(&unit).map_err(|unknown| wrong_argument(&self.name, unknown.to_string()))
    }
}

impl AggregateUDFImpl for ModelFit {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(match self.kind {
            Kind::Orders(model) => fields(&model.parameters(), true),
            Kind::Spend => fields(&SPEND_PARAMETERS, false),
            Kind::Lives => fields(&LIVES_PARAMETERS, false),
        }))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let names = self.kind.arguments();
        let takes_unit = matches!(self.kind, Kind::Orders(_));
        let extra = arguments.len().checked_sub(names.len());
        if !(extra == Some(0) || (extra == Some(1) && takes_unit)) {
            let unit = if takes_unit { ", and a unit of time" } else { "" };
            return plan_err!("`{}` takes {}{unit}", self.name, names.join(", "));
        }
        let mut coerced = Vec::with_capacity(arguments.len());
        for (name, data_type) in names.iter().zip(arguments) {
            coerced.push(match (*name, data_type) {
                ("ended", DataType::Boolean | DataType::Null) => DataType::Boolean,
                ("ended", other) => {
                    return plan_err!(
                        "`{}` needs a condition for `ended`, not {}",
                        self.name,
                        sql_type(other)
                    );
                }
                _ => number(&self.name, name, data_type)?,
            });
        }
        if let Some(unit) = arguments.get(names.len()) {
            if !unit.is_string() {
                return plan_err!("`{}` needs the unit of time as a text such as 'day'", self.name);
            }
            coerced.push(DataType::Utf8);
        }
        Ok(coerced)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return not_impl_err!("`{}` of distinct rows: two customers may be alike", self.name);
        }
        let unit = match self.kind {
            Kind::Orders(_) => self.unit(&args)?,
            Kind::Spend | Kind::Lives => TimeUnit::Day,
        };
        Ok(Box::new(Counted::new(self.kind, &self.name, unit)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let state =
            |name, data_type| Arc::new(Field::new(format_state_name(args.name, name), data_type, true));
        let rows = DataType::new_list(DataType::Float64, true);
        Ok(vec![state("rows", rows), state("impossible", DataType::UInt64)])
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(&self.name)
    }
}

/// Numbers a row is kept as: its own, and how many there are like it.
const KEPT: usize = 4;

/// Distinct rows with their counts; doubles are told apart by their bits.
#[derive(Debug)]
struct Counted {
    kind: Kind,
    name: String,
    unit: TimeUnit,
    rows: HashMap<[u64; 3], u64>,
    /// Rows that no customer can have: one of them, and there is no fit.
    impossible: u64,
}

impl Counted {
    fn new(kind: Kind, name: &str, unit: TimeUnit) -> Self {
        Self { kind, name: name.to_owned(), unit, rows: HashMap::new(), impossible: 0 }
    }

    /// The numbers of a row that is possible and says something.
    fn checked(&self, [first, second, third]: [f64; 3]) -> Result<Option<[f64; 3]>, Impossible> {
        Ok(match self.kind {
            Kind::Orders(_) => Some(History::try_new(first, second, third)?.numbers()),
            Kind::Spend => Spend::try_new(first, second)?.map(|spend| {
                let [frequency, mean_value] = spend.numbers();
                [frequency, mean_value, 0.0]
            }),
            Kind::Lives => {
                let [age, ended] = ContractLife::try_new(first, second > 0.0)?.numbers();
                Some([age, ended, 0.0])
            }
        })
    }

    fn add(&mut self, row: [f64; 3], count: u64) {
        *self.rows.entry(row.map(f64::to_bits)).or_default() += count;
    }

    fn customers(&self) -> impl Iterator<Item = ([f64; 3], u64)> {
        self.rows.iter().map(|(bits, count)| (bits.map(f64::from_bits), *count))
    }

    /// Rows that were checked when they came, as `one` reads them.
    fn read<T>(&self, one: impl Fn([f64; 3]) -> Result<T, Impossible>) -> Result<Vec<(T, u64)>> {
        let read = |(row, count)| match one(row) {
            Ok(row) => Ok((row, count)),
            Err(cause) => internal_err!("`{}` kept an impossible row: {cause}", self.name),
        };
        self.customers().map(read).collect()
    }

    fn fit<const N: usize>(&self, fit: impl FnOnce(&Self) -> Result<Fit<N>>) -> Result<Fit<N>> {
        if self.impossible == 0 {
            return fit(self);
        }
        let customers = self.rows.values().sum::<u64>();
        #[expect(clippy::cast_precision_loss, reason = "customers are fewer than 2^53")]
        Ok(Fit::without(customers as f64, FitStatus::ImpossibleRow))
    }
}

impl Accumulator for Counted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let names = self.kind.arguments();
        let columns: Vec<ArrayRef> = values
            .iter()
            .take(names.len())
            .map(|column| cast(column, &DataType::Float64))
            .collect::<Result<_, _>>()?;
        let columns: Vec<_> = columns.iter().map(numbers).collect();
        let (Some(first), Some(second)) = (columns.first(), columns.get(1)) else {
            return internal_err!("`{}` was not coerced", self.name);
        };
        for row in 0..first.len() {
            // Whoever has no repeat orders has no mean value of them: that null says so already.
            if columns.iter().any(|column| column.is_null(row)) {
                continue;
            }
            let third = columns.get(2).map_or(0.0, |column| column.value(row));
            match self.checked([first.value(row), second.value(row), third]) {
                Ok(Some(checked)) => self.add(checked, 1),
                Ok(None) => {}
                Err(_) => self.impossible += 1,
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.kind {
            Kind::Orders(model) => {
                let found = self.fit(|counted| {
                    let one = |[frequency, recency, age]: [f64; 3]| History::try_new(frequency, recency, age);
                    Ok(model.fit(&Histories::new(counted.read(one)?)))
                })?;
                scalar(model.name(), Some(self.unit), model.parameters(), &found)
            }
            Kind::Spend => {
                let found = self.fit(|counted| {
                    let rows = counted.read(|[frequency, mean, _]| Spend::try_new(frequency, mean))?;
                    let with_orders = rows.into_iter().filter_map(|(spend, count)| Some((spend?, count)));
                    Ok(fit_gamma_spend(&SpendCounts::new(with_orders)))
                })?;
                scalar(SPEND, None, SPEND_PARAMETERS, &found)
            }
            Kind::Lives => {
                let found = self.fit(|counted| {
                    let rows = counted.read(|[age, ended, _]| ContractLife::try_new(age, ended > 0.0))?;
                    Ok(fit_contract_lives(&ContractLives::new(rows)))
                })?;
                scalar(LIVES, None, LIVES_PARAMETERS, &found)
            }
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        #[expect(clippy::cast_precision_loss, reason = "customers are fewer than 2^53")]
        let kept = self.customers().flat_map(|([a, b, c], count)| [a, b, c, count as f64]);
        let kept: Vec<_> = kept.map(ScalarValue::from).collect();
        let rows = ScalarValue::List(ScalarValue::new_list(&kept, &DataType::Float64, true));
        Ok(vec![rows, ScalarValue::from(self.impossible)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.impossible += states[1].as_primitive::<UInt64Type>().iter().flatten().sum::<u64>();
        for rows in states[0].as_list::<i32>().iter().flatten() {
            for row in rows.as_primitive::<Float64Type>().values().chunks_exact(KEPT) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "it was a count"
                )]
                self.add([row[0], row[1], row[2]], row[3] as u64);
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.name.capacity() + self.rows.capacity() * (KEPT * size_of::<u64>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Float64Array;

    use super::*;

    fn columns(rows: &[[f64; 3]]) -> Vec<ArrayRef> {
        let column =
            |at: usize| Arc::new(rows.iter().map(|row| row[at]).collect::<Float64Array>()) as ArrayRef;
        vec![column(0), column(1), column(2)]
    }

    fn empty() -> Counted {
        Counted::new(Kind::Orders(Orders::Mbgnbd), "mbgnbd_fit", TimeUnit::Day)
    }

    fn rows() -> Vec<[f64; 3]> {
        let row = |n: u32| {
            let (x, age) = (f64::from(n * n % 5), f64::from(40 + n * 7 % 60));
            [x, if x > 0.0 { age * f64::from(n % 9 + 1) / 10.0 } else { -0.0 }, age]
        };
        (0..300).map(row).collect()
    }

    #[test]
    fn parts_in_any_order_give_the_same_bits() {
        let all = rows();
        let mut whole = empty();
        whole.update_batch(&columns(&all)).expect("possible");
        let expected = whole.evaluate().expect("a fit");
        let mut merged = empty();
        for part in all.chunks(70).rev() {
            let mut stream = empty();
            stream.update_batch(&columns(part)).expect("possible");
            let state = stream.state().expect("a state");
            let state: Vec<ArrayRef> = state.iter().map(|it| it.to_array().expect("an array")).collect();
            merged.merge_batch(&state).expect("merged");
        }
        assert_eq!(merged.rows, whole.rows);
        assert_eq!(merged.evaluate().expect("a fit"), expected);
        assert!(whole.size() > whole.rows.len() * 32);
    }

    #[test]
    fn an_impossible_row_is_told_whichever_part_it_was_in() {
        let mut bad = empty();
        bad.update_batch(&columns(&[[1.0, f64::NAN, 2.0]])).expect("counted");
        let state = bad.state().expect("a state");
        let state: Vec<ArrayRef> = state.iter().map(|it| it.to_array().expect("an array")).collect();
        let mut merged = empty();
        merged.update_batch(&columns(&rows())).expect("possible");
        merged.merge_batch(&state).expect("merged");
        let ScalarValue::Struct(fit) = merged.evaluate().expect("an answer") else {
            unreachable!("a struct")
        };
        let status = fit.column_by_name("status").expect("a field").as_string::<i32>().value(0);
        assert_eq!(status, "impossible_row");
        assert!(!fit.column_by_name("converged").expect("a field").as_boolean().value(0));
    }
}
