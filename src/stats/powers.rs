//! (scale ÷ (scale + time))^shape × (scale + time)^−extra: what is left of a gamma mixture after a time.

/// The logarithm of the power with its derivatives by shape and scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Power {
    pub(super) value: f64,
    pub(super) by_shape: f64,
    pub(super) by_scale: f64,
    pub(super) by_both: f64,
    pub(super) by_scale_twice: f64,
}

/// −shape × ln(1 + time ÷ scale) − extra × ln(scale + time). Differences of logarithms of the same size are
/// taken in closed form, so that shape and scale may both be large, as where all customers are alike.
pub(super) fn power(shape: f64, scale: f64, extra: f64, time: f64) -> Power {
    let sum = scale + time;
    let (ratio, inverse) = (time / scale, sum.recip());
    let log = ratio.ln_1p();
    let by_both = -ratio * inverse;
    Power {
        value: -shape * log - extra * sum.ln(),
        by_shape: -log,
        by_scale: (shape * ratio - extra) * inverse,
        by_both: -by_both,
        by_scale_twice: (extra - shape * ratio * (2.0 + ratio)) * inverse * inverse,
    }
}
