//! What `analyze` accepts, refuses and finds out.

use super::{inputs, parameters, refused, shown, typed, typed_over};
use crate::diagnostic::SourceFile;
use crate::engine::checked::wraps;
use crate::engine::{Relation, analyze, cast_to_contract};
use crate::functions::sql_type;
use crate::project::{Column, ColumnType, Contract, Nullability, Privacy};
use crate::query::parse;

fn types(sql: &str) -> String {
    let typed = typed(sql);
    let column = |field: &std::sync::Arc<arrow::datatypes::Field>| {
        format!("{} {}", field.name(), sql_type(field.data_type()))
    };
    typed.schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
}

#[test]
fn types_are_those_after_coercion() {
    assert_eq!(
        types(
            "select order_id + 1 as a, amount * 1.5 as b, sum(amount) over () as c, -quantity as d from order_lines"
        ),
        "a BIGINT, b DECIMAL(15, 3), c DECIMAL(22, 2), d BIGINT"
    );
    assert_eq!(
        types(
            "select sum(quantity) as a, avg(amount) as b, avg(quantity) as c, count(*) as d from order_lines"
        ),
        "a BIGINT, b DECIMAL(16, 6), c DOUBLE, d BIGINT"
    );
}

#[test]
fn parameters_are_typed_values() {
    assert_eq!(
        types(
            "select $as_of as a, $as_of_day as b, $days as c, $rate as d, $share as e, $country as f, $strict as g"
        ),
        "a TIMESTAMP, b DATE, c BIGINT, d DECIMAL(2, 2), e DOUBLE, f VARCHAR, g BOOLEAN"
    );
    let frame =
        "select sum(quantity) over (order by order_id, line_no rows $days preceding) as s from order_lines";
    assert_eq!(types(frame), "s BIGINT");
    assert_eq!(
        refused("select $day from orders"),
        "GW0205: m.sql:1:8: parameter `$day` is not declared [did you mean `$days`?]"
    );
}

#[test]
fn no_arithmetic_that_wraps_is_left() {
    for sql in [
        "select order_id + 1 - quantity * 2 as a from order_lines where quantity + 1 > 2 order by order_id * 2",
        "select sum(amount * quantity) as a from order_lines group by quantity + 1 having sum(quantity - 1) > 0",
        "select o.order_id from orders as o join order_lines as l on o.order_id + 1 = l.order_id * 2",
        "select order_id from orders where order_id in (select order_id + 1 from order_lines)",
        "select case when exists (select 1 from order_lines as l where l.order_id + 1 = o.order_id) then 1 else 0 end as x from orders as o",
    ] {
        assert!(!wraps(&typed(sql).plan), "{sql}");
    }
}

#[test]
fn an_unknown_column_is_found_with_what_was_meant() {
    assert_eq!(
        refused("select o.custmer_id\nfrom orders as o"),
        "GW0203: m.sql:1:8: column `o.custmer_id` not found [did you mean `o.customer_id` (BIGINT, from sql/staging/orders.sql)?]"
    );
}

#[test]
fn clocks_chance_and_unknown_functions_are_found_at_once() {
    assert_eq!(
        refused(
            "select now() as a,\n  current_date as b, random() as c, stddev(score) as d, colesce(1, 2) as e\nfrom orders"
        ),
        "GW0212: m.sql:1:8: `now` gives another result in every run (use $as_of, the moment the pipeline looks from)\n\
         GW0212: m.sql:2:3: `current_date` gives another result in every run (use $as_of_day, the local day of $as_of)\n\
         GW0212: m.sql:2:22: `random` gives another result in every run (derive it from a key, for example with `md5(cast(customer_id as varchar))`)\n\
         GW0214: m.sql:2:37: the result of `stddev` depends on the order of rows (write it with exact sums: `(sum(x * x) - sum(x) * sum(x) / count(x)) / (count(x) - 1)` on DECIMAL or DOUBLE)\n\
         GW0221: m.sql:2:57: function `colesce` not found [did you mean `coalesce`?]"
    );
}

