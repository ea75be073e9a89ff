//! Gauss–Legendre quadrature.

use std::sync::LazyLock;

/// Points of one panel: exact for polynomials of degree 31.
const POINTS: usize = 16;

/// Nodes in (−1, 1) with their weights, computed once by Newton's method (Abramowitz & Stegun 25.4.29).
static RULE: LazyLock<[(f64, f64); POINTS]> = LazyLock::new(|| {
    let mut rule = [(0.0, 0.0); POINTS];
    let mut place = 0.75;
    for entry in &mut rule {
        let mut node = (std::f64::consts::PI * place / 16.5).cos();
        let mut slope = 1.0;
        for _ in 0..60 {
            let (value, derivative) = legendre(node);
            slope = derivative;
            let step = value / derivative;
            node -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        *entry = (node, 2.0 / ((1.0 - node * node) * slope * slope));
        place += 1.0;
    }
    rule
});

/// The Legendre polynomial of degree 16 and its derivative.
fn legendre(node: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, node);
    let mut degree = 2.0;
    while degree < 16.5 {
        let next = ((2.0 * degree - 1.0) * node * value - (degree - 1.0) * before) / degree;
        (before, value) = (value, next);
        degree += 1.0;
    }
    (value, 16.0 * (node * value - before) / (node * node - 1.0))
}

/// The points of a panel with their weights.
pub(super) fn points(from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    RULE.iter().map(move |(node, weight)| (middle + half * node, half * weight))
}

#[cfg(test)]
mod tests {
    use super::points;

    #[test]
    fn a_panel_is_exact_for_smooth_functions() {
        let found: f64 = points(0.0, 4.0).map(|(at, weight)| weight * (-at).exp()).sum();
        assert!((found - (1.0 - (-4.0_f64).exp())).abs() < 1e-14);
        let power: f64 = points(-1.0, 1.0).map(|(at, weight)| weight * at.powi(30)).sum();
        assert!((power - 2.0 / 31.0).abs() < 1e-14);
    }
}
