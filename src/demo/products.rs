//! What the demo company sells, at what price and cost, and how often.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};

use super::baskets::units;
use super::constants::{
    BRANDS, CATEGORIES, COST_RISE, COST_SHARE, Durable, ESTABLISHED_SHARE, LAST_LOOKS, LOOKS, MAX_UNITS,
    MIN_PRODUCTS, POPULARITY_OFFSET, PRICE_MEDIAN, PRICE_RANGE, PRICE_RISE, PRICE_SIGMA, PRODUCTS_AT_SCALE_1,
};
use super::figures::{RULE_CHANCES, RULE_PRICE, RULE_STEP, RULES};
use super::history::{DAY, History};
use super::streams::{Entity, Stream, between, float, happens, pick, place, running_sums, stream, whole};

/// One product.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "fields are named as the columns")]
pub(super) struct Product {
    /// Its id, from 1.
    pub(super) product_id: i64,
    /// What it is called.
    pub(super) name: String,
    /// Its category.
    pub(super) category: &'static str,
    /// Its brand.
    pub(super) brand: &'static str,
    /// Whether it lasts.
    pub(super) is_durable: bool,
    /// Its price at the end of the history, in cents.
    pub(super) list_price: i64,
    /// When it could first be bought.
    pub(super) launched_at: i64,
    /// Its price in each year of the history, in cents.
    prices: Vec<i64>,
    /// Its cost in each year of the history, in cents.
    costs: Vec<i64>,
}

/// What one unit costs the company from an instant on.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProductCost {
    /// The product.
    pub(super) product_id: i64,
    /// The first instant.
    pub(super) valid_from: i64,
    /// The cost in cents.
    pub(super) unit_cost: i64,
}

/// All products.
#[derive(Debug)]
pub(super) struct Range {
    products: Vec<Product>,
    popularity: Vec<f64>,
    /// For each category the products and the running sums of their popularity.
    categories: Vec<(Vec<usize>, Vec<f64>)>,
    /// The places of products by popularity.
    ranked: Vec<usize>,
}

impl Range {
    /// The products of the world with `seed` and `scale`.
    pub(super) fn new(seed: u64, scale: f64, history: &History) -> Self {
        let mut stream = stream(seed, Entity::Products, 0);
        let count = whole((PRODUCTS_AT_SCALE_1 * scale.sqrt()).max(MIN_PRODUCTS));
        let products = (1..=count).map(|id| product(id, history, &mut stream)).collect::<Vec<_>>();
        let mut ranks = (0..count).collect::<Vec<_>>();
        ranks.shuffle(&mut stream);
        let mut ranked = (0..ranks.len()).collect::<Vec<_>>();
        ranked.sort_by_key(|at| ranks.get(*at));
        let weights = ranks.iter().map(|rank| 1.0 / (float(*rank) + POPULARITY_OFFSET)).collect::<Vec<_>>();
        let categories = CATEGORIES.iter().map(|category| of_category(category.0, &products, &weights));
        let categories = categories.collect();
        Self { products, popularity: running_sums(weights), categories, ranked }
    }

    /// Products and those bought after them, with the chance that they are the next line. Both
    /// were there from the start.
    pub(super) fn rules(&self, history: &History) -> Vec<Rule> {
        let is_apt = |it: &Product| it.launched_at < history.start() && it.list_price <= RULE_PRICE;
        let apt = |at: &&usize| self.products.get(**at).is_some_and(is_apt);
        let ranked = self.ranked.iter().filter(apt).copied().collect::<Vec<_>>();
        let pairs = ranked.iter().zip(ranked.iter().skip(RULE_STEP)).take(RULES);
        let chances = RULE_CHANCES.iter().cycle();
        pairs
            .zip(chances)
            .map(|((one, other), chance)| Rule { one: *one, other: *other, chance: *chance })
            .collect()
    }

    /// The product at `place`, with its price in cents in `year`.
    pub(super) fn at(&self, place: usize, year: usize) -> Option<(&Product, i64)> {
        let product = self.products.get(place)?;
        Some((product, product.prices.get(year).copied().unwrap_or(product.list_price)))
    }

    /// The products by id.
    pub(super) fn products(&self) -> &[Product] {
        &self.products
    }

    /// The costs by product and day: one row from the launch on, and one a year after it.
    pub(super) fn costs(&self, history: &History) -> Vec<ProductCost> {
        self.products.iter().flat_map(|product| costs_of(product, history)).collect()
    }

