//! What a run gives a query to read, and the cut in time that no SQL can forget.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, Result, ScalarValue, TableReference, exec_err, plan_err};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::expr_rewriter::normalize_col;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{
    Expr, Filter, LogicalPlan, Projection, SubqueryAlias, TableScan, TableSource, Union, lit,
};

use super::analyze::Typed;
use super::context::table_name;
use super::kept::Content;
use super::reader::FileMetadata;
use super::scan::{Files, Scans};
use super::source::SourceScan;
use crate::interval::Instant;
use crate::query::TableName;
use crate::store::{Key, Store};

/// One Parquet file, as it was pinned.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// The store it lies in.
    pub store: Store,
    /// Where in the store.
    pub key: Key,
    /// Its size, in bytes.
    pub size: u64,
    /// Its rows, as its footer says.
    pub rows: u64,
    /// The store's mark of the content that was pinned; `None` for files that never change.
    pub etag: Option<String>,
    /// What its footer says, if it was read before.
    pub metadata: Option<FileMetadata>,
    /// All of it, if this run has just written it and had room to keep it.
    pub content: Option<Content>,
}

impl DataFile {
    /// A file of ours, which nobody ever writes over.
    #[must_use]
    pub const fn unchanging(store: Store, key: Key, size: u64, rows: u64) -> Self {
        Self { store, key, size, rows, etag: None, metadata: None, content: None }
    }
}

/// A column of time and where it is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The column; DATE, or TIMESTAMP of any unit, one without a zone being read as UTC.
    pub column: String,
    /// The moment, for a column of timestamps.
    pub at: Instant,
    /// The local day of the moment, as days since 1970, for a column of dates.
    pub day: i32,
}

/// Which rows a scan may give: those from before `event_time`, known by `known_at`.
///
/// A row whose time is null is never given: nobody can say that it is from before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Keeps `column < at`.
    pub event_time: Option<Bound>,
    /// Keeps `column <= at`.
    pub known_at: Option<Bound>,
}

/// The rows of one input.
#[derive(Debug, Clone)]
pub enum Binding {
    /// Exactly these files; nothing is listed.
    Parquet {
        /// The files, in order.
        files: Vec<DataFile>,
        /// The columns to read, by name; a file without one gives nulls.
        schema: SchemaRef,
        /// Which rows are visible.
        cut: Cut,
        /// The columns each file is sorted by, ascending, nulls last; empty if unknown.
        sorted_by: Vec<String>,
    },
    /// Rows in memory.
    Memory {
        /// Their columns.
        schema: SchemaRef,
        /// The rows.
        batches: Vec<RecordBatch>,
    },
    /// A source with a contract.
    Source(Arc<SourceScan>),
    /// Another query, put in the place of its name, over its own inputs.
    View(Arc<Typed>, Arc<Bindings>),
    /// The rows of all of these, which have the same columns.
    Union(Vec<Self>),
    /// Those of its rows whose time is `from` or later, and before `until`.
    Within {
        /// The rows.
        rows: Box<Self>,
        /// The first moment, and the column that tells a row's.
        from: Bound,
        /// The first moment after; of the same column.
        until: Bound,
    },
}

/// The rows of every input of a query.
pub type Bindings = BTreeMap<TableName, Binding>;

/// `plan` with every input replaced by what it is bound to.
pub(super) fn bind(plan: &LogicalPlan, bindings: &Bindings, scans: &Arc<Scans>) -> Result<LogicalPlan> {
    let bound = plan.clone().transform_down_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) => bind_scan(scan, bindings, scans),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bound.data.transform_up_with_subqueries(renewed)?.data)
}

/// What is bound may be null where the contract it was typed with says never: a break of the contract
/// is a finding of its own. The nodes above must say so too, a union as well as the rest.
fn renewed(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let node = match node {
        LogicalPlan::Union(Union { inputs, .. }) => LogicalPlan::Union(Union::try_new(inputs)?),
        other => other.recompute_schema()?,
    };
    Ok(Transformed::yes(node))
}

