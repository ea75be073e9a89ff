//! sBG: how long contracts last that end or go on at the end of each period.
//!
//! Fader & Hardie (2007), "How to Project Customer Retention", Journal of Interactive Marketing 21(1): each contract
//! has a chance to end in a period, the same in all of them; the chances are beta-distributed. Their alpha and beta are
//! called a and b here, as in BG/NBD, for they are the same thing.

use super::derivatives::Derivatives;
use super::fit::{Fit, FitStatus, Likelihood, fit};
use super::gamma::log_rising;
use super::history::Impossible;

/// One contract: whole periods it lasted, and whether it ended with the last of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContractLife {
    age: f64,
    is_ended: bool,
}

impl ContractLife {
    /// Checks one contract.
    ///
    /// # Errors
    ///
    /// Returns what is impossible: an age that is not finite, negative or broken, an end before the first period is
    /// over.
    pub fn try_new(age: f64, is_ended: bool) -> Result<Self, Impossible> {
        if !age.is_finite() {
            return Err(Impossible::NotFinite("age"));
        }
        if age < 0.0 {
            return Err(Impossible::Negative("age"));
        }
        if age.fract() > 0.0 {
            return Err(Impossible::NotWhole("age"));
        }
        if is_ended && age < 1.0 {
            return Err(Impossible::EndedAtOnce);
        }
        Ok(Self { age: age + 0.0, is_ended })
    }

    /// Whole periods, and 1 if it ended with the last of them, else 0.
    #[must_use]
    pub fn numbers(&self) -> [f64; 2] {
        [self.age, f64::from(u8::from(self.is_ended))]
    }
}

/// Distinct contracts with their counts, sorted.
#[derive(Debug, Clone, Default)]
pub struct ContractLives {
    counted: Vec<(ContractLife, f64)>,
}

impl ContractLives {
    /// Sorts and counts contracts, each with how many there are like it.
    #[must_use]
    pub fn new(contracts: impl IntoIterator<Item = (ContractLife, u64)>) -> Self {
        let mut all: Vec<(ContractLife, u64)> = contracts.into_iter().collect();
        all.sort_unstable_by(|(left, _), (right, _)| {
            left.age.total_cmp(&right.age).then(left.is_ended.cmp(&right.is_ended))
        });
        all.dedup_by(|(later, more), (kept, count)| {
            let same = later == kept;
            if same {
                *count += *more;
            }
            same
        });
        #[expect(clippy::cast_precision_loss, reason = "contracts are fewer than 2^53")]
        let counted = all.into_iter().map(|(life, count)| (life, count as f64)).collect();
        Self { counted }
    }
}

/// A fitted model: the chance to end in a period is beta(a, b).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftedBetaGeometric {
    /// First parameter of the chance to end, alpha of the paper.
    pub a: f64,
    /// Second parameter, beta of the paper.
    pub b: f64,
}

impl ShiftedBetaGeometric {
    /// S(t) = B(a, b + t) ÷ B(a, b): the share of contracts that outlast `periods`, a whole number.
    #[must_use]
    pub fn survival(&self, periods: f64) -> f64 {
        (log_rising(self.b, periods).value - log_rising(self.a + self.b, periods).value).exp().min(1.0)
    }
}

/// Fits sBG by maximum likelihood; parameters a, b.
#[must_use]
pub fn fit_contract_lives(contracts: &ContractLives) -> Fit<2> {
    let starts = [[1.0, 1.0], [0.5, 2.0], [1.0, 20.0], [10.0, 100.0]];
    fit(&Data { contracts: contracts.clone() }, &starts)
}

struct Data {
    contracts: ContractLives,
}

impl Likelihood<2> for Data {
    fn counts(&self) -> impl Iterator<Item = f64> {
        self.contracts.counted.iter().map(|(_, count)| *count)
    }

    fn scales(&self) -> [f64; 2] {
        [1.0, 1.0]
    }

    fn missing(&self) -> Option<FitStatus> {
        let nothing_ended = !self.contracts.counted.iter().any(|(life, _)| life.is_ended);
        nothing_ended.then_some(FitStatus::NothingEnded)
    }

    fn every(&self, step: usize) -> Self {
        let counted = self.contracts.counted.iter().step_by(step).copied().collect();
        Self { contracts: ContractLives { counted } }
    }

