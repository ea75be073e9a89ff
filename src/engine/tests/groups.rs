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
    assert_eq!(example("kmeans_assign", "customer, cluster").await.lines().count(), 3);
    let contacts = "sum(case when is_kept then id end) as kept, max(case when id = 1 then rule end) as rule";
    assert_eq!(example("plan_contacts", contacts).await, "2,one_mail_a_week");
}

const POINTS: &str = "(values (1.0, 1.0), (1.0, 2.0), (9.0, 8.0)) as t (x, y)";

#[tokio::test]
async fn groups_are_numbered_by_size_and_told_in_their_own_units() {
    let sql = format!(
        "with f as (select kmeans_fit(make_array(x, y), 2) as fit from {POINTS}), \
         c as (select unnest(fit['clusters']) as c from f) \
         select string_agg(concat(c['cluster'], ':', c['size'], ':', c['center'][1], ':', c['center'][2]), ' ' order by c['cluster']) as all_of_them from c"
    );
    assert_eq!(answer(&sql).await, "1:2:1.0:1.5 2:1:9.0:8.0");
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
    assert!(fault(&fit("make_array(x), 0")).await.contains("k is no whole number from 1 to 1000"));
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
    assert!(fault(&other).await.contains("was given 1 features, and the fit has 2"));
}

fn contacts(of: &str, rules: &str) -> String {
    format!(
        "with c as (select array_agg(named_struct('id', id, 'at', timestamp '2026-01-01' + day * interval '1 day', 'priority', priority, \
         'labels', make_array(label), 'is_made', is_made)) as planned from (values {of}) as t (id, day, priority, label, is_made)), \
         r as (select array_agg(named_struct('rule', rule, 'kind', kind, 'label', label, 'other_label', other, 'days', days, 'most', most)) as rules \
         from (values {rules}) as t (rule, kind, label, other, days, most)), \
         d as (select unnest(plan_contacts(planned, rules)) as d from c cross join r) \
         select string_agg(concat(d['id'], ':', coalesce(d['rule'], 'kept')), ' ' order by d['id']) as decided from d"
    )
}

const AT_MOST: &str = "('two_a_week', 'at_most', cast(null as varchar), cast(null as varchar), 7, 2)";

#[tokio::test]
async fn contacts_are_kept_by_priority() {
    let of = "(1, 0, 1, 'mail', false), (2, 3, 3, 'mail', false), (3, 6, 2, 'call', false), (4, -1, null, 'mail', true)";
    // 4 was made the day before 1: with 1 it makes two in seven days; 3 is seven days after 4.
    assert_eq!(answer(&contacts(of, AT_MOST)).await, "1:kept 2:two_a_week 3:kept");
    let rules = "('apart', 'apart', 'mail', 'call', 5, cast(null as bigint)), ('never', 'apart', 'mail', cast(null as varchar), null, null)";
    assert_eq!(answer(&contacts(of, rules)).await, "1:never 2:apart 3:kept");
    // Texts as ids.
    let texts = "('b', 0, 1, 'mail', false), ('a', 0, 1, 'mail', false)";
    let rules = "('one', 'at_most', 'mail', cast(null as varchar), 1, 1)";
    assert_eq!(answer(&contacts(texts, rules)).await, "a:kept b:one");
}

#[tokio::test]
async fn rules_that_say_nothing_are_told() {
    let of = "(1, 0, 1, 'mail', false)";
    let told = async |rule: &str| fault(&contacts(of, rule)).await;
    assert!(
        told("('r', 'often', null, null, 7, 2)").await.contains("rule `r` is of no kind: at_most or apart")
    );
    assert!(told("('r', 'at_most', null, null, null, 2)").await.contains("needs `days` and `most`"));
    assert!(told("('r', 'apart', null, null, 0, null)").await.contains("needs a day or more"));
    assert!(told("('r', 'apart', null, null, 1, 1)").await.contains("of kind apart has no `most`"));
    assert!(
        fault(&contacts("(1, 0, cast(null as bigint), 'mail', false)", AT_MOST))
            .await
            .contains("a contact has no `priority`")
    );
    let lacks =
        "select plan_contacts(make_array(named_struct('id', 1)), make_array(named_struct('rule', 'r'))) as p";
    assert!(fault(lacks).await.contains("needs a field `at` in contacts"));
}
