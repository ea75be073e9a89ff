//! Two shares side by side: how far apart they are, and whether chance alone would put them there.

/// The quantile of the normal curve that 95 % lie within, either side.
const WITHIN_95: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proportion {
    /// How many had it.
    pub hits: f64,
    /// Of how many, more than 0.
    pub of: f64,
}

impl Proportion {
    /// Of `of` there were `hits`.
    ///
    /// None unless 0 ≤ hits ≤ of, both finite, and of is more than 0.
    #[must_use]
    pub fn new(hits: f64, of: f64) -> Option<Self> {
        (of.is_finite() && of > 0.0 && (0.0..=of).contains(&hits)).then_some(Self { hits, of })
    }

    fn share(self) -> f64 {
        self.hits / self.of
    }

    /// The variance of the share, if `share` is the true one.
    fn variance(self, share: f64) -> f64 {
        share * (1.0 - share) / self.of
    }
}

/// What a test of two shares gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The first less the second.
    pub difference: f64,
    /// The 95 % interval of the difference, by the shares' own variances (Wald).
    pub interval: [f64; 2],
    /// The difference in standard errors of no difference, which both together tell; and the chance of one as far from 0,
    /// both tails of the normal curve. None where all have it, or none.
    pub test: Option<[f64; 2]>,
}

/// Compares two shares: the z test with the pooled share. It holds where five or more are expected in each of the four
/// cells; Newcombe (1998), Statistics in Medicine 17, compares it with others.
#[must_use]
pub fn compare(one: Proportion, other: Proportion) -> Comparison {
    let difference = one.share() - other.share();
    let error = (one.variance(one.share()) + other.variance(other.share())).sqrt();
    let pooled = (one.hits + other.hits) / (one.of + other.of);
    let variance = one.variance(pooled) + other.variance(pooled);
    let test = (variance > 0.0).then(|| {
        let score = difference / variance.sqrt();
        [score, libm::erfc(score.abs() / std::f64::consts::SQRT_2)]
    });
    let interval = [difference - WITHIN_95 * error, difference + WITHIN_95 * error];
    Comparison { difference, interval, test }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hits: f64, of: f64) -> Proportion {
        Proportion::new(hits, of).expect("a share")
    }

    #[test]
    fn shares_are_compared_as_one_does_by_hand() {
        // 0.3 less 0.5; together 0.4: 0.04 ÷ (0.4 × 0.6 × 2 ÷ 50) = 25 ÷ 6 is the score's square, and Python's math.erfc
        // has 0.04122683333716371 beyond it.
        let Comparison { difference, interval, test } = compare(of(15.0, 50.0), of(25.0, 50.0));
        let [score, chance] = test.expect("a test");
        assert!((difference + 0.2).abs() < 1e-15);
        assert!(score < 0.0 && (score * score - 25.0 / 6.0).abs() < 1e-12);
        assert!((chance / 0.041_226_833_337_163_71 - 1.0).abs() < 1e-12, "{chance}");
        // 1.96 × √(0.3 × 0.7 ÷ 50 + 0.5 × 0.5 ÷ 50) either way.
        let width = WITHIN_95 * 0.0092_f64.sqrt();
        assert!((interval[0] + 0.2 + width).abs() < 1e-12 && (interval[1] + 0.2 - width).abs() < 1e-12);
    }

    #[test]
    fn tails_keep_their_digits() {
        // Together 0.35: 0.5 ÷ √(0.35 × 0.65 × 2 ÷ 1000), and Python's math.erfc again.
        let [score, chance] = compare(of(600.0, 1000.0), of(100.0, 1000.0)).test.expect("a test");
        assert!((score - 23.440_361_546_924_773).abs() < 1e-12);
        assert!((chance / 1.657_746_239_807_021_7e-121 - 1.0).abs() < 1e-10, "{chance}");
    }

    #[test]
    fn where_all_have_it_nothing_is_tested() {
        let found = compare(of(5.0, 5.0), of(7.0, 7.0));
        assert_eq!((found.difference, found.interval, found.test), (0.0, [0.0, 0.0], None));
        for (hits, all) in [(-1.0, 5.0), (6.0, 5.0), (0.0, 0.0), (f64::NAN, 5.0), (1.0, f64::INFINITY)] {
            assert_eq!(Proportion::new(hits, all), None, "{hits} {all}");
        }
    }
}
