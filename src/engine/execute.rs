//! Runs a typed query over its bindings: once as planned, once more frugally if memory is short.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Limit, LogicalPlan, lit};
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use futures::{FutureExt, TryStreamExt};

use super::analyze::Typed;
use super::binding::{Bindings, bind};
use super::errors::{Unplanned, is_out_of_memory, running};
use super::kept::Room;
use super::memory::{Effort, Share};
use super::runtime::Runtime;
use super::scan::{Scans, unreadable_files};
use super::session::session;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::project::{Contract, Privacy};
use crate::query::TableName;

/// This part of all memory one table may keep,
const KEPT_SHARE: u64 = 16;

/// and never more: a scratch file is read about as fast, and many tables are kept at once.
const MOST_KEPT: u64 = 128 << 20;

/// What an engine may use.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Bytes for all steps together.
    pub memory_limit: u64,
    /// Threads for all steps together.
    pub threads: usize,
    /// A folder of the run's own for what does not fit in memory; made if it is not there.
    pub scratch: PathBuf,
    /// Whether findings may tell values of rows.
    pub values: Values,
}

/// Whether findings may tell values: of personal columns, and of rows on which a model failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Values {
    /// They tell names and counts.
    #[default]
    Hidden,
    /// They tell what helps, as somebody asked.
    Shown,
}

/// Computes and writes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) options: EngineOptions,
    pub(super) scans: Arc<Scans>,
    pub(super) room: Arc<Room>,
    runtime: Runtime,
    spill: PathBuf,
}

impl Engine {
    /// Prepares threads and the scratch folder.
    ///
    /// # Errors
    ///
    /// Returns a finding if threads cannot be started or the folder cannot be made.
    pub fn try_new(options: EngineOptions) -> Result<Self, Diagnostic> {
        let spill = options.scratch.join("spill");
        let no_folder = |_| {
            let message = format!("{} cannot be made", spill.display());
            Diagnostic::error(code::STORE_UNAVAILABLE, message).help("choose another folder with $TMPDIR")
        };
        make_folder(&spill).map_err(no_folder)?;
        let no_threads = |_| Diagnostic::error(code::OUT_OF_MEMORY, "threads for the plan cannot be started");
        let runtime = Runtime::try_new(options.threads).map_err(no_threads)?;
        let room = Arc::new(Room::within(options.memory_limit));
        Ok(Self { inner: Arc::new(Inner { options, scans: Arc::default(), room, runtime, spill }) })
    }

    /// All memory and threads, for a step that runs alone.
    #[must_use]
    pub fn whole(&self) -> Share {
        Share { memory: self.inner.options.memory_limit, threads: self.inner.options.threads }
    }

    /// Bytes of Arrow that one table or source may keep in memory for the models that read it; a
    /// larger one is written to scratch, or read again.
    #[must_use]
    pub fn keep(&self) -> u64 {
        (self.inner.options.memory_limit / KEPT_SHARE).min(MOST_KEPT)
    }

    /// Whether findings may tell values of rows.
    #[must_use]
    pub fn values(&self) -> Values {
        self.inner.options.values
    }

    /// The contract as findings see it: nothing in it is personal if values are shown.
    pub(super) fn told(&self, contract: &Arc<Contract>) -> Arc<Contract> {
        match self.values() {
            Values::Hidden => Arc::clone(contract),
            Values::Shown => {
                let mut open = Contract::clone(contract);
                open.columns.iter_mut().for_each(|column| column.privacy = Privacy::Public);
                Arc::new(open)
            }
        }
    }

    /// How often the files of each input were read since the engine was made.
    #[must_use]
    pub fn scans(&self) -> BTreeMap<TableName, u64> {
        self.inner.scans.counts()
    }

    /// The rows of a query, at most `limit` of them; in no order unless the query has one.
    ///
    /// Memory: all rows returned.
    ///
    /// # Errors
    ///
    /// Returns what failed while it ran: GW0402 naming a bad file, GW0501 to GW0504, GW0702, GW0703.
    pub async fn collect(
        &self,
        typed: &Typed,
        bindings: &Bindings,
        limit: Option<usize>,
        share: Share,
    ) -> Result<Vec<RecordBatch>, Diagnostics> {
        let plan = match limit {
            Some(rows) => limited(&typed.plan, rows),
            None => typed.plan.clone(),
        };
        let bindings = Arc::new(bindings.clone());
        self.attempt(typed, &bindings, share, |job| {
            let plan = plan.clone();
            async move { job.stream(&plan).await?.try_collect::<Vec<_>>().await }
        })
        .await
    }

