//! BG/NBD and MBG/NBD: gamma-distributed order rates, and a chance to leave at each order.
//!
//! BG/NBD: Fader, Hardie & Lee (2005), "Counting Your Customers the Easy Way", Marketing Science 24(2),
//! equations 6 to 10. A customer can leave only at a repeat order, so whoever ordered once is alive for
//! sure. MBG/NBD: Batislam, Denizel & Filiztekin (2007), International Journal of Research in Marketing
//! 24(3): he may leave at the first order too.

use super::derivatives::{Derivatives, LogSum};
use super::fit::{Fit, FitStatus, Likelihood, fit};
use super::gamma::{LogGamma, log_rising};
use super::history::{Histories, History};
use super::horizon::ExpectedOrders;
use super::lasting::Lasting;
use super::powers::power;

/// When a customer may leave for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropout {
    /// At a repeat order: BG/NBD.
    AfterRepeatOrders,
    /// At any order, the first too: MBG/NBD.
    AfterEveryOrder,
}

impl Dropout {
    /// How often a customer with `frequency` repeat orders, alive, has decided to stay.
    fn stays(self, frequency: f64) -> f64 {
        match self {
            Self::AfterRepeatOrders => frequency,
            Self::AfterEveryOrder => frequency + 1.0,
        }
    }

    fn may_have_left(self, frequency: f64) -> bool {
        self == Self::AfterEveryOrder || frequency > 0.0
    }
}

/// A fitted model: order rates are gamma(r, alpha), alpha in units of time; the chance to leave at an
/// order is beta(a, b).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaGeometric {
    /// When a customer may leave.
    pub dropout: Dropout,
    /// Shape of the order rates.
    pub r: f64,
    /// Rate parameter of the order rates, a time.
    pub alpha: f64,
    /// First parameter of the chance to leave.
    pub a: f64,
    /// Second parameter of the chance to leave.
    pub b: f64,
}

impl BetaGeometric {
    /// P(alive | x, `t_x`, T) = 1 ÷ (1 + a ÷ (b + x − 1) × ((alpha + T) ÷ (alpha + `t_x`))^(r + x)); with
    /// b + x in place of b + x − 1 for MBG/NBD. Always 1 for x = 0 by BG/NBD.
    #[must_use]
    pub fn alive(&self, customer: &History) -> f64 {
        let History { frequency, recency, age } = *customer;
        if !self.dropout.may_have_left(frequency) {
            return 1.0;
        }
        let left = self.a.ln() - (self.b + self.dropout.stays(frequency) - 1.0).ln();
        let silence = ((age - recency) / (self.alpha + recency)).ln_1p();
        1.0 / (1.0 + (left + (self.r + frequency) * silence).exp())
    }

    fn lasting(&self, customer: &History) -> Lasting {
        Lasting {
            shape: self.r + customer.frequency,
            leave: self.a,
            stay: self.b + self.dropout.stays(customer.frequency),
        }
    }
}

impl ExpectedOrders for BetaGeometric {
    /// Fader, Hardie & Lee (2005), equation 10, as an average over the chance to leave that has no
    /// hypergeometric function of a negative argument in it: see `Lasting`.
    fn expected_orders(&self, customer: &History, horizon: f64) -> f64 {
        self.alive(customer) * self.lasting(customer).orders(horizon / (self.alpha + customer.age))
    }

    fn expected_orders_until(&self, customer: &History, horizons: &[f64]) -> Vec<f64> {
        let alive = self.alive(customer);
        let ratios = horizons.iter().map(|horizon| horizon / (self.alpha + customer.age));
        self.lasting(customer).orders_each(ratios).map(|orders| alive * orders).collect()
    }

    fn time_scale(&self, customer: &History) -> f64 {
        self.alpha + customer.age
    }
}