fn bind_scan(scan: TableScan, bindings: &Bindings, scans: &Arc<Scans>) -> Result<Transformed<LogicalPlan>> {
    // Series and the work tables of recursive queries bring their own rows.
    let source: &dyn TableSource = scan.source.as_ref();
    if !source.is::<super::keys::KeyedTable>() {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    }
    let name = table_name(&scan.table_name);
    let Some((name, binding)) = name.and_then(|name| bindings.get_key_value(&name)) else {
        return plan_err!("`{}` is not bound", scan.table_name);
    };
    let plan = bound(&scan, (name, binding), scans)?;
    Ok(Transformed::new(plan, true, TreeNodeRecursion::Jump))
}

/// What `scan` gives if it is bound so: its columns, in its order.
fn bound(
    scan: &TableScan,
    (name, binding): (&TableName, &Binding),
    scans: &Arc<Scans>,
) -> Result<LogicalPlan> {
    Ok(match binding {
        Binding::Parquet { files, schema, cut, sorted_by } => {
            let files = Files::new(
                name.clone(),
                files.clone(),
                Arc::clone(schema),
                sorted_by.clone(),
                Arc::clone(scans),
            );
            let table = scan.table_name.clone();
            let bound = rebound(scan, provider_as_source(Arc::new(files)))?;
            narrowed(cut.apply(bound, schema, &table)?, scan)?
        }
        Binding::Memory { schema, batches } => {
            let table = MemTable::try_new(Arc::clone(schema), vec![batches.clone()])?;
            narrowed(rebound(scan, provider_as_source(Arc::new(table)))?, scan)?
        }
        Binding::Source(source) => narrowed(source.plan(&scan.table_name, scans)?, scan)?,
        Binding::View(typed, inner) => {
            let inner = selected(bind(&typed.plan, inner, scans)?, scan)?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(inner), scan.table_name.clone())?)
        }
        Binding::Union(parts) => {
            let plans = parts.iter().map(|part| Ok(Arc::new(bound(scan, (name, part), scans)?)));
            let mut plans = plans.collect::<Result<Vec<_>>>()?;
            match (plans.pop(), plans.is_empty()) {
                (None, _) => return plan_err!("`{}` is bound to nothing", scan.table_name),
                (Some(only), true) => Arc::unwrap_or_clone(only),
                (Some(last), false) => {
                    plans.push(last);
                    let all = LogicalPlan::Union(Union::try_new(plans)?);
                    LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(
                        Arc::new(all),
                        scan.table_name.clone(),
                    )?)
                }
            }
        }
        Binding::Within { rows, from, until } => {
            let rows = bound(scan, (name, rows), scans)?;
            let schema = Arc::clone(scan.projected_schema.inner());
            let column = || Expr::Column(Column::new(Some(scan.table_name.clone()), &from.column));
            let (from, until) = (from.literal(&schema, Side::Before)?, until.literal(&schema, Side::Before)?);
            let within = column().gt_eq(from).and(column().lt(until));
            LogicalPlan::Filter(Filter::try_new(within, Arc::new(rows))?)
        }
    })
}

/// A scan of all columns of `source`, whose types must be those the query was typed with.
fn rebound(scan: &TableScan, source: Arc<dyn TableSource>) -> Result<LogicalPlan> {
    let schema = source.schema();
    for field in scan.source.schema().fields() {
        let found = schema.field_with_name(field.name());
        if !found.is_ok_and(|found| found.data_type() == field.data_type()) {
            return plan_err!("`{}` is bound without its column `{}`", scan.table_name, field.name());
        }
    }
    Ok(LogicalPlan::TableScan(TableScanBuilder::new(scan.table_name.clone(), source).build()?))
}

/// The columns the query was typed with, in its order: what is bound may have more, in another.
fn narrowed(plan: LogicalPlan, scan: &TableScan) -> Result<LogicalPlan> {
    let columns =
        scan.projected_schema.iter().map(|(table, field)| Expr::Column(Column::from((table, field))));
    Ok(LogicalPlan::Projection(Projection::try_new(columns.collect(), Arc::new(plan))?))
}

/// The columns of a view that the query was typed with, in its order.
fn selected(view: LogicalPlan, scan: &TableScan) -> Result<LogicalPlan> {
    let names = scan
        .projected_schema
        .fields()
        .iter()
        .map(|field| Expr::Column(Column::new_unqualified(field.name())));
    let names = names.map(|column| normalize_col(column, &view)).collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Projection(Projection::try_new(names, Arc::new(view))?))
}

