//! What a fit says about one customer: `…_alive`, `…_expected_orders`, `gamma_gamma_expected_value`, `discounted_clv`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arguments::{number, numbers};
use super::documentation;
use super::fitted::{Fits, Wanted};
use super::model::{Fitted, Orders, SPEND, SPEND_PARAMETERS};
use crate::functions::fault::impossible;
use crate::stats::{ExpectedOrders, GammaSpend, History, MONTHS_AT_MOST, Spend, TimeUnit, discounted_orders};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Alive(Orders),
    ExpectedOrders(Orders),
    ExpectedValue,
    DiscountedClv,
}

impl Asked {
    pub(super) const ALL: [Self; 8] = [
        Self::Alive(Orders::Bgnbd),
        Self::Alive(Orders::Mbgnbd),
        Self::Alive(Orders::Pareto),
        Self::ExpectedOrders(Orders::Bgnbd),
        Self::ExpectedOrders(Orders::Mbgnbd),
        Self::ExpectedOrders(Orders::Pareto),
        Self::ExpectedValue,
        Self::DiscountedClv,
    ];

    fn name(self) -> String {
        match self {
            Self::Alive(model) => format!("{}_alive", model.name()),
            Self::ExpectedOrders(model) => format!("{}_expected_orders", model.name()),
            Self::ExpectedValue => format!("{SPEND}_expected_value"),
            Self::DiscountedClv => "discounted_clv".to_owned(),
        }
    }

    /// The arguments behind the fit.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Alive(_) => &["frequency", "recency", "age"],
            Self::ExpectedOrders(_) => &["frequency", "recency", "age", "horizon"],
            Self::ExpectedValue => &["frequency", "mean_value"],
            Self::DiscountedClv => {
                &["frequency", "recency", "age", "expected_value", "months", "annual_rate"]
            }
        }
    }
}

/// A scalar function of a fit and a customer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PerCustomer {
    asked: Asked,
    name: String,
    signature: Signature,
}

