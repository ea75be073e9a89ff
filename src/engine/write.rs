//! Writes a table: sorted, checked, cut into files whose bytes depend on the rows alone.
//!
//! **Invariant:** the same rows give the same bytes, whatever the number of streams, the memory,
//! or the length of the batches that arrive: rows are totally ordered, re-cut to one length, and
//! files end after whole row groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use datafusion::common::{Column, Result};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, Sort, SortExpr};
use futures::TryStreamExt;

use super::analyze::Typed;
use super::binding::{Binding, Bindings, Cut};
use super::checks::{Broken, Checker, RowCheck, broken_grain, neighbours};
use super::execute::{Engine, Job};
use super::file::{Layout, OpenFile, WrittenFile};
use super::kept::Room;
use super::memory::Share;
use super::session::BATCH_ROWS;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::project::Contract;
use crate::store::{Key, Store, Upload};

/// A file ends with the row group that reaches this size.
const FILE_BYTES: u64 = 256 * 1024 * 1024;

/// How far a write has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows written so far.
    pub rows: u64,
}

/// Called after each batch.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// A table to be written.
#[derive(Clone)]
pub struct WriteRequest {
    /// The query, already cast to the contract ([`cast_to_contract`](super::cast_to_contract)).
    pub typed: Arc<Typed>,
    /// The rows of its inputs.
    pub bindings: Arc<Bindings>,
    /// Columns, grain and order.
    pub contract: Arc<Contract>,
    /// What is checked while rows pass, beside the columns the contract requires.
    pub checks: Vec<RowCheck>,
    /// Where the files go.
    pub store: Store,
    /// The folder they get; no two requests with the same one have the same files.
    pub folder: Key,
    /// The number of the first file in it.
    pub first_file: usize,
    /// Keys of every file's footer; nothing of the run, so that bytes repeat.
    pub footer: BTreeMap<String, String>,
    /// Told how far it is.
    pub on_progress: Option<OnProgress>,
}

/// A table whose rows are computed, checked and readable, and whose last bytes may still be on
/// their way to the store.
#[derive(Debug)]
pub struct Computed {
    written: Written,
    uploads: Vec<Upload>,
}

impl Computed {
    /// The files, which may be read already.
    #[must_use]
    pub const fn written(&self) -> &Written {
        &self.written
    }

    /// Waits until every file is in the store.
    ///
    /// # Errors
    ///
    /// Returns the store's finding; then some of the files are not there.
    pub async fn stored(self) -> Result<Written, Diagnostics> {
        let uploads = self.uploads.into_iter().map(Upload::finish);
        futures::future::try_join_all(uploads).await.map_err(|cause| cause.to_diagnostic())?;
        Ok(self.written)
    }
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The files in the order of their rows; at least one, unless a required column had nulls.
    pub files: Vec<WrittenFile>,
    /// Checks that rows broke; empty when all is well.
    pub broken: Vec<Broken>,
}

impl Engine {
    /// Computes a table and writes it as Parquet.
    ///
    /// All rows pass the checks even after one is broken, so that every count is whole. Files that
    /// stay in memory can be read before the store has them: [`Computed::stored`] waits for that.
    ///
    /// # Errors
    ///
    /// Returns what failed while it ran: GW0402 naming a bad input, GW0502 overflow, GW0503 NaN,
    /// GW0504 a value that does not fit, GW0702, GW0703. Uploads that were begun are aborted.
    pub async fn write(&self, request: &WriteRequest, share: Share) -> Result<Computed, Diagnostics> {
        let order = total_order(&request.contract);
        let plan = sorted(&request.typed, &order);
        let layout =
            Layout::try_new(&request.contract, &order, &request.footer).map_err(|cause| self.bug(&cause))?;
        let layout = Arc::new(layout);
        let request = &WriteRequest { contract: self.told(&request.contract), ..request.clone() };
        let computed = self.attempt(&request.typed, &request.bindings, share, |job| {
            let (plan, request) = (plan.clone(), request.clone());
            let (layout, room) = (Arc::clone(&layout), Arc::clone(&self.inner.room));
            async move { Table::new(&request, layout, room)?.write(&job, &plan).await }
        });
        let mut computed = computed.await?;
        if request.checks.contains(&RowCheck::Grain) && !neighbours(&request.contract) {
            let found = self.repeated_keys(request, &computed.written, share).await?;
            computed.written.broken.extend(found);
        }
        Ok(computed)
    }

    #[expect(clippy::unused_self, reason = "reads like the other findings")]
    fn bug(&self, cause: &DataFusionError) -> Diagnostics {
        Diagnostic::error(code::BUG, format!("a table cannot be laid out: {}", cause.strip_backtrace()))
            .into()
    }

    /// Counts keys that rows share, when the order of rows does not bring them together.
    async fn repeated_keys(
        &self,
        request: &WriteRequest,
        written: &Written,
        share: Share,
    ) -> Result<Option<Broken>, Diagnostics> {
        let files = written.files.iter().map(|file| file.to_data_file(&request.store));
        let schema = request.contract.schema();
        let binding =
            Binding::Parquet { files: files.collect(), schema, cut: Cut::default(), sorted_by: Vec::new() };
        let (typed, bindings) = super::grain::repeated(&request.contract, binding)?;
        let rows = self.collect(&typed, &bindings, None, share).await?;
        let (counts, total) = super::grain::read(&request.contract, &rows);
        Ok(broken_grain(&counts, total))
    }
}

