//! How certain a figure is that follows from fitted parameters: the delta method.

/// The step in a parameter's logarithm that a slope is taken over.
const STEP: f64 = 1e-4;

/// Parameters with their standard errors and correlations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uncertain<const N: usize> {
    /// The parameters, above 0.
    pub parameters: [f64; N],
    /// Their standard errors; a parameter without one is held where it is.
    pub standard_errors: [Option<f64>; N],
    /// Their correlations.
    pub correlations: [[f64; N]; N],
}

impl<const N: usize> Uncertain<N> {
    /// The standard error of a figure: √(g′ Σ g), where Σ is the covariance of the parameters' logarithms and g
    /// the figure's slope along them. It is of the parameters alone: how far the expectation may be off, not how
    /// far one customer will be from it.
    pub fn error_of(&self, figure: impl Fn(&[f64; N]) -> f64) -> f64 {
        let here = figure(&self.parameters);
        let moves: [f64; N] = std::array::from_fn(|at| {
            let Some(error) = self.standard_errors[at] else { return 0.0 };
            let mut there = self.parameters;
            there[at] *= STEP.exp();
            (figure(&there) - here) / STEP * error / self.parameters[at]
        });
        let mut variance = 0.0;
        for (move_of_row, correlations) in moves.iter().zip(&self.correlations) {
            for (move_of_column, correlation) in moves.iter().zip(correlations) {
                variance += move_of_row * move_of_column * correlation;
            }
        }
        variance.max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_product_is_what_one_computes_by_hand() {
        // ln(x y) has variance 0.1² + 0.2² + 2 × 0.5 × 0.1 × 0.2 = 0.07, and x y is 6.
        let known = Uncertain {
            parameters: [2.0, 3.0],
            standard_errors: [Some(0.2), Some(0.6)],
            correlations: [[1.0, 0.5], [0.5, 1.0]],
        };
        assert!((known.error_of(|[x, y]| x * y) - 6.0 * 0.07_f64.sqrt()).abs() < 1e-3);
        let held = Uncertain { standard_errors: [Some(0.2), None], ..known };
        assert!((held.error_of(|[x, y]| x * y) - 0.6).abs() < 1e-4);
        assert_eq!(held.error_of(|[_, y]| *y).to_bits(), 0.0_f64.to_bits());
    }
}