#[test]
fn types_that_do_not_fit_are_found() {
    assert!(
        refused("select name + 1 as x from customers").starts_with("GW0211: m.sql:1:"),
        "{}",
        refused("select name + 1 as x from customers")
    );
    assert!(refused("select sum(name) as x from customers").starts_with("GW0211: m.sql:1:"));
    assert!(refused("select 1 from orders o join orders o on true").contains("GW02"));
    assert!(refused("select * from nowhere").starts_with("GW0201: m.sql:1:"));
    assert!(refused("select order_id from orders, order_lines").starts_with("GW0203"));
}

#[test]
fn only_a_total_order_picks_a_row() {
    assert_eq!(
        refused("select row_number() over (partition by customer_id order by ordered_at) as n from orders"),
        "GW0213: m.sql:1:8: `row_number` picks a row by chance: rows may tie (end its ORDER BY with `order_id`, so that no two rows tie)"
    );
    typed(
        "select row_number() over (partition by customer_id order by ordered_at, order_id) as n from orders",
    );
    typed(
        "select rank() over (order by ordered_at) as n, sum(score) over (order by ordered_at) as s from orders",
    );
    assert!(
        refused("select sum(score) over (order by day rows 3 preceding) as s from orders").contains("GW0213")
    );
    assert!(
        refused("select first_value(order_id) over (partition by customer_id order by day) as f from orders")
            .contains("GW0213")
    );
    typed("select first_value(day) over (partition by customer_id order by day) as f from orders");
    assert!(
        refused("select customer_id, array_agg(order_id) as a from orders group by customer_id")
            .contains("GW0213")
    );
    typed("select customer_id, array_agg(order_id order by order_id) as a from orders group by customer_id");
    assert!(refused("select customer_id from orders order by day limit 3").contains("GW0213: m.sql:1:51"));
    typed("select customer_id, order_id from orders order by day, order_id limit 3");
    typed("select distinct customer_id from orders order by customer_id limit 3");
    assert!(
        refused(
            "select distinct on (customer_id) customer_id, order_id from orders order by customer_id, day"
        )
        .contains("GW0213")
    );
    typed(
        "select distinct on (customer_id) customer_id, order_id from orders order by customer_id, day, order_id",
    );
}

fn keys(sql: &str) -> Vec<Vec<String>> {
    typed(sql).keys
}

#[test]
fn keys_pass_through_joins_groups_and_filters() {
    assert_eq!(keys("select order_id, customer_id from orders where score > 1"), [["order_id"]]);
    assert_eq!(keys("select customer_id, count(*) as n from orders group by customer_id"), [["customer_id"]]);
    // Each order has one customer: the order stays the key.
    assert_eq!(
        keys(
            "select o.order_id, c.customer_id from orders as o left join customers as c on c.customer_id = o.customer_id"
        ),
        [["order_id"]]
    );
    // Lines of an order repeat it.
    assert_eq!(
        keys(
            "select l.order_id, l.line_no, o.customer_id from orders as o join order_lines as l using (order_id)"
        ),
        [["order_id", "line_no"]]
    );
    // A cross join needs both.
    assert_eq!(
        keys("select o.order_id, c.customer_id from orders as o cross join customers as c"),
        [["order_id", "customer_id"]]
    );
    // A filtered key is no key of less than it says.
    assert_eq!(keys("select order_id, amount from order_lines where line_no = 1"), [["order_id"]]);
    assert_eq!(keys("select count(*) as n from orders"), [Vec::<String>::new()]);
    assert_eq!(
        keys("select order_id from orders union all select order_id from orders"),
        Vec::<Vec<String>>::new()
    );
    assert_eq!(keys("select order_id from orders union select order_id from orders"), [["order_id"]]);
    assert_eq!(keys("select score from orders"), Vec::<Vec<String>>::new());
}

