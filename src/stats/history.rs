//! What a customer did, as the models see it: repeat orders, the time of the last, the time watched.

use std::cmp::Ordering;

/// Input that no customer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// NaN or infinity.
    #[error("{0} is NaN or infinite")]
    NotFinite(&'static str),
    /// Below zero.
    #[error("{0} is negative")]
    Negative(&'static str),
    /// Not above zero where a number above it must be.
    #[error("{0} is not positive")]
    NotPositive(&'static str),
    /// A count with a fraction.
    #[error("{0} is no whole number")]
    NotWhole(&'static str),
    /// The last order came after the end of the observation.
    #[error("recency is larger than age")]
    RecencyBeyondAge,
    /// A contract that ended before its first period was over.
    #[error("a contract ended before its first period was over")]
    EndedAtOnce,
    /// A last repeat order of somebody who has none.
    #[error("recency is positive though frequency is 0")]
    RecencyWithoutOrders,
}

/// One customer: x repeat orders, the last of them `recency` after the first order, which lies
/// `age` before the end of the observation. Times have one unit, whichever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History {
    pub(super) frequency: f64,
    pub(super) recency: f64,
    pub(super) age: f64,
}

impl History {
    /// A new customer, just acquired.
    pub const NEW: Self = Self { frequency: 0.0, recency: 0.0, age: 0.0 };

    /// Checks one customer.
    ///
    /// # Errors
    ///
    /// Returns what is impossible: a number that is not finite or negative, a fraction of an order, a
    /// last order after the end or without any order.
    pub fn try_new(frequency: f64, recency: f64, age: f64) -> Result<Self, Impossible> {
        let named = [(frequency, "frequency"), (recency, "recency"), (age, "age")];
        for (number, name) in named {
            if !number.is_finite() {
                return Err(Impossible::NotFinite(name));
            }
            if number < 0.0 {
                return Err(Impossible::Negative(name));
            }
        }
        if frequency.fract() > 0.0 {
            return Err(Impossible::NotWhole("frequency"));
        }
        if recency > age {
            return Err(Impossible::RecencyBeyondAge);
        }
        if frequency < 1.0 && recency > 0.0 {
            return Err(Impossible::RecencyWithoutOrders);
        }
        // Zero has two signs and one value.
        Ok(Self { frequency: frequency + 0.0, recency: recency + 0.0, age: age + 0.0 })
    }

    /// Repeat orders x, the time of the last `t_x`, the time watched T.
    #[must_use]
    pub fn numbers(&self) -> [f64; 3] {
        [self.frequency, self.recency, self.age]
    }

    fn order(&self, other: &Self) -> Ordering {
        let by_frequency = self.frequency.total_cmp(&other.frequency);
        by_frequency.then(self.recency.total_cmp(&other.recency)).then(self.age.total_cmp(&other.age))
    }
}

/// Distinct customers with how often each is there, sorted: the order of rows has left no trace.
#[derive(Debug, Clone, Default)]
pub struct Histories {
    pub(super) counted: Vec<(History, f64)>,
}

impl Histories {
    /// Sorts and counts customers, each with how many there are like it.
    #[must_use]
    pub fn new(customers: impl IntoIterator<Item = (History, u64)>) -> Self {
        let mut all: Vec<(History, u64)> = customers.into_iter().collect();
        all.sort_unstable_by(|(left, _), (right, _)| left.order(right));
        all.dedup_by(|(later, more), (kept, count)| {
            let same = later == kept;
            if same {
                *count += *more;
            }
            same
        });
        #[expect(clippy::cast_precision_loss, reason = "customers are fewer than 2^53")]
        let counted = all.into_iter().map(|(history, count)| (history, count as f64)).collect();
        Self { counted }
    }

    /// Each distinct customer once.
    pub fn customers(&self) -> impl Iterator<Item = History> {
        self.counted.iter().map(|(history, _)| *history)
    }

    pub(super) fn orders(&self) -> f64 {
        self.counted.iter().map(|(history, count)| history.frequency * count).sum()
    }

    pub(super) fn mean_age(&self) -> f64 {
        let customers: f64 = self.counted.iter().map(|(_, count)| count).sum();
        self.counted.iter().map(|(history, count)| history.age * count).sum::<f64>() / customers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_customers_are_told_by_what_is_wrong() {
        let check = |frequency, recency, age, expected| {
            assert_eq!(History::try_new(frequency, recency, age), Err(expected));
        };
        check(f64::NAN, 1.0, 2.0, Impossible::NotFinite("frequency"));
        check(1.0, f64::INFINITY, 2.0, Impossible::NotFinite("recency"));
        check(1.0, -1.0, 2.0, Impossible::Negative("recency"));
        check(-1.0, 1.0, 2.0, Impossible::Negative("frequency"));
        check(1.5, 1.0, 2.0, Impossible::NotWhole("frequency"));
        check(1.0, 3.0, 2.0, Impossible::RecencyBeyondAge);
        check(0.0, 1.0, 2.0, Impossible::RecencyWithoutOrders);
        assert!(History::try_new(0.0, 0.0, 0.0).is_ok());
    }

    #[test]
    fn equal_customers_are_counted_once_whatever_their_order() {
        let customer = |x, t_x, t| History::try_new(x, t_x, t).expect("possible");
        let (one, two) = (customer(0.0, -0.0, 7.0), customer(2.0, 3.0, 7.0));
        let found = Histories::new([(two, 1), (one, 2), (two, 3)]);
        assert_eq!(found.counted, [(one, 2.0), (two, 4.0)]);
        assert_eq!(found.counted, Histories::new([(one, 2), (two, 4)]).counted);
    }
}
