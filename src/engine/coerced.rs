//! Text that would be read as a time, a number or a truth value without anybody having said so.
//!
//! Literals may: `day >= '2024-01-01'` says what it means, and one that means nothing, `orders > 'ten'`, is seen at
//! once. A column whose texts are read so fails at the first one that is no time, after hours and for reasons nobody
//! wrote down.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

/// A column of text, and the type it is cast to.
pub(super) type TextCast = (Column, DataType);

/// A text written in the SQL, and the type it cannot be read as.
pub(super) type Unreadable = (String, DataType);

/// The columns of text that `plan` casts to something else.
pub(super) fn text_casts(plan: &LogicalPlan) -> Result<Vec<TextCast>> {
    casts(plan, text_cast)
}

/// The texts that `plan` casts to a type they are none of, so that it would fail at the first row.
pub(super) fn unreadable_texts(plan: &LogicalPlan) -> Result<Vec<Unreadable>> {
    casts(plan, |of, to, _| match of {
        Expr::Literal(literal, _) => {
            let text = literal.try_as_str()??;
            literal.cast_to(to).is_err().then(|| (text.to_owned(), to.clone()))
        }
        _ => None,
    })
}

/// What `find` tells of the casts of `plan` to a time, a number or a truth value, each once.
fn casts<T: PartialEq>(
    plan: &LogicalPlan,
    find: impl Fn(&Expr, &DataType, &DFSchema) -> Option<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                if let Expr::Cast(Cast { expr, field }) = expression
                    && is_read(field.data_type())
                {
                    let new = find(expr, field.data_type(), &schema);
                    found.extend(new.filter(|new| !found.contains(new)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

fn is_read(to: &DataType) -> bool {
    to.is_numeric() || to.is_temporal() || *to == DataType::Boolean
}

fn text_cast(of: &Expr, to: &DataType, schema: &DFSchema) -> Option<TextCast> {
    let column = match of {
        Expr::Column(column) => column.clone(),
        // A value of a struct goes by its own name.
        Expr::ScalarFunction(call) if call.name() == "get_field" => match call.args.last()? {
            Expr::Literal(ScalarValue::Utf8(Some(name)), _) => Column::from_name(name),
            _ => return None,
        },
        _ => return None,
    };
    is_text(&of.get_type(schema).ok()?).then(|| (column, to.clone()))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}
