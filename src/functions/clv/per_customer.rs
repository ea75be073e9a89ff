//! What a fit says about one customer: `…_alive`, `…_expected_orders`, `gamma_gamma_expected_value`, `discounted_clv`,
//! how certain these are, and about one contract: `sbg_survival`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arguments::{number, numbers};
use super::documentation;
use super::fitted::{Fits, Places, Wanted};
use super::model::{
    Fitted, LIVES, LIVES_PARAMETERS, Orders, SPEND, SPEND_PARAMETERS, correlation_field, error_field, pairs,
};
use crate::functions::fault::impossible;
use crate::stats::{
    ExpectedOrders, GammaSpend, History, MONTHS_AT_MOST, ShiftedBetaGeometric, Spend, TimeUnit,
    discounted_orders,
};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Alive(Orders),
    ExpectedOrders(Orders),
    ResidualOrders,
    ExpectedValue,
    ExpectedValueError,
    DiscountedClv,
    DiscountedClvError,
    Survival,
}

impl Asked {
    pub(super) const ALL: [Self; 12] = [
        Self::Alive(Orders::Bgnbd),
        Self::Alive(Orders::Mbgnbd),
        Self::Alive(Orders::Pareto),
        Self::ExpectedOrders(Orders::Bgnbd),
        Self::ExpectedOrders(Orders::Mbgnbd),
        Self::ExpectedOrders(Orders::Pareto),
        Self::ResidualOrders,
        Self::ExpectedValue,
        Self::ExpectedValueError,
        Self::DiscountedClv,
        Self::DiscountedClvError,
        Self::Survival,
    ];

    fn name(self) -> String {
        match self {
            Self::Alive(model) => format!("{}_alive", model.name()),
            Self::ExpectedOrders(model) => format!("{}_expected_orders", model.name()),
            Self::ResidualOrders => format!("{}_residual_orders", Orders::Pareto.name()),
            Self::ExpectedValue => format!("{SPEND}_expected_value"),
            Self::ExpectedValueError => format!("{SPEND}_expected_value_se"),
            Self::DiscountedClv => "discounted_clv".to_owned(),
            Self::DiscountedClvError => "discounted_clv_se".to_owned(),
            Self::Survival => format!("{LIVES}_survival"),
        }
    }

    /// The arguments behind the fit.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Alive(_) => &["frequency", "recency", "age"],
            Self::ExpectedOrders(_) => &["frequency", "recency", "age", "horizon"],
            Self::ResidualOrders => &["frequency", "recency", "age", "annual_rate"],
            Self::ExpectedValue | Self::ExpectedValueError => &["frequency", "mean_value"],
            Self::DiscountedClv | Self::DiscountedClvError => {
                &["frequency", "recency", "age", "expected_value", "months", "annual_rate"]
            }
            Self::Survival => &["periods"],
        }
    }

    /// The texts read of the fit.
    const fn texts(self) -> &'static [&'static str] {
        match self {
            Self::DiscountedClv | Self::DiscountedClvError => &["unit", "model"],
            Self::ResidualOrders => &["unit"],
            _ => &[],
        }
    }

    /// The numbers read of the fit. Which model a row has is known late, so of `given` all that may be meant.
    fn numbers(self, given: &DataType) -> Vec<String> {
        let is_error = matches!(self, Self::ExpectedValueError | Self::DiscountedClvError);
        let has = |name: &&str| matches!(given, DataType::Struct(fields) if fields.find(name).is_some());
        match self {
            Self::Alive(model) | Self::ExpectedOrders(model) => of_model(model.parameters(), is_error),
            Self::ResidualOrders => of_model(Orders::Pareto.parameters(), is_error),
            Self::ExpectedValue | Self::ExpectedValueError => of_model(SPEND_PARAMETERS, is_error),
            Self::Survival => of_model(LIVES_PARAMETERS, is_error),
            Self::DiscountedClv | Self::DiscountedClvError => {
                let meant = Orders::ALL.into_iter().filter(|model| model.parameters().iter().all(has));
                let mut all: Vec<_> =
                    meant.flat_map(|model| of_model(model.parameters(), is_error)).collect();
                if all.is_empty() {
                    all = of_model(Orders::Bgnbd.parameters(), is_error);
                }
                all.sort_unstable();
                all.dedup();
                all
            }
        }
    }
}

/// The fields of a model's parameters, with those of how certain they are if asked for.
fn of_model<const N: usize>(parameters: [&str; N], is_error: bool) -> Vec<String> {
    let mut names: Vec<String> = parameters.iter().map(|name| (*name).to_owned()).collect();
    if is_error {
        names.extend(parameters.iter().map(|name| error_field(name)));
        names.extend(
            pairs::<N>().map(|(first, second)| correlation_field(parameters[first], parameters[second])),
        );
    }
    names
}

