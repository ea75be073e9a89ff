//! What is known unique: keys and functional dependencies of every step of a query.
//!
//! **Invariant:** sound, not complete. A key found here holds for every content of the inputs
//! whose own keys hold; a key that cannot be proven is simply not found. DataFusion's own
//! dependencies do not serve: they lose every key at a join.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::expr::{Alias, Cast};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, Join, LogicalPlan, Operator, TableScan, TableSource, Window,
    WindowFunctionDefinition,
};

/// How many keys of a step are remembered.
const MOST_KEYS: usize = 24;

pub(super) use super::columns::Columns;

/// An input as the planner sees it: its schema and its keys, no rows.
#[derive(Debug)]
pub(super) struct KeyedTable {
    pub(super) schema: SchemaRef,
    pub(super) keys: Vec<Vec<usize>>,
}

impl TableSource for KeyedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// What is known about the rows of one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Sets of columns no two rows share; the empty set says that there is at most one row.
    keys: Vec<Columns>,
    /// For sets of columns, the columns they decide. A set stands once: projections upon
    /// projections must not multiply what is known.
    rules: BTreeMap<Columns, Columns>,
    width: usize,
}

impl Facts {
    /// Whether two rows that agree in `columns` are one and the same row.
    pub(super) fn is_unique(&self, columns: &Columns) -> bool {
        let closure = self.closure(columns);
        self.keys.iter().any(|key| key.is_subset(&closure))
    }

    /// All columns that `columns` decide.
    pub(super) fn closure(&self, columns: &Columns) -> Columns {
        let mut closure = columns.clone();
        let mut open: Vec<(&Columns, &Columns)> = self.rules.iter().collect();
        loop {
            if self.keys.iter().any(|key| key.is_subset(&closure)) {
                closure.extend(0..self.width);
                return closure;
            }
            let mut grew = false;
            open.retain(|(from, to)| {
                let fires = from.is_subset(&closure);
                grew |= fires && closure.absorb(to);
                !fires
            });
            if !grew {
                return closure;
            }
        }
    }

