//! The models by name, and the STRUCT that a fit of one is.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, ScalarValue};

use crate::stats::{
    BetaGeometric, Dropout, ExpectedOrders, Fit, Histories, History, Pareto, TimeUnit, fit_beta_geometric,
    fit_pareto,
};

/// Parameters of gamma-gamma.
pub(super) const SPEND_PARAMETERS: [&str; 3] = ["p", "q", "gamma"];
/// Its name.
pub(super) const SPEND: &str = "gamma_gamma";
/// Parameters of sBG.
pub(super) const LIVES_PARAMETERS: [&str; 2] = ["a", "b"];
/// Its name.
pub(super) const LIVES: &str = "sbg";

/// A model of how often a customer orders and when he leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Orders {
    Bgnbd,
    Mbgnbd,
    Pareto,
}

impl Orders {
    pub(super) const ALL: [Self; 3] = [Self::Bgnbd, Self::Mbgnbd, Self::Pareto];

    /// Its place in [`Self::ALL`].
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Bgnbd => 0,
            Self::Mbgnbd => 1,
            Self::Pareto => 2,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bgnbd => "bgnbd",
            Self::Mbgnbd => "mbgnbd",
            Self::Pareto => "pareto_nbd",
        }
    }

    pub(super) const fn parameters(self) -> [&'static str; 4] {
        match self {
            Self::Bgnbd | Self::Mbgnbd => ["r", "alpha", "a", "b"],
            Self::Pareto => ["r", "alpha", "s", "beta"],
        }
    }

    pub(super) fn fit(self, customers: &Histories) -> Fit<4> {
        match self {
            Self::Bgnbd => fit_beta_geometric(Dropout::AfterRepeatOrders, customers),
            Self::Mbgnbd => fit_beta_geometric(Dropout::AfterEveryOrder, customers),
            Self::Pareto => fit_pareto(customers),
        }
    }

    pub(super) fn with(self, [first, alpha, third, fourth]: [f64; 4]) -> Fitted {
        let beta_geometric =
            |dropout| Fitted::BetaGeometric(BetaGeometric { dropout, r: first, alpha, a: third, b: fourth });
        match self {
            Self::Bgnbd => beta_geometric(Dropout::AfterRepeatOrders),
            Self::Mbgnbd => beta_geometric(Dropout::AfterEveryOrder),
            Self::Pareto => Fitted::Pareto(Pareto { r: first, alpha, s: third, beta: fourth }),
        }
    }
}

/// A model with its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fitted {
    BetaGeometric(BetaGeometric),
    Pareto(Pareto),
}

impl Fitted {
    pub(super) fn alive(&self, customer: &History) -> f64 {
        match self {
            Self::BetaGeometric(model) => model.alive(customer),
            Self::Pareto(model) => model.alive(customer),
        }
    }
}

impl ExpectedOrders for Fitted {
    fn expected_orders(&self, customer: &History, horizon: f64) -> f64 {
        match self {
            Self::BetaGeometric(model) => model.expected_orders(customer, horizon),
            Self::Pareto(model) => model.expected_orders(customer, horizon),
        }
    }

    fn expected_orders_until(&self, customer: &History, horizons: &[f64]) -> Vec<f64> {
        match self {
            Self::BetaGeometric(model) => model.expected_orders_until(customer, horizons),
            Self::Pareto(model) => model.expected_orders_until(customer, horizons),
        }
    }

    fn time_scale(&self, customer: &History) -> f64 {
        match self {
            Self::BetaGeometric(model) => model.time_scale(customer),
            Self::Pareto(model) => model.time_scale(customer),
        }
    }
}

/// The field of a parameter's standard error.
pub(super) fn error_field(parameter: &str) -> String {
    format!("{parameter}_se")
}

/// The field of two parameters' correlation; the pair in the model's order.
pub(super) fn correlation_field(first: &str, second: &str) -> String {
    format!("{first}_{second}_correlation")
}

/// The pairs of `N` parameters, the first before the second.
pub(super) fn pairs<const N: usize>() -> impl Iterator<Item = (usize, usize)> {
    (0..N).flat_map(|first| (first + 1..N).map(move |second| (first, second)))
}

/// The fields of a fit: model, unit of time where there is one, parameters, their standard errors and correlations,
/// how it went.
pub(super) fn fields<const N: usize>(parameters: &[&str; N], has_unit: bool) -> Fields {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let double = |name: &str| Field::new(name, DataType::Float64, true);
    let mut fields = vec![text("model")];
    fields.extend(has_unit.then(|| text("unit")));
    fields.extend(parameters.iter().map(|name| double(name)));
    fields.extend(parameters.iter().map(|name| double(&error_field(name))));
    let correlation =
        |(first, second): (usize, usize)| correlation_field(parameters[first], parameters[second]);
    fields.extend(pairs::<N>().map(|pair| double(&correlation(pair))));
    fields.extend([double("log_likelihood"), double("gradient_norm")]);
    fields.push(Field::new("customers", DataType::Int64, true));
    fields.push(Field::new("converged", DataType::Boolean, true));
    fields.push(text("status"));
    fields.into()
}

/// One fit as SQL sees it.
pub(super) fn scalar<const N: usize>(
    model: &str,
    unit: Option<TimeUnit>,
    parameters: [&str; N],
    found: &Fit<N>,
) -> Result<ScalarValue> {
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let double = |number: Option<f64>| Arc::new(Float64Array::from(vec![number])) as ArrayRef;
    let mut columns = vec![text(model)];
    columns.extend(unit.map(|unit| text(unit.name())));
    columns.extend((0..N).map(|at| double(found.parameters.map(|parameters| parameters[at]))));
    columns.extend(found.standard_errors.iter().map(|error| double(*error)));
    columns.extend(pairs::<N>().map(|(first, second)| double(found.correlations[first][second])));
    columns.extend([double(found.log_likelihood), double(found.gradient_norm)]);
    #[expect(clippy::cast_possible_truncation, reason = "a number of rows")]
    columns.push(Arc::new(Int64Array::from(vec![found.customers as i64])));
    columns.push(Arc::new(BooleanArray::from(vec![found.status.has_converged()])));
    columns.push(text(found.status.name()));
    let fields = fields(&parameters, unit.is_some());
    Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields, columns, None)?)))
}
