//! The rows of one chunk of customers: a pure function of the world and the chunk's number.

use std::ops::Range as Span;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::baskets::{Baskets, Line, Order, Return, order, returns};
use super::campaigns::{Campaign, campaigns};
use super::constants::IDS_PER_CUSTOMER;
use super::contacts::{Contacts, contact};
use super::customers::{Customer, Nature, Natures, customers};
use super::history::History;
use super::products::Range;
use super::purchases::{Purchases, purchases};
use super::streams::{Entity, Stream, stream};
use super::tables::{self, Table};
use super::{DemoError, World};

/// What every chunk reads.
pub(super) struct Company {
    seed: u64,
    /// How many customers there are.
    pub(super) customers: i64,
    /// How many of them share their random streams.
    pub(super) chunk_customers: i64,
    /// The days behind the company.
    pub(super) history: History,
    /// What it sells.
    pub(super) range: Range,
    /// What it ran.
    pub(super) campaigns: Vec<Campaign>,
    natures: Natures,
    baskets: Baskets,
}

impl Company {
    /// The company of `world` with so many customers, in chunks of `chunk_customers`.
    ///
    /// # Errors
    ///
    /// Returns [`DemoError::Impossible`] for a last day far from today.
    pub(super) fn new(world: &World, customers: i64, chunk_customers: i64) -> Result<Self, DemoError> {
        let impossible = |what, expected| DemoError::Impossible { what, expected };
        let history = History::before(world.until)
            .ok_or_else(|| impossible("last day", "in the years 1975 to 2200"))?;
        let positive = || impossible("constants", "positive");
        Ok(Self {
            seed: world.seed,
            customers,
            chunk_customers,
            range: Range::new(world.seed, world.scale, &history),
            campaigns: campaigns(&history),
            natures: Natures::new().ok_or_else(positive)?,
            baskets: Baskets::new().ok_or_else(positive)?,
            history,
        })
    }
}

/// The rows of some customers.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// By id.
    pub(super) customers: Vec<Customer>,
    /// By id: by customer, then time.
    pub(super) orders: Vec<Order>,
    /// By order and number.
    pub(super) lines: Vec<Line>,
    /// By id: by order and line.
    pub(super) returns: Vec<Return>,
    /// Members by customer and campaign, touches by id: by customer, then time.
    pub(super) contacts: Contacts,
}

impl Chunk {
    /// The sources a chunk has rows of.
    pub(super) const TABLES: [Table; 6] = [
        Table::Customers,
        Table::Orders,
        Table::OrderLines,
        Table::Returns,
        Table::CampaignMembers,
        Table::Touches,
    ];

    /// Its rows as one batch a source, in the order of [`Chunk::TABLES`].
    pub(super) fn batches(&self) -> [Result<RecordBatch, ArrowError>; 6] {
        [
            tables::customers(&self.customers),
            tables::orders(&self.orders),
            tables::order_lines(&self.lines),
            tables::returns(&self.returns),
            tables::campaign_members(&self.contacts.members),
            tables::touches(&self.contacts.touches),
        ]
    }
}

/// The streams of a chunk, one an entity.
struct Streams {
    natures: Stream,
    purchases: Stream,
    baskets: Stream,
    returns: Stream,
    contacts: Stream,
}

impl Streams {
    fn new(of: impl Fn(Entity) -> Stream) -> Self {
        Self {
            natures: of(Entity::Natures),
            purchases: of(Entity::Purchases),
            baskets: of(Entity::Baskets),
            returns: of(Entity::Returns),
            contacts: of(Entity::Contacts),
        }
    }
}

/// The rows of the customers at `places` (from 0), which are one chunk.
pub(super) fn chunk(company: &Company, places: Span<i64>) -> Chunk {
    let first = places.start;
    let number = u64::try_from(first / company.chunk_customers).unwrap_or_default();
    let of = |entity| stream(company.seed, entity, number);
    let mut streams = Streams::new(of);
    let mut made = Chunk::default();
    let (history, campaigns) = (&company.history, company.campaigns.as_slice());
    let drawn = customers(places, company.customers, history, campaigns, &mut of(Entity::Customers));
    for customer in &drawn {
        let nature = company.natures.draw(&mut streams.natures);
        let mut orders = purchases(customer, &nature, history, &mut streams.purchases);
        let stream = &mut streams.contacts;
        let mut contacts = contact(customer, &mut orders, campaigns, history, stream);
        made.contacts.members.append(&mut contacts.members);
        made.contacts.touches.append(&mut contacts.touches);
        sell(company, (customer, &nature, &orders), &mut streams, &mut made);
    }
    made.customers = drawn;
    number_from(&mut made, first * IDS_PER_CUSTOMER);
    made
}

/// Fills the orders of `customer`.
fn sell(
    company: &Company,
    (customer, nature, orders): (&Customer, &Nature, &Purchases),
    streams: &mut Streams,
    made: &mut Chunk,
) {
    let until = company.history.until();
    for purchase in &orders.made {
        let order_id = i64::try_from(made.orders.len()).unwrap_or_default();
        let shelf = (&company.range, &company.history);
        let mut lines = company.baskets.fill(purchase, nature, shelf, &mut streams.baskets);
        for line in &mut lines {
            line.order_id = order_id;
        }
        let back = returns(purchase.ordered_at, &lines, until, &mut streams.returns);
        made.orders.push(order(order_id, customer, purchase, &lines));
        made.lines.extend(lines);
        made.returns.extend(back);
    }
}

/// Gives orders, returns and touches their ids, from `base` + 1 on.
fn number_from(made: &mut Chunk, base: i64) {
    let first = base + 1;
    for order in &mut made.orders {
        order.order_id += first;
    }
    for line in &mut made.lines {
        line.order_id += first;
    }
    for (return_id, it) in (first..).zip(&mut made.returns) {
        it.order_id += first;
        it.return_id = return_id;
    }
    for (touch_id, touch) in (first..).zip(&mut made.contacts.touches) {
        touch.touch_id = touch_id;
    }
}
