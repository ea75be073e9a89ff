//! Orders to come from a customer who is alive and may leave at each of them.
//!
//! The textbook formula (Fader, Hardie & Lee 2005, equation 10) is a Gaussian hypergeometric function
//! over a − 1. It is 0 ÷ 0 at a = 1 and its argument a + b + x − 1 may be negative, where programs
//! that take logarithms give NaN. Both belong to the closed form only: the expectation itself is
//!
//! ```text
//! E = ∫ beta(p; leave, stay) × (1 − (1 + p τ)^−shape) ÷ p dp,   τ = t ÷ (alpha + T),
//! ```
//!
//! and with z = τ ÷ (1 + τ) it is a sum of positive terms, where N is negative binomial: the orders
//! of a customer who never leaves,
//!
//! ```text
//! E = Σ_(n ≥ 1) P(N = n) × S_n,   S_n = Σ_(j < n) (stay)_j ÷ (leave + stay)_j.
//! ```
//!
//! Neither has a singular point for positive parameters, and nothing cancels.

use super::gamma::log_gamma;
use super::quadrature::points;

/// Terms that the series may need; beyond it the integral is cheaper.
const TERMS: f64 = 3000.0;
/// Logarithm of what a density may be neglected at.
const NEGLIGIBLE: f64 = 40.0;

/// A customer alive: gamma shape of the order rate, beta parameters of the chance to leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting {
    pub(super) shape: f64,
    pub(super) leave: f64,
    pub(super) stay: f64,
}

impl Lasting {
    /// Expected orders over a horizon of `ratio` × (alpha + T).
    pub(super) fn orders(&self, ratio: f64) -> f64 {
        if ratio <= 0.0 {
            return 0.0;
        }
        let never = self.shape * ratio.ln_1p();
        let mean = self.shape * ratio;
        let spread = (mean * (1.0 + ratio)).sqrt();
        if never < 600.0 && mean + 10.0 * spread + NEGLIGIBLE * (1.0 + ratio) < TERMS {
            self.series(ratio, never)
        } else {
            self.integral(ratio)
        }
    }

    fn series(&self, ratio: f64, never: f64) -> f64 {
        let z = ratio / (1.0 + ratio);
        let mut chance = (-never).exp();
        let (mut still, mut made, mut expected) = (1.0, 0.0, 0.0);
        let mut orders = 0.0;
        while orders < 2.0 * TERMS {
            chance *= (self.shape + orders) / (orders + 1.0) * z;
            made += still;
            still *= (self.stay + orders) / (self.leave + self.stay + orders);
            orders += 1.0;
            expected += chance * made;
            let next = (self.shape + orders) / (orders + 1.0) * z;
            if next < 1.0 && chance * made < 1e-17 * expected * (1.0 - next) * (1.0 - next) {
                break;
            }
        }
        expected
    }

    /// The integral over s = ln(p ÷ (1 − p)), where the density is log-concave; what lies beyond the
    /// last panel on either side, where the integrand is a power, is added in closed form.
    fn integral(&self, ratio: f64) -> f64 {
        let Self { shape, leave, stay } = *self;
        let density = |s: f64| -leave * softplus(-s) - stay * softplus(s);
        let mode = (leave / stay).ln();
        let top = density(mode);
        let outer = NEGLIGIBLE + (1.0 + shape * ratio + leave + stay).ln();
        let edge = |towards: f64| {
            if density(towards) > top - NEGLIGIBLE {
                return towards;
            }
            let (mut inside, mut outside) = (mode, towards);
            for _ in 0..60 {
                let middle = 0.5 * (inside + outside);
                if density(middle) > top - NEGLIGIBLE { inside = middle } else { outside = middle }
            }
            outside
        };
        let (low, high) = (edge(mode.min(0.0) - outer), edge(mode.max(0.0) + outer));
        let width = (leave * stay / (leave + stay)).sqrt().recip().min(1.0);
        let mut sum = (density(low) - top).exp() * per_order(shape, ratio, low) / leave;
        sum += (density(high) - top).exp() * per_order(shape, ratio, high) / stay;
        let panels = ((high - low) / width).ceil().min(1e5);
        let step = (high - low) / panels;
        let mut panel = 0.0;
        while panel < panels {
            let from = low + panel * step;
            for (s, weight) in points(from, from + step) {
                sum += weight * (density(s) - top).exp() * per_order(shape, ratio, s);
            }
            panel += 1.0;
        }
        let beta = log_gamma(leave).value + log_gamma(stay).value - log_gamma(leave + stay).value;
        sum * (top - beta).exp()
    }
}

/// (1 − (1 + p τ)^−shape) ÷ p at p = 1 ÷ (1 + e^−s).
fn per_order(shape: f64, ratio: f64, s: f64) -> f64 {
    let p = (-softplus(-s)).exp();
    if p * ratio * shape.max(1.0) < 1e-18 {
        return shape * ratio;
    }
    -(-shape * (p * ratio).ln_1p()).exp_m1() / p
}

/// ln(1 + e^s).
fn softplus(s: f64) -> f64 {
    if s > 0.0 { s + (-s).exp().ln_1p() } else { s.exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_and_the_integral_agree() {
        for leave in [0.004, 0.3, 1.0, 1.7, 40.0, 3e4] {
            for stay in [0.02, 0.611, 2.4, 130.0, 1e5] {
                for shape in [0.02, 0.777, 21.0] {
                    for ratio in [1e-6, 0.1, 1.5, 26.0] {
                        let lasting = Lasting { shape, leave, stay };
                        let series = lasting.series(ratio, shape * f64::ln_1p(ratio));
                        let integral = lasting.integral(ratio);
                        let difference = (series - integral).abs() / series;
                        assert!(difference < 1e-9, "{lasting:?} {ratio}: {series} {integral}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_customer_who_never_leaves_orders_at_his_rate() {
        let lasting = Lasting { shape: 3.0, leave: 1e-12, stay: 2.0 };
        assert!((lasting.orders(0.5) - 1.5).abs() < 1e-9);
        assert!((lasting.orders(1e6) / 3e6 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn no_parameters_give_nan() {
        for exponent in -9..9 {
            for other in -9..9 {
                for ratio in [1e-12, 1.0, 1e3, 1e9] {
                    let (leave, stay) = (10_f64.powi(exponent), 10_f64.powi(other));
                    for shape in [1e-8, 1.0, 5e3] {
                        let found = Lasting { shape, leave, stay }.orders(ratio);
                        assert!(found.is_finite() && found >= 0.0, "{leave} {stay} {shape} {ratio}: {found}");
                        assert!(
                            found <= shape * ratio * (1.0 + 1e-6),
                            "{leave} {stay} {shape} {ratio}: {found}"
                        );
                    }
                }
            }
        }
    }
}
