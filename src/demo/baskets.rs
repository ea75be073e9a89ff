//! What is in an order, what it costs the company, and what comes back.
//!
//! What is paid for an order is gamma-gamma: gamma with shape `p` and the customer's rate. Each line
//! has its share of it, raised or lowered by how the customer answers to a discount. What whole
//! quantities leave over goes to the next line, and the last product is one that leaves little.

use rand::Rng;
use rand_distr::{Distribution, Exp1, Gamma, Poisson};

use super::constants::{
    COUPON_DEPTH, COUPON_SHARE, DISCOUNT_DEPTHS, DISCOUNT_SHARE, EXTRA_LINES, FULFILMENT_COST,
    FULFILMENT_COST_PER_LINE, LINE_RETURN_SHARE, MAX_LINES, ORDER_RETURN_SHARE, PAYMENT_COST,
    PAYMENT_COST_RATE, RETURN_DAYS, SEASON_PULL, SEASONS, SPEND_P,
};
use super::customers::{Customer, Nature};
use super::figures::{CLUSTER_PULL, CLUSTERS};
use super::history::{DAY, History};
use super::products::{Range, Rule, Want};
use super::purchases::Purchase;
use super::streams::{Stream, between, float, happens, pick, whole};

/// One order.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "fields are named as the columns")]
pub(super) struct Order {
    /// The id.
    pub(super) order_id: i64,
    /// The customer.
    pub(super) customer_id: i64,
    /// When.
    pub(super) ordered_at: i64,
    /// Where.
    pub(super) sales_channel: &'static str,
    /// The store, if in one.
    pub(super) store_id: Option<i64>,
    /// What fulfilling it cost, in cents.
    pub(super) fulfilment_cost: i64,
    /// What the payment cost, in cents.
    pub(super) payment_cost: i64,
    /// Who sold it, if somebody did.
    pub(super) sales_rep_id: Option<i64>,
}

/// One line of an order.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "fields are named as the columns")]
pub(super) struct Line {
    /// The order.
    pub(super) order_id: i64,
    /// Its number in the order, from 1.
    pub(super) line_no: i32,
    /// The product.
    pub(super) product_id: i64,
    /// How many.
    pub(super) quantity: i32,
    /// The price of one before discounts, in cents.
    pub(super) unit_price: i64,
    /// What the company took off, in cents, for the whole line.
    pub(super) discount_amount: i64,
    /// What the coupon took off, in cents, for the whole line.
    pub(super) coupon_amount: i64,
    /// The campaign of the order.
    pub(super) campaign_id: Option<i64>,
}

impl Line {
    /// What the customer paid, in cents.
    pub(super) fn net(&self) -> i64 {
        i64::from(self.quantity) * self.unit_price - self.discount_amount - self.coupon_amount
    }
}

/// One line that came back, in part or whole.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "fields are named as the columns")]
pub(super) struct Return {
    /// The id.
    pub(super) return_id: i64,
    /// The order.
    pub(super) order_id: i64,
    /// The line.
    pub(super) line_no: i32,
    /// When.
    pub(super) returned_at: i64,
    /// How many.
    pub(super) quantity: i32,
    /// What the customer got back, in cents.
    pub(super) amount: i64,
}

/// How many lines an order has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Baskets {
    extra_lines: Poisson<f64>,
}

impl Baskets {
    /// The distribution of the constants; `None` if one of those is not positive.
    pub(super) fn new() -> Option<Self> {
        Some(Self { extra_lines: Poisson::new(EXTRA_LINES).ok()? })
    }

