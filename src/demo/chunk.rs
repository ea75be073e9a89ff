//! The rows of one chunk of customers: a pure function of the world and the chunk's number.

use std::ops::Range as Span;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::baskets::{Baskets, Line, Order, Return, Shelf, order, returns};
use super::behaviour::Behaviours;
use super::campaigns::{Campaign, campaigns};
use super::constants::IDS_PER_CUSTOMER;
use super::contacts::{Contacts, Tally, Touch, contact, tally};
use super::customers::{Customer, Nature, Natures, customers};
use super::figures::{CANCELLED_SHARE, PERMISSIONS};
use super::history::{DAY, History};
use super::life::{Records, Scene, later, loaded, next_id};
use super::products::{Range, Rule};
use super::profile::Profile;
use super::purchases::{Purchase, Purchases, mistaken, purchases};
use super::records::Status;
use super::rows::At;
use super::streams::{Entity, Stream, happens, stream};
use super::table::Table;
use super::tables;
use super::{Assumptions, DemoError, World};

/// What every chunk reads.
pub(super) struct Company {
    seed: u64,
    assumptions: Assumptions,
    /// How many customers there are.
    pub(super) customers: i64,
    /// How many of them share their random streams.
    pub(super) chunk_customers: i64,
    /// The days behind the company.
    pub(super) history: History,
    /// What it sells.
    pub(super) range: Range,
    /// What is bought after what.
    pub(super) rules: Vec<Rule>,
    /// What it ran.
    pub(super) campaigns: Vec<Campaign>,
    /// The ids of the campaigns that asked questions.
    pub(super) surveys: Vec<i64>,
    /// How people behave beside buying.
    pub(super) behaviours: Behaviours,
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
        let range = Range::new(world.seed, world.scale, &history);
        let campaigns = campaigns(&history);
        let asks = |campaign: &&Campaign| campaign.programme.is_some_and(|it| it.kind == "survey");
        Ok(Self {
            seed: world.seed,
            assumptions: world.assumptions,
            customers,
            chunk_customers,
            rules: range.rules(&history),
            range,
            surveys: campaigns.iter().filter(asks).map(|it| it.campaign_id).collect(),
            campaigns,
            behaviours: Behaviours::new().ok_or_else(positive)?,
            natures: Natures::new().ok_or_else(positive)?,
            baskets: Baskets::new().ok_or_else(positive)?,
            history,
        })
    }

    /// The id that the next campaign will have.
    pub(super) fn next_campaign_id(&self) -> i64 {
        next_id(1, &self.campaigns)
    }

    /// The stream of what does not grow with the customers.
    pub(super) fn catalogue_stream(&self) -> Stream {
        stream(self.seed, Entity::Catalogue, 0)
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
    /// All other rows.
    pub(super) records: Records,
    /// What the campaigns did.
    pub(super) tallies: Vec<Tally>,
}

impl Chunk {
    const OWN: [Table; 6] = [
        Table::Customers,
        Table::Orders,
        Table::OrderLines,
        Table::Returns,
        Table::CampaignMembers,
        Table::Touches,
    ];

    /// The tables a chunk has rows of.
    pub(super) fn tables() -> impl Iterator<Item = Table> {
        Self::OWN.iter().chain(Records::TABLES).copied()
    }

    /// Its rows as one batch a table, in the order of [`Chunk::tables`].
    pub(super) fn batches(&self) -> Vec<Result<RecordBatch, ArrowError>> {
        let own = [
            tables::customers(&self.customers),
            tables::orders(&self.orders),
            tables::order_lines(&self.lines),
            tables::returns(&self.returns),
            tables::campaign_members(&self.contacts.members),
            tables::touches(&self.contacts.touches),
        ];
        own.into_iter().chain(self.records.batches()).collect()
    }
}

/// The streams of a chunk, one an entity.
struct Streams {
    natures: Stream,
    profiles: Stream,
    purchases: Stream,
    baskets: Stream,
    returns: Stream,
    contacts: Stream,
    statuses: Stream,
    people: Stream,
    sales: Stream,
    service: Stream,
    behaviour: Stream,
}

impl Streams {
    fn new(of: impl Fn(Entity) -> Stream) -> Self {
        Self {
            natures: of(Entity::Natures),
            profiles: of(Entity::Profiles),
            purchases: of(Entity::Purchases),
            baskets: of(Entity::Baskets),
            returns: of(Entity::Returns),
            contacts: of(Entity::Contacts),
            statuses: of(Entity::Statuses),
            people: of(Entity::People),
            sales: of(Entity::Sales),
            service: of(Entity::Service),
            behaviour: of(Entity::Behaviour),
        }
    }
}

/// The rows of the customers at `places` (from 0), which are one chunk.
pub(super) fn chunk(company: &Company, places: Span<i64>) -> Chunk {
    let first = places.start;
    let number = u64::try_from(first / company.chunk_customers).unwrap_or_default();
    let of = |entity| stream(company.seed, entity, number);
    let mut streams = Streams::new(of);
    let mut made = Chunk { tallies: vec![Tally::default(); company.campaigns.len()], ..Chunk::default() };
    let (history, campaigns) = (&company.history, company.campaigns.as_slice());
    let drawn = customers(places, company.customers, history, campaigns, &mut of(Entity::Customers));
    for customer in &drawn {
        live(company, customer, first * IDS_PER_CUSTOMER + 1, &mut streams, &mut made);
    }
    made.customers = drawn;
    made
}

