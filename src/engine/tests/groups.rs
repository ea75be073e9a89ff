//! `kmeans_fit`, `kmeans_assign` and `plan_contacts` in SQL: the examples run, edges have answers, faults names.

use std::sync::Arc;

use arrow::array::Int64Array;

use super::running::{batch, run_over};
use crate::functions::catalogue;

async fn asked(sql: &str) -> Result<String, String> {
    let one = batch(vec![("x", Arc::new(Int64Array::from(vec![1])))]);
    run_over("one", sql, one).await
}

async fn answer(sql: &str) -> String {
    asked(sql).await.expect("it runs")
}

async fn fault(sql: &str) -> String {
    asked(sql).await.expect_err("it fails")
}

async fn example(name: &str, columns: &str) -> String {
    let function = catalogue().into_iter().find(|function| function.name == name).expect("known");
    let example = function.example.expect("an example");
    answer(&format!("select {columns} from ({example}) as example")).await
}

#[tokio::test]
async fn the_examples_run() {
    let fit =
        "fit['status'] as status, fit['k'] as k, fit['rows'] as n, cardinality(fit['candidates']) as tried";
    assert_eq!(example("kmeans_fit", fit).await, "ok,2,6,2");
    assert_eq!(
        example(
            "kmeans_assign",
            "sum(case when customer = 'c' then 0 else cluster_id end) as ab, count(*) as n"
        )
        .await,
        "2,3"
    );
    let contacts = "sum(case when is_kept then id end) as kept, max(case when id = 1 then rule end) as rule";
    assert_eq!(example("plan_contacts", contacts).await, "2,one_mail_a_week");
}

const POINTS: &str = "(values (1.0, 1.0), (1.0, 2.0), (9.0, 8.0)) as t (x, y)";

#[tokio::test]
async fn groups_are_numbered_by_size_and_told_in_their_own_units() {
    let sql = format!(
        "with f as (select kmeans_fit(make_array(x, y), 2) as fit from {POINTS}), \
         c as (select unnest(fit['clusters']) as c from f) \
         select c['cluster'] as number, c['size'] as size, c['center'][1] as x, c['center'][2] as y from c order by number"
    );
    assert_eq!(answer(&sql).await, "1,2,1.0,1.5 2,1,9.0,8.0");
    // Each row's own group, and none for a row of which something is unknown.
    let sql = format!(
        "with f as (select kmeans_fit(make_array(x, y), 2) as fit from {POINTS}) \
         select kmeans_assign(fit, make_array(8.0, 8.0)) as two, kmeans_assign(fit, make_array(1, 1)) as one, \
         kmeans_assign(fit, make_array(1.0, cast(null as double))) as unknown from f"
    );
    assert_eq!(answer(&sql).await, "2,1,");
}

#[tokio::test]
async fn what_cannot_be_fitted_has_a_status() {
    let status = |rows: &str| {
        format!(
            "with f as (select kmeans_fit(make_array(cast(x as double)), 2) as fit from (values {rows}) as t (x)) \
             select fit['status'] as s, fit['converged'] as c, fit['rows'] as n, fit['k'] as k, kmeans_assign(fit, make_array(1.0)) as a from f"
        )
    };
    assert_eq!(answer(&status("(null)")).await, "no_rows,false,0,,");
    assert_eq!(answer(&status("('NaN'), ('1')")).await, "impossible_row,false,2,,");
    assert_eq!(answer(&status("('Infinity')")).await, "impossible_row,false,1,,");
    assert_eq!(answer(&status("('5'), ('5'), (null)")).await, "ok,true,2,1,1");
    let unlike = "with f as (select kmeans_fit(l, 2) as fit from (values (make_array(1.0)), (make_array(1.0, 2.0))) as t (l)) select fit['status'] as s from f";
    assert_eq!(answer(unlike).await, "impossible_row");
}