/// An order in which no two different rows tie: the contract's, then the grain, then the rest.
pub(super) fn total_order(contract: &Contract) -> Vec<String> {
    let mut order = contract.order_by.clone();
    let rest: Vec<_> = match contract.grain.as_slice() {
        [] => contract.columns.iter().map(|column| column.name.clone()).collect(),
        grain => grain.to_vec(),
    };
    for name in rest {
        if !order.contains(&name) {
            order.push(name);
        }
    }
    order
}

/// The query ended by a sort, ascending with nulls last.
pub(super) fn sorted(typed: &Typed, order: &[String]) -> LogicalPlan {
    let sort = |name: &String| SortExpr::new(Expr::Column(Column::new_unqualified(name)), true, false);
    let expr: Vec<_> = order.iter().map(sort).collect();
    if expr.is_empty() {
        return typed.plan.clone();
    }
    LogicalPlan::Sort(Sort { expr, input: Arc::new(typed.plan.clone()), fetch: None })
}

/// One table on its way to its files.
struct Table {
    layout: Arc<Layout>,
    store: Store,
    folder: Key,
    first_file: usize,
    checker: Checker,
    on_progress: Option<OnProgress>,
    room: Arc<Room>,
    open: Option<OpenFile>,
    files: Vec<WrittenFile>,
    /// Of the last file, if others can read it before it is in the store.
    uploads: Vec<Upload>,
    rows: u64,
    /// Whether a required column had a null: then no file could keep the contract.
    spoiled: bool,
}

impl Table {
    fn new(request: &WriteRequest, layout: Arc<Layout>, room: Arc<Room>) -> Result<Self> {
        let mut checks = request.checks.clone();
        if !neighbours(&request.contract) {
            checks.retain(|check| *check != RowCheck::Grain);
        }
        Ok(Self {
            layout,
            store: request.store.clone(),
            folder: request.folder.clone(),
            first_file: request.first_file,
            checker: Checker::try_new(&checks, &request.contract)?,
            on_progress: request.on_progress.clone(),
            room,
            open: None,
            files: Vec::new(),
            uploads: Vec::new(),
            rows: 0,
            spoiled: false,
        })
    }

    async fn write(mut self, job: &Job, plan: &LogicalPlan) -> Result<Computed> {
        match self.write_all(job, plan).await {
            Ok(()) => {}
            Err(cause) => {
                if let Some(open) = self.open.take() {
                    open.abort().await;
                }
                return Err(cause);
            }
        }
        let written = Written { files: self.files, broken: self.checker.finish() };
        Ok(Computed { written, uploads: self.uploads })
    }

    async fn write_all(&mut self, job: &Job, plan: &LogicalPlan) -> Result<()> {
        let mut stream = job.stream(plan).await?;
        let mut cutter = BatchCoalescer::new(stream.schema(), BATCH_ROWS);
        while let Some(batch) = stream.try_next().await? {
            cutter.push_batch(batch)?;
            while let Some(batch) = cutter.next_completed_batch() {
                self.add(&batch).await?;
            }
        }
        cutter.finish_buffered_batch()?;
        while let Some(batch) = cutter.next_completed_batch() {
            self.add(&batch).await?;
        }
        self.end().await
    }

    async fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.checker.observe(batch)?;
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        if let Some(tell) = &self.on_progress {
            tell(Progress { rows: self.rows });
        }
        if self.spoiled {
            return Ok(());
        }
        // The contract's schema says which columns have no nulls.
        let Ok(batch) = RecordBatch::try_new(Arc::clone(self.layout.schema()), batch.columns().to_vec())
        else {
            return self.spoil(batch).await;
        };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.next_file()?,
        };
        let added = open.write(&batch).await;
        let full = open.is_full(FILE_BYTES);
        self.open = Some(open);
        added?;
        if full && let Some(open) = self.open.take() {
            self.files.push(open.finish().await?);
        }
        Ok(())
    }

    fn next_file(&mut self) -> Result<OpenFile> {
        let name = format!("part-{:05}.parquet", self.first_file + self.files.len());
        let key = self.folder.join(&name).map_err(|cause| DataFusionError::External(Box::new(cause)))?;
        Ok(OpenFile::create(&self.layout, &self.store, key)?.kept_in(&self.room))
    }

    /// Gives the files up; the rows that follow are still checked.
    async fn spoil(&mut self, batch: &RecordBatch) -> Result<()> {
        let nulls = self.layout.schema().fields().iter().zip(batch.columns());
        let required = nulls.filter(|(field, array)| !field.is_nullable() && array.null_count() > 0).count();
        if required == 0 {
            return datafusion::common::internal_err!("a batch does not fit its contract");
        }
        self.spoiled = true;
        if let Some(open) = self.open.take() {
            open.abort().await;
        }
        for file in std::mem::take(&mut self.files) {
            let deleted = self.store.delete(&file.key).await;
            deleted.map_err(|cause| DataFusionError::External(Box::new(cause)))?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        if self.open.is_none() && self.files.is_empty() && !self.spoiled {
            self.open = Some(self.next_file()?);
        }
        let Some(open) = self.open.take() else { return Ok(()) };
        let (file, upload) = open.close().await?;
        if file.content.is_some() {
            self.uploads.push(upload);
        } else {
            upload.finish().await.map_err(|cause| DataFusionError::External(Box::new(cause)))?;
        }
        self.files.push(file);
        Ok(())
    }
}