    /// Does `work` on the plan's threads; after it ran out of memory once more, frugally.
    pub(super) async fn attempt<T, W, F>(
        &self,
        typed: &Typed,
        bindings: &Arc<Bindings>,
        share: Share,
        work: W,
    ) -> Result<T, Diagnostics>
    where
        T: Send + 'static,
        W: Fn(Job) -> F,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match self.once(bindings, share, Effort::Usual, &work).await {
            Err(Failure::Failed(cause)) if is_out_of_memory(&cause) => {
                tracing::warn!(model = typed.file().path(), "memory is short: planning once more, frugally");
            }
            other => return self.explain(typed, bindings, other).await,
        }
        let again = self.once(bindings, share, Effort::Frugal, &work).await;
        self.explain(typed, bindings, again).await
    }

    async fn once<T, W, F>(
        &self,
        bindings: &Arc<Bindings>,
        share: Share,
        effort: Effort,
        work: &W,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: Fn(Job) -> F,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let state = session(share, effort, &self.inner.spill).map_err(Failure::Failed)?;
        let job = Job {
            state: Arc::new(state),
            bindings: Arc::clone(bindings),
            scans: Arc::clone(&self.inner.scans),
        };
        let guarded = AssertUnwindSafe(work(job)).catch_unwind();
        match self.inner.runtime.run(guarded).await.map_err(Failure::Failed)? {
            Ok(done) => done.map_err(Failure::Failed),
            Err(_) => Err(Failure::Panicked),
        }
    }

    async fn explain<T>(
        &self,
        typed: &Typed,
        bindings: &Arc<Bindings>,
        outcome: Result<T, Failure>,
    ) -> Result<T, Diagnostics> {
        let failure = match outcome {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        // Nobody but the reader knows that a file is bad, and it does not say which.
        let bindings = Arc::clone(bindings);
        let suspicious = failure.may_be_a_file();
        let look = async move {
            if suspicious { unreadable_files(&bindings).await } else { Diagnostics::default() }
        };
        let found = self.inner.runtime.run(look).await.unwrap_or_default();
        if found.is_empty() { Err(self.finding(&failure, typed).into()) } else { Err(found) }
    }

    fn finding(&self, failure: &Failure, typed: &Typed) -> Diagnostic {
        match failure {
            Failure::Failed(cause) => {
                let found = running(cause, typed.file(), &self.inner.spill);
                match self.values() {
                    Values::Hidden => found,
                    Values::Shown => found.help(format!("DataFusion said: {}", cause.strip_backtrace())),
                }
            }
            Failure::Panicked => {
                Diagnostic::error(code::BUG, "a plan panicked").at(typed.file().place_at(1, 1, 1))
            }
        }
    }
}

fn limited(plan: &LogicalPlan, rows: usize) -> LogicalPlan {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    LogicalPlan::Limit(Limit { skip: None, fetch: Some(Box::new(lit(rows))), input: Arc::new(plan.clone()) })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the spill folder is the engine's own and holds no published data"
)]
fn make_folder(path: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

enum Failure {
    Failed(DataFusionError),
    Panicked,
}

impl Failure {
    fn may_be_a_file(&self) -> bool {
        match self {
            Self::Failed(cause) => super::errors::may_be_a_file(cause),
            Self::Panicked => true,
        }
    }
}

/// One try of one step: a session and what it reads.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) state: Arc<SessionState>,
    bindings: Arc<Bindings>,
    scans: Arc<Scans>,
}

impl Job {
    /// The rows of `plan`, as one stream; ordered if the plan ends with a sort.
    pub(super) async fn stream(&self, plan: &LogicalPlan) -> Result<SendableRecordBatchStream> {
        let plan = bind(plan, &self.bindings, &self.scans)?;
        let planned = self.state.create_physical_plan(&plan).await;
        let physical = planned.map_err(|cause| DataFusionError::External(Box::new(Unplanned(cause))))?;
        execute_stream(physical, self.state.task_ctx())
    }
}