#[tokio::test]
async fn wrong_arguments_are_told() {
    let fit = |arguments: &str| format!("select kmeans_fit({arguments}) as f from {POINTS}");
    assert!(fault(&fit("x, 2")).await.contains("needs a list of numbers as features, not DECIMAL"));
    let none = fault(&fit("make_array(x), 0")).await;
    assert!(none.contains("`kmeans_fit` cannot be asked so: k is no whole number from 1 to 1000"), "{none}");
    assert!(none.contains("tells what the arguments may be"), "not about rows: {none}");
    assert!(
        fault(&fit("make_array(x), cast(y as bigint)")).await.contains("`k` is not the same for all rows")
    );
    assert!(fault(&fit("make_array(x), 2, 'a'")).await.contains("needs a whole number as seed, not VARCHAR"));
    assert!(
        fault("select kmeans_assign(1, make_array(1.0)) as a")
            .await
            .contains("needs what `kmeans_fit` gave first")
    );
    let other = format!(
        "with f as (select kmeans_fit(make_array(x, y), 2) as fit from {POINTS}) select kmeans_assign(fit, make_array(1.0)) as a from f"
    );
    assert!(fault(&other).await.contains("it has 1 features, and the fit 2"));
}

/// A planned contact: id, day, priority, label; and whether it was made.
fn contact(id: &str, day: i32, priority: &str, label: &str, is_made: bool) -> String {
    format!(
        "named_struct('id', {id}, 'at', timestamp '2026-02-01' + interval '{day} days', 'priority', {priority}, \
         'labels', make_array('{label}'), 'is_made', {is_made})"
    )
}

/// A rule: name, kind, label, other label, days, most.
fn rule([rule, kind, label, other, days, most]: [&str; 6]) -> String {
    let text =
        |text: &str| if text == "null" { "cast(null as varchar)".to_owned() } else { format!("'{text}'") };
    let number = |number: &str| format!("cast({number} as bigint)");
    format!(
        "named_struct('rule', {}, 'kind', {}, 'label', {}, 'other_label', {}, 'days', {}, 'most', {})",
        text(rule),
        text(kind),
        text(label),
        text(other),
        number(days),
        number(most)
    )
}

fn contacts(of: &[String], rules: &[[&str; 6]]) -> String {
    let rules: Vec<String> = rules.iter().map(|parts| rule(*parts)).collect();
    format!(
        "with d as (select unnest(plan_contacts(make_array({}), make_array({}))) as d) \
         select d['id'] as id, coalesce(d['rule'], 'kept') as decided from d order by id",
        of.join(", "),
        rules.join(", ")
    )
}

const TWO_A_WEEK: [&str; 6] = ["two_a_week", "at_most", "null", "null", "7", "2"];

#[tokio::test]
async fn contacts_are_kept_by_priority() {
    let of = [
        contact("1", 0, "1", "mail", false),
        contact("2", 3, "3", "mail", false),
        contact("3", 6, "2", "call", false),
        contact("4", -1, "cast(null as bigint)", "mail", true),
    ];
    // 4 was made the day before 1: with 1 it makes two in seven days; 3 is seven days after 4.
    assert_eq!(answer(&contacts(&of, &[TWO_A_WEEK])).await, "1,kept 2,two_a_week 3,kept");
    let rules =
        [["apart", "apart", "mail", "call", "5", "null"], ["never", "apart", "mail", "null", "null", "null"]];
    assert_eq!(answer(&contacts(&of, &rules)).await, "1,never 2,apart 3,kept");
    // Texts as ids.
    let texts = [contact("'b'", 0, "1", "mail", false), contact("'a'", 0, "1", "mail", false)];
    let one = [["one", "at_most", "mail", "null", "1", "1"]];
    assert_eq!(answer(&contacts(&texts, &one)).await, "a,kept b,one");
}

#[tokio::test]
async fn rules_that_say_nothing_are_told() {
    let of = [contact("1", 0, "1", "mail", false)];
    let told = async |rule: [&str; 6]| fault(&contacts(&of, &[rule])).await;
    let often = told(["r", "often", "null", "null", "7", "2"]).await;
    assert!(often.contains("rule `r` is of no kind: at_most or apart"), "{often}");
    let endless = told(["r", "at_most", "null", "null", "null", "2"]).await;
    assert!(endless.contains("needs `days` and `most`"), "{endless}");
    assert!(told(["r", "apart", "null", "null", "0", "null"]).await.contains("needs a day or more"));
    assert!(told(["r", "apart", "null", "null", "1", "1"]).await.contains("of kind apart has no `most`"));
    let unknown = [contact("1", 0, "cast(null as bigint)", "mail", false)];
    assert!(fault(&contacts(&unknown, &[TWO_A_WEEK])).await.contains("a contact has no `priority`"));
    let lacks =
        "select plan_contacts(make_array(named_struct('id', 1)), make_array(named_struct('rule', 'r'))) as p";
    assert!(fault(lacks).await.contains("needs a field `at` in contacts"));
}
