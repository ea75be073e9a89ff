//! The ordinary world is as the methods assume, in what the methods see: all orders that are kept, a
//! customer's orders of one day as one, those that campaigns brought among them.
//!
//! At the parameters that made the data the score, the derivative of the log likelihood, is zero on
//! average. So the sum of the customers' scores may be off by four of its errors, the root of the sum
//! of their squares; what breaks an assumption moves it by more than eight.

#![expect(clippy::cast_precision_loss, reason = "the numbers of a test are small")]

use std::collections::{BTreeMap, BTreeSet};

use super::baskets::Line;
use super::chunk::{Company, chunk};
use super::constants::*;
use super::history::DAY;
use super::*;

const CUSTOMERS: i64 = 8_000;
const BG_NBD: [f64; 4] = [RATE_SHAPE, RATE_ALPHA_DAYS, DROPOUT_A, DROPOUT_B];
const GAMMA_GAMMA: [f64; 3] = [SPEND_P, SPEND_Q, SPEND_GAMMA];

/// What a company sees of one customer.
struct Seen {
    repeats: u32,
    /// Days from the first order to the last one, and to the end.
    recency: f64,
    age: f64,
    /// What was paid on an average day with a repeat order, in cents.
    mean_paid: f64,
}

/// Those of the world with `assumptions` who ever bought.
fn seen(assumptions: Assumptions) -> Vec<Seen> {
    let world = World { seed: 5, assumptions, ..World::default() };
    let company = Company::new(&world, CUSTOMERS, 1_000).unwrap();
    let until = company.history.until() / DAY;
    let mut found = Vec::new();
    for first in (0..CUSTOMERS).step_by(1_000) {
        let made = chunk(&company, first..first + 1_000);
        let cancelled = made.records.statuses.iter().filter(|it| it.status == "cancelled");
        let cancelled = cancelled.map(|it| it.order_id).collect::<BTreeSet<_>>();
        let mut paid = BTreeMap::<i64, i64>::new();
        for line in &made.lines {
            *paid.entry(line.order_id).or_default() += Line::net(line);
        }
        let mut days = BTreeMap::<i64, BTreeMap<i64, i64>>::new();
        for order in made.orders.iter().filter(|it| !cancelled.contains(&it.order_id)) {
            let day = order.ordered_at.div_euclid(DAY);
            *days.entry(order.customer_id).or_default().entry(day).or_default() += paid[&order.order_id];
        }
        found.extend(days.values().map(|days| {
            let (first, last) = (*days.keys().next().unwrap(), *days.keys().next_back().unwrap());
            let repeats = u32::try_from(days.len()).unwrap() - 1;
            let paid = days.values().skip(1).sum::<i64>() as f64;
            Seen {
                repeats,
                recency: (last - first) as f64,
                age: (until - first) as f64,
                mean_paid: paid / f64::from(repeats),
            }
        }));
    }
    found
}

/// Fader, Hardie & Lee (2005), eq. 6, with its ratios of gamma functions as products.
fn bg_nbd([r, alpha, a, b]: [f64; 4], seen: &Seen) -> f64 {
    let steps = || (0..seen.repeats).map(f64::from);
    let x = f64::from(seen.repeats);
    let rises = steps().map(|i| (r + i).ln()).sum::<f64>();
    let stays = steps().map(|i| ((b + i) / (a + b + i)).ln()).sum::<f64>();
    let alive = r * alpha.ln() + rises + stays - (r + x) * (alpha + seen.age).ln();
    if seen.repeats == 0 {
        return alive;
    }
    let left = a / (b + x - 1.0) * ((alpha + seen.age) / (alpha + seen.recency)).powf(r + x);
    alive + left.ln_1p()
}

/// Fader & Hardie (2013), "The gamma-gamma model of monetary value", eq. 1a.
fn gamma_gamma([p, q, gamma]: [f64; 3], seen: &Seen) -> f64 {
    let (x, z) = (f64::from(seen.repeats), seen.mean_paid);
    ln_gamma(p * x + q) - ln_gamma(p * x) - ln_gamma(q)
        + q * gamma.ln()
        + (p * x - 1.0) * z.ln()
        + p * x * x.ln()
        - (p * x + q) * (gamma + x * z).ln()
}

/// Stirling's series, beyond 10, where its next term is below 1e-10.
fn ln_gamma(x: f64) -> f64 {
    if x < 10.0 {
        return ln_gamma(x + 1.0) - x.ln();
    }
    let tail = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1_260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + tail
}

/// By how many errors the score in the logarithm of each parameter is off.
fn scores<const N: usize>(
    planted: [f64; N],
    seen: &[&Seen],
    log_likelihood: impl Fn([f64; N], &Seen) -> f64,
) -> [f64; N] {
    std::array::from_fn(|at| {
        let step = 1e-4;
        let moved = |by: f64| {
            let mut parameters = planted;
            parameters[at] *= f64::exp(by);
            parameters
        };
        let score =
            |it: &&Seen| (log_likelihood(moved(step), it) - log_likelihood(moved(-step), it)) / (2.0 * step);
        let scores = seen.iter().map(score).collect::<Vec<_>>();
        scores.iter().sum::<f64>() / scores.iter().map(|it| it * it).sum::<f64>().sqrt()
    })
}

fn both(assumptions: Assumptions) -> ([f64; 4], [f64; 3]) {
    let seen = seen(assumptions);
    let all = seen.iter().collect::<Vec<_>>();
    let repeating = seen.iter().filter(|it| it.repeats > 0).collect::<Vec<_>>();
    (scores(BG_NBD, &all, bg_nbd), scores(GAMMA_GAMMA, &repeating, gamma_gamma))
}

#[test]
fn likelihoods_give_the_published_numbers() {
    // ln 4! = 3.178053830; ln Gamma(0.5) = ln sqrt(pi) = 0.572364943.
    assert!((ln_gamma(5.0) - 3.178_053_830).abs() < 1e-9 && (ln_gamma(0.5) - 0.572_364_943).abs() < 1e-9);
    // Never twice in 39 weeks, CDNOW with the published, rounded parameters: 0.5737864 (R BTYD).
    let never = Seen { repeats: 0, recency: 0.0, age: 39.0, mean_paid: 0.0 };
    let cdnow = [0.243, 4.414, 0.793, 2.426];
    assert!((bg_nbd(cdnow, &never).exp() - 0.573_786_4).abs() < 1e-6);
}

#[test]
fn the_ordinary_world_is_as_the_methods_assume() {
    let (orders, spend) = both(Assumptions::Held);
    assert!(orders.iter().chain(&spend).all(|score| score.abs() <= 4.0), "{orders:?} {spend:?}");
}

#[test]
fn the_misspecified_world_is_not() {
    let (orders, spend) = both(Assumptions::Broken);
    let most = |scores: &[f64]| scores.iter().fold(0.0_f64, |most, score| most.max(score.abs()));
    assert!(most(&orders) > 8.0 && most(&spend) > 8.0, "{orders:?} {spend:?}");
}
