//! When a customer orders: BG/NBD on a clock that runs faster on busy days.
//!
//! The first order comes with the arrival. Then gaps of average days are exponential with the
//! customer's rate, and after each repeat purchase the customer leaves for good with the
//! customer's chance (Fader, Hardie & Lee 2005, "Counting your customers the easy way").

use rand::Rng;
use rand_distr::{Distribution, Exp1};

use super::constants::{MAX_ORDERS, SALES_CHANNELS};
use super::customers::{Customer, Nature};
use super::history::{DAY, History};
use super::streams::{Stream, happens, pick};

/// One order, before anybody knows what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purchase {
    /// When.
    pub(super) ordered_at: i64,
    /// Where.
    pub(super) sales_channel: &'static str,
    /// The campaign it names.
    pub(super) campaign_id: Option<i64>,
}

/// The orders of one customer.
#[derive(Debug, Clone, Default)]
pub(super) struct Purchases {
    /// In order of time.
    pub(super) made: Vec<Purchase>,
    /// When the customer left for good, if so: the instant of the last order of the process.
    pub(super) left_at: Option<i64>,
}

/// The orders `customer` makes of their own accord.
pub(super) fn purchases(
    customer: &Customer,
    nature: &Nature,
    history: &History,
    stream: &mut Stream,
) -> Purchases {
    let first = customer.created_at + stream.random_range(60..3_600) * 1_000_000;
    let mut found = Purchases::default();
    if !nature.buys || first >= history.until() {
        return found;
    }
    found.made.push(purchase(first, None, stream));
    let mut trade = history.trade_until(first);
    while found.made.len() < MAX_ORDERS {
        let gap: f64 = Exp1.sample(stream);
        trade += gap / nature.rate;
        let Some(day) = history.day_of_trade(trade) else { break };
        let moment = history.moment_in(day, stream);
        // On the day of arrival an order still follows the first one.
        let moment = if moment <= first { last_of_day(day, first) } else { moment };
        found.made.push(purchase(moment, None, stream));
        if happens(stream, nature.dropout) {
            found.left_at = Some(moment);
            break;
        }
    }
    found.made.sort_by_key(|purchase| purchase.ordered_at);
    found
}

/// An order in `ordered_at` that names `campaign_id`.
pub(super) fn purchase(ordered_at: i64, campaign_id: Option<i64>, stream: &mut Stream) -> Purchase {
    Purchase { ordered_at, sales_channel: pick(stream, SALES_CHANNELS), campaign_id }
}

fn last_of_day(day: i64, first: i64) -> i64 {
    first.max(day + DAY - 1_000_000)
}
