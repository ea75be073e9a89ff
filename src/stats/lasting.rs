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
/// Terms after which it ends in any case.
const MOST_TERMS: usize = 6000;
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
        self.orders_with(ratio, &mut Steps::new(*self))
    }

    /// The same for several horizons.
    pub(super) fn orders_each(self, ratios: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
        let mut steps = Steps::new(self);
        ratios.map(move |ratio| self.orders_with(ratio, &mut steps))
    }

    fn orders_with(&self, ratio: f64, steps: &mut Steps) -> f64 {
        if ratio <= 0.0 {
            return 0.0;
        }
        let never = self.shape * ratio.ln_1p();
        let mean = self.shape * ratio;
        let spread = (mean * (1.0 + ratio)).sqrt();
        if never < 600.0 && mean + 10.0 * spread + NEGLIGIBLE * (1.0 + ratio) < TERMS {
            series(ratio, never, steps)
        } else {
            self.integral(ratio)
        }
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

/// What the terms of the series have in common for all horizons, as far as it was asked for.
struct Steps {
    of: Lasting,
    /// Of each n ≥ 0: P(N = n + 1) ÷ P(N = n) ÷ z, and `S_(n + 1)`.
    known: Vec<[f64; 2]>,
    still: f64,
    made: f64,
    orders: f64,
}

impl Steps {
    fn new(of: Lasting) -> Self {
        Self { of, known: Vec::new(), still: 1.0, made: 0.0, orders: 0.0 }
    }

    fn at(&mut self, place: usize) -> [f64; 2] {
        while self.known.len() <= place {
            let Lasting { shape, leave, stay } = self.of;
            self.made += self.still;
            self.still *= (stay + self.orders) / (leave + stay + self.orders);
            self.known.push([(shape + self.orders) / (self.orders + 1.0), self.made]);
            self.orders += 1.0;
        }
        self.known[place]
    }
}

fn series(ratio: f64, never: f64, steps: &mut Steps) -> f64 {
    let z = ratio / (1.0 + ratio);
    let (mut chance, mut expected) = ((-never).exp(), 0.0);
    let mut step = steps.at(0);
    for place in 1..=MOST_TERMS {
        let [grows, made] = step;
        chance *= grows * z;
        expected += chance * made;
        step = steps.at(place);
        let next = step[0] * z;
        if next < 1.0 && chance * made < 1e-17 * expected * (1.0 - next) * (1.0 - next) {
            break;
        }
    }
    expected
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
                        let series = series(ratio, shape * f64::ln_1p(ratio), &mut Steps::new(lasting));
                        let integral = lasting.integral(ratio);
                        let difference = (series - integral).abs() / series;
                        assert!(difference < 1e-9, "{lasting:?} {ratio}: {series} {integral}");
                    }
                }
            }
        }
    }

    #[test]
    fn several_horizons_have_the_bits_of_each_alone() {
        let lasting = Lasting { shape: 5.2, leave: 0.7, stay: 8.1 };
        let ratios = [0.1, 3.0, 0.0, 0.7, 900.0];
        let together = lasting.orders_each(ratios.into_iter()).map(f64::to_bits);
        assert!(together.eq(ratios.map(|ratio| lasting.orders(ratio).to_bits())));
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
