//! Finds keys that more than one row has, by grouping: for orders that do not bring them together.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};

use super::analyze::Typed;
use super::binding::{Binding, Bindings};
use super::keys::KeyedTable;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};
use crate::ident::NodeName;
use crate::project::{Contract, Privacy};
use crate::query::TableName;

const NAME: &str = "written";
const COUNT: &str = "rows_of_a_key";

/// The query for keys with more than one row, and its binding.
pub(super) fn repeated(contract: &Contract, binding: Binding) -> Result<(Typed, Bindings), Diagnostics> {
    let bug = |_| Diagnostics::from(Diagnostic::error(code::BUG, "the check of the grain cannot be planned"));
    let table = Arc::new(KeyedTable { schema: contract.schema(), keys: Vec::new() });
    let keys = contract.grain.iter().map(|name| col(format!("\"{name}\""))).collect::<Vec<_>>();
    let plan = LogicalPlanBuilder::scan(NAME, table, None)
        .and_then(|plan| plan.aggregate(keys, vec![count(lit(1_i64)).alias(COUNT)]))
        .and_then(|plan| plan.filter(col(COUNT).gt(lit(1_i64))))
        .and_then(LogicalPlanBuilder::build)
        .map_err(bug)?;
    let name = NodeName::parse(NAME)
        .map_err(|_| Diagnostics::from(Diagnostic::error(code::BUG, "a name is no name")))?;
    let typed = Typed::new(plan, SourceFile::new("the check of the grain", ""));
    Ok((typed, Bindings::from([(TableName::Bare(name), binding)])))
}

/// The keys found, as text, and how many rows repeat another's key.
pub(super) fn read(contract: &Contract, found: &[RecordBatch]) -> (BTreeMap<String, u64>, u64) {
    let mut counts = BTreeMap::new();
    let mut total = 0;
    for batch in found {
        let rows = batch.column(batch.num_columns() - 1).as_primitive::<Int64Type>();
        for (row, count) in rows.values().iter().enumerate() {
            let repeats = u64::try_from(count - 1).unwrap_or(0);
            total += repeats;
            counts.insert(key(contract, batch, row), repeats);
        }
    }
    (counts, total)
}

fn key(contract: &Contract, batch: &RecordBatch, row: usize) -> String {
    let part = |(at, name): (usize, &String)| {
        let hidden = contract.column(name).is_some_and(|column| column.privacy == Privacy::Personal);
        let value = if hidden {
            "(hidden)".to_owned()
        } else {
            array_value_to_string(batch.column(at), row).unwrap_or_default()
        };
        format!("{name} = {value}")
    };
    contract.grain.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
}