impl PerCustomer {
    pub(super) fn new(asked: Asked) -> Self {
        Self { asked, name: asked.name(), signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// What is read of the fit; the parameters of a model that only a row names are found in `given`.
    fn wanted<'a>(&'a self, parameters: &'a [&'a str]) -> Wanted<'a> {
        let texts: &[&str] = if self.asked == Asked::DiscountedClv { &["model", "unit"] } else { &[] };
        Wanted { function: &self.name, numbers: parameters, texts }
    }

    fn parameters(&self, given: &DataType) -> &'static [&'static str] {
        match self.asked {
            Asked::Alive(Orders::Pareto) | Asked::ExpectedOrders(Orders::Pareto) => {
                &["r", "alpha", "s", "beta"]
            }
            Asked::Alive(_) | Asked::ExpectedOrders(_) => &["r", "alpha", "a", "b"],
            Asked::ExpectedValue => &SPEND_PARAMETERS,
            Asked::DiscountedClv => {
                let has = |name| matches!(given, DataType::Struct(fields) if fields.find(name).is_some());
                match (has("a") && has("b"), has("s") && has("beta")) {
                    (true, true) => &["r", "alpha", "a", "b", "s", "beta"],
                    (false, true) => &["r", "alpha", "s", "beta"],
                    _ => &["r", "alpha", "a", "b"],
                }
            }
        }
    }

    fn fault(&self, what: impl Into<String>) -> datafusion::error::DataFusionError {
        impossible(&self.name, what)
    }

    fn customer(&self, row: &[Option<f64>]) -> Result<Option<History>> {
        let [Some(frequency), Some(recency), Some(age), ..] = *row else { return Ok(None) };
        History::try_new(frequency, recency, age).map(Some).map_err(|cause| self.fault(cause.to_string()))
    }

    fn answer(&self, fits: &Fits, at: usize, row: &[Option<f64>]) -> Result<Option<f64>> {
        match self.asked {
            Asked::Alive(model) => {
                let (Some(customer), Some(parameters)) = (self.customer(row)?, fits.first(at)?) else {
                    return Ok(None);
                };
                Ok(Some(model.with(parameters).alive(&customer)))
            }
            Asked::ExpectedOrders(model) => {
                let (Some(customer), Some(horizon)) = (self.customer(row)?, row[3]) else { return Ok(None) };
                if !horizon.is_finite() || horizon < 0.0 {
                    return Err(self.fault("horizon is negative, NaN or infinite"));
                }
                let Some(parameters) = fits.first(at)? else { return Ok(None) };
                Ok(Some(model.with(parameters).expected_orders(&customer, horizon)))
            }
            Asked::ExpectedValue => self.expected_value(fits, at, row),
            Asked::DiscountedClv => self.discounted_clv(fits, at, row),
        }
    }

    fn expected_value(&self, fits: &Fits, at: usize, row: &[Option<f64>]) -> Result<Option<f64>> {
        // The mean value of no orders is not asked for: it may be null.
        let value = match (row[0], row[1]) {
            (None, _) => return Ok(None),
            (Some(frequency), None) if frequency > 0.0 => return Ok(None),
            (Some(frequency), value) => Spend::try_new(frequency, value.unwrap_or(0.0)),
        };
        let spend = value.map_err(|cause| self.fault(cause.to_string()))?;
        let Some([p, q, gamma]) = fits.first(at)? else { return Ok(None) };
        Ok(GammaSpend { p, q, gamma }.expected_value(spend.as_ref()))
    }

    fn discounted_clv(&self, fits: &Fits, at: usize, row: &[Option<f64>]) -> Result<Option<f64>> {
        let Some(customer) = self.customer(row)? else { return Ok(None) };
        let [Some(value), Some(months), Some(rate)] = row[3..] else { return Ok(None) };
        if !value.is_finite() {
            return Err(self.fault("expected_value is NaN or infinite"));
        }
        if !rate.is_finite() || rate <= -1.0 {
            return Err(self.fault("annual_rate is NaN, infinite or not above -1"));
        }
        if months.fract() != 0.0 || !(0.0..=f64::from(MONTHS_AT_MOST)).contains(&months) {
            return Err(self.fault(format!("months is no whole number from 0 to {MONTHS_AT_MOST}")));
        }
        let (Some(model), Some(unit)) = (fits.text(at, 0), fits.text(at, 1)) else { return Ok(None) };
        let unit = TimeUnit::parse(unit).map_err(|unknown| self.fault(unknown.to_string()))?;
        let Some(model) = self.model(model, fits, at)? else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        let months = months as u32;
        Ok(Some(value * discounted_orders(&model, &customer, unit, months, rate)))
    }

    /// The model that a fit names, with the parameters it has for it.
    fn model(&self, name: &str, fits: &Fits, row: usize) -> Result<Option<Fitted>> {
        let Some(model) = Orders::ALL.into_iter().find(|model| model.name() == name) else {
            return Err(self.fault("the fit's model is not 'bgnbd', 'mbgnbd' or 'pareto_nbd'"));
        };
        let columns = model.parameters().map(|name| fits.place(name));
        let [Some(first), Some(second), Some(third), Some(fourth)] = columns else {
            return Err(self.fault("the fit has not the parameters of its model"));
        };
        Ok(fits.parameters(row, [first, second, third, fourth])?.map(|parameters| model.with(parameters)))
    }
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
        self.wanted(self.parameters(fit)).check(fit)?;
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
        let fits = Fits::try_new(&self.wanted(self.parameters(&fit.data_type())), fit)?;
        let columns: Vec<ArrayRef> =
            rest.iter().map(|value| value.to_array(args.number_rows)).collect::<Result<_>>()?;
        let columns: Vec<&Float64Array> = columns.iter().map(numbers).collect();
        let mut row = vec![None; columns.len()];
        let mut answers = Vec::with_capacity(args.number_rows);
        for at in 0..args.number_rows {
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column.is_valid(at).then(|| column.value(at));
            }
            answers.push(self.answer(&fits, at, &row)?);
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
