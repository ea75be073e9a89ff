//! Makes all sources of a world: chunks of customers by several threads, each part by one.

use std::ops::Range as Span;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::chunk::{Chunk, Company, chunk};
use super::constants::{CUSTOMERS_AT_SCALE_1, MAX_SCALE};
use super::streams::whole;
use super::tables::{self, Table};
use super::write::{Draft, Part};
use super::{DemoError, Progress, SourceSummary, World};

/// Threads that make parts.
const THREADS: usize = 2;
/// Customers who share their random streams.
const CHUNK_CUSTOMERS: i64 = 1_000;
/// The most chunks in a part: 25,000 customers, about 250,000 lines and 500,000 touches.
const PART_CHUNKS: i64 = 25;

/// Makes the sources of `world` in `folder`: one folder a source, `orders/part-00000.parquet`.
///
/// The folder must be absent or empty; it appears whole at the end, or not at all. `progress`
/// hears of every chunk, on the calling thread. The answer names every source once, in a fixed
/// order.
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
    Part(Vec<SourceSummary>),
    Failed(DemoError),
}

pub(super) fn generate_as(
    world: &World,
    layout: &Layout,
    folder: &Path,
    progress: &dyn Fn(Progress),
) -> Result<Vec<SourceSummary>, DemoError> {
    let company = Company::new(world, layout.customers, layout.chunk_customers)?;
    let draft = Draft::begin(folder)?;
    let mut made = catalogue(&company, &draft)?;
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, messages) = channel();
        for _ in 0..layout.threads.max(1) {
            let (sender, company, draft, next) = (sender.clone(), &company, &draft, &next);
            scope.spawn(move || work(company, layout, draft, next, &sender));
        }
        drop(sender);
        listen(&company, &messages, &next, &mut made, progress)
    })?;
    draft.publish()?;
    Ok(sums(&made))
}

/// Takes parts until there are none, or until another thread failed.
fn work(company: &Company, layout: &Layout, draft: &Draft, next: &AtomicUsize, sender: &Sender<Message>) {
    while let Some((number, places)) = take(layout, next) {
        let message = match part(company, draft, number, places, sender) {
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
    made: &mut Vec<SourceSummary>,
    progress: &dyn Fn(Progress),
) -> Result<(), DemoError> {
    let customers = u64::try_from(company.customers).unwrap_or_default();
    let rows = made.iter().map(|source| source.rows).sum();
    let mut now = Progress { customers_done: 0, customers, rows };
    let mut failed = None;
    for message in messages {
        match message {
            Message::Chunk { customers, rows } => {
                now.customers_done += customers;
                now.rows += rows;
                progress(now);
            }
            Message::Part(sources) => made.extend(sources),
            Message::Failed(cause) => {
                next.store(usize::MAX, Ordering::Relaxed);
                failed = failed.or(Some(cause));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn sums(made: &[SourceSummary]) -> Vec<SourceSummary> {
    let sum = |table: Table| {
        let name = table.name();
        let parts = || made.iter().filter(|part| part.name == name);
        let rows = parts().map(|part| part.rows).sum();
        SourceSummary { name, rows, bytes: parts().map(|part| part.bytes).sum() }
    };
    Table::ALL.map(sum).to_vec()
}

/// Writes the sources that do not grow with the customers.
fn catalogue(company: &Company, draft: &Draft) -> Result<Vec<SourceSummary>, DemoError> {
    let costs = company.range.costs(&company.history);
    let batches = [
        (Table::Products, tables::products(company.range.products())),
        (Table::ProductCosts, tables::product_costs(&costs)),
        (Table::Campaigns, tables::campaigns(&company.campaigns, company.history.until())),
    ];
    let write = |(table, batch): (Table, Result<RecordBatch, ArrowError>)| {
        let mut part = draft.part(table, 0)?;
        part.append(&batch.map_err(DemoError::encode(table))?)?;
        part.finish()
    };
    batches.into_iter().map(write).collect()
}

/// Writes part `number` of every source that grows with the customers.
fn part(
    company: &Company,
    draft: &Draft,
    number: usize,
    places: Span<i64>,
    sender: &Sender<Message>,
) -> Result<Vec<SourceSummary>, DemoError> {
    let mut parts =
        Chunk::TABLES.iter().map(|table| draft.part(*table, number)).collect::<Result<Vec<_>, _>>()?;
    let mut first = places.start;
    while first < places.end {
        let last = places.end.min(first + company.chunk_customers);
        let rows = append(&chunk(company, first..last), &mut parts)?;
        let customers = u64::try_from(last - first).unwrap_or_default();
        // The listener is gone only when the whole call is.
        drop(sender.send(Message::Chunk { customers, rows }));
        first = last;
    }
    parts.into_iter().map(Part::finish).collect()
}

fn append(chunk: &Chunk, parts: &mut [Part]) -> Result<u64, DemoError> {
    let mut rows = 0;
    for ((table, part), batch) in Chunk::TABLES.iter().zip(parts).zip(chunk.batches()) {
        let batch = batch.map_err(DemoError::encode(*table))?;
        rows += u64::try_from(batch.num_rows()).unwrap_or_default();
        part.append(&batch)?;
    }
    Ok(rows)
}
