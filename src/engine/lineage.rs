//! From which columns of the inputs each output column is computed.
//!
//! Columns that only filter, join or group rows are not listed: they decide which rows there
//! are, not what a column says.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan};

use super::context::table_name;
use crate::query::TableName;

/// The columns of inputs a column is computed from.
pub(super) type Origins = BTreeSet<(TableName, String)>;

/// The origins of every output column of `plan`, in its order.
pub(super) fn origins(plan: &LogicalPlan) -> Vec<Origins> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let fields = plan.schema().fields().iter();
            let table = table_name(&scan.table_name);
            let origin = |name: &String| table.clone().map(|table| (table, name.clone()));
            fields.map(|field| origin(field.name()).into_iter().collect()).collect()
        }
        LogicalPlan::Projection(projection) => computed(&projection.expr, &[&projection.input]),
        LogicalPlan::Aggregate(aggregate) => {
            let mut found = computed(&aggregate.group_expr, &[&aggregate.input]);
            let groups = plan.schema().fields().len() - aggregate.aggr_expr.len();
            if found.len() != groups {
                let all: Origins = found.into_iter().flatten().collect();
                found = vec![all; groups];
            }
            found.extend(computed(&aggregate.aggr_expr, &[&aggregate.input]));
            found
        }
        LogicalPlan::Window(window) => {
            let mut found = origins(&window.input);
            found.extend(computed(&window.window_expr, &[&window.input]));
            found
        }
        LogicalPlan::Join(join) => fitted(joined(join), plan),
        LogicalPlan::Union(union) => {
            let mut found = vec![Origins::new(); plan.schema().fields().len()];
            for input in &union.inputs {
                found.iter_mut().zip(origins(input)).for_each(|(all, more)| all.extend(more));
            }
            found
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => computed(&distinct.select_expr, &[&distinct.input]),
        LogicalPlan::Subquery(subquery) => origins(&subquery.subquery),
        LogicalPlan::RecursiveQuery(recursive) => {
            let mut found = origins(&recursive.static_term);
            let again = origins(&recursive.recursive_term);
            found.iter_mut().zip(again).for_each(|(all, more)| all.extend(more));
            found
        }
        LogicalPlan::Unnest(unnest) => {
            let below = origins(&unnest.input);
            let column = |at: &usize| below.get(*at).cloned().unwrap_or_default();
            unnest.dependency_indices.iter().map(column).collect()
        }
        other => match other.inputs().as_slice() {
            [input] => fitted(origins(input), plan),
            _ => vec![Origins::new(); other.schema().fields().len()],
        },
    }
}

/// The origins of both sides' columns; a lateral side may say anything of the other it names.
fn joined(join: &Join) -> Vec<Origins> {
    let mut found = origins(&join.left);
    let below = [(join.left.schema().as_ref(), found.clone())];
    let named = outer_columns(&join.right);
    let lateral: Origins = named.iter().flat_map(|column| of_column(column, &below)).collect();
    found.extend(origins(&join.right).into_iter().map(|own| &own | &lateral));
    found
}

/// Cuts or fills up to the plan's own columns: semi joins keep one side, mark joins add one.
fn fitted(mut found: Vec<Origins>, plan: &LogicalPlan) -> Vec<Origins> {
    found.resize(plan.schema().fields().len(), Origins::new());
    found
}

fn computed(expressions: &[Expr], inputs: &[&LogicalPlan]) -> Vec<Origins> {
    let below: Vec<(&DFSchema, Vec<Origins>)> =
        inputs.iter().map(|input| (input.schema().as_ref(), origins(input))).collect();
    expressions.iter().map(|expression| of_expression(expression, &below)).collect()
}

fn of_expression(expression: &Expr, below: &[(&DFSchema, Vec<Origins>)]) -> Origins {
    let mut found = Origins::new();
    let visited = expression.apply(|part| {
        match part {
            Expr::Column(column) => found.extend(of_column(column, below)),
            Expr::ScalarSubquery(subquery) => {
                found.extend(origins(&subquery.subquery).into_iter().flatten());
                for outer in &subquery.outer_ref_columns {
                    if let Expr::OuterReferenceColumn(_, column) = outer {
                        found.extend(of_column(column, below));
                    }
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(visited.is_ok(), "the walk never fails");
    found
}

fn of_column(column: &Column, below: &[(&DFSchema, Vec<Origins>)]) -> Origins {
    let origin = |(schema, origins): &(&DFSchema, Vec<Origins>)| {
        let at = schema.maybe_index_of_column(column)?;
        origins.get(at).cloned()
    };
    below.iter().filter_map(origin).flatten().collect()
}

/// The columns of the other side that the subqueries of a lateral side name.
fn outer_columns(plan: &LogicalPlan) -> Vec<Column> {
    let mut found = Vec::new();
    let visited = plan.apply(|part| {
        if let LogicalPlan::Subquery(subquery) = part {
            found.extend(subquery.outer_ref_columns.iter().filter_map(|outer| match outer {
                Expr::OuterReferenceColumn(_, column) => Some(column.clone()),
                _ => None,
            }));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(visited.is_ok(), "the walk never fails");
    found
}