/// The fits of a batch, and where each model's parameters are in them.
struct Batch {
    fits: Fits,
    orders: [Option<Places<4>>; 3],
    spend: Option<Places<3>>,
    lives: Option<Places<2>>,
}

impl Batch {
    fn new(fits: Fits) -> Self {
        let orders = Orders::ALL.map(|model| fits.places(model.parameters()));
        let (spend, lives) = (fits.places(SPEND_PARAMETERS), fits.places(LIVES_PARAMETERS));
        Self { fits, orders, spend, lives }
    }

    fn places(&self, model: Orders) -> Option<&Places<4>> {
        self.orders[model.place()].as_ref()
    }

    fn model(&self, row: usize, model: Orders) -> Result<Option<Fitted>> {
        let Some(places) = self.places(model) else { return Ok(None) };
        Ok(self.fits.parameters(row, places)?.map(|parameters| model.with(parameters)))
    }
}

/// A scalar function of a fit and a customer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PerCustomer {
    asked: Asked,
    name: String,
    signature: Signature,
}

/// A customer's row: what a sum of discounted months is of.
struct Discounted {
    customer: History,
    value: f64,
    months: u32,
    rate: f64,
    unit: TimeUnit,
    model: Orders,
}

impl PerCustomer {
    pub(super) fn new(asked: Asked) -> Self {
        Self { asked, name: asked.name(), signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn fault(&self, what: impl Into<String>) -> DataFusionError {
        impossible(&self.name, what)
    }

    fn answer(&self, batch: &Batch, at: usize, row: &[Option<f64>]) -> Result<Option<f64>> {
        match self.asked {
            Asked::Alive(model) => {
                let (Some(customer), Some(model)) = (customer(row), batch.model(at, model)?) else {
                    return Ok(None);
                };
                Ok(Some(model.alive(&customer)))
            }
            Asked::ExpectedOrders(model) => {
                let Some(horizon) = row[3] else { return Ok(None) };
                if !horizon.is_finite() || horizon < 0.0 {
                    return Err(self.fault("horizon is negative, NaN or infinite"));
                }
                let (Some(customer), Some(model)) = (customer(row), batch.model(at, model)?) else {
                    return Ok(None);
                };
                Ok(Some(model.expected_orders(&customer, horizon)))
            }
            Asked::ResidualOrders => self.residual_orders(batch, at, row),
            Asked::ExpectedValue | Asked::ExpectedValueError => self.expected_value(batch, at, row),
            Asked::DiscountedClv | Asked::DiscountedClvError => self.discounted_clv(batch, at, row),
            Asked::Survival => {
                let (Some(periods), Some(places)) = (row[0], &batch.lives) else { return Ok(None) };
                if !(periods.is_finite() && periods >= 0.0 && periods.fract() == 0.0) {
                    return Err(self.fault("periods is no whole number from 0 on"));
                }
                let fitted = batch.fits.parameters(at, places)?;
                Ok(fitted.map(|[a, b]| ShiftedBetaGeometric { a, b }.survival(periods)))
            }
        }
    }

    fn residual_orders(&self, batch: &Batch, at: usize, row: &[Option<f64>]) -> Result<Option<f64>> {
        let Some(rate) = self.rate(row[3])? else { return Ok(None) };
        let (Some(customer), Some(unit)) = (customer(row), self.unit(&batch.fits, at)?) else {
            return Ok(None);
        };
        let Some(Fitted::Pareto(model)) = batch.model(at, Orders::Pareto)? else { return Ok(None) };
        Ok(model.discounted_for_ever(&customer, rate.ln_1p() / unit.a_year()))
    }

    fn expected_value(&self, batch: &Batch, at: usize, row: &[Option<f64>]) -> Result<Option<f64>> {
        // The mean value of no orders is not asked for: it may be null.
        let spend = match (row[0], row[1]) {
            (None, _) => return Ok(None),
            (Some(frequency), None) if frequency > 0.0 => return Ok(None),
            (Some(frequency), value) => Spend::try_new(frequency, value.unwrap_or(0.0)),
        };
        let (Ok(spend), Some(places)) = (spend, &batch.spend) else { return Ok(None) };
        let value = |[p, q, gamma]: [f64; 3]| GammaSpend { p, q, gamma }.expected_value(spend.as_ref());
        if self.asked == Asked::ExpectedValue {
            return Ok(batch.fits.parameters(at, places)?.and_then(value));
        }
        let Some(known) = batch.fits.uncertain(at, places)? else { return Ok(None) };
        let error = known.error_of(|parameters| value(*parameters).unwrap_or(f64::INFINITY));
        Ok(Some(error).filter(|error| error.is_finite()))
    }

    fn discounted_clv(&self, batch: &Batch, at: usize, row: &[Option<f64>]) -> Result<Option<f64>> {
        let Some(asked) = self.discounted(batch, at, row)? else { return Ok(None) };
        let Some(places) = batch.places(asked.model) else {
            return Err(self.fault("the fit has not the parameters of its model"));
        };
        let value = |parameters: [f64; 4]| {
            let Discounted { customer, value, months, rate, unit, model } = &asked;
            value * discounted_orders(&model.with(parameters), customer, *unit, *months, *rate)
        };
        if self.asked == Asked::DiscountedClv {
            return Ok(batch.fits.parameters(at, places)?.map(value));
        }
        let known = batch.fits.uncertain(at, places)?;
        Ok(known.map(|known| known.error_of(|parameters| value(*parameters))))
    }

    fn discounted(&self, batch: &Batch, at: usize, row: &[Option<f64>]) -> Result<Option<Discounted>> {
        let [value, months, rate] = row[3..] else { return Ok(None) };
        let (Some(months), Some(rate)) = (months, self.rate(rate)?) else { return Ok(None) };
        if months.fract() != 0.0 || !(0.0..=f64::from(MONTHS_AT_MOST)).contains(&months) {
            return Err(self.fault(format!("months is no whole number from 0 to {MONTHS_AT_MOST}")));
        }
        let value = value.filter(|value| value.is_finite());
        let (Some(customer), Some(value)) = (customer(row), value) else { return Ok(None) };
        let (Some(unit), Some(model)) = (self.unit(&batch.fits, at)?, batch.fits.text(at, 1)) else {
            return Ok(None);
        };
        let Some(model) = Orders::ALL.into_iter().find(|known| known.name() == model) else {
            return Err(self.fault("the fit's model is not 'bgnbd', 'mbgnbd' or 'pareto_nbd'"));
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        let months = months as u32;
        Ok(Some(Discounted { customer, value, months, rate, unit, model }))
    }

    fn rate(&self, rate: Option<f64>) -> Result<Option<f64>> {
        match rate {
            Some(rate) if !rate.is_finite() || rate <= -1.0 => {
                Err(self.fault("annual_rate is NaN, infinite or not above -1"))
            }
            rate => Ok(rate),
        }
    }

    fn unit(&self, fits: &Fits, row: usize) -> Result<Option<TimeUnit>> {
        let Some(unit) = fits.text(row, 0) else { return Ok(None) };
        TimeUnit::parse(unit).map(Some).map_err(|unknown| self.fault(unknown.to_string()))
    }
}

/// The customer of a row; none where a number is missing or none that a customer can have.
fn customer(row: &[Option<f64>]) -> Option<History> {
    let [Some(frequency), Some(recency), Some(age), ..] = *row else { return None };
    History::try_new(frequency, recency, age).ok()
}

impl ScalarUDFImpl for PerCustomer {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let names = self.asked.arguments();
        let [fit, rest @ ..] = arguments else {
            return plan_err!("`{}` takes a fit, {}", self.name, names.join(", "));
        };
        if rest.len() != names.len() {
            return plan_err!("`{}` takes a fit, {}", self.name, names.join(", "));
        }
        let numbers = self.asked.numbers(fit);
        Wanted { function: &self.name, numbers: &numbers, texts: self.asked.texts() }.check(fit)?;
        let mut coerced = vec![fit.clone()];
        for (name, data_type) in names.iter().zip(rest) {
            coerced.push(number(&self.name, name, data_type)?);
        }
        Ok(coerced)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [fit, rest @ ..] = args.args.as_slice() else {
            return exec_err!("`{}` takes a fit first", self.name);
        };
        let is_scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let wanted = self.asked.numbers(&fit.data_type());
        let wanted = Wanted { function: &self.name, numbers: &wanted, texts: self.asked.texts() };
        let batch = Batch::new(Fits::try_new(&wanted, fit)?);
        let columns: Vec<ArrayRef> =
            rest.iter().map(|value| value.to_array(args.number_rows)).collect::<Result<_>>()?;
        let columns: Vec<&Float64Array> = columns.iter().map(numbers).collect();
        let mut row = vec![None; columns.len()];
        let mut answers = Vec::with_capacity(args.number_rows);
        for at in 0..args.number_rows {
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column.is_valid(at).then(|| column.value(at));
            }
            answers.push(self.answer(&batch, at, &row)?);
        }
        let answers = Float64Array::from(answers);
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        documentation::of(&self.name)
    }
}