/// Fits BG/NBD or MBG/NBD by maximum likelihood; parameters r, alpha, a, b.
#[must_use]
pub fn fit_beta_geometric(dropout: Dropout, customers: &Histories) -> Fit<4> {
    let age = customers.mean_age();
    let starts = [
        [1.0, age, 1.0, 2.0],
        [0.25, 0.2 * age, 0.5, 2.0],
        [0.8, 0.5 * age, 0.02, 0.8],
        [0.8, 0.5 * age, 0.02, 8.0],
    ];
    fit(&Data { dropout, customers: customers.clone() }, &starts)
}

struct Data {
    dropout: Dropout,
    customers: Histories,
}

impl Likelihood<4> for Data {
    fn counts(&self) -> impl Iterator<Item = f64> {
        self.customers.counted.iter().map(|(_, count)| *count)
    }

    fn scales(&self) -> [f64; 4] {
        [1.0, self.customers.mean_age(), 1.0, 1.0]
    }

    fn missing(&self) -> Option<FitStatus> {
        (self.customers.orders() <= 0.0).then_some(FitStatus::NoRepeatOrders)
    }

    fn every(&self, step: usize) -> Self {
        let counted = self.customers.counted.iter().step_by(step).copied().collect();
        Self { dropout: self.dropout, customers: Histories { counted } }
    }

    fn evaluate(&self, parameters: &[f64; 4]) -> Derivatives<4> {
        let mut total = Derivatives::ZERO;
        let mut known: Option<(f64, Derivatives<4>)> = None;
        for (customer, count) in &self.customers.counted {
            // What depends on the number of orders alone; customers are sorted by it.
            let orders = match known {
                Some((frequency, orders)) if frequency >= customer.frequency => orders,
                _ => self.of_frequency(parameters, customer.frequency),
            };
            known = Some((customer.frequency, orders));
            total.add(&orders, *count);
            total.add(&self.of_times(parameters, customer), *count);
        }
        total
    }
}

impl Data {
    /// ln Γ(r + x) − ln Γ(r) + ln B(a, b + stays) − ln B(a, b).
    fn of_frequency(&self, [r, _, a, b]: &[f64; 4], frequency: f64) -> Derivatives<4> {
        let orders = log_rising(*r, frequency);
        let stays = self.dropout.stays(frequency);
        let (stayed, decided) = (log_rising(*b, stays), log_rising(a + b, stays));
        let LogGamma { value, first, second } = decided;
        let mut sum = Derivatives::ZERO;
        sum.value = orders.value + stayed.value - value;
        sum.gradient = [orders.first, 0.0, -first, stayed.first - first];
        sum.hessian[0][0] = orders.second;
        sum.hessian[2][2] = -second;
        sum.hessian[2][3] = -second;
        sum.hessian[3][2] = -second;
        sum.hessian[3][3] = stayed.second - second;
        sum
    }

    /// ln(alpha^r (alpha + T)^−(r + x) + a ÷ (b + stays − 1) × alpha^r (alpha + `t_x`)^−(r + x)): alive, or left
    /// at the last order.
    fn of_times(&self, [r, alpha, a, b]: &[f64; 4], customer: &History) -> Derivatives<4> {
        let until = |time: f64| {
            let of = power(*r, *alpha, customer.frequency, time);
            let mut term = Derivatives::<4>::ZERO;
            term.value = of.value;
            term.gradient = [of.by_shape, of.by_scale, 0.0, 0.0];
            term.hessian[0][1] = of.by_both;
            term.hessian[1][0] = of.by_both;
            term.hessian[1][1] = of.by_scale_twice;
            term
        };
        let alive = until(customer.age);
        if !self.dropout.may_have_left(customer.frequency) {
            return alive;
        }
        let stay = b + self.dropout.stays(customer.frequency) - 1.0;
        let mut left = until(customer.recency);
        left.value += a.ln() - stay.ln();
        left.gradient[2] = a.recip();
        left.gradient[3] = -stay.recip();
        left.hessian[2][2] = -(a * a).recip();
        left.hessian[3][3] = (stay * stay).recip();
        let mut sum = LogSum::around(alive.value.max(left.value));
        sum.add(&alive, 1.0);
        sum.add(&left, 1.0);
        sum.log()
    }
}
