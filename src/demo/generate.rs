//! Makes all sources of a world: chunks of customers by several threads, each part by one.

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range as Span;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::broken::{Counts, Originals};
use super::catalogue::Catalogue;
use super::chunk::{Chunk, Company, chunk};
use super::constants::{CUSTOMERS_AT_SCALE_1, MAX_SCALE};
use super::contacts::Tally;
use super::rows::Row;
use super::streams::whole;
use super::table::{Side, Table};
use super::write::{Draft, Part, Written};
use super::{DemoError, Progress, SourceSummary, World, tables, truth};

/// Threads that make parts.
const THREADS: usize = 2;
/// Customers who share their random streams.
const CHUNK_CUSTOMERS: i64 = 1_000;
/// The most chunks in a part: 25,000 customers, about 250,000 lines and 500,000 touches.
const PART_CHUNKS: i64 = 25;

/// Makes `world` in `folder`: `sources/orders/part-00000.parquet` and the like, one folder a
/// source, and `truth/` beside it.
///
/// Both folders must be absent or empty; each appears whole at the end or not at all, the sources
/// last. `progress` hears of every chunk, on the calling thread. The answer names every source
/// once, in a fixed order.
///
/// # Errors
///
/// Returns an error for a world that cannot be, for a folder in use, and when writing fails;
/// nothing is left behind then.
pub fn generate(
    world: &World,
    folder: &Path,
    progress: &dyn Fn(Progress),
) -> Result<Vec<SourceSummary>, DemoError> {
    generate_as(world, &Layout::of(world)?, folder, progress)
}

/// How the customers are cut, and how many threads work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) customers: i64,
    pub(super) chunk_customers: i64,
    pub(super) part_chunks: i64,
    pub(super) threads: usize,
}

impl Layout {
    pub(super) fn of(world: &World) -> Result<Self, DemoError> {
        if !(world.scale > 0.0 && world.scale <= MAX_SCALE) {
            return Err(DemoError::Impossible { what: "scale", expected: "above 0 and at most 1000" });
        }
        let customers = whole(CUSTOMERS_AT_SCALE_1 * world.scale).max(1);
        // At least two parts, so that a small company keeps two threads busy.
        let half = (customers + 2 * CHUNK_CUSTOMERS - 1) / (2 * CHUNK_CUSTOMERS);
        let part_chunks = half.min(PART_CHUNKS);
        Ok(Self { customers, chunk_customers: CHUNK_CUSTOMERS, part_chunks, threads: THREADS })
    }

    fn part_customers(&self) -> i64 {
        self.chunk_customers * self.part_chunks
    }

    /// The places of the customers of part `number`; `None` past the last part.
    fn part(&self, number: usize) -> Option<Span<i64>> {
        let first = i64::try_from(number).ok()?.checked_mul(self.part_customers())?;
        (first < self.customers).then(|| first..self.customers.min(first + self.part_customers()))
    }
}

/// What a thread tells the calling thread.
enum Message {
    Chunk { customers: u64, rows: u64 },
    Part(Made),
    Failed(DemoError),
}

/// What was made so far. Sums alone: the order in which parts end leaves no trace.
#[derive(Debug, Default)]
struct Made {
    sizes: BTreeMap<Table, (u64, u64)>,
    broken: Counts,
    tallies: Vec<Tally>,
}

impl Made {
    fn wrote(&mut self, file: Written) {
        let size = self.sizes.entry(file.table).or_default();
        *size = (size.0 + file.rows, size.1 + file.bytes);
    }

    fn tell(&mut self, tallies: &[Tally]) {
        self.tallies.resize(tallies.len().max(self.tallies.len()), Tally::default());
        self.tallies.iter_mut().zip(tallies).for_each(|(sum, it)| sum.add(it));
    }

    fn add(&mut self, other: Self) {
        for (table, (rows, bytes)) in other.sizes {
            self.wrote(Written { table, rows, bytes });
        }
        for (kind, rows) in other.broken {
            *self.broken.entry(kind).or_default() += rows;
        }
        self.tell(&other.tallies);
    }