/// All that `customer` does; ids begin at `first_id` in each table of the chunk.
fn live(company: &Company, customer: &Customer, first_id: i64, streams: &mut Streams, made: &mut Chunk) {
    let Course { nature, closed, orders, mut contacts } =
        course(company, customer, streams, &mut made.tallies);
    let from = (made.orders.len(), made.lines.len(), made.contacts.touches.len());
    for (touch_id, touch) in (next_id(first_id, &made.contacts.touches)..).zip(&mut contacts.touches) {
        touch.touch_id = touch_id;
    }
    made.contacts.members.append(&mut contacts.members);
    made.contacts.touches.append(&mut contacts.touches);
    for purchase in &orders.made {
        sell(company, (customer, &nature, purchase), first_id, streams, made);
        if happens(&mut streams.statuses, CANCELLED_SHARE / (1.0 - CANCELLED_SHARE)) {
            let again = mistaken(purchase, &mut streams.statuses);
            if again.ordered_at < company.history.until() {
                sell(company, (customer, &nature, &again), first_id, streams, made);
            }
        }
    }
    let scene = Scene {
        company,
        customer,
        nature: &nature,
        purchases: &orders,
        orders: made.orders.get(from.0..).unwrap_or_default(),
        lines: made.lines.get(from.1..).unwrap_or_default(),
        touches: made.contacts.touches.get(from.2..).unwrap_or_default(),
        first_id,
    };
    scene.people((&closed, &contacts.unsubscribed), &mut streams.people, &mut made.records);
    let with_prospects = scene.sales(&mut streams.sales, &mut made.records);
    scene.service(&mut streams.service, &mut made.records);
    scene.behaviour(&mut streams.behaviour, &mut made.records);
    for touch in with_prospects {
        let touch_id = next_id(first_id, &made.contacts.touches);
        made.contacts.touches.push(Touch { touch_id, ..touch });
    }
}

/// When a customer orders and is contacted.
struct Course {
    nature: Nature,
    /// Channels not permitted on arrival.
    closed: Vec<&'static str>,
    orders: Purchases,
    contacts: Contacts,
}

fn course(company: &Company, customer: &Customer, streams: &mut Streams, tallies: &mut [Tally]) -> Course {
    let profile = Profile::draw(&mut streams.profiles);
    let nature = company.natures.draw(company.assumptions, profile, &mut streams.natures);
    let time = (&company.history, company.assumptions);
    let mut orders = purchases(customer, &nature, time, &mut streams.purchases);
    let permits = PERMISSIONS.map(|(channel, share)| (channel, happens(&mut streams.people, share)));
    let closed = permits.into_iter().filter(|(_, permits)| !permits).map(|(channel, _)| channel);
    let closed = closed.collect::<Vec<_>>();
    let who = (company, customer, &nature);
    let contacts = contact(who, &mut orders, closed.clone(), tallies, &mut streams.contacts);
    Course { nature, closed, orders, contacts }
}

/// Fills one order, and tells what became of it.
fn sell(
    company: &Company,
    (customer, nature, purchase): (&Customer, &Nature, &Purchase),
    first_id: i64,
    streams: &mut Streams,
    made: &mut Chunk,
) {
    let until = company.history.until();
    let order_id = next_id(first_id, &made.orders);
    let shelf = Shelf { range: &company.range, rules: &company.rules, history: &company.history };
    let mut lines = company.baskets.fill(purchase, nature, shelf, &mut streams.baskets);
    for line in &mut lines {
        line.order_id = order_id;
    }
    let mut back = returns(purchase.ordered_at, &lines, until, &mut streams.returns);
    if status(order_id, purchase, until, &mut streams.statuses, &mut made.records) == Fate::Cancelled {
        back.clear();
    }
    for (return_id, back) in (next_id(first_id, &made.returns)..).zip(&mut back) {
        back.return_id = return_id;
    }
    let brought = purchase.campaign_id.filter(|_| purchase.is_brought);
    if let Some(tally) = brought.and_then(|campaign| tally(&mut made.tallies, campaign)) {
        tally.sales += lines.iter().map(Line::net).sum::<i64>();
    }
    made.orders.push(order(order_id, customer, purchase, &lines));
    made.lines.extend(lines);
    made.returns.extend(back);
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Cancelled,
}

/// Writes down that an order was paid, and then completed or cancelled, as far as that is past.
fn status(
    order_id: i64,
    purchase: &Purchase,
    until: i64,
    stream: &mut Stream,
    records: &mut Records,
) -> Fate {
    let is_cancelled = purchase.is_mistaken;
    let paid_at = later(purchase.ordered_at + 1_000_000, 0.02, stream);
    let (end, status) = if is_cancelled {
        (later(paid_at + 1_000_000, 1.2, stream), "cancelled")
    } else {
        (later(paid_at + DAY, 3.0, stream), "completed")
    };
    for (at, status) in [(paid_at, "paid"), (end, status)] {
        if at < until {
            let ingested_at = loaded(at, order_id);
            records.statuses.push(Status { order_id, changed_at: At(at), status, ingested_at });
        }
    }
    if is_cancelled { Fate::Cancelled } else { Fate::Kept }
}