#[test]
fn the_last_order_of_each_customer_has_one_row_each() {
    let sql = "with ranked as (
            select customer_id, order_id,
                row_number() over (partition by customer_id order by ordered_at desc, order_id) as n
            from orders
        )
        select customer_id, order_id from ranked where n = 1";
    assert!(keys(sql).contains(&vec!["customer_id".to_owned()]), "{:?}", keys(sql));
    // So the customer alone orders them.
    typed(&format!("select row_number() over (order by customer_id) as r from ({sql}) as t"));
}

#[test]
fn a_join_on_less_than_a_key_proves_nothing_less() {
    let sql = "select a.order_id, row_number() over (order by a.order_id) as n
        from orders as a join orders as b on a.customer_id = b.customer_id";
    assert!(refused(sql).contains("GW0213"));
    let sql = "select o.order_id, row_number() over (order by o.order_id) as n
        from orders as o left join order_lines as l on l.order_id = o.order_id and l.line_no > 1";
    assert!(refused(sql).contains("GW0213"));
}

#[test]
fn lineage_names_the_columns_a_value_comes_from() {
    let typed = typed(
        "with spent as (select order_id, sum(amount * quantity) as total from order_lines group by order_id)
         select c.country, sum(s.total) as revenue, (select max(day) from orders) as last_day, 1 as one
         from customers as c join orders as o on o.customer_id = c.customer_id join spent as s on s.order_id = o.order_id
         group by c.country",
    );
    let line = |lineage: &crate::engine::ColumnLineage| {
        let from: Vec<_> = lineage.from.iter().map(|(table, column)| format!("{table}.{column}")).collect();
        format!("{} <- {}", lineage.column, from.join(" "))
    };
    let lines: Vec<_> = typed.lineage.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "country <- customers.country",
            "revenue <- order_lines.amount order_lines.quantity",
            "last_day <- orders.day",
            "one <- "
        ]
    );
}

#[test]
fn every_unknown_column_of_a_query_is_told() {
    let sql = "with n as (select custmer_id, order_id from orders where scor > 1)\n\
               select n.custmer_id, dai as day, n.order_id + orders.scor from n join orders using (order_id)";
    let found = refused(sql);
    let told: Vec<&str> = found.lines().filter_map(|line| line.split(" not found").next()).collect();
    assert_eq!(
        told,
        [
            "GW0203: m.sql:1:19: column `custmer_id`",
            "GW0203: m.sql:1:58: column `scor`",
            "GW0203: m.sql:2:22: column `dai`",
        ],
        "{found}"
    );
}

#[test]
fn a_text_that_is_no_number_is_seen_before_any_row_is() {
    let told = |sql: &str| refused(sql).split(" (").next().unwrap_or_default().to_owned();
    assert_eq!(
        told("select order_id from orders where order_id > 'ten' and order_id < '20'"),
        "GW0211: m.sql:1:46: `'ten'` is text and cannot be read as BIGINT"
    );
    assert_eq!(
        told("select order_id from orders where day >= '2024-02-30'"),
        "GW0211: m.sql:1:42: `'2024-02-30'` is text and cannot be read as DATE"
    );
    typed("select try_cast('ten' as bigint) as n, order_id from orders where day >= '2024-02-29'");
}

#[test]
fn a_column_of_text_is_not_read_as_something_else_unasked() {
    let told = |sql: &str| refused(sql).split(" (").next().unwrap_or_default().to_owned();
    assert_eq!(
        told("select date_trunc('month', name) as m from customers"),
        "GW0211: m.sql:1:28: `name` is text and would be read as TIMESTAMP(9) WITHOUT TIME ZONE"
    );
    assert_eq!(
        told("select order_id from orders join customers using (customer_id) where day >= name"),
        "GW0211: m.sql:1:77: `name` is text and would be read as DATE"
    );
    assert!(told("select customer_id from customers where name < $as_of").contains("would be read as"));
    for sql in [
        "select order_id from orders where day >= '2024-01-01' and ordered_at < '2024-01-01T00:00:00Z'",
        "select date_trunc('month', cast(name as timestamp)) as m from customers",
        "select customer_id from customers where cast(name as date) < $as_of_day and name > 'a'",
        "select customer_id || name as key from customers",
    ] {
        typed(sql);
    }
}

