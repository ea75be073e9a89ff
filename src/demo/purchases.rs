//! When a customer orders: BG/NBD, on a clock that runs faster on busy days of the week.
//!
//! The first order comes with the arrival. Then gaps are exponential with the customer's rate, and
//! after each repeat purchase the customer leaves for good with the customer's chance (Fader,
//! Hardie & Lee 2005, "Counting your customers the easy way"). What contacts add is of the same
//! process: see `contacts`.
//!
//! Methods see days, so nobody buys twice on one: the first day is where the clock starts, and an
//! order that falls on the day of the one before comes the day after. No order gets lost, as it
//! would where the orders of a day are counted as one. Busy months are those in which many arrive:
//! a yearly season of the clock would look to BG/NBD like customers who leave and come.

use rand::Rng;
use rand_distr::{Distribution, Exp1};

use super::Assumptions;
use super::constants::{MAX_ORDERS, SALES_CHANNELS};
use super::customers::{Customer, Nature};
use super::figures::{COMEBACK, EARLY_DROPOUT, EVEN_GAPS, MEAN_UPLIFT};
use super::history::{DAY, History};
use super::streams::{Stream, between, happens, pick};

/// One order, before anybody knows what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purchase {
    /// When.
    pub(super) ordered_at: i64,
    /// Where.
    pub(super) sales_channel: &'static str,
    /// The campaign it names.
    pub(super) campaign_id: Option<i64>,
    /// Whether the campaign brought it: it would not have been placed.
    pub(super) is_brought: bool,
    /// Whether the customer meant it not, and takes it back soon.
    pub(super) is_mistaken: bool,
}

/// The orders of one customer.
#[derive(Debug, Clone, Default)]
pub(super) struct Purchases {
    /// In order of time.
    pub(super) made: Vec<Purchase>,
    /// When the customer left for good, if so: the instant of the last order of the process.
    pub(super) left_at: Option<i64>,
}

/// The orders `customer` makes of their own accord, at most one a day.
pub(super) fn purchases(
    customer: &Customer,
    nature: &Nature,
    (history, assumptions): (&History, Assumptions),
    stream: &mut Stream,
) -> Purchases {
    let first = customer.created_at + stream.random_range(60..3_600) * 1_000_000;
    let mut found = Purchases::default();
    if !nature.buys || first >= history.until() {
        return found;
    }
    found.made.push(purchase(first, None, stream));
    let mut day_before = day_of(first);
    let mut trade = history.trade_until(day_before);
    while found.made.len() < MAX_ORDERS {
        trade += gap(assumptions, stream) / own_rate(nature);
        let Some(day) = history.day_of_trade(trade) else { break };
        let day = day.max(day_before + DAY);
        if day >= history.until() {
            break;
        }
        day_before = day;
        let moment = history.moment_in(day, stream);
        found.made.push(purchase(moment, None, stream));
        if !happens(stream, dropout(assumptions, nature, found.made.len() - 1)) {
            continue;
        }
        match comeback(assumptions, stream) {
            Some(silence) => trade += silence,
            None => {
                found.left_at = Some(moment);
                break;
            }
        }
    }
    found
}

/// Orders a day without any contact: with the contacts of an average customer it is the rate.
pub(super) fn own_rate(nature: &Nature) -> f64 {
    nature.rate / (1.0 + MEAN_UPLIFT)
}

/// The day of `instant`, as its first instant.
pub(super) const fn day_of(instant: i64) -> i64 {
    instant.div_euclid(DAY) * DAY
}

/// Average days to the next order at a rate of one.
fn gap(assumptions: Assumptions, stream: &mut Stream) -> f64 {
    let mut exponential = || -> f64 { Exp1.sample(stream) };
    match assumptions {
        Assumptions::Held => exponential(),
        Assumptions::Broken => (0..EVEN_GAPS).map(|_| exponential()).sum::<f64>() / f64::from(EVEN_GAPS),
    }
}

/// The chance that repeat purchase number `repeat` is the last one.
fn dropout(assumptions: Assumptions, nature: &Nature, repeat: usize) -> f64 {
    let is_early = assumptions == Assumptions::Broken && repeat <= EARLY_DROPOUT.0;
    if is_early { nature.dropout * EARLY_DROPOUT.1 } else { nature.dropout }
}

/// Average days after which one who left comes back, which only breaks the assumptions.
fn comeback(assumptions: Assumptions, stream: &mut Stream) -> Option<f64> {
    let comes = assumptions == Assumptions::Broken && happens(stream, COMEBACK.0);
    comes.then(|| between(stream, COMEBACK.1, COMEBACK.2))
}

/// An order in `ordered_at` that names `campaign_id`.
pub(super) fn purchase(ordered_at: i64, campaign_id: Option<i64>, stream: &mut Stream) -> Purchase {
    let sales_channel = pick(stream, SALES_CHANNELS);
    Purchase { ordered_at, sales_channel, campaign_id, is_brought: false, is_mistaken: false }
}

/// The same order placed once more within half an hour, by mistake.
pub(super) fn mistaken(purchase: &Purchase, stream: &mut Stream) -> Purchase {
    let last_of_day = day_of(purchase.ordered_at) + DAY - 1_000_000;
    let again = purchase.ordered_at + stream.random_range(20..1_800) * 1_000_000;
    Purchase {
        ordered_at: again.min(last_of_day),
        campaign_id: None,
        is_brought: false,
        is_mistaken: true,
        ..*purchase
    }
}
