//! Pareto/NBD: gamma-distributed order rates, and exponential lives with gamma-distributed rates.
//!
//! Schmittlein, Morrison & Colombo (1987), "Counting Your Customers", Management Science 33(1); the
//! likelihood as in Fader & Hardie (2005), "A Note on Deriving the Pareto/NBD Model". Their difference of
//! two hypergeometric functions, which loses its digits, is one integral of a positive function:
//!
//! ```text
//! L ∝ (alpha + T)^−(r + x) (beta + T)^−s + s ∫_(t_x)^T (alpha + y)^−(r + x) (beta + y)^−(s + 1) dy
//! ```
//!
//! (alive at T, or left at y). Its derivatives are integrals over the same points.

use super::derivatives::{Derivatives, LogSum};
use super::fit::{Fit, FitStatus, Likelihood, fit};
use super::gamma::log_rising;
use super::history::{Histories, History};
use super::horizon::ExpectedOrders;
use super::powers::power;
use super::quadrature::points;

/// A fitted model: order rates are gamma(r, alpha), rates of leaving gamma(s, beta); alpha and beta
/// in units of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pareto {
    /// Shape of the order rates.
    pub r: f64,
    /// Rate parameter of the order rates, a time.
    pub alpha: f64,
    /// Shape of the rates of leaving.
    pub s: f64,
    /// Rate parameter of the rates of leaving, a time.
    pub beta: f64,
}

impl Pareto {
    /// P(alive | x, `t_x`, T): the first term of the likelihood over both.
    #[must_use]
    pub fn alive(&self, customer: &History) -> f64 {
        let parameters = [self.r, self.alpha, self.s, self.beta];
        let alive = alive_term(&parameters, customer);
        (alive.value - of_times(&parameters, customer).value).exp().min(1.0)
    }

    /// Orders to come for ever, discounted at the continuous `rate` a unit of time (DERT): P(alive)
    /// × (r + x) ÷ (alpha + T) × ∫ e^(−rate t) ((beta + T) ÷ (beta + T + t))^s dt. Fader, Hardie & Lee (2005),
    /// "RFM and CLV", Journal of Marketing Research 42(4), equation 2, without its Ψ function. Infinite, so
    /// none, where the rate is not positive.
    #[must_use]
    pub fn discounted_for_ever(&self, customer: &History, rate: f64) -> Option<f64> {
        if !(rate.is_finite() && rate > 0.0) {
            return None;
        }
        let since = self.beta + customer.age;
        let kept = |time: f64| (-rate * time - self.s * (time / since).ln_1p()).exp();
        // Panels that double from the faster of the two scales, until nothing is left.
        let mut from = 0.0;
        let mut width = (self.s / since + rate).recip();
        let mut sum = 0.0;
        while rate * from < 45.0 {
            let more: f64 = points(from, from + width).map(|(time, weight)| weight * kept(time)).sum();
            sum += more;
            if more < 1e-17 * sum {
                break;
            }
            from += width;
            width = (2.0 * width).min(4.0 / rate);
        }
        Some(self.alive(customer) * (self.r + customer.frequency) / (self.alpha + customer.age) * sum)
    }

    /// Orders of a customer who is alive.
    fn orders_alive(&self, customer: &History, horizon: f64) -> f64 {
        let since = self.beta + customer.age;
        let log = (horizon / since).ln_1p();
        let exponent = (self.s - 1.0) * log;
        let years = if exponent.abs() < 1e-12 { log } else { log * -(-exponent).exp_m1() / exponent };
        (self.r + customer.frequency) * since / (self.alpha + customer.age) * years
    }
}

impl ExpectedOrders for Pareto {
    /// P(alive) × (r + x)(beta + T) ÷ ((alpha + T)(s − 1)) × (1 − ((beta + T) ÷ (beta + T + t))^(s − 1)), in a form
    /// that has no hole at s = 1. Fader & Hardie (2005), note on Pareto/NBD, equation 41.
    fn expected_orders(&self, customer: &History, horizon: f64) -> f64 {
        self.alive(customer) * self.orders_alive(customer, horizon)
    }

    fn expected_orders_until(&self, customer: &History, horizons: &[f64]) -> Vec<f64> {
        let alive = self.alive(customer);
        horizons.iter().map(|horizon| alive * self.orders_alive(customer, *horizon)).collect()
    }

    fn time_scale(&self, customer: &History) -> f64 {
        self.beta + customer.age
    }
}