impl Cut {
    fn apply(&self, plan: LogicalPlan, schema: &SchemaRef, table: &TableReference) -> Result<LogicalPlan> {
        let column = |bound: &Bound| Expr::Column(Column::new(Some(table.clone()), &bound.column));
        let mut plan = plan;
        if let Some(bound) = &self.event_time {
            let limit = bound.literal(schema, Side::Before)?;
            plan = LogicalPlan::Filter(Filter::try_new(column(bound).lt(limit), Arc::new(plan))?);
        }
        if let Some(bound) = &self.known_at {
            let limit = bound.literal(schema, Side::UpTo)?;
            plan = LogicalPlan::Filter(Filter::try_new(column(bound).lt_eq(limit), Arc::new(plan))?);
        }
        Ok(plan)
    }

    /// The rows that can be seen, and those nobody knows the time of.
    pub(super) fn visible(
        &self,
        plan: LogicalPlan,
        schema: &SchemaRef,
        table: &TableReference,
    ) -> Result<LogicalPlan> {
        let mut plan = plan;
        for (bound, side) in self.bounds() {
            let column = Expr::Column(Column::new(Some(table.clone()), &bound.column));
            let limit = bound.literal(schema, side)?;
            let before = match side {
                Side::Before => column.clone().lt(limit),
                Side::UpTo => column.clone().lt_eq(limit),
            };
            let seen = column.is_null().or(before);
            plan = LogicalPlan::Filter(Filter::try_new(seen, Arc::new(plan))?);
        }
        Ok(plan)
    }

    /// The rows that are too late to be seen.
    pub(super) fn later(
        &self,
        plan: LogicalPlan,
        schema: &SchemaRef,
        table: &TableReference,
    ) -> Result<LogicalPlan> {
        let mut later = lit(false);
        for (bound, side) in self.bounds() {
            let column = Expr::Column(Column::new(Some(table.clone()), &bound.column));
            let limit = bound.literal(schema, side)?;
            later = later.or(match side {
                Side::Before => column.gt_eq(limit),
                Side::UpTo => column.gt(limit),
            });
        }
        Ok(LogicalPlan::Filter(Filter::try_new(later, Arc::new(plan))?))
    }

    fn bounds(&self) -> impl Iterator<Item = (&Bound, Side)> {
        let event_time = self.event_time.iter().map(|bound| (bound, Side::Before));
        event_time.chain(self.known_at.iter().map(|bound| (bound, Side::UpTo)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    UpTo,
}

impl Bound {
    /// The limit in the column's own unit: the same rows as if the column had microseconds.
    fn literal(&self, schema: &SchemaRef, side: Side) -> Result<Expr> {
        let data_type =
            schema.field_with_name(&self.column).map_err(DataFusionError::from)?.data_type().clone();
        let micros = self.at.micros();
        // `t < limit` for whole seconds t means t < ceil(limit), `t <= limit` means t <= floor(limit).
        let coarse = |unit: i64| match side {
            Side::Before => micros.div_euclid(unit) + i64::from(micros.rem_euclid(unit) > 0),
            Side::UpTo => micros.div_euclid(unit),
        };
        let value = match &data_type {
            DataType::Date32 => ScalarValue::Date32(Some(self.day)),
            DataType::Date64 => ScalarValue::Date64(Some(i64::from(self.day) * 86_400_000)),
            DataType::Timestamp(TimeUnit::Second, zone) => {
                ScalarValue::TimestampSecond(Some(coarse(1_000_000)), zone.clone())
            }
            DataType::Timestamp(TimeUnit::Millisecond, zone) => {
                ScalarValue::TimestampMillisecond(Some(coarse(1_000)), zone.clone())
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                ScalarValue::TimestampMicrosecond(Some(micros), zone.clone())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                // Up to a microsecond includes all of its nanoseconds.
                let last = if side == Side::UpTo { 999 } else { 0 };
                let nanos = micros.saturating_mul(1_000).saturating_add(last);
                ScalarValue::TimestampNanosecond(Some(nanos), zone.clone())
            }
            other => return exec_err!("`{}` is {other}, not a time", self.column),
        };
        Ok(Expr::Literal(value, None))
    }
}
