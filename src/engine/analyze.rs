//! From a query as written to a typed plan: names bound, types coerced, promises checked.
//!
//! **Invariant:** no I/O, no clock; the same query, inputs and parameters give the same plan.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, TableSource};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::Statement;

use super::calls::Written;
use super::coerced::{text_casts, unreadable_texts};
use super::context::{Inputs, analyzer, options, parser_options};
use super::errors::Explain;
use super::keys::{KeyedTable, facts};
use super::lineage::origins;
use super::{order, parameters, unknown};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};
use crate::query::{Parameters, Query, TableName};
use crate::stack;

/// Deep expressions are planned by recursion.
const STACK: usize = 64 * 1024 * 1024;

/// What a query may read: a source or a model, without its rows.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The name SQL reads it under.
    pub name: TableName,
    /// Its columns.
    pub schema: SchemaRef,
    /// Sets of columns known to be unique: its grain.
    pub keys: Vec<Vec<String>>,
    /// The file that makes it, for suggestions.
    pub defined_in: Option<String>,
}

/// Where an output column comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnLineage {
    /// The output column.
    pub column: String,
    /// The columns of inputs it is computed from, in order.
    pub from: Vec<(TableName, String)>,
}

/// A query that was found sound, with the types of its result.
#[derive(Debug, Clone)]
pub struct Typed {
    /// The result's columns after coercion.
    pub schema: SchemaRef,
    /// Sets of columns proven unique in the result, smallest first.
    pub keys: Vec<Vec<String>>,
    /// For each output column, where it comes from.
    pub lineage: Vec<ColumnLineage>,
    pub(super) plan: LogicalPlan,
    pub(super) file: SourceFile,
}

impl Typed {
    /// The file the query was read from.
    #[must_use]
    pub const fn file(&self) -> &SourceFile {
        &self.file
    }

    pub(super) fn with_plan(&self, plan: LogicalPlan) -> Self {
        let schema = Arc::clone(plan.schema().inner());
        let known = facts(&plan);
        let name = |column: usize| schema.field(column).name().clone();
        let keys = known.smallest_keys().iter().map(|key| key.iter().map(name).collect()).collect();
        let lineage = schema.fields().iter().zip(origins(&plan));
        let lineage = lineage.map(|(field, from)| ColumnLineage {
            column: field.name().clone(),
            from: from.into_iter().collect(),
        });
        Self { lineage: lineage.collect(), keys, schema: Arc::clone(&schema), plan, file: self.file.clone() }
    }

    pub(super) fn new(plan: LogicalPlan, file: SourceFile) -> Self {
        let empty = Arc::new(arrow::datatypes::Schema::empty());
        let bare =
            Self { schema: empty, keys: Vec::new(), lineage: Vec::new(), plan: LogicalPlan::default(), file };
        bare.with_plan(plan)
    }
}

/// Types `query` over `inputs` with `parameters` bound.
///
/// No I/O. Built-in parameters such as `$as_of` are among `parameters`.
///
/// # Errors
///
/// Returns every finding at once, each at its place: unknown names (GW0201, GW0203, GW0205,
/// GW0221), types that do not fit (GW0211), functions that read a clock or chance (GW0212), rows
/// picked without a proven total order (GW0213), inexact aggregates (GW0214).
pub fn analyze(query: &Query, inputs: &[Relation], parameters: &Parameters) -> Result<Typed, Diagnostics> {
    stack::deep(STACK, || analyze_here(query, inputs, parameters)).unwrap_or_else(|lost| {
        Err(Diagnostic::error(code::BUG, format!("the SQL was not planned: {lost}")).into())
    })
}

fn analyze_here(query: &Query, inputs: &[Relation], values: &Parameters) -> Result<Typed, Diagnostics> {
    let file = &query.file;
    let written = Written::read(&query.statement, file);
    let mut found = written.refused();
    let mut statement = query.statement.clone();
    found.extend(parameters::bind(&mut statement, file, values));
    if found.has_errors() {
        return Err(found);
    }
    let explain = Explain { file, written: &written, inputs };
    let planned = plan(statement.clone(), inputs).and_then(|plan| {
        let asked = text_casts(&plan)?;
        let plan = analyzer().execute_and_check(plan, options(), |_, _| {})?;
        let silent = text_casts(&plan)?.into_iter().filter(|cast| !asked.contains(cast)).collect::<Vec<_>>();
        let unreadable = unreadable_texts(&plan)?;
        Ok((plan, silent, unreadable))
    });
    let (plan, silent, unreadable) = planned.map_err(|error| {
        let further = unknown::further(&error, &statement, |statement| plan(statement, inputs));
        let mut found = explain.planning(&error);
        for error in &further {
            found.extend(explain.planning(error));
        }
        found
    })?;
    let mut found: Diagnostics = silent.iter().map(|cast| explain.silent_cast(cast)).collect();
    found.extend(unreadable.iter().filter_map(|text| explain.unreadable_text(text)).collect());
    found.extend(order::unproven(&plan, &written, file));
    found.or_ok(Typed::new(plan, file.clone()))
}

fn plan(statement: Statement, inputs: &[Relation]) -> Result<LogicalPlan, DataFusionError> {
    let tables = inputs.iter().map(|relation| (relation.name.clone(), keyed(relation))).collect();
    let context = Inputs { tables };
    let planner = SqlToRel::new_with_options(&context, parser_options());
    planner.sql_statement_to_plan(statement)
}

fn keyed(relation: &Relation) -> Arc<dyn TableSource> {
    let position = |column: &String| relation.schema.index_of(column).ok();
    let key = |key: &Vec<String>| key.iter().map(position).collect::<Option<Vec<_>>>();
    let keys = relation.keys.iter().filter(|key| !key.is_empty()).filter_map(key).collect();
    Arc::new(KeyedTable { schema: Arc::clone(&relation.schema), keys })
}
