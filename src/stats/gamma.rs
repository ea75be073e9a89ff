//! The logarithm of the gamma function with its two derivatives, and rising factorials.

/// Above it the asymptotic series is exact to a double's last digits.
const ASYMPTOTIC: f64 = 10.0;
/// Up to so many factors a rising factorial is multiplied out.
const FEW_FACTORS: f64 = 32.0;
/// From here on a difference of two log-gammas loses more digits than a product.
const LARGE: f64 = 1e3;
/// More factors than any customer has orders; beyond it the difference of log-gammas will do.
const MANY_FACTORS: f64 = 1e6;

/// A logarithm with its first and second derivative.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogGamma {
    pub(super) value: f64,
    pub(super) first: f64,
    pub(super) second: f64,
}

impl LogGamma {
    fn minus(self, other: Self) -> Self {
        Self {
            value: self.value - other.value,
            first: self.first - other.first,
            second: self.second - other.second,
        }
    }
}

/// ln Γ(z), ψ(z) and ψ′(z) for z > 0: upward recurrence, then Stirling's series (Abramowitz &
/// Stegun 6.1.40, 6.3.18, 6.4.12).
pub(super) fn log_gamma(z: f64) -> LogGamma {
    let mut shifted = z;
    let mut below = LogGamma::default();
    let mut product = 1.0;
    while shifted < ASYMPTOTIC {
        product *= shifted;
        below.first += shifted.recip();
        below.second -= (shifted * shifted).recip();
        shifted += 1.0;
    }
    below.value = product.ln();
    asymptotic(shifted).minus(below)
}

fn asymptotic(z: f64) -> LogGamma {
    let inverse = z.recip();
    let square = inverse * inverse;
    let series = |terms: [f64; 7]| terms.iter().rev().fold(0.0, |sum, term| sum * square + term);
    let value = series([
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ]);
    let first = series([
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
    ]);
    let second =
        series([1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2730.0, 7.0 / 6.0]);
    let log = z.ln();
    let half_log_two_pi = 0.5 * std::f64::consts::TAU.ln();
    LogGamma {
        value: (z - 0.5) * log - z + half_log_two_pi + value * inverse,
        first: log - 0.5 * inverse - first * square,
        second: inverse + 0.5 * square + second * square * inverse,
    }
}

/// ln of the rising factorial base (base + 1) … (base + factors − 1) = Γ(base + factors) ÷ Γ(base),
/// with its derivatives by `base`; `factors` is a whole number.
pub(super) fn log_rising(base: f64, factors: f64) -> LogGamma {
    if factors > FEW_FACTORS && (base < LARGE || factors > MANY_FACTORS) {
        return log_gamma(base + factors).minus(log_gamma(base));
    }
    let mut sum = LogGamma::default();
    let mut step = 0.0;
    while step < factors {
        let factor = base + step;
        sum.value += factor.ln();
        sum.first += factor.recip();
        sum.second -= (factor * factor).recip();
        step += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(z: f64, value: f64, first: f64, second: f64) {
        let found = log_gamma(z);
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() <= 4e-15 * expected.abs().max(1.0), "{z}: {found} {expected}");
        };
        near(found.value, value);
        near(found.first, first);
        near(found.second, second);
    }

    #[test]
    fn log_gamma_is_as_tabulated() {
        // Γ(1/2) = √π, ψ(1/2) = −γ − 2 ln 2, ψ′(1/2) = π²/2; Γ(1) = 1, ψ(1) = −γ, ψ′(1) = π²/6.
        let euler = 0.577_215_664_901_532_9;
        let pi = std::f64::consts::PI;
        check(0.5, pi.sqrt().ln(), -euler - 2.0 * 2.0_f64.ln(), pi * pi / 2.0);
        check(1.0, 0.0, -euler, pi * pi / 6.0);
        check(5.0, 24.0_f64.ln(), 25.0 / 12.0 - euler, pi * pi / 6.0 - 205.0 / 144.0);
        // 24! and the harmonic numbers of 24.
        let harmonic: f64 = (1..25).map(|n| 1.0 / f64::from(n)).sum();
        let squares: f64 = (1..25).map(|n| 1.0 / f64::from(n * n)).sum();
        check(25.0, 54.784_729_398_112_32, harmonic - euler, pi * pi / 6.0 - squares);
    }

    #[test]
    fn a_rising_factorial_is_the_same_both_ways() {
        let both = [log_rising(0.25, 40.0), log_gamma(40.25).minus(log_gamma(0.25))];
        assert!((both[0].value - both[1].value).abs() < 1e-13);
        let product: f64 = (0..7).map(|n| (0.25 + f64::from(n)).ln()).sum();
        assert!((log_rising(0.25, 7.0).value - product).abs() < 1e-14);
        assert_eq!(log_rising(0.25, 0.0).value.to_bits(), 0.0_f64.to_bits());
    }
}
