//! Text that would be read as a time, a number or a truth value without anybody having said so.
//!
//! Literals may: `day >= '2024-01-01'` says what it means. A column whose texts are read so fails
//! at the first one that is no time, after hours and for reasons nobody wrote down.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

/// A column of text, and the type it is cast to.
pub(super) type TextCast = (Column, DataType);

/// The columns of text that `plan` casts to something else.
pub(super) fn text_casts(plan: &LogicalPlan) -> Result<Vec<TextCast>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                found.extend(text_cast(expression, &schema).filter(|cast| !found.contains(cast)));
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

fn text_cast(expression: &Expr, schema: &DFSchema) -> Option<TextCast> {
    let Expr::Cast(Cast { expr, field }) = expression else { return None };
    let Expr::Column(column) = expr.as_ref() else { return None };
    let to = field.data_type();
    let is_read = to.is_numeric() || to.is_temporal() || *to == DataType::Boolean;
    (is_read && is_text(&expr.get_type(schema).ok()?)).then(|| (column.clone(), to.clone()))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}
