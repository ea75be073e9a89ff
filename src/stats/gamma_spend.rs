//! Gamma-gamma: what a customer spends an order, given the orders seen.
//!
//! Fader & Hardie (2013), "The Gamma-Gamma Model of Monetary Value", note 025; Fader, Hardie & Lee (2005), "RFM and
//! CLV". Spend is supposed not to depend on how often a customer orders.

use super::derivatives::Derivatives;
use super::fit::{Fit, FitStatus, Likelihood, fit};
use super::gamma::log_gamma;
use super::history::Impossible;

/// Repeat orders of one customer, at least one, and their mean value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spend {
    frequency: f64,
    mean_value: f64,
}

impl Spend {
    /// Checks one customer; none for one without repeat orders, who says nothing about spend.
    ///
    /// # Errors
    ///
    /// Returns what is impossible: numbers that are not finite, a negative or broken number of orders, orders of
    /// no or negative value.
    pub fn try_new(frequency: f64, mean_value: f64) -> Result<Option<Self>, Impossible> {
        if !frequency.is_finite() {
            return Err(Impossible::NotFinite("frequency"));
        }
        if frequency < 0.0 {
            return Err(Impossible::Negative("frequency"));
        }
        if frequency.fract() > 0.0 {
            return Err(Impossible::NotWhole("frequency"));
        }
        if frequency < 1.0 {
            return Ok(None);
        }
        if !mean_value.is_finite() {
            return Err(Impossible::NotFinite("mean value"));
        }
        if mean_value <= 0.0 {
            return Err(Impossible::NotPositive("mean value"));
        }
        Ok(Some(Self { frequency, mean_value }))
    }

    /// Repeat orders, and their mean value.
    #[must_use]
    pub fn numbers(&self) -> [f64; 2] {
        [self.frequency, self.mean_value]
    }
}

/// Distinct pairs of orders and mean value with their counts, sorted.
#[derive(Debug, Clone, Default)]
pub struct SpendCounts {
    counted: Vec<(Spend, f64)>,
}

impl SpendCounts {
    /// Sorts and counts customers, each with how many there are like it.
    #[must_use]
    pub fn new(customers: impl IntoIterator<Item = (Spend, u64)>) -> Self {
        let mut all: Vec<(Spend, u64)> = customers.into_iter().collect();
        all.sort_unstable_by(|(left, _), (right, _)| {
            left.frequency.total_cmp(&right.frequency).then(left.mean_value.total_cmp(&right.mean_value))
        });
        all.dedup_by(|(later, more), (kept, count)| {
            let same = later == kept;
            if same {
                *count += *more;
            }
            same
        });
        #[expect(clippy::cast_precision_loss, reason = "customers are fewer than 2^53")]
        let counted = all.into_iter().map(|(spend, count)| (spend, count as f64)).collect();
        Self { counted }
    }

    fn mean(&self) -> f64 {
        let sum = |of: fn(&Spend) -> f64| self.counted.iter().map(|(spend, n)| of(spend) * n).sum::<f64>();
        sum(|spend| spend.frequency * spend.mean_value) / sum(|spend| spend.frequency)
    }
}

/// A fitted model: an order's value is gamma(p, ν), ν is gamma(q, gamma); gamma in money.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GammaSpend {
    /// Shape of the values of one customer.
    pub p: f64,
    /// Shape of the customers' rates.
    pub q: f64,
    /// Rate parameter of the customers' rates, an amount.
    pub gamma: f64,
}

impl GammaSpend {
    /// E(M | x, m) = p (gamma + x m) ÷ (p x + q − 1), and p gamma ÷ (q − 1) without repeat orders: the mean of
    /// all. None where it is infinite, p x + q ≤ 1.
    #[must_use]
    pub fn expected_value(&self, customer: Option<&Spend>) -> Option<f64> {
        let (frequency, value) = customer.map_or((0.0, 0.0), |spend| (spend.frequency, spend.mean_value));
        let below = self.p * frequency + self.q - 1.0;
        (below > 0.0).then(|| self.p * (self.gamma + frequency * value) / below)
    }
}

/// Fits gamma-gamma by maximum likelihood; parameters p, q, gamma. A mean of all that is infinite (q ≤ 1) has a
/// status of its own.
#[must_use]
pub fn fit_gamma_spend(customers: &SpendCounts) -> Fit<3> {
    let mean = customers.mean();
    let starts = [[1.0, 2.0, mean], [6.0, 4.0, 0.5 * mean], [2.0, 8.0, 3.5 * mean]];
    let mut found = fit(&Data { customers: customers.clone() }, &starts);
    if found.status == FitStatus::Ok && found.parameters.is_some_and(|[_, q, _]| q <= 1.0) {
        found.status = FitStatus::InfiniteMean;
    }
    found
}

struct Data {
    customers: SpendCounts,
}

impl Likelihood<3> for Data {
    fn counts(&self) -> impl Iterator<Item = f64> {
        self.customers.counted.iter().map(|(_, count)| *count)
    }

    fn scales(&self) -> [f64; 3] {
        [1.0, 1.0, self.customers.mean()]
    }

    fn missing(&self) -> Option<FitStatus> {
        None
    }

    fn every(&self, step: usize) -> Self {
        Self {
            customers: SpendCounts {
                counted: self.customers.counted.iter().step_by(step).copied().collect(),
            },
        }
    }

    /// Σ ln Γ(p x + q) − ln Γ(p x) − ln Γ(q) + q ln gamma + (p x − 1) ln m + p x ln x − (p x + q) ln(gamma + x m): note
    /// 025, equation 1a.
    fn evaluate(&self, [p, q, gamma]: &[f64; 3]) -> Derivatives<3> {
        let mut total = Derivatives::ZERO;
        let prior = log_gamma(*q);
        let mut known: Option<(f64, [_; 2])> = None;
        for (Spend { frequency, mean_value }, count) in &self.customers.counted {
            let orders = p * frequency;
            let [both, own] = match known {
                Some((before, gammas)) if before >= *frequency => gammas,
                _ => [log_gamma(orders + q), log_gamma(orders)],
            };
            known = Some((*frequency, [both, own]));
            let sum = gamma + frequency * mean_value;
            let (log_sum, log_value) = (sum.ln(), (frequency * mean_value).ln());
            let mut term = Derivatives::<3>::ZERO;
            term.value = both.value - own.value - prior.value + q * gamma.ln() + orders * log_value
                - mean_value.ln()
                - (orders + q) * log_sum;
            term.gradient = [
                frequency * (both.first - own.first + log_value - log_sum),
                both.first - prior.first + gamma.ln() - log_sum,
                q / gamma - (orders + q) / sum,
            ];
            let cross = [frequency * both.second, -frequency / sum, gamma.recip() - sum.recip()];
            let own_second = frequency * frequency * (both.second - own.second);
            let scale_second = -q / (gamma * gamma) + (orders + q) / (sum * sum);
            term.hessian = [
                [own_second, cross[0], cross[1]],
                [cross[0], both.second - prior.second, cross[2]],
                [cross[1], cross[2], scale_second],
            ];
            total.add(&term, *count);
        }
        total
    }
}