    /// A product one can buy in `instant`, with its price in cents, drawn by popularity: the first
    /// of a few looks that is within the budget, else the cheapest of them; as the last of an order,
    /// the one that leaves the least of the budget over.
    pub(super) fn choose(
        &self,
        instant: i64,
        year: usize,
        want: Want,
        stream: &mut Stream,
    ) -> Option<(&Product, i64)> {
        let mut best: Option<(&Product, i64)> = None;
        let shelf = want.category.and_then(|at| self.categories.get(at)).filter(|it| !it.0.is_empty());
        for _ in 0..if want.is_last { LAST_LOOKS } else { LOOKS } {
            let looked_at = match shelf {
                None => Some(place(stream, &self.popularity)),
                Some((places, sums)) => places.get(place(stream, sums)).copied(),
            };
            let Some((product, price)) = looked_at.and_then(|place| self.at(place, year)) else { continue };
            let is_better = best.is_none_or(|(_, other)| want.regret(price) < want.regret(other));
            if product.launched_at > instant || !is_better {
                continue;
            }
            best = Some((product, price));
            if want.is_met(price) {
                break;
            }
        }
        // The first product is never launched late, so that there is always one to buy.
        best.or_else(|| self.products.first().map(|product| (product, product.list_price)))
    }
}

/// What a customer looks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    /// What there is to spend, in cents.
    pub(super) budget: i64,
    /// The only category looked at, as a place in `CATEGORIES`.
    pub(super) category: Option<usize>,
    /// Whether it is the last line of the order.
    pub(super) is_last: bool,
}

impl Want {
    /// Whether a product at `price` will do.
    fn is_met(&self, price: i64) -> bool {
        if self.is_last { self.regret(price) <= (false, self.budget / 100) } else { price <= self.budget }
    }

    /// How little a product at `price` fits: first whether it takes more of them than anybody wants,
    /// then what is over or missing.
    fn regret(&self, price: i64) -> (bool, i64) {
        let quantity = i64::from(units(self.budget, price));
        if self.is_last {
            (quantity > MAX_UNITS, (quantity * price - self.budget).abs())
        } else {
            (false, price)
        }
    }
}

/// What is bought after what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The place of the product that comes first.
    pub(super) one: usize,
    /// The place of the one that follows.
    pub(super) other: usize,
    /// The chance that it is the next line.
    pub(super) chance: f64,
}

fn of_category(category: &str, products: &[Product], weights: &[f64]) -> (Vec<usize>, Vec<f64>) {
    let members = products.iter().zip(weights).enumerate().filter(|(_, (it, _))| it.category == category);
    let (places, weights): (Vec<_>, Vec<_>) = members.map(|(at, (_, weight))| (at, *weight)).unzip();
    (places, running_sums(weights))
}

fn product(product_id: i64, history: &History, stream: &mut Stream) -> Product {
    let shares = CATEGORIES.iter().enumerate().map(|(at, category)| (at, category.2));
    let category = pick(stream, &shares.collect::<Vec<_>>());
    let (category, noun, _, durable) =
        CATEGORIES.get(category).copied().unwrap_or(("groceries", "Box", 1.0, Durable::No));
    let brand = pick(stream, BRANDS);
    let normal: f64 = StandardNormal.sample(stream);
    let list_price = whole(PRICE_MEDIAN * (PRICE_SIGMA * normal).exp());
    let list_price = list_price.clamp(PRICE_RANGE.0, PRICE_RANGE.1);
    let cost = float(list_price) * between(stream, COST_SHARE.0, COST_SHARE.1);
    Product {
        product_id,
        name: format!("{brand} {noun} {product_id}"),
        category,
        brand,
        is_durable: durable == Durable::Yes,
        list_price,
        launched_at: launch(product_id, history, stream),
        prices: by_year(float(list_price), PRICE_RISE, history),
        costs: by_year(cost, COST_RISE, history),
    }
}

fn launch(product_id: i64, history: &History, stream: &mut Stream) -> i64 {
    let established = happens(stream, ESTABLISHED_SHARE);
    let days_before = stream.random_range(1..=5 * 365);
    let day_within = stream.random_range(0..history.days());
    if established || product_id == 1 {
        history.start() - days_before * DAY
    } else {
        history.start() + day_within * DAY
    }
}

/// `last` in the last year of the history, and less by `rise` in each year before.
fn by_year(last: f64, rise: f64, history: &History) -> Vec<i64> {
    let mut amount = last;
    let mut amounts = Vec::with_capacity(history.years().len());
    for _ in history.years() {
        amounts.push(whole(amount).max(1));
        amount /= 1.0 + rise;
    }
    amounts.reverse();
    amounts
}

fn costs_of(product: &Product, history: &History) -> Vec<ProductCost> {
    let first = history.year_of(product.launched_at);
    let days = history.years().iter().zip(&product.costs).enumerate().skip(first);
    let cost = |(year, (day, unit_cost)): (usize, (&i64, &i64))| ProductCost {
        product_id: product.product_id,
        valid_from: if year == first { product.launched_at } else { *day * DAY },
        unit_cost: *unit_cost,
    };
    days.map(cost).collect()
}