    /// The lines of `purchase`; the id of the order is left to the caller.
    pub(super) fn fill(
        &self,
        purchase: &Purchase,
        nature: &Nature,
        shelf: Shelf<'_>,
        stream: &mut Stream,
    ) -> Vec<Line> {
        let extra = self.extra_lines.sample(stream).min(f64::from(MAX_LINES - 1));
        let mut shares = (0..=whole(extra)).map(|_| Exp1.sample(stream)).collect::<Vec<f64>>();
        // What the other lines leave over is least of the last one if that is the largest.
        let largest = shares.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1));
        if let (Some((largest, _)), Some(last)) = (largest, shares.len().checked_sub(1)) {
            shares.swap(largest, last);
        }
        let response = Response::of(nature.profile.elasticity);
        let value = response.value(shares.len(), stream) / nature.spend_rate / shares.iter().sum::<f64>();
        let year = shelf.history.year_of(purchase.ordered_at);
        let season = SEASONS.get(shelf.history.month_at(purchase.ordered_at)).copied();
        let favoured = CLUSTERS.get(nature.profile.cluster).map(|cluster| cluster.0);
        let count = i32::try_from(shares.len()).unwrap_or(MAX_LINES);
        let mut lines: Vec<Line> = Vec::with_capacity(shares.len());
        let (mut left, mut ahead) = (0.0, value * shares.iter().sum::<f64>());
        for (place, share) in (1..).zip(shares) {
            let depth = if happens(stream, DISCOUNT_SHARE) { pick(stream, DISCOUNT_DEPTHS) } else { 0.0 };
            let redeems = purchase.campaign_id.is_some() && happens(stream, COUPON_SHARE);
            left += value * share * response.paid(depth);
            ahead -= value * share;
            let kept = (1.0 - depth) * if redeems { 1.0 - COUPON_DEPTH } else { 1.0 };
            let budget = whole(left / kept);
            let follows = shelf.follows(lines.last().map(|line| line.product_id), stream);
            let favoured = favoured.filter(|_| happens(stream, CLUSTER_PULL));
            let in_season = season.filter(|_| happens(stream, SEASON_PULL));
            let want = Want { budget, category: favoured.or(in_season), is_last: place == count };
            let chosen = match follows {
                Some(place) => shelf.range.at(place, year),
                None => shelf.range.choose(purchase.ordered_at, year, want, stream),
            };
            let Some((product, unit_price)) = chosen else { continue };
            let quantity = units(budget, unit_price);
            let price = float(unit_price) * f64::from(quantity) * kept;
            // What costs more than the whole rest is left to the last line, which there need not be
            // where nothing comes nearer to the rest.
            let is_too_much = if place < count { price > left + ahead } else { price > 2.0 * left };
            if follows.is_none() && is_too_much && (place < count || !lines.is_empty()) {
                continue;
            }
            let gross = i64::from(quantity) * unit_price;
            let discount_amount = whole(float(gross) * depth);
            let coupon_amount =
                if redeems { whole(float(gross - discount_amount) * COUPON_DEPTH) } else { 0 };
            let line = Line {
                order_id: 0,
                line_no: i32::try_from(lines.len()).unwrap_or(MAX_LINES) + 1,
                product_id: product.product_id,
                quantity,
                unit_price,
                discount_amount,
                coupon_amount,
                campaign_id: purchase.campaign_id,
            };
            left -= float(line.net());
            lines.push(line);
        }
        lines
    }
}

/// How many units at `unit_price` come nearest to `budget`; at least one.
pub(super) fn units(budget: i64, unit_price: i64) -> i32 {
    let quantity = whole(float(budget) / float(unit_price)).clamp(1, 9_999);
    i32::try_from(quantity).unwrap_or(1)
}

/// What baskets are filled from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shelf<'a> {
    /// The products.
    pub(super) range: &'a Range,
    /// What is bought after what.
    pub(super) rules: &'a [Rule],
    /// The days.
    pub(super) history: &'a History,
}

impl Shelf<'_> {
    /// The place of the product that follows the one bought before, if one does.
    fn follows(&self, before: Option<i64>, stream: &mut Stream) -> Option<usize> {
        let place = usize::try_from(before? - 1).ok()?;
        let rule = self.rules.iter().find(|rule| rule.one == place)?;
        happens(stream, rule.chance).then_some(rule.other)
    }
}

/// How one customer answers to discounts: at the depth `d` the quantity is `(1 - d)^-elasticity` of
/// what it would be, so that `(1 - d)^(1 - elasticity)` of the amount is paid.
#[derive(Debug, Clone, Copy)]
struct Response {
    elasticity: f64,
    /// Mean of what is paid over all lines, against what would be without discounts.
    mean: f64,
    /// Variance of the same, against the mean.
    variance: f64,
}

