//! Orders over a horizon, discounted at an annual rate.

use super::history::History;

/// The longest horizon of [`discounted_orders`], a hundred years.
pub const MONTHS_AT_MOST: u32 = 1200;
/// Days of a mean Gregorian year.
const DAYS_A_YEAR: f64 = 365.25;

/// A model that says how many orders are to come.
pub trait ExpectedOrders {
    /// E(Y(t) | x, `t_x`, T): orders in the next `horizon`, in the unit of the customer's times; not negative.
    fn expected_orders(&self, customer: &History, horizon: f64) -> f64;

    /// The same for several horizons of one customer; a model computes once what they share.
    fn expected_orders_until(&self, customer: &History, horizons: &[f64]) -> Vec<f64> {
        horizons.iter().map(|horizon| self.expected_orders(customer, *horizon)).collect()
    }
}

/// The unit of recency, age and horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// A twelfth of 365.25 days.
    Month,
    /// 365.25 days.
    Year,
}

/// A text that names no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the unit of time is 'day', 'week', 'month' or 'year'")]
pub struct UnknownUnit;

impl TimeUnit {
    /// Reads `day`, `week`, `month` or `year`.
    ///
    /// # Errors
    ///
    /// Returns [`UnknownUnit`] for any other text.
    pub fn parse(name: &str) -> Result<Self, UnknownUnit> {
        match name {
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            "year" => Ok(Self::Year),
            _ => Err(UnknownUnit),
        }
    }

    /// The name it is read from.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// How many of the unit a month has; a month is 30.4375 days.
    #[must_use]
    pub const fn a_month(self) -> f64 {
        self.a_year() / 12.0
    }

    /// How many of the unit a year has.
    #[must_use]
    pub const fn a_year(self) -> f64 {
        match self {
            Self::Day => DAYS_A_YEAR,
            Self::Week => DAYS_A_YEAR / 7.0,
            Self::Month => 12.0,
            Self::Year => 1.0,
        }
    }
}

/// Orders of the next `months`, each discounted from the end of its month at the effective rate of a year:
/// `Σ_k (E(Y(k)) − E(Y(k − 1))) ÷ (1 + annual rate)^(k ÷ 12)`. Discrete months as in the program `lifetimes` and in
/// practice; a continuous discount is about half a month's interest more.
#[must_use]
pub fn discounted_orders(
    model: &impl ExpectedOrders,
    customer: &History,
    unit: TimeUnit,
    months: u32,
    annual_rate: f64,
) -> f64 {
    let monthly = (annual_rate.ln_1p() / 12.0).exp();
    let (mut before, mut discount, mut sum) = (0.0, 1.0, 0.0);
    let ends = (1..=months.min(MONTHS_AT_MOST)).map(|month| f64::from(month) * unit.a_month());
    for until in model.expected_orders_until(customer, &ends.collect::<Vec<_>>()) {
        discount *= monthly;
        sum += (until - before).max(0.0) / discount;
        before = until;
    }
    sum
}
