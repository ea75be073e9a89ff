//! A source as its contract says: its files' columns read as the contract's, rows cut in time,
//! and those that break a rule of their own left out.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, Result, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{
    EmptyRelation, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, lit,
};

use super::binding::{Cut, DataFile};
use super::convert::{converted, is_readable};
use super::reading::Reading;
use super::rules::{RowRules, readable_column};
use super::scan::{Files, Scans};
use crate::ident::NodeName;
use crate::project::SourceContract;
use crate::query::TableName;

/// Files with the same columns.
#[derive(Debug, Clone)]
pub struct FileSet {
    /// The files.
    pub files: Vec<DataFile>,
    /// Their columns.
    pub schema: SchemaRef,
    /// How each column of the contract is read from them.
    pub readings: Vec<Reading>,
}

/// Which rows of a source are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Those that can be seen from where the run looks, those without a time among them.
    Visible,
    /// Those that are later than that.
    Later,
    /// Those that can be seen and keep the rules that a row shows.
    Kept,
}

/// A source with a contract.
#[derive(Debug, Clone)]
pub struct SourceScan {
    /// Its name.
    pub name: NodeName,
    /// Its files; none for a source that is absent.
    pub files: Vec<FileSet>,
    /// What it promises.
    pub contract: Arc<SourceContract>,
    /// Which rows are visible.
    pub cut: Cut,
    /// The currency its amounts are in, if a rule asks.
    pub currency: Option<String>,
    pub(super) rows: Rows,
}

impl SourceScan {
    /// All visible rows of a source.
    #[must_use]
    pub const fn new(
        name: NodeName,
        files: Vec<FileSet>,
        contract: Arc<SourceContract>,
        cut: Cut,
        currency: Option<String>,
    ) -> Self {
        Self { name, files, contract, cut, currency, rows: Rows::Visible }
    }

    pub(super) fn with_rows(&self, rows: Rows) -> Self {
        Self { rows, ..self.clone() }
    }

    /// The columns some of whose values may be unreadable.
    pub(super) fn checked(&self) -> Vec<String> {
        let columns = self.contract.table.columns.iter().enumerate();
        let is_checked = |at: usize| {
            self.files.iter().any(|set| matches!(set.readings.get(at), Some(Reading::Checked(_))))
        };
        columns.filter(|(at, _)| is_checked(*at)).map(|(_, column)| column.name.clone()).collect()
    }

    /// The rules that one row shows.
    pub(super) fn row_rules(&self) -> RowRules {
        RowRules::new(&self.contract, &self.checked(), self.currency.clone())
    }

    /// The contract's columns, any of which may be null, and what tells of unreadable values.
    pub(super) fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> =
            contract_schema(&self.contract).fields().iter().map(|f| f.as_ref().clone()).collect();
        if self.rows == Rows::Visible {
            fields.extend(
                self.checked().iter().map(|name| Field::new(readable_column(name), DataType::Boolean, true)),
            );
        }
        Arc::new(Schema::new(fields))
    }

    /// The rows as a plan whose columns belong to `table`.
    pub(super) fn plan(&self, table: &TableReference, scans: &Arc<Scans>) -> Result<LogicalPlan> {
        // Whatever a query calls it, it is this source that is read.
        let name = &TableName::Source(self.name.clone());
        let mut sets = self.files.iter().enumerate();
        let mut plan = match sets.next() {
            None => self.empty()?,
            Some((_, first)) => self.read(first, name, table, scans)?,
        };
        for (_, set) in sets {
            // One read of a source is one, in however many kinds of files it lies.
            let more = self.read(set, name, table, &Arc::default())?;
            plan = LogicalPlanBuilder::from(plan).union(more)?.build()?;
        }
        let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(plan), table.clone())?);
        let schema = self.schema();
        let plan = match self.rows {
            Rows::Visible | Rows::Kept => self.cut.visible(plan, &schema, table)?,
            Rows::Later => self.cut.later(plan, &schema, table)?,
        };
        self.kept(plan, table)
    }

    fn empty(&self) -> Result<LogicalPlan> {
        let mut columns: Vec<Field> =
            contract_schema(&self.contract).fields().iter().map(|f| f.as_ref().clone()).collect();
        columns.extend(
            self.checked().iter().map(|name| Field::new(readable_column(name), DataType::Boolean, true)),
        );
        let schema = DFSchema::try_from(Schema::new(columns))?;
        Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(schema) }))
    }

    /// One set of files in the contract's columns.
    fn read(
        &self,
        set: &FileSet,
        name: &TableName,
        table: &TableReference,
        scans: &Arc<Scans>,
    ) -> Result<LogicalPlan> {
        let files = Files::new(
            name.clone(),
            set.files.clone(),
            Arc::clone(&set.schema),
            Vec::new(),
            Arc::clone(scans),
        );
        let scan = TableScanBuilder::new(table.clone(), provider_as_source(Arc::new(files))).build()?;
        let from = |name: &String| Expr::Column(Column::new(Some(table.clone()), name));
        let checked = self.checked();
        let mut expressions = Vec::new();
        let mut readable = Vec::new();
        for (column, reading) in self.contract.table.columns.iter().zip(&set.readings) {
            let target = column.data_type.arrow();
            let value = match reading {
                Reading::Absent => Expr::Literal(ScalarValue::try_from(&target)?, None),
                Reading::Same(name) => from(name),
                Reading::Cast(name) | Reading::Checked(name) => converted(from(name), &target),
            };
            expressions.push(value.alias(&column.name));
            if checked.contains(&column.name) {
                let is_readable = match reading {
                    Reading::Checked(name) => is_readable(from(name), &target),
                    _ => lit(true),
                };
                readable.push(is_readable.alias(readable_column(&column.name)));
            }
        }
        expressions.extend(readable);
        Ok(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(LogicalPlan::TableScan(scan)))?))
    }

    /// Leaves out what breaks a rule, and what only the rules look at.
    fn kept(&self, plan: LogicalPlan, table: &TableReference) -> Result<LogicalPlan> {
        let mut plan = plan;
        if self.rows == Rows::Kept
            && let Some(kept) = Arc::new(self.row_rules()).kept(table)
        {
            plan = LogicalPlan::Filter(Filter::try_new(kept, Arc::new(plan))?);
        }
        let columns = self.schema();
        let columns =
            columns.fields().iter().map(|field| Expr::Column(Column::new(Some(table.clone()), field.name())));
        Ok(LogicalPlan::Projection(Projection::try_new(columns.collect(), Arc::new(plan))?))
    }
}

/// The columns of a source as SQL reads them: a value may be unknown until the rules were judged.
#[must_use]
pub fn contract_schema(contract: &SourceContract) -> SchemaRef {
    let fields = contract.table.schema();
    let fields = fields.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
