//! Tables inside a run: kept as Arrow while they fit, else as Parquet in the run's scratch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use futures::{StreamExt, TryStreamExt};

use super::analyze::Typed;
use super::binding::{Binding, Bindings, Cut, DataFile};
use super::checks::{Broken, Checker, RowCheck};
use super::execute::{Engine, Job};
use super::file::{Layout, OpenFile};
use super::memory::Share;
use super::write::{sorted, total_order};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::project::Contract;
use crate::store::{Access, Key, Store};

/// A table that several models of a run read.
#[derive(Clone)]
pub struct MaterializeRequest {
    /// A name no other has, for its file if it does not fit in memory.
    pub name: String,
    /// The query, already cast to the contract.
    pub typed: Arc<Typed>,
    /// The rows of its inputs.
    pub bindings: Arc<Bindings>,
    /// Columns, grain and order.
    pub contract: Arc<Contract>,
    /// What is checked while rows pass, beside the columns the contract requires.
    pub checks: Vec<RowCheck>,
    /// Bytes of Arrow that may be kept in memory; beyond them the table goes to scratch.
    pub keep: u64,
}

/// A table that was computed once and is read by others.
#[derive(Debug, Clone)]
pub struct Intermediate {
    /// How others read it.
    pub binding: Binding,
    /// Its rows.
    pub rows: u64,
    /// Bytes of memory it holds; none if it lies in scratch.
    pub held: u64,
    /// Checks that rows broke; empty when all is well.
    pub broken: Vec<Broken>,
}

impl Engine {
    /// Computes a table for the models of this run that read it.
    ///
    /// Memory: at most `keep` bytes stay held. With the grain among the checks rows are sorted by it.
    ///
    /// # Errors
    ///
    /// As [`Engine::write`].
    pub async fn materialize(
        &self,
        request: &MaterializeRequest,
        share: Share,
    ) -> Result<Intermediate, Diagnostics> {
        let store = self.scratch_store()?;
        let layout = Layout::try_new(&request.contract, &[], &BTreeMap::new());
        let bug = |_| Diagnostics::from(Diagnostic::error(code::BUG, "a table cannot be laid out"));
        let layout = Arc::new(layout.map_err(bug)?);
        let order = order(request);
        let plan = sorted(&request.typed, &order);
        let told = self.told(&request.contract);
        let request = Arc::new(MaterializeRequest { contract: told, ..request.clone() });
        self.attempt(&request.typed, &request.bindings, share, |job| {
            let (plan, layout, store) = (plan.clone(), Arc::clone(&layout), store.clone());
            let (request, order) = (Arc::clone(&request), order.clone());
            async move {
                let target = Target { request: &request, layout: &layout, store: &store };
                compute(target, &job, &plan, order).await
            }
        })
        .await
    }

    fn scratch_store(&self) -> Result<Store, Diagnostics> {
        let scratch = &self.inner.options.scratch;
        let location = scratch.to_string_lossy();
        crate::store::open(&location, scratch, &Access::to_folders())
            .map_err(|cause| cause.to_diagnostic().into())
    }
}

fn order(request: &MaterializeRequest) -> Vec<String> {
    if request.checks.contains(&RowCheck::Grain) {
        // Neighbours by key, whatever order the table would be published in.
        let by_grain = Contract { order_by: request.contract.grain.clone(), ..(*request.contract).clone() };
        return total_order(&by_grain);
    }
    Vec::new()
}

/// What is computed, and where it goes if it is too much to keep.
#[derive(Clone, Copy)]
struct Target<'a> {
    request: &'a MaterializeRequest,
    layout: &'a Layout,
    store: &'a Store,
}

async fn compute(
    target: Target<'_>,
    job: &Job,
    plan: &LogicalPlan,
    sorted_by: Vec<String>,
) -> Result<Intermediate> {
    let request = target.request;
    let mut checker = Checker::try_new(&request.checks, &request.contract)?;
    let mut stream = job.stream(plan).await?;
    let (mut kept, mut held, mut rows) = (Vec::new(), 0_u64, 0_u64);
    while let Some(batch) = stream.try_next().await? {
        checker.observe(&batch)?;
        rows += count(&batch);
        held += u64::try_from(batch.get_array_memory_size()).unwrap_or(u64::MAX);
        kept.push(nullable(&batch, request)?);
        if held > request.keep {
            let rest = stream.boxed();
            return spill(target, sorted_by, kept, rest, checker).await;
        }
    }
    let binding = Binding::Memory { schema: relaxed(request), batches: kept };
    Ok(Intermediate { binding, rows, held, broken: checker.finish() })
}

/// The contract's schema with nulls allowed: a broken check is a finding, not a failure to read.
fn relaxed(request: &MaterializeRequest) -> arrow::datatypes::SchemaRef {
    let fields = request.contract.schema();
    let fields = fields.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()))
}

fn nullable(batch: &RecordBatch, request: &MaterializeRequest) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(relaxed(request), batch.columns().to_vec())?)
}

fn count(batch: &RecordBatch) -> u64 {
    u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)
}

type Rest = futures::stream::BoxStream<'static, Result<RecordBatch>>;

async fn spill(
    target: Target<'_>,
    sorted_by: Vec<String>,
    kept: Vec<RecordBatch>,
    mut rest: Rest,
    mut checker: Checker,
) -> Result<Intermediate> {
    let Target { request, layout, store } = target;
    let layout = layout.clone().with_schema(relaxed(request));
    let mut file = OpenFile::create(&layout, store, scratch_key(request)?)?;
    for batch in kept {
        file.write(&batch).await?;
    }
    while let Some(batch) = rest.try_next().await? {
        checker.observe(&batch)?;
        file.write(&nullable(&batch, request)?).await?;
    }
    let file = file.finish().await?;
    let data = DataFile::unchanging(store.clone(), file.key, file.bytes, file.rows);
    let schema = relaxed(request);
    let binding = Binding::Parquet { files: vec![data], schema, cut: Cut::default(), sorted_by };
    Ok(Intermediate { binding, rows: file.rows, held: 0, broken: checker.finish() })
}

fn scratch_key(request: &MaterializeRequest) -> Result<Key> {
    let text = format!("intermediate/{}.parquet", request.name);
    Key::parse(&text).map_err(|cause| DataFusionError::External(Box::new(cause)))
}