    /// The keys without the columns that the others decide, smallest first.
    pub(super) fn smallest_keys(&self) -> Vec<Columns> {
        let reduce = |key: &Columns| {
            let mut small = key.clone();
            for column in key.iter() {
                let without: Columns = small.iter().filter(|other| *other != column).collect();
                if self.is_unique(&without) {
                    small = without;
                }
            }
            small
        };
        let mut keys: Vec<_> = self.keys.iter().map(reduce).collect();
        keys.sort_by(|left, right| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
        keys.dedup();
        keys
    }

    /// Adds that `from` decides `to`.
    fn decide(&mut self, from: Columns, to: impl IntoIterator<Item = usize>) {
        self.rules.entry(from).or_default().extend(to);
    }

    /// Keeps the smallest keys only: a join multiplies keys, a chain of joins would explode.
    fn bounded(mut self) -> Self {
        self.keys.sort_by(|left, right| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
        self.keys.dedup();
        self.keys.truncate(MOST_KEYS);
        self
    }

    fn one_row(width: usize) -> Self {
        Self { keys: vec![Columns::new()], rules: BTreeMap::new(), width }
    }

    fn nothing(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    fn equal(&mut self, left: usize, right: usize) {
        self.decide(Columns::from([left]), [right]);
        self.decide(Columns::from([right]), [left]);
    }

    /// The same facts with every column moved by `offset` in a row of `width` columns.
    fn shifted(&self, offset: usize, width: usize) -> Self {
        let shift = |columns: &Columns| columns.iter().map(|column| column + offset).collect::<Columns>();
        Self {
            keys: self.keys.iter().map(shift).collect(),
            rules: self.rules.iter().map(|(from, to)| (shift(from), shift(to))).collect(),
            width,
        }
    }

    /// What stays true of a side once its rows may repeat: keys become rules.
    fn repeated(mut self, side: std::ops::Range<usize>) -> Self {
        for key in std::mem::take(&mut self.keys) {
            self.decide(key, side.clone());
        }
        self
    }
}

/// The facts about the rows that `plan` gives.
pub(super) fn facts(plan: &LogicalPlan) -> Facts {
    let width = plan.schema().fields().len();
    match plan {
        LogicalPlan::TableScan(scan) => scanned(scan, width),
        LogicalPlan::Projection(projection) => projected(&projection.input, &projection.expr),
        LogicalPlan::Filter(filter) => {
            let mut known = facts(&filter.input);
            narrow(&mut known, &filter.predicate, filter.input.schema());
            known
        }
        LogicalPlan::Window(window) => windowed(window),
        LogicalPlan::Aggregate(aggregate) => aggregated(aggregate),
        LogicalPlan::Join(join) => joined(join),
        LogicalPlan::SubqueryAlias(alias) => facts(&alias.input),
        LogicalPlan::Sort(sort) => facts(&sort.input),
        LogicalPlan::Repartition(repartition) => facts(&repartition.input),
        LogicalPlan::Subquery(subquery) => facts(&subquery.subquery),
        LogicalPlan::Limit(limit) => {
            let one =
                matches!(limit.fetch.as_deref(), Some(Expr::Literal(number, _)) if number.to_string() == "1");
            if one { Facts::one_row(width) } else { facts(&limit.input) }
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let mut known = facts(input);
            known.keys.push((0..width).collect());
            known
        }
        LogicalPlan::EmptyRelation(_) => Facts::one_row(width),
        LogicalPlan::Values(values) if values.values.len() <= 1 => Facts::one_row(width),
        _ => Facts::nothing(width),
    }
}

fn scanned(scan: &TableScan, width: usize) -> Facts {
    let mut known = Facts::nothing(width);
    let source: &dyn TableSource = scan.source.as_ref();
    let Some(table) = source.downcast_ref::<KeyedTable>() else {
        // A series never repeats a value.
        if width == 1 && matches!(scan.table_name.table(), "generate_series()" | "range()") {
            known.keys.push(Columns::from([0]));
        }
        return known;
    };
    let position = |column: &usize| match &scan.projection {
        Some(kept) => kept.iter().position(|kept| kept == column),
        None => Some(*column),
    };
    let key = |key: &Vec<usize>| key.iter().map(position).collect::<Option<Columns>>();
    known.keys = table.keys.iter().filter_map(key).collect();
    known
}

/// The column an expression is, when equal results mean equal columns and the other way round.
pub(super) fn column_of(expression: &Expr, schema: &DFSchema) -> Option<usize> {
    match expression {
        Expr::Column(column) => position(column, schema),
        Expr::Alias(Alias { expr, .. }) => column_of(expr, schema),
        Expr::Cast(Cast { expr, field }) => {
            let column = column_of(expr, schema)?;
            keeps_apart(schema.field(column).data_type(), field.data_type()).then_some(column)
        }
        _ => None,
    }
}

fn position(column: &Column, schema: &DFSchema) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// Whether a cast never makes two values one.
fn keeps_apart(from: &DataType, to: &DataType) -> bool {
    let bits = |data_type: &DataType| data_type.primitive_width().unwrap_or(0);
    from == to
        || (from.is_string() && to.is_string())
        || (from.is_integer() && to.is_integer() && bits(from) <= bits(to))
        || (from.is_integer() && matches!(to, DataType::Decimal128(_, _)))
        || matches!((from, to), (DataType::Date32, DataType::Timestamp(_, _)))
}

fn projected(input: &LogicalPlan, expressions: &[Expr]) -> Facts {
    let before = facts(input);
    let schema = input.schema();
    let mut known = Facts::nothing(expressions.len());
    let mut places: Vec<Vec<usize>> = vec![Vec::new(); before.width];
    for (at, expression) in expressions.iter().enumerate() {
        if let Some(column) = column_of(expression, schema) {
            if let Some(twin) = places[column].first() {
                known.equal(*twin, at);
            }
            places[column].push(at);
        }
    }
    let moved = |columns: &Columns| {
        columns.iter().map(|column| places[column].first().copied()).collect::<Option<Columns>>()
    };
    // Facts about columns that are not selected still decide those that are.
    let determined = |from: &Columns| {
        before.closure(from).iter().filter_map(|to| places[to].first().copied()).collect::<Columns>()
    };
    known.keys = before.keys.iter().filter_map(moved).collect();
    known.keys.extend(before.smallest_keys().iter().filter_map(moved));
    for from in before.rules.keys() {
        if let Some(columns) = moved(from) {
            known.decide(columns, determined(from).iter());
        }
    }
    for (at, expression) in expressions.iter().enumerate() {
        if column_of(expression, schema).is_none()
            && let Some(columns) = inputs_of(expression, schema)
            && let Some(columns) = moved(&columns)
        {
            known.decide(columns, [at]);
        }
    }
    known
}

/// The columns an expression of one row is computed from; none if it reads anything else.
fn inputs_of(expression: &Expr, schema: &DFSchema) -> Option<Columns> {
    use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut columns = Some(Columns::new());
    let visited = expression.apply(|part| {
        match part {
            Expr::Column(column) => match (position(column, schema), &mut columns) {
                (Some(at), Some(columns)) => {
                    columns.insert(at);
                }
                _ => columns = None,
            },
            Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::OuterReferenceColumn(_, _)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::Unnest(_)
            | Expr::Placeholder(_) => {
                columns = None;
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.ok().and(columns)
}

/// Adds what a predicate says: columns equal to a constant or to one another.
fn narrow(known: &mut Facts, predicate: &Expr, schema: &DFSchema) {
    for part in split_conjunction(predicate) {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else {
            if let Expr::IsNull(inner) = part
                && let Some(column) = column_of(inner, schema)
            {
                known.decide(Columns::new(), [column]);
            }
            continue;
        };
        match (column_of(left, schema), column_of(right, schema)) {
            (Some(left), Some(right)) => known.equal(left, right),
            (Some(column), None) => constant(known, column, right, schema),
            (None, Some(column)) => constant(known, column, left, schema),
            (None, None) => {}
        }
    }
}

fn constant(known: &mut Facts, column: usize, other: &Expr, schema: &DFSchema) {
    if let Some(columns) = inputs_of(other, schema) {
        known.decide(columns, [column]);
    }
}

fn columns_of<'a>(expressions: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Columns {
    expressions.into_iter().filter_map(|expression| column_of(expression, schema)).collect()
}

fn windowed(window: &Window) -> Facts {
    let mut known = facts(&window.input);
    let schema = window.input.schema();
    let first = known.width;
    known.width = window.schema.fields().len();
    for (at, expression) in window.window_expr.iter().enumerate() {
        let Some(function) = window_function(expression) else {
            continue;
        };
        let partition = &function.params.partition_by;
        let columns = columns_of(partition, schema);
        if columns.len() < partition.len() {
            continue;
        }
        let output = first + at;
        let numbers_rows =
            matches!(&function.fun, WindowFunctionDefinition::WindowUDF(fun) if fun.name() == "row_number");
        if numbers_rows {
            let mut key = columns;
            key.insert(output);
            known.keys.push(key);
        } else if function.params.order_by.is_empty()
            && matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_))
        {
            known.decide(columns, [output]);
        }
    }
    known
}

/// The window function an expression is, under its alias.
pub(super) fn window_function(expression: &Expr) -> Option<&datafusion::logical_expr::expr::WindowFunction> {
    match expression {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(Alias { expr, .. }) => window_function(expr),
        _ => None,
    }
}

fn aggregated(aggregate: &Aggregate) -> Facts {
    let width = aggregate.schema.fields().len();
    let sets = matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
    if sets {
        // The id of the grouping set stands behind the group columns.
        let groups = width - aggregate.aggr_expr.len();
        return Facts { keys: vec![(0..groups).collect()], rules: BTreeMap::new(), width };
    }
    let mut known = projected(&aggregate.input, &aggregate.group_expr);
    known.width = width;
    known.keys.push((0..aggregate.group_expr.len()).collect());
    known
}

fn joined(join: &Join) -> Facts {
    let width = join.schema.fields().len();
    let (left, right) = (facts(&join.left), facts(&join.right));
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => return left,
        JoinType::RightSemi | JoinType::RightAnti => return right,
        JoinType::LeftMark => return Facts { width, ..left },
        JoinType::RightMark => return Facts { width, ..right },
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
    }
    let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
    let split = left.width;
    let pairs = equal_pairs(join);
    let one_left = left.is_unique(&pairs.iter().map(|(left, _)| *left).collect());
    let one_right = right.is_unique(&pairs.iter().map(|(_, right)| *right).collect());
    let (left, right) = (left.shifted(0, width), right.shifted(split, width));
    let mut keys = Vec::new();
    let outer = |on_left: bool| match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => !on_left,
        JoinType::Right => on_left,
        _ => true,
    };
    if one_right && !outer(true) {
        keys.extend(left.keys.iter().cloned());
    }
    if one_left && !outer(false) {
        keys.extend(right.keys.iter().cloned());
    }
    let solid =
        |columns: &Columns| columns.iter().all(|column| !is_nullable(left_schema, right_schema, column));
    for left_key in &left.keys {
        for right_key in &right.keys {
            let mut key = left_key.clone();
            key.absorb(right_key);
            if join.join_type != JoinType::Full
                || (solid(&key) && !left_key.is_empty() && !right_key.is_empty())
            {
                keys.push(key);
            }
        }
    }
    let mut known = Facts { keys, ..Facts::nothing(width) };
    let sides = [(left.repeated(0..split), true), (right.repeated(split..width), false)];
    for (side, on_left) in sides {
        let holds = |from: &Columns| !outer(on_left) || (!from.is_empty() && solid(from));
        for (from, to) in side.rules.into_iter().filter(|(from, _)| holds(from)) {
            known.decide(from, to.iter());
        }
    }
    if join.join_type == JoinType::Inner {
        for (left, right) in &pairs {
            known.equal(*left, split + right);
        }
        if let Some(filter) = &join.filter {
            narrow(&mut known, filter, &join.schema);
        }
    } else if join.filter.is_none() {
        outer_equalities(&mut known, join.join_type, &pairs, split, join.on.len());
    }
    known.bounded()
}

/// In an outer join the columns it joins on decide those of the side that may be missing.
fn outer_equalities(
    known: &mut Facts,
    join_type: JoinType,
    pairs: &[(usize, usize)],
    split: usize,
    conditions: usize,
) {
    if pairs.len() < conditions {
        return;
    }
    let left: Columns = pairs.iter().map(|(left, _)| *left).collect();
    let right: Columns = pairs.iter().map(|(_, right)| split + right).collect();
    match join_type {
        JoinType::Left => known.decide(left, right.iter()),
        JoinType::Right => known.decide(right, left.iter()),
        _ => {}
    }
}

fn is_nullable(left: &DFSchema, right: &DFSchema, column: usize) -> bool {
    let split = left.fields().len();
    if column < split { left.field(column).is_nullable() } else { right.field(column - split).is_nullable() }
}

/// Columns of both sides that the join makes equal, each by its place in its own side.
fn equal_pairs(join: &Join) -> Vec<(usize, usize)> {
    let (left, right) = (join.left.schema(), join.right.schema());
    let pair = |one: &Expr, other: &Expr| Some((column_of(one, left)?, column_of(other, right)?));
    let mut pairs: Vec<_> = join.on.iter().filter_map(|(one, other)| pair(one, other)).collect();
    let conditions = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    for condition in conditions {
        if let Expr::BinaryExpr(BinaryExpr { left: one, op: Operator::Eq, right: other }) = condition {
            pairs.extend(pair(one, other).or_else(|| pair(other, one)));
        }
    }
    pairs
}