    /// Σ ln(a^ended × (b)_stays ÷ (a + b)_age), rising factorials; equations 5 and 6.
    fn evaluate(&self, [a, b]: &[f64; 2]) -> Derivatives<2> {
        let mut total = Derivatives::ZERO;
        for (ContractLife { age, is_ended }, count) in &self.contracts.counted {
            let ended = f64::from(u8::from(*is_ended));
            let (stayed, decided) = (log_rising(*b, age - ended), log_rising(a + b, *age));
            let term = Derivatives {
                value: ended * a.ln() + stayed.value - decided.value,
                gradient: [ended / a - decided.first, stayed.first - decided.first],
                hessian: [
                    [-ended / (a * a) - decided.second, -decided.second],
                    [-decided.second, stayed.second - decided.second],
                ],
            };
            total.add(&term, *count);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1,000 customers those left after each year, in tenths of a percent as the paper prints them; the seventh is
    /// the last year of its calibration.
    const REGULAR: [u64; 8] = [1000, 631, 468, 382, 326, 289, 262, 241];
    const HIGH_END: [u64; 8] = [1000, 869, 743, 653, 593, 551, 517, 491];

    fn lives(left: [u64; 8]) -> ContractLives {
        let life = |age: f64, is_ended| ContractLife::try_new(age, is_ended).expect("possible");
        let ended = (1_u32..)
            .zip(left.windows(2))
            .map(|(year, pair)| (life(f64::from(year), true), pair[0] - pair[1]));
        ContractLives::new(ended.chain([(life(7.0, false), left[7])]))
    }

    #[track_caller]
    fn check(left: [u64; 8], parameters: [f64; 2], log_likelihood: f64, survival: [(f64, f64); 3]) {
        let found = fit_contract_lives(&lives(left));
        assert_eq!(found.status, FitStatus::Ok);
        let [a, b] = found.parameters.expect("fitted");
        for (found, expected) in [a, b].into_iter().zip(parameters) {
            assert!((found - expected).abs() < 5e-4 * expected, "{found} is not {expected}");
        }
        assert!((found.log_likelihood.expect("fitted") - log_likelihood).abs() < 0.01, "{found:?}");
        for (years, share) in survival {
            let found = ShiftedBetaGeometric { a, b }.survival(years);
            assert!((found - share).abs() < 1e-4, "{years}: {found} is not {share}");
        }
    }

    /// Fader & Hardie (2007): regular .704 and 1.182, high end .668 and 3.806; digits beyond, log-likelihoods and the
    /// projection by `SciPy`.
    #[test]
    fn seven_years_of_two_segments_are_those_of_the_paper() {
        let projected = [(1.0, 0.626_706), (8.0, 0.220_085), (12.0, 0.170_037)];
        check(REGULAR, [0.704_077, 1.182_043], -1_680.265_188, projected);
        let projected = [(1.0, 0.850_679), (8.0, 0.460_440), (12.0, 0.377_999)];
        check(HIGH_END, [0.668_088, 3.806_096], -1_611.158_147, projected);
    }

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let check = |rows: &[(f64, bool, u64)], expected: FitStatus| {
            let one = |(age, is_ended, count): &(f64, bool, u64)| {
                (ContractLife::try_new(*age, *is_ended).expect("possible"), *count)
            };
            let found = fit_contract_lives(&ContractLives::new(rows.iter().map(one)));
            assert_eq!(found.status, expected, "{rows:?} {found:?}");
            if let Some([a, b]) = found.parameters {
                for periods in [0.0, 1.0, 7.0, 1200.0] {
                    let share = ShiftedBetaGeometric { a, b }.survival(periods);
                    assert!((0.0..=1.0).contains(&share), "{rows:?} {share}");
                }
            }
        };
        check(&[], FitStatus::NoCustomers);
        check(&[(5.0, false, 9), (0.0, false, 9)], FitStatus::NothingEnded);
        check(&[(3.0, true, 9)], FitStatus::NoVariation);
        check(&[(1.0, true, 5), (1.0, false, 5)], FitStatus::Boundary);
        check(&[(3.0, true, 5), (3.0, false, 5)], FitStatus::Boundary);
        check(&[(1.0, true, 5), (2.0, true, 3)], FitStatus::Boundary);
    }

    #[test]
    fn impossible_contracts_are_told_by_what_is_wrong() {
        let check = |age, is_ended, expected| assert_eq!(ContractLife::try_new(age, is_ended), Err(expected));
        check(f64::NAN, false, Impossible::NotFinite("age"));
        check(-1.0, true, Impossible::Negative("age"));
        check(1.5, true, Impossible::NotWhole("age"));
        check(0.0, true, Impossible::EndedAtOnce);
    }
}