#[test]
fn the_longest_chain_that_is_read_can_be_planned() {
    let chain = vec!["order_id = 1"; 900].join(" or ");
    typed(&format!("select order_id from orders where {chain}"));
}

fn column(name: &str, data_type: &str) -> Column {
    Column {
        name: name.to_owned(),
        data_type: ColumnType::parse(data_type).expect("a type"),
        nullable: Nullability::Nullable,
        privacy: Privacy::Public,
        description: String::new(),
    }
}

fn contract(columns: &[(&str, &str)]) -> Contract {
    let columns = columns.iter().map(|(name, data_type)| column(name, data_type)).collect();
    Contract { description: String::new(), columns, grain: Vec::new(), order_by: Vec::new() }
}

fn against(sql: &str, columns: &[(&str, &str)]) -> String {
    match cast_to_contract(&typed(sql), &contract(columns)) {
        Ok(typed) => typed
            .schema
            .fields()
            .iter()
            .map(|f| format!("{} {}", f.name(), sql_type(f.data_type())))
            .collect::<Vec<_>>()
            .join(", "),
        Err(found) => shown(found),
    }
}

#[test]
fn a_contract_decides_columns_order_and_types() {
    assert_eq!(
        against(
            "select amount, order_id from order_lines",
            &[("order_id", "integer"), ("amount", "decimal(10, 2)")]
        ),
        "order_id INTEGER, amount DECIMAL(10, 2)"
    );
    let found =
        against("select amount, order_id from order_lines", &[("order_id", "bigint"), ("total", "double")]);
    assert!(found.contains("`total` (double) is in the contract and not in the SELECT"), "{found}");
    assert!(found.contains("`amount` is in the SELECT and not in the contract"), "{found}");
}

#[test]
fn what_would_lose_something_needs_the_analysts_own_cast() {
    for (sql, target) in [
        ("select score as x from orders", "decimal(10, 2)"),
        ("select amount as x from order_lines", "decimal(10, 1)"),
        ("select name as x from customers", "bigint"),
        ("select ordered_at as x from orders", "date"),
        ("select day as x from orders", "timestamp"),
        ("select amount as x from order_lines", "double"),
        ("select order_id as x from orders", "varchar"),
        ("select order_id as x from orders", "double"),
    ] {
        assert!(against(sql, &[("x", target)]).starts_with("GW0210"), "{sql} {target}");
    }
    assert!(
        against("select score as x from orders", &[("x", "decimal(10, 2)")])
            .contains("`cast(x as decimal(10, 2)) as x`")
    );
}

#[test]
fn a_hundred_models_are_typed_in_a_moment() {
    let sql = "with spent as (
            select l.order_id, sum(l.amount * l.quantity) as total, count(*) as lines
            from order_lines as l where l.amount > 0 group by l.order_id
        ), ranked as (
            select o.customer_id, o.order_id, s.total, o.day,
                row_number() over (partition by o.customer_id order by o.ordered_at desc, o.order_id) as n
            from orders as o left join spent as s on s.order_id = o.order_id
        )
        select c.customer_id, c.country, r.total, r.day, case when r.total > 100 then 'high' when r.total > 10 then 'mid' else 'low' end as band
        from customers as c left join ranked as r on r.customer_id = c.customer_id and r.n = 1";
    let query = parse(&SourceFile::new("m.sql", sql)).expect("parses");
    let inputs: Vec<Relation> = inputs();
    let started = std::time::Instant::now();
    for _ in 0..100 {
        analyze(&query, &inputs, &parameters()).expect("is sound");
    }
    eprintln!("100 models: {:?}", started.elapsed());
    let _ = typed_over("select 1", &inputs);
}
