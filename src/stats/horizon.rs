//! Orders over a horizon, discounted at an annual rate.

use std::f64::consts::PI;

use super::history::History;
use super::smooth::{Curve, points, points_needed};

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

    /// The time c, positive, that horizons are seen against: E(Y(t)) is an analytic function of ln(1 + t ÷ c) where
    /// its imaginary part is within ± π, since its only singular times are real and at most −c.
    fn time_scale(&self, customer: &History) -> f64;
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
    let months = months.min(MONTHS_AT_MOST);
    if annual_rate.abs() < f64::EPSILON {
        return model.expected_orders(customer, f64::from(months) * unit.a_month());
    }
    let monthly = (annual_rate.ln_1p() / 12.0).exp();
    let ends: Vec<f64> = (1..=months).map(|month| f64::from(month) * unit.a_month()).collect();
    let until =
        between(model, customer, &ends).unwrap_or_else(|| model.expected_orders_until(customer, &ends));
    let (mut before, mut discount, mut sum) = (0.0, 1.0, 0.0);
    for until in until {
        discount *= monthly;
        sum += (until - before).max(0.0) / discount;
        before = until;
    }
    sum
}

/// Orders until each of many horizons, in ascending order, from those until a few; none where it would not be fewer,
/// or the few do not tell the others.
fn between(model: &impl ExpectedOrders, customer: &History, ends: &[f64]) -> Option<Vec<f64>> {
    let [first, .., last] = ends else { return None };
    let scale = model.time_scale(customer);
    let seen = |horizon: f64| (horizon / scale).ln_1p();
    let (from, to) = (seen(*first), seen(*last));
    let count = points_needed(from, to, PI);
    if 3 * count > 2 * ends.len() {
        return None;
    }
    let horizons: Vec<f64> = points(from, to, count).into_iter().map(|seen| scale * seen.exp_m1()).collect();
    let curve = Curve::through(from, to, &model.expected_orders_until(customer, &horizons))?;
    Some(ends.iter().map(|end| curve.at(seen(*end))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{BetaGeometric, Dropout, Pareto};

    const AGES: [f64; 3] = [1.0, 400.0, 9000.0];

    /// Σ as its formula is written, each month by itself.
    fn plainly(model: &impl ExpectedOrders, customer: &History, months: u32, rate: f64) -> f64 {
        let until = |month: u32| model.expected_orders(customer, f64::from(month) * TimeUnit::Day.a_month());
        (1..=months)
            .map(|month| (until(month) - until(month - 1)) * (1.0 + rate).powf(-f64::from(month) / 12.0))
            .sum()
    }

    fn is_as_plainly(model: &impl ExpectedOrders) -> usize {
        let mut fewer = 0;
        for age in AGES {
            for frequency in [0.0, 1.0, 20.0, 400.0] {
                let recency = if frequency > 0.0 { 0.9 * age } else { 0.0 };
                let customer = History::try_new(frequency, recency, age).expect("a customer");
                for (months, rate) in
                    [(0, 0.1), (1, 0.1), (12, 0.0), (12, 0.1), (120, 0.1), (1200, 0.02), (120, -0.3)]
                {
                    let ends: Vec<f64> =
                        (1..=months).map(|month| f64::from(month) * TimeUnit::Day.a_month()).collect();
                    fewer += usize::from(between(model, &customer, &ends).is_some());
                    let found = discounted_orders(model, &customer, TimeUnit::Day, months, rate);
                    let plain = plainly(model, &customer, months, rate);
                    let far = (found - plain).abs();
                    assert!(far <= 1e-9 * plain.abs(), "{customer:?} {months} {rate}: {found} {plain}");
                }
            }
        }
        fewer
    }

    #[test]
    fn months_between_are_as_if_each_were_asked() {
        let mut fewer = 0;
        for dropout in [Dropout::AfterRepeatOrders, Dropout::AfterEveryOrder] {
            for (r, alpha, a, b) in [
                (0.24, 31.0, 0.79, 2.4),
                (0.02, 0.4, 0.01, 0.3),
                (9.0, 700.0, 30.0, 2.0),
                (2.0, 90.0, 0.3, 60.0),
            ] {
                fewer += is_as_plainly(&BetaGeometric { dropout, r, alpha, a, b });
            }
        }
        for (r, alpha, s, beta) in
            [(0.55, 74.0, 0.61, 82.0), (3.0, 5.0, 1.0, 2.0), (0.1, 900.0, 12.0, 4000.0)]
        {
            fewer += is_as_plainly(&Pareto { r, alpha, s, beta });
        }
        // 11 models × 12 customers × 3 horizons of ten years and more.
        assert!(fewer > 250, "{fewer} of 396 told by fewer points");
    }
}
