//! Sums of floating-point numbers that do not depend on the order of the rows.
//!
//! **Invariant:** the value is the exact sum, rounded once to the nearest double, ties to even;
//! adding, merging and taking away in any order give the same bits. Shewchuk (1997), "Adaptive
//! Precision Floating-Point Arithmetic", section 2.4; final rounding as in `CPython`'s `fsum`.

/// An exact running sum of doubles: non-overlapping parts, smallest first.
#[derive(Debug, Clone, Default)]
pub(super) struct ExactSum {
    parts: Vec<f64>,
    positive: i64,
    negative: i64,
    nan: i64,
}

impl ExactSum {
    /// Adds one number; NaN and infinities are counted and decide the value.
    pub(super) fn add(&mut self, number: f64) {
        self.add_times(number, 1);
    }

    /// Takes one number away that was added before, exactly.
    pub(super) fn subtract(&mut self, number: f64) {
        self.add_times(number, -1);
    }

    /// The parts another sum is merged from, non-finite ones included.
    pub(super) fn to_parts(&self) -> Vec<f64> {
        let mut parts = self.parts.clone();
        let special =
            [(self.positive, f64::INFINITY), (self.negative, f64::NEG_INFINITY), (self.nan, f64::NAN)];
        parts.extend(special.iter().filter(|(count, _)| *count > 0).map(|(_, number)| *number));
        parts
    }

    /// Bytes held beside the value itself.
    pub(super) fn heap(&self) -> usize {
        self.parts.capacity() * size_of::<f64>()
    }

    /// The sum, rounded once.
    pub(super) fn value(&self) -> f64 {
        if self.nan > 0 || (self.positive > 0 && self.negative > 0) {
            f64::NAN
        } else if self.positive > 0 {
            f64::INFINITY
        } else if self.negative > 0 {
            f64::NEG_INFINITY
        } else {
            rounded(&self.parts)
        }
    }

    fn add_times(&mut self, number: f64, times: i64) {
        if number.is_nan() {
            self.nan += times;
        } else if number == f64::INFINITY {
            self.positive += times;
        } else if number == f64::NEG_INFINITY {
            self.negative += times;
        } else {
            self.grow(if times < 0 { -number } else { number });
        }
    }

    fn grow(&mut self, number: f64) {
        let mut carried = number;
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let (high, low) = two_sum(carried, self.parts[at]);
            if low != 0.0 {
                self.parts[kept] = low;
                kept += 1;
            }
            carried = high;
        }
        self.parts.truncate(kept);
        if carried.is_finite() {
            self.parts.push(carried);
        } else {
            self.parts.clear();
            self.nan += 1;
        }
    }
}

/// The rounded sum and what the rounding lost.
fn two_sum(left: f64, right: f64) -> (f64, f64) {
    let (large, small) = if left.abs() < right.abs() { (right, left) } else { (left, right) };
    let high = large + small;
    (high, small - (high - large))
}

fn rounded(parts: &[f64]) -> f64 {
    let mut rest = parts.iter().rev().copied();
    let mut high = rest.next().unwrap_or(0.0);
    let mut low = 0.0;
    for part in rest.by_ref() {
        (high, low) = two_sum(high, part);
        if low != 0.0 {
            break;
        }
    }
    // A lost half is a tie only if nothing below it points the same way.
    let below = rest.next().unwrap_or(0.0);
    if (low < 0.0 && below < 0.0) || (low > 0.0 && below > 0.0) {
        let doubled = low * 2.0;
        let moved = high + doubled;
        #[expect(clippy::float_cmp, reason = "exactness is the question")]
        if doubled == moved - high {
            high = moved;
        }
    }
    high + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        for number in numbers {
            sum.add(*number);
        }
        sum.value()
    }

    #[test]
    fn ten_tenths_are_one() {
        assert_eq!(sum(&[0.1; 10]).to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn what_plain_addition_loses_is_kept() {
        // 1e100 + 1 - 1e100: plain addition gives 0.
        assert_eq!(sum(&[1e100, 1.0, -1e100]).to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn every_order_gives_the_same_bits() {
        let numbers = [1e16, 1.0, -1e16, 0.1, 1e-16, -0.3, 7.25e8, 2.0_f64.powi(-1074)];
        let expected = sum(&numbers).to_bits();
        for turn in 0..numbers.len() {
            let mut turned = numbers;
            turned.rotate_left(turn);
            assert_eq!(sum(&turned).to_bits(), expected);
            turned.reverse();
            assert_eq!(sum(&turned).to_bits(), expected);
        }
    }

    #[test]
    fn what_is_taken_away_leaves_nothing_behind() {
        let mut sum = ExactSum::default();
        for number in [1e300, 0.1, f64::INFINITY] {
            sum.add(number);
        }
        for number in [f64::INFINITY, 1e300] {
            sum.subtract(number);
        }
        assert_eq!(sum.value().to_bits(), 0.1_f64.to_bits());
    }

    #[test]
    fn infinities_of_both_signs_are_no_number() {
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(sum(&[f64::INFINITY, 1.0]).is_infinite());
    }
}
