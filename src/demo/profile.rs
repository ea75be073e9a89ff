//! What is behind a customer's behaviour beyond rates: causes, attitudes, needs.

use rand_distr::{Distribution, StandardNormal};

use super::figures::{ATTITUDE_OF_SATISFACTION, CAUSE_SHARE, CLUSTERS, DRIVERS, ELASTICITY, NEEDS};
use super::streams::{Stream, happens, pick};

/// A customer behind the figures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Profile {
    /// What came over the customer, each the cause of something.
    pub(super) traits: Traits,
    /// By how many percent the quantity rises when the price falls by one.
    pub(super) elasticity: f64,
    /// The category in which the customer is at home, as a place in `CLUSTERS`.
    pub(super) cluster: usize,
    /// How each driver of satisfaction is felt; standard normal.
    pub(super) drivers: [f64; 4],
    /// The weighted sum of the drivers.
    pub(super) satisfaction: f64,
    /// The attitude to the company against others; standard normal.
    pub(super) attitude: f64,
    /// The share of spend in our categories that we get.
    pub(super) wallet_share: f64,
    /// The need that counts most.
    pub(super) main_need: usize,
}

/// What came over a customer early on.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Traits {
    /// Saves recipes: buys more often.
    pub(super) saves_recipes: bool,
    /// Has a store card: buys more often.
    pub(super) activated_card: bool,
    /// Had a late delivery: leaves sooner.
    pub(super) had_late_delivery: bool,
    /// Had a complaint nobody settled: leaves sooner.
    pub(super) had_open_complaint: bool,
}

impl Profile {
    /// The next profile of `stream`.
    pub(super) fn draw(stream: &mut Stream) -> Self {
        let [saves_recipes, activated_card, had_late_delivery, had_open_complaint] =
            std::array::from_fn(|_| happens(stream, CAUSE_SHARE));
        let drivers: [f64; 4] = std::array::from_fn(|_| normal(stream));
        let satisfaction = DRIVERS.iter().zip(drivers).map(|((_, weight), felt)| weight * felt).sum::<f64>();
        let spread = DRIVERS.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        let own = (1.0 - ATTITUDE_OF_SATISFACTION * ATTITUDE_OF_SATISFACTION).sqrt();
        let attitude = ATTITUDE_OF_SATISFACTION * satisfaction / spread + own * normal(stream);
        let lean = 0.6 * attitude + 0.8 * normal(stream) - 0.2;
        let clusters = CLUSTERS.iter().enumerate().map(|(at, (_, share))| (at, *share)).collect::<Vec<_>>();
        let needs = 1.0 / 10.0;
        Self {
            traits: Traits { saves_recipes, activated_card, had_late_delivery, had_open_complaint },
            elasticity: (ELASTICITY.0 + ELASTICITY.1 * normal(stream)).exp(),
            cluster: pick(stream, &clusters),
            drivers,
            satisfaction,
            attitude,
            wallet_share: 1.0 / (1.0 + (-lean).exp()),
            main_need: pick(stream, &std::array::from_fn::<_, { NEEDS.len() }, _>(|at| (at, needs))),
        }
    }

    /// Dick & Basu (1994): attitude against others, and patronage as the share of wallet.
    pub(super) fn loyalty_class(&self) -> &'static str {
        match (self.attitude > 0.0, self.wallet_share > 0.5) {
            (true, true) => "loyalty",
            (true, false) => "latent_loyalty",
            (false, true) => "spurious_loyalty",
            (false, false) => "no_loyalty",
        }
    }
}

/// A standard normal number.
pub(super) fn normal(stream: &mut Stream) -> f64 {
    StandardNormal.sample(stream)
}
