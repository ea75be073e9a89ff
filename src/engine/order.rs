//! Refuses what picks a row by chance: windows, aggregates and LIMIT without a total order.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::expr::{Alias, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, LogicalPlan, SortExpr, Window, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};

use super::calls::Written;
use super::keys::{Columns, Facts, column_of, facts, window_function};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};

/// Finds every row that is picked without a proven total order (GW0213).
pub(super) fn unproven(plan: &LogicalPlan, written: &Written, file: &SourceFile) -> Diagnostics {
    let mut judge = Judge { written, file, found: Diagnostics::default() };
    let visited = plan.apply_with_subqueries(|node| {
        judge.node(node);
        Ok(TreeNodeRecursion::Continue)
    });
    if visited.is_err() {
        judge.found.push(Diagnostic::error(code::BUG, "the plan cannot be walked"));
    }
    judge.found
}

struct Judge<'a> {
    written: &'a Written,
    file: &'a SourceFile,
    found: Diagnostics,
}

impl Judge<'_> {
    fn node(&mut self, node: &LogicalPlan) {
        match node {
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Limit(limit) => self.limit(&limit.input),
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let known = facts(&distinct.input);
                let schema = distinct.input.schema();
                let sorted = distinct.sort_expr.iter().flatten().map(|sort| &sort.expr);
                let columns = columns(distinct.on_expr.iter().chain(sorted), schema);
                if !known.is_unique(&columns) {
                    self.refuse_at_start("`distinct on` keeps a row by chance", &known, schema);
                }
            }
            _ => {}
        }
    }

    fn window(&mut self, window: &Window) {
        let known = facts(&window.input);
        let schema = window.input.schema();
        for function in window.window_expr.iter().filter_map(window_function) {
            let order = &function.params.order_by;
            let sorted = order.iter().map(|sort| &sort.expr);
            let columns = columns(function.params.partition_by.iter().chain(sorted), schema);
            if picks_a_row(function, &known, &columns, schema) && !known.is_unique(&columns) {
                let written: Vec<_> =
                    function.params.partition_by.iter().chain(order.iter().map(|sort| &sort.expr)).collect();
                self.refuse(function.fun.name(), &written, &known, schema);
            }
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        let known = facts(&aggregate.input);
        let schema = aggregate.input.schema();
        for expression in &aggregate.aggr_expr {
            let Some(function) = aggregate_function(expression) else {
                continue;
            };
            let name = function.func.name();
            if !matches!(
                name,
                "first_value" | "last_value" | "nth_value" | "array_agg" | "string_agg" | "any_value"
            ) {
                continue;
            }
            let sorted = function.params.order_by.iter().map(|sort| &sort.expr);
            let columns = columns(aggregate.group_expr.iter().chain(sorted), schema);
            let decided = decides(&known, &columns, &function.params.args, schema);
            if !decided && !known.is_unique(&columns) {
                let written: Vec<_> = function.params.args.iter().collect();
                self.refuse(name, &written, &known, schema);
            }
        }
    }

    fn limit(&mut self, input: &LogicalPlan) {
        let (order, sorted_input) = sort_below(input);
        let known = facts(sorted_input);
        let schema = sorted_input.schema();
        let columns = columns(order.iter().map(|sort| &sort.expr), schema);
        let all = known.closure(&columns).len() == schema.fields().len();
        if !all && !known.is_unique(&columns) {
            let place = self.written.limit().unwrap_or_else(|| self.file.place_at(1, 1, 1));
            let found = Diagnostic::error(code::UNPROVEN_ORDER, "`limit` keeps rows by chance: rows may tie")
                .at(place);
            self.found.push(found.help(help(&known, schema)));
        }
    }

    fn refuse(&mut self, name: &str, written: &[&Expr], known: &Facts, schema: &DFSchema) {
        let columns: BTreeSet<String> = written
            .iter()
            .flat_map(|expression| expression.column_refs())
            .map(|column| column.name.clone())
            .collect();
        let place = self.written.call(name, &columns).unwrap_or_else(|| self.file.place_at(1, 1, 1));
        let message = format!("`{name}` picks a row by chance: rows may tie");
        let found = Diagnostic::error(code::UNPROVEN_ORDER, message).at(place);
        self.found.push(found.help(help(known, schema)));
    }

    fn refuse_at_start(&mut self, message: &str, known: &Facts, schema: &DFSchema) {
        let found = Diagnostic::error(code::UNPROVEN_ORDER, message).at(self.file.place_at(1, 1, 1));
        self.found.push(found.help(help(known, schema)));
    }
}

fn help(known: &Facts, schema: &DFSchema) -> String {
    match known.smallest_keys().first().filter(|key| !key.is_empty()) {
        Some(key) => {
            let names: Vec<_> =
                key.iter().map(|column| format!("`{}`", schema.field(column).name())).collect();
            format!("end its ORDER BY with {}, so that no two rows tie", names.join(", "))
        }
        None => "no key of these rows is known: give the inputs a grain, or group before picking".to_owned(),
    }
}

fn columns<'a>(expressions: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Columns {
    expressions.into_iter().filter_map(|expression| column_of(expression, schema)).collect()
}

/// Whether rows that agree in `columns` agree in the arguments too.
fn decides(known: &Facts, columns: &Columns, arguments: &[Expr], schema: &DFSchema) -> bool {
    let closure = known.closure(columns);
    let decided = |argument: &Expr| {
        let mut read = argument.column_refs().into_iter();
        read.all(|column| schema.maybe_index_of_column(column).is_some_and(|at| closure.contains(at)))
    };
    arguments.iter().all(decided)
}

fn picks_a_row(function: &WindowFunction, known: &Facts, columns: &Columns, schema: &DFSchema) -> bool {
    let frame = &function.params.window_frame;
    let whole = matches!(&frame.start_bound, WindowFrameBound::Preceding(bound) if bound.is_null())
        && matches!(&frame.end_bound, WindowFrameBound::Following(bound) if bound.is_null());
    let by_rows = frame.units == WindowFrameUnits::Rows && !whole;
    match (&function.fun, function.fun.name()) {
        (WindowFunctionDefinition::WindowUDF(_), "row_number" | "ntile" | "lag" | "lead") => true,
        (_, "first_value" | "last_value" | "nth_value" | "array_agg" | "string_agg" | "any_value") => {
            by_rows || !decides(known, columns, &function.params.args, schema)
        }
        (WindowFunctionDefinition::WindowUDF(_), _) => false,
        (WindowFunctionDefinition::AggregateUDF(_), _) => by_rows,
    }
}

fn aggregate_function(expression: &Expr) -> Option<&datafusion::logical_expr::expr::AggregateFunction> {
    match expression {
        Expr::AggregateFunction(function) => Some(function),
        Expr::Alias(Alias { expr, .. }) => aggregate_function(expr),
        _ => None,
    }
}

/// The order LIMIT keeps, and the rows it orders.
fn sort_below(plan: &LogicalPlan) -> (&[SortExpr], &LogicalPlan) {
    match plan {
        LogicalPlan::Sort(sort) => (&sort.expr, &sort.input),
        LogicalPlan::Projection(projection) if !sort_below(&projection.input).0.is_empty() => {
            sort_below(&projection.input)
        }
        LogicalPlan::SubqueryAlias(alias) => sort_below(&alias.input),
        other => (&[], other),
    }
}