    fn rows(&self) -> BTreeMap<Table, u64> {
        self.sizes.iter().map(|(table, (rows, _))| (*table, *rows)).collect()
    }

    fn summaries(&self) -> Vec<SourceSummary> {
        let summary = |table: Table| {
            let (rows, bytes) = self.sizes.get(&table).copied().unwrap_or_default();
            SourceSummary { name: table.name(), rows, bytes }
        };
        Side::Source.tables().map(summary).collect()
    }
}

/// The two folders in the making.
struct Drafts {
    sources: Draft,
    truth: Draft,
}

impl Drafts {
    fn part(&self, table: Table, number: usize) -> Result<Part, DemoError> {
        let draft = if table.side() == Side::Source { &self.sources } else { &self.truth };
        draft.part(table, number)
    }
}

pub(super) fn generate_as(
    world: &World,
    layout: &Layout,
    folder: &Path,
    progress: &dyn Fn(Progress),
) -> Result<Vec<SourceSummary>, DemoError> {
    let company = Company::new(world, layout.customers, layout.chunk_customers)?;
    let begin = |side: Side| Draft::begin(&folder.join(side.folder()), side);
    let drafts = Drafts { sources: begin(Side::Source)?, truth: begin(Side::Truth)? };
    let mut made = catalogue(&company, &drafts)?;
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, messages) = channel();
        for _ in 0..layout.threads.max(1) {
            let (sender, company, drafts, next) = (sender.clone(), &company, &drafts, &next);
            scope.spawn(move || work(company, layout, drafts, next, &sender));
        }
        drop(sender);
        listen(&company, &messages, &next, &mut made, progress)
    })?;
    let told = truth::tables(&company, &made.tallies, &made.broken);
    for (table, batch) in told.map_err(|(table, cause)| DemoError::encode(table)(cause))? {
        made.wrote(write(&drafts, table, &[batch])?);
    }
    let document = truth::document(world, &company, &made.rows(), &made.broken);
    drafts.truth.file("world.json", format!("{document:#}\n").as_bytes())?;
    drafts.truth.publish()?;
    drafts.sources.publish()?;
    Ok(made.summaries())
}

/// Takes parts until there are none, or until another thread failed.
fn work(company: &Company, layout: &Layout, drafts: &Drafts, next: &AtomicUsize, sender: &Sender<Message>) {
    while let Some((number, places)) = take(layout, next) {
        let message = match part(company, drafts, number, places, sender) {
            Ok(made) => Message::Part(made),
            Err(cause) => Message::Failed(cause),
        };
        if sender.send(message).is_err() {
            break;
        }
    }
}

fn take(layout: &Layout, next: &AtomicUsize) -> Option<(usize, Span<i64>)> {
    let number = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_add(1));
    let number = number.ok()?;
    Some((number, layout.part(number)?))
}