/// Fits Pareto/NBD by maximum likelihood; parameters r, alpha, s, beta.
#[must_use]
pub fn fit_pareto(customers: &Histories) -> Fit<4> {
    let age = customers.mean_age();
    let starts = [[1.0, age, 1.0, age], [0.5, 0.3 * age, 0.5, 0.3 * age], [0.8, 0.5 * age, 0.02, 2.0 * age]];
    fit(&Data { customers: customers.clone() }, &starts)
}

struct Data {
    customers: Histories,
}

impl Likelihood<4> for Data {
    fn counts(&self) -> impl Iterator<Item = f64> {
        self.customers.counted.iter().map(|(_, count)| *count)
    }

    fn scales(&self) -> [f64; 4] {
        let age = self.customers.mean_age();
        [1.0, age, 1.0, age]
    }

    fn missing(&self) -> Option<FitStatus> {
        (self.customers.orders() <= 0.0).then_some(FitStatus::NoRepeatOrders)
    }

    fn every(&self, step: usize) -> Self {
        let counted = self.customers.counted.iter().step_by(step).copied().collect();
        Self { customers: Histories { counted } }
    }

    fn evaluate(&self, parameters: &[f64; 4]) -> Derivatives<4> {
        let mut total = Derivatives::ZERO;
        let mut known: Option<(f64, Derivatives<4>)> = None;
        for (customer, count) in &self.customers.counted {
            let orders = match known {
                Some((frequency, orders)) if frequency >= customer.frequency => orders,
                _ => of_frequency(parameters, customer.frequency),
            };
            known = Some((customer.frequency, orders));
            total.add(&orders, *count);
            total.add(&of_times(parameters, customer), *count);
        }
        total
    }
}

/// ln Γ(r + x) − ln Γ(r).
fn of_frequency([r, ..]: &[f64; 4], frequency: f64) -> Derivatives<4> {
    let orders = log_rising(*r, frequency);
    let mut sum = Derivatives::ZERO;
    sum.value = orders.value;
    sum.gradient[0] = orders.first;
    sum.hessian[0][0] = orders.second;
    sum
}

/// ln(alpha^r (alpha + y)^−(r + x) × beta^s (beta + y)^−(s + `gone`)); `gone` is 1 for who left at y, else 0.
fn until([r, alpha, s, beta]: &[f64; 4], frequency: f64, gone: f64, time: f64) -> Derivatives<4> {
    let (orders, lives) = (power(*r, *alpha, frequency, time), power(*s, *beta, gone, time));
    let mut term = Derivatives::ZERO;
    term.value = orders.value + lives.value;
    term.gradient = [orders.by_shape, orders.by_scale, lives.by_shape, lives.by_scale];
    term.hessian = [
        [0.0, orders.by_both, 0.0, 0.0],
        [orders.by_both, orders.by_scale_twice, 0.0, 0.0],
        [0.0, 0.0, 0.0, lives.by_both],
        [0.0, 0.0, lives.by_both, lives.by_scale_twice],
    ];
    term
}

fn alive_term(parameters: &[f64; 4], customer: &History) -> Derivatives<4> {
    until(parameters, customer.frequency, 0.0, customer.age)
}

/// The logarithm of the sum in the module's head.
fn of_times(parameters: &[f64; 4], customer: &History) -> Derivatives<4> {
    let [r, alpha, s, beta] = *parameters;
    let History { frequency, recency, age } = *customer;
    let orders = r + frequency;
    let alive = alive_term(parameters, customer);
    let left = |time: f64| {
        let mut term = until(parameters, frequency, 1.0, time);
        term.value += s.ln();
        term.gradient[2] += s.recip();
        term.hessian[2][2] -= (s * s).recip();
        term
    };
    let first = alpha + recency;
    let span = ((age - recency) / first).ln_1p();
    // The integrand falls with y; over u = ln((alpha + y) ÷ (alpha + `t_x`)) its logarithm has a slope between these.
    let slope = |time: f64| orders - 1.0 + (s + 1.0) * (alpha + time) / (beta + time);
    let steepest = slope(recency).abs().max(slope(age).abs()).max(1.0);
    let peak = left(recency).value + first.ln() - steepest.ln();
    let mut sum = LogSum::around(alive.value.max(peak));
    sum.add(&alive, 1.0);
    let mut from = 0.0;
    let mut width = 4.0 / steepest;
    while from < span {
        let to = span.min(from + width);
        let before = sum.size();
        for (at, weight) in points(from, to) {
            let moved = at.exp_m1();
            sum.add(&left(recency + first * moved), weight * first * (1.0 + moved));
        }
        if sum.size() - before < 1e-18 * sum.size() {
            break;
        }
        from = to;
        width = (2.0 * width).min(4.0);
    }
    sum.log()
}
