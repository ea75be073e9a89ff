//! A smooth function of an interval, known by its values at few points: the polynomial through Chebyshev's points.
//!
//! Trefethen (2013), "Approximation Theory and Approximation Practice", chapters 3 and 8: of a function that is analytic
//! in the ellipse whose half axes add up to ρ, the n-th coefficient is of the order ρ^−n.

use std::f64::consts::PI;

/// What is left of the coefficients where the series may end, of the largest.
const NEGLIGIBLE: f64 = 1e-11;
/// Coefficients that must be negligible at the end; a single one may be so by chance.
const LAST: usize = 3;

/// How many points a function needs that is analytic where the imaginary part, in the interval's own unit, is
/// below `strip`.
pub(super) fn points_needed(from: f64, to: f64, strip: f64) -> usize {
    let axis = strip / (0.5 * (to - from));
    let terms = -(0.01 * NEGLIGIBLE).ln() / axis.asinh();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and capped")]
    let terms = terms.min(1e6).ceil() as usize;
    terms.max(LAST) + LAST
}

/// Chebyshev's points of the interval, from its beginning to its end; `count` is at least 2.
pub(super) fn points(from: f64, to: f64, count: usize) -> Vec<f64> {
    let middle = 0.5 * (from + to);
    cosines(count).iter().rev().map(|cosine| middle + 0.5 * (to - from) * cosine).collect()
}

/// cos(j π ÷ (count − 1)), from 1 to −1.
fn cosines(count: usize) -> Vec<f64> {
    (0..count).map(|at| (PI * as_number(at) / as_number(count - 1)).cos()).collect()
}

fn as_number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The polynomial through a function's values.
pub(super) struct Curve {
    from: f64,
    to: f64,
    coefficients: Vec<f64>,
}

impl Curve {
    /// The curve through `values` at the [`points`] of the interval; none where so few do not tell the function.
    pub(super) fn through(from: f64, to: f64, values: &[f64]) -> Option<Self> {
        let cosines = cosines(values.len());
        let last = values.len() - 1;
        let of = |degree: usize| {
            let halves =
                [0.5 * values[last], 0.5 * values[0] * if degree.is_multiple_of(2) { 1.0 } else { -1.0 }];
            let inner = (1..last).map(|at| values[last - at] * cosine_of(&cosines, degree * at));
            let whole = 2.0 * (halves.into_iter().sum::<f64>() + inner.sum::<f64>()) / as_number(last);
            if degree == 0 || degree == last { 0.5 * whole } else { whole }
        };
        let coefficients: Vec<f64> = (0..=last).map(of).collect();
        let largest = coefficients.iter().fold(0.0_f64, |most, one| most.max(one.abs()));
        let told = coefficients.iter().rev().take(LAST).all(|one| one.abs() <= NEGLIGIBLE * largest);
        told.then_some(Self { from, to, coefficients })
    }

    /// Its value at a place of the interval, by Clenshaw's recurrence.
    pub(super) fn at(&self, place: f64) -> f64 {
        let within = (2.0 * place - self.from - self.to) / (self.to - self.from);
        let (mut one, mut two) = (0.0, 0.0);
        for coefficient in self.coefficients.iter().skip(1).rev() {
            (one, two) = (coefficient + 2.0 * within * one - two, one);
        }
        self.coefficients[0] + within * one - two
    }
}

/// cos(times × π ÷ (count − 1)) among the cosines of the half circle.
fn cosine_of(cosines: &[f64], times: usize) -> f64 {
    let last = cosines.len() - 1;
    let around = times % (2 * last);
    cosines[if around > last { 2 * last - around } else { around }]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// e^v ÷ (1 + e^v) has poles at ± π i.
    fn logistic(v: f64) -> f64 {
        v.exp() / (1.0 + v.exp())
    }

    #[test]
    fn a_smooth_function_is_told_by_few_points() {
        let count = points_needed(-2.0, 3.0, PI);
        assert!(count < 40, "{count}");
        let values: Vec<f64> = points(-2.0, 3.0, count).into_iter().map(logistic).collect();
        let curve = Curve::through(-2.0, 3.0, &values).expect("enough points");
        for at in 0..=500 {
            let place = -2.0 + f64::from(at) / 100.0;
            assert!((curve.at(place) - logistic(place)).abs() < 1e-11, "{place}");
        }
    }

    #[test]
    fn too_few_points_are_seen() {
        let values: Vec<f64> = points(-2.0, 3.0, 12).into_iter().map(logistic).collect();
        assert!(Curve::through(-2.0, 3.0, &values).is_none());
        let corner: Vec<f64> = points(-1.0, 1.0, 30).into_iter().map(f64::abs).collect();
        assert!(Curve::through(-1.0, 1.0, &corner).is_none());
    }

    #[test]
    fn a_polynomial_is_itself() {
        // 1 − 2 v + v³ at 0.3 is 1 − 0.6 + 0.027.
        let cubic = |v: f64| 1.0 - 2.0 * v + v * v * v;
        let values: Vec<f64> = points(-1.0, 2.0, 8).into_iter().map(cubic).collect();
        let curve = Curve::through(-1.0, 2.0, &values).expect("four coefficients");
        assert!((curve.at(0.3) - 0.427).abs() < 1e-14);
    }
}
