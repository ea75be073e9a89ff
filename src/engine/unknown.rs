//! The planner stops at the first column that no input has; here it goes on without that column.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, Statement, Value, VisitMut, VisitorMut,
};

/// The most unknown columns that are looked for in one query.
const MOST: usize = 20;

/// The errors of unknown columns that follow `first`, each found with those before it taken as NULL.
pub(super) fn further(
    first: &DataFusionError,
    statement: &Statement,
    plan: impl Fn(Statement) -> Result<LogicalPlan, DataFusionError>,
) -> Vec<DataFusionError> {
    let mut statement = statement.clone();
    let mut known = BTreeSet::new();
    let mut next = unknown(first);
    let mut found = Vec::new();
    while let Some(name) = next.take().filter(|name| known.len() < MOST && known.insert(name.clone())) {
        let _: ControlFlow<()> = statement.visit(&mut AsNull { name });
        if let Err(error) = plan(statement.clone()) {
            next = unknown(&error).filter(|name| !known.contains(name));
            // What else is wrong now may be wrong because of the NULLs.
            found.extend(next.is_some().then_some(error));
        }
    }
    found
}

fn unknown(error: &DataFusionError) -> Option<String> {
    match error.find_root() {
        DataFusionError::SchemaError(cause, _) => match cause.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.name.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Puts NULL in the place of every column of a name, and keeps the names of outputs.
struct AsNull {
    name: String,
}

impl AsNull {
    fn column<'a>(&self, expression: &'a Expr) -> Option<&'a Ident> {
        let column = match expression {
            Expr::Identifier(column) => column,
            Expr::CompoundIdentifier(parts) => parts.last()?,
            _ => return None,
        };
        let same = match column.quote_style {
            Some(_) => column.value == self.name,
            None => column.value.to_ascii_lowercase() == self.name,
        };
        same.then_some(column)
    }
}

impl VisitorMut for AsNull {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expression) = item
                && let Some(alias) = self.column(expression).cloned()
            {
                *item = SelectItem::ExprWithAlias { expr: null(), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if self.column(expression).is_some() {
            *expression = null();
        }
        ControlFlow::Continue(())
    }
}

fn null() -> Expr {
    Expr::Value(Value::Null.into())
}
