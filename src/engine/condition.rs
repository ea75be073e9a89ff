//! Whether a rule is a condition: true, false or unknown of each row, by that row alone.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::analyze::{Relation, Typed, analyze};
use super::calls::Written;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code};
use crate::functions::sql_type;
use crate::query::{Parameters, Query};

/// Types `query`, which selects nothing but a condition that stands at `rule`.
///
/// # Errors
///
/// Returns what [`analyze`] returns, and GW0230 for an expression that is no condition, looks at many
/// rows, or at none.
pub fn check_condition(
    query: &Query,
    rule: &Place,
    inputs: &[Relation],
    parameters: &Parameters,
) -> Result<(), Diagnostics> {
    let written = Written::read(&query.statement, &query.file);
    let many = written.calls_over_many_rows();
    if many.has_errors() {
        return Err(many);
    }
    let typed = analyze(query, inputs, parameters)?;
    let refuse = |message: String, help: &str| {
        let found = Diagnostic::error(code::NOT_A_CONDITION, message).at(rule.clone());
        Err(found.help(help).into())
    };
    match condition_type(&typed) {
        DataType::Boolean if !written.names_columns() => refuse(
            "this rule looks at no column: it says the same of everybody".to_owned(),
            "columns stand without quotes, texts in single ones: `region = 'North'`",
        ),
        DataType::Boolean => match always(&typed) {
            // Of a value that is null nothing holds, whatever the parameters say.
            Some(Always::Unknown) => refuse(
                "this rule holds of nobody: it compares with null".to_owned(),
                "write `is null`, or `is not null`",
            ),
            Some(Always::Says(says)) if query.parameters.is_empty() => refuse(
                format!("this rule is {says} of everybody, whatever the columns are"),
                "two of its conditions exclude each other, or one is always so",
            ),
            _ => Ok(()),
        },
        other => refuse(
            format!("this rule is {}, not true or false", sql_type(&other)),
            "compare it with something, as in `orders_lifetime > 10`",
        ),
    }
}

/// What a condition is of every row.
enum Always {
    Says(bool),
    Unknown,
}

/// What the condition is of every row, if it is the same of all.
fn always(typed: &Typed) -> Option<Always> {
    let LogicalPlan::Projection(projection) = &typed.plan else { return None };
    let [condition] = projection.expr.as_slice() else { return None };
    let context = SimplifyContext::builder().with_schema(Arc::clone(projection.input.schema())).build();
    match ExprSimplifier::new(context).simplify(condition.clone().unalias()).ok()? {
        Expr::Literal(ScalarValue::Boolean(Some(says)), _) => Some(Always::Says(says)),
        Expr::Literal(ScalarValue::Boolean(None) | ScalarValue::Null, _) => Some(Always::Unknown),
        _ => None,
    }
}

fn condition_type(typed: &Typed) -> DataType {
    typed.schema.fields().first().map_or(DataType::Null, |field| field.data_type().clone())
}
