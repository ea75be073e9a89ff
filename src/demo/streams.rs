//! Random numbers that do not depend on who draws first.
//!
//! **Invariant:** a stream is a function of (seed, entity, chunk) and of nothing else, so chunks
//! may be made in any order by any thread, and a new entity changes no old one.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream is for; the number is part of the stream's key and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Entity {
    /// Products, their costs and popularity.
    Products = 1,
    /// Who the customers are.
    Customers = 2,
    /// How the customers behave: rates, dropout, spend levels.
    Natures = 3,
    /// When they order, and where.
    Purchases = 4,
    /// What is in the orders.
    Baskets = 5,
    /// What comes back.
    Returns = 6,
    /// Campaign members and touches.
    Contacts = 7,
    /// What is behind the customers' behaviour.
    Profiles = 8,
    /// What became of orders.
    Statuses = 9,
    /// What people tell and permit.
    People = 10,
    /// Prospects, leads and opportunities.
    Sales = 11,
    /// Cases and surveys.
    Service = 12,
    /// Contracts, the wallet panel and other behaviour.
    Behaviour = 13,
    /// What does not grow with the customers.
    Catalogue = 14,
}

/// One stream of random numbers.
pub(super) type Stream = ChaCha8Rng;

/// The stream of `entity` in chunk `chunk` of the world with `seed`.
pub(super) fn stream(seed: u64, entity: Entity, chunk: u64) -> Stream {
    let words = [seed, entity as u64, chunk, 0];
    let mut key = [0_u8; 32];
    for (part, word) in key.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    Stream::from_seed(key)
}

/// Whether something with probability `chance` happens.
pub(super) fn happens(stream: &mut Stream, chance: f64) -> bool {
    stream.random::<f64>() < chance
}

/// A number between `low` (included) and `high` (excluded).
pub(super) fn between(stream: &mut Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * stream.random::<f64>()
}

/// One of `choices`, each with its share; the last takes what rounding leaves.
pub(super) fn pick<T: Copy + Default>(stream: &mut Stream, choices: &[(T, f64)]) -> T {
    let mut left = stream.random::<f64>();
    let found = choices.iter().find(|(_, share)| {
        left -= share;
        left < 0.0
    });
    found.or(choices.last()).map_or_else(T::default, |(choice, _)| *choice)
}

/// The place in `sums`, running sums of weights, of a draw in proportion to the weights.
pub(super) fn place(stream: &mut Stream, sums: &[f64]) -> usize {
    let total = sums.last().copied().unwrap_or_default();
    let drawn = stream.random::<f64>() * total;
    sums.partition_point(|sum| *sum <= drawn).min(sums.len().saturating_sub(1))
}

/// Running sums of `weights`.
pub(super) fn running_sums(weights: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut total = 0.0;
    let add = |weight| {
        total += weight;
        total
    };
    weights.into_iter().map(add).collect()
}

/// The whole number nearest to `value`.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and every value here is small")]
pub(super) fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// `value` as a floating point number.
#[expect(clippy::cast_precision_loss, reason = "instants and counts here are below 2^53")]
pub(super) fn float(value: i64) -> f64 {
    value as f64
}