/// Adds up what the threads tell; after a failure no thread takes another part.
fn listen(
    company: &Company,
    messages: &Receiver<Message>,
    next: &AtomicUsize,
    made: &mut Made,
    progress: &dyn Fn(Progress),
) -> Result<(), DemoError> {
    let customers = u64::try_from(company.customers).unwrap_or_default();
    let rows = made.rows().values().sum();
    let mut now = Progress { customers_done: 0, customers, rows };
    let mut failed = None;
    for message in messages {
        match message {
            Message::Chunk { customers, rows } => {
                now.customers_done += customers;
                now.rows += rows;
                progress(now);
            }
            Message::Part(part) => made.add(part),
            Message::Failed(cause) => {
                next.store(usize::MAX, Ordering::Relaxed);
                failed = failed.or(Some(cause));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Writes the sources that do not grow with the customers.
fn catalogue(company: &Company, drafts: &Drafts) -> Result<Made, DemoError> {
    let costs = company.range.costs(&company.history);
    let more = Catalogue::of(company, &mut company.catalogue_stream());
    let until = company.history.until();
    let batches = [
        (Table::Products, tables::products(company.range.products())),
        (Table::ProductCosts, tables::product_costs(&costs)),
        (Table::Campaigns, tables::campaigns(&company.campaigns, until)),
        (Table::ProductNeeds, Row::batch(&more.answers)),
        (Table::CampaignSteps, Row::batch(&more.steps)),
        (Table::CampaignCosts, Row::batch(&more.costs)),
        (Table::CampaignProducts, Row::batch(&more.promotions)),
        (Table::Market, Row::batch(&more.market)),
        (Table::Expenses, Row::batch(&more.expenses)),
        (Table::SalesReps, Row::batch(&more.reps)),
        (Table::Targets, Row::batch(&more.targets)),
    ];
    let batch = |(table, batch): (Table, Result<RecordBatch, ArrowError>)| {
        Ok((table, batch.map_err(DemoError::encode(table))?))
    };
    let batches = batches.into_iter().map(batch).collect::<Result<Vec<_>, DemoError>>()?;
    let originals = Originals { part: 0, batches: &batches, until };
    let mut made = Made::default();
    for (table, batch) in &batches {
        let rows = u64::try_from(batch.num_rows()).unwrap_or_default();
        let broken = originals.broken(*table, rows, &mut made.broken).map_err(DemoError::encode(*table))?;
        let batches = iter::once(batch.clone()).chain(broken).collect::<Vec<_>>();
        made.wrote(write(drafts, *table, &batches)?);
    }
    Ok(made)
}

/// Writes a table of one file.
fn write(drafts: &Drafts, table: Table, batches: &[RecordBatch]) -> Result<Written, DemoError> {
    let mut part = drafts.part(table, 0)?;
    for batch in batches {
        part.append(batch)?;
    }
    part.finish()
}

/// Writes part `number` of every table that grows with the customers.
fn part(
    company: &Company,
    drafts: &Drafts,
    number: usize,
    places: Span<i64>,
    sender: &Sender<Message>,
) -> Result<Made, DemoError> {
    let mut parts = Chunk::tables().map(|table| drafts.part(table, number)).collect::<Result<Vec<_>, _>>()?;
    let mut made = Made::default();
    let mut originals = Vec::new();
    let mut first = places.start;
    while first < places.end {
        let last = places.end.min(first + company.chunk_customers);
        let chunk = chunk(company, first..last);
        let batches = batches(&chunk)?;
        let rows = append(&batches, &mut parts)?;
        made.tell(&chunk.tallies);
        if originals.is_empty() {
            originals = batches;
        }
        let customers = u64::try_from(last - first).unwrap_or_default();
        // The listener is gone only when the whole call is.
        drop(sender.send(Message::Chunk { customers, rows }));
        first = last;
    }
    let originals = Originals { part: number, batches: &originals, until: company.history.until() };
    for mut part in parts {
        let table = part.table();
        let broken = originals.broken(table, part.rows(), &mut made.broken);
        if let Some(broken) = broken.map_err(DemoError::encode(table))? {
            part.append(&broken)?;
        }
        made.wrote(part.finish()?);
    }
    Ok(made)
}

fn batches(chunk: &Chunk) -> Result<Vec<(Table, RecordBatch)>, DemoError> {
    let batches = Chunk::tables().zip(chunk.batches());
    batches.map(|(table, batch)| Ok((table, batch.map_err(DemoError::encode(table))?))).collect()
}

fn append(batches: &[(Table, RecordBatch)], parts: &mut [Part]) -> Result<u64, DemoError> {
    let mut rows = 0;
    for (part, (_, batch)) in parts.iter_mut().zip(batches) {
        rows += u64::try_from(batch.num_rows()).unwrap_or_default();
        part.append(batch)?;
    }
    Ok(rows)
}
