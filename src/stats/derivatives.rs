//! A value with its gradient and Hessian, and the logarithm of a sum of such values.

/// A function of `N` parameters at one point, to second order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Derivatives<const N: usize> {
    pub(super) value: f64,
    pub(super) gradient: [f64; N],
    pub(super) hessian: [[f64; N]; N],
}

impl<const N: usize> Derivatives<N> {
    pub(super) const ZERO: Self = Self { value: 0.0, gradient: [0.0; N], hessian: [[0.0; N]; N] };

    /// Adds `times` × `other`.
    pub(super) fn add(&mut self, other: &Self, times: f64) {
        self.value += times * other.value;
        for row in 0..N {
            self.gradient[row] += times * other.gradient[row];
            for column in 0..N {
                self.hessian[row][column] += times * other.hessian[row][column];
            }
        }
    }

    /// The same function of the parameters' logarithms: ∂/∂ln θ = θ ∂/∂θ.
    pub(super) fn on_log_scale(&self, parameters: &[f64; N]) -> Self {
        let mut scaled = *self;
        for row in 0..N {
            scaled.gradient[row] *= parameters[row];
            for column in 0..N {
                scaled.hessian[row][column] *= parameters[row] * parameters[column];
            }
            scaled.hessian[row][row] += scaled.gradient[row];
        }
        scaled
    }
}

/// ln Σ exp(term) with derivatives; the upper triangle alone is added, and mirrored at the end.
#[derive(Debug)]
pub(super) struct LogSum<const N: usize> {
    base: f64,
    sum: Derivatives<N>,
}

impl<const N: usize> LogSum<N> {
    /// An empty sum of terms none of which is much larger than `base`.
    pub(super) fn around(base: f64) -> Self {
        Self { base, sum: Derivatives::ZERO }
    }

    /// Adds exp(`term.value`) × `weight`.
    pub(super) fn add(&mut self, term: &Derivatives<N>, weight: f64) {
        let size = weight * (term.value - self.base).exp();
        self.sum.value += size;
        for row in 0..N {
            let slope = size * term.gradient[row];
            self.sum.gradient[row] += slope;
            for column in row..N {
                self.sum.hessian[row][column] +=
                    size * term.hessian[row][column] + slope * term.gradient[column];
            }
        }
    }

    /// What was added so far, relative to exp(`base`).
    pub(super) fn size(&self) -> f64 {
        self.sum.value
    }

    /// The logarithm of the sum.
    pub(super) fn log(self) -> Derivatives<N> {
        let total = self.sum.value;
        let mut log = Derivatives::ZERO;
        log.value = self.base + total.ln();
        for row in 0..N {
            log.gradient[row] = self.sum.gradient[row] / total;
        }
        for row in 0..N {
            for column in row..N {
                let second = self.sum.hessian[row][column] / total - log.gradient[row] * log.gradient[column];
                log.hessian[row][column] = second;
                log.hessian[column][row] = second;
            }
        }
        log
    }
}