impl Response {
    fn of(elasticity: f64) -> Self {
        let over_lines = |power: f64| {
            let raised =
                DISCOUNT_DEPTHS.iter().map(|(depth, share)| share * ((1.0 - depth).powf(power) - 1.0));
            1.0 + DISCOUNT_SHARE * raised.sum::<f64>()
        };
        let mean = over_lines(1.0 - elasticity);
        let variance = over_lines(2.0 - 2.0 * elasticity) / (mean * mean) - 1.0;
        Self { elasticity, mean, variance }
    }

    /// What is paid for a line at `depth`; 1 on average.
    fn paid(&self, depth: f64) -> f64 {
        (1.0 - depth).powf(1.0 - self.elasticity) / self.mean
    }

    /// The budget of an order of so many lines, at a spend rate of one.
    ///
    /// Discounts move what is paid for the order, the less the more lines share them: `n` even shares
    /// of a stick broken at random have squares that sum to `2 / (n + 1)` on average. The budget
    /// varies by as much less, so that what is paid has mean and variance of a gamma of shape `p`.
    fn value(&self, lines: usize, stream: &mut Stream) -> f64 {
        let lines = float(i64::try_from(lines).unwrap_or(1));
        let moved = self.variance * 2.0 / (lines + 1.0);
        let spread = ((1.0 + 1.0 / SPEND_P) / (1.0 + moved) - 1.0).max(0.01);
        Gamma::new(1.0 / spread, spread * SPEND_P).map_or(SPEND_P, |budget| budget.sample(stream))
    }
}

/// The order of `customer` with `lines`.
pub(super) fn order(order_id: i64, customer: &Customer, purchase: &Purchase, lines: &[Line]) -> Order {
    let in_store = purchase.sales_channel == "store";
    let paid = lines.iter().map(Line::net).sum::<i64>();
    let count = i64::try_from(lines.len()).unwrap_or_default();
    let base = if in_store { FULFILMENT_COST.0 } else { FULFILMENT_COST.1 };
    Order {
        order_id,
        customer_id: customer.customer_id,
        ordered_at: purchase.ordered_at,
        sales_channel: purchase.sales_channel,
        store_id: in_store.then(|| customer.store_id()),
        fulfilment_cost: base + FULFILMENT_COST_PER_LINE * count,
        payment_cost: PAYMENT_COST + whole(float(paid) * PAYMENT_COST_RATE),
        sales_rep_id: customer.sales_rep_id().filter(|_| purchase.sales_channel == "phone"),
    }
}

/// What comes back of `lines` before `until`; ids are left to the caller.
pub(super) fn returns(ordered_at: i64, lines: &[Line], until: i64, stream: &mut Stream) -> Vec<Return> {
    let whole_order = happens(stream, ORDER_RETURN_SHARE);
    let soon = ordered_at + seconds(between(stream, 0.05, 3.0));
    let mut found = Vec::new();
    for line in lines {
        let comes_back = happens(stream, LINE_RETURN_SHARE);
        let later = ordered_at + seconds(between(stream, RETURN_DAYS.0, RETURN_DAYS.1));
        let part = stream.random_range(1..=line.quantity);
        let (returned_at, quantity) = if whole_order { (soon, line.quantity) } else { (later, part) };
        if (whole_order || comes_back) && returned_at < until {
            found.push(return_of(line, returned_at, quantity));
        }
    }
    found
}

fn return_of(line: &Line, returned_at: i64, quantity: i32) -> Return {
    let share = f64::from(quantity) / f64::from(line.quantity);
    Return {
        return_id: 0,
        order_id: line.order_id,
        line_no: line.line_no,
        returned_at,
        quantity,
        amount: whole(float(line.net()) * share),
    }
}

/// Microseconds of `days`, in whole seconds.
fn seconds(days: f64) -> i64 {
    whole(days * float(DAY) / 1_000_000.0) * 1_000_000
}
