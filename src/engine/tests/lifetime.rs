//! Customer lifetime value in SQL: the examples run, the numbers are CDNOW's, faults have names.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};

use super::running::{batch, run_over};
use crate::functions::catalogue;

const CDNOW: &str = include_str!("../../../tests/reference/clv_cdnow_customers.csv");

/// `histories(customer_id, frequency, recency, age, mean_value)` of CDNOW, days as whole numbers.
fn histories() -> RecordBatch {
    let rows: Vec<Vec<i64>> = CDNOW
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().expect("a number")).collect())
        .collect();
    let whole = |at: usize| Arc::new(rows.iter().map(|row| row[at]).collect::<Int64Array>()) as ArrayRef;
    let double = |number: i64| f64::from(i32::try_from(number).expect("a small number"));
    let mean = |row: &Vec<i64>| (row[0] > 0).then(|| double(row[3]) / 100.0 / double(row[0]));
    batch(vec![
        ("customer_id", Arc::new((1..).take(rows.len()).collect::<Int64Array>())),
        ("frequency", whole(0)),
        ("recency", whole(1)),
        ("age", whole(2)),
        ("mean_value", Arc::new(rows.iter().map(mean).collect::<Float64Array>())),
    ])
}

async fn answer(sql: &str) -> String {
    run_over("histories", sql, histories()).await.expect("it runs")
}

async fn fault(sql: &str) -> String {
    run_over("histories", sql, histories()).await.expect_err("it fails")
}

fn own() -> Vec<crate::functions::Function> {
    let ours = ["bgnbd_", "mbgnbd_", "pareto_nbd_", "gamma_gamma_", "discounted_clv", "sbg_"];
    catalogue().into_iter().filter(|it| ours.iter().any(|name| it.name.starts_with(name))).collect()
}

#[tokio::test]
async fn every_example_runs() {
    let all = own();
    assert_eq!(all.len(), 17);
    for function in all {
        let example = function.example.expect("an example");
        let found = answer(&format!("select count(*) as rows from ({example}) as example")).await;
        assert!(["1", "2357"].contains(&found.as_str()), "{}: {found}", function.name);
    }
}

const WEEKS: &str = "with model as (select FIT_fit(frequency, cast(recency as double) / 7, cast(age as double) / 7, 'week') as fit from histories) ";

#[tokio::test]
async fn fits_are_those_of_cdnow() {
    let check = async |model: &str, parameters: [&str; 4], expected: &str| {
        let rounded = parameters.map(|name| format!("round(fit['{name}'], 5) as {name}")).join(", ");
        let sql = format!(
            "{}select {rounded}, round(fit['log_likelihood'], 4) as ll, fit['customers'] as n, fit['status'] as status, \
             fit['converged'] as c, fit['unit'] as u, fit['model'] as m from model",
            WEEKS.replace("FIT", model)
        );
        assert_eq!(answer(&sql).await, expected);
    };
    let rest = "2357,ok,true,week";
    check(
        "bgnbd",
        ["r", "alpha", "a", "b"],
        &format!("0.24259,4.4136,0.79292,2.42591,-9582.4292,{rest},bgnbd"),
    )
    .await;
    check(
        "mbgnbd",
        ["r", "alpha", "a", "b"],
        &format!("0.52484,6.18309,0.89136,1.614,-9582.1357,{rest},mbgnbd"),
    )
    .await;
    check(
        "pareto_nbd",
        ["r", "alpha", "s", "beta"],
        &format!("0.55328,10.57768,0.60624,11.66874,-9594.9762,{rest},pareto_nbd"),
    )
    .await;
    let spend = "select round(f['p'], 4) as p, round(f['q'], 4) as q, round(f['gamma'], 4) as g, f['customers'] as n, \
         round(f['log_likelihood'], 4) as ll from (select gamma_gamma_fit(frequency, mean_value) as f from histories) as x";
    assert_eq!(answer(spend).await, "6.2496,3.7442,15.4435,946,-4055.9177");
}

#[tokio::test]
async fn one_customer_is_that_of_the_papers() {
    // lifetimes has 36.28, with months of 4.345 weeks; ours have 4.348.
    let sql = format!(
        "{}select round(bgnbd_alive(fit, 2, 30.43, 38.86), 4) as alive, \
         round(bgnbd_expected_orders(fit, 2, 30.43, 38.86, 39), 3) as orders, bgnbd_alive(fit, 0, 0, 38) as once, \
         round(discounted_clv(fit, 2, 30.43, 38.86, 24.6586, 12, 0.126825), 2) as clv from model",
        WEEKS.replace("FIT", "bgnbd")
    );
    assert_eq!(answer(&sql).await, "0.7266,1.226,1.0,36.3");
}

#[tokio::test]
async fn a_row_of_parameters_serves_as_a_fit() {
    let of =
        "named_struct('model', m, 'unit', 'week', 'r', 0.2426, 'alpha', 4.4136, 'a', 0.7929, 'b', 2.4259)";
    let sql = format!(
        "select round(bgnbd_alive(f, 2, 30.43, 38.86), 3) as a, round(mbgnbd_expected_orders(f, 0, 0, 9, 39), 3) as b, \
         round(discounted_clv(f, 2, 30.43, 38.86, 1, 12, 0), 3) as c from (select {of} as f from (values ('bgnbd'), \
         ('mbgnbd')) as t(m)) as x order by c"
    );
    assert_eq!(answer(&sql).await.split(' ').count(), 2);
}

#[tokio::test]
async fn groups_and_filters_have_fits_of_their_own() {
    let sql = "select frequency > 100 as many, f['status'] as s, f['customers'] as n, f['r'] as r from (select frequency, \
        bgnbd_fit(frequency, recency, age) filter (where frequency > 100) as f from histories where customer_id < 2 group by 1) as x";
    assert_eq!(answer(sql).await, "false,no_customers,0,");
    let sql = "select f['status'] as s, f['converged'] as c from (select bgnbd_fit(0, 0, age) as f from histories) as x";
    assert_eq!(answer(sql).await, "no_repeat_orders,false");
    let sql = "select f['status'] as s from (select pareto_nbd_fit(2, 3, 9) as f from histories) as x";
    assert_eq!(answer(sql).await, "no_variation");
}

#[tokio::test]
async fn nulls_are_left_out_and_answered_with_null() {
    let sql = "with model as (select mbgnbd_fit(frequency, recency, nullif(age, 271)) as fit, \
        mbgnbd_fit(frequency, recency, age) filter (where false) as none from histories) \
        select fit['customers'] < 2357 as fewer, mbgnbd_alive(fit, 1, null, 2) as a, mbgnbd_alive(none, 1, 1, 2) as b, \
        mbgnbd_expected_orders(null, 1, 1, 2, 3) as c, discounted_clv(fit, 1, 1, 2, null, 12, 0.1) as d from model";
    assert_eq!(answer(sql).await, "true,,,,");
    let sql = "with model as (select gamma_gamma_fit(frequency, mean_value) as fit from histories) \
        select round(gamma_gamma_expected_value(fit, 0, null), 2) as all, gamma_gamma_expected_value(fit, 1, null) as a from model";
    assert_eq!(answer(sql).await, "35.17,");
}

#[tokio::test]
async fn impossible_rows_leave_no_fit_and_say_so() {
    let check = async |call: &str| {
        let sql = format!(
            "select f['status'] as s, f['converged'] as c, f['r'] as r from (select {call} as f from histories) as x"
        );
        assert_eq!(answer(&sql).await, "impossible_row,false,", "{call}");
    };
    check("bgnbd_fit(frequency, recency, age - 30)").await;
    check("mbgnbd_fit(frequency, age + 1, age)").await;
    check("pareto_nbd_fit(frequency, -recency, age)").await;
    check("bgnbd_fit(frequency + 0.5, recency, age)").await;
    check("bgnbd_fit(0, recency, age)").await;
    check("bgnbd_fit(frequency, recency, cast('NaN' as double))").await;
    check("mbgnbd_fit(frequency, recency, case when customer_id = 9 then cast('Infinity' as double) else age end)")
        .await;
    let sql = "select f['status'] as s, g['converged'] as t from (select gamma_gamma_fit(frequency, -mean_value) as f, \
        sbg_fit(age, customer_id = 9 and age > 0) filter (where age >= 0) as g from histories) as x";
    assert_eq!(answer(sql).await, "impossible_row,true");
    let sql = "select f['status'] as s from (select sbg_fit(age / 7.3, true) as f from histories) as x";
    assert_eq!(answer(sql).await, "impossible_row");
}

#[tokio::test]
async fn customers_that_cannot_be_have_no_answer() {
    let fit = "named_struct('model', 'bgnbd', 'unit', 'day', 'r', 1, 'alpha', 9, 'a', 1, 'b', 1)";
    let sql = format!(
        "select bgnbd_alive({fit}, 1, 9, 0) as a, bgnbd_expected_orders({fit}, 1, 1, cast('NaN' as double), 9) as b, \
         discounted_clv({fit}, 1, 1, 2, cast('Infinity' as double), 12, 0) as c, \
         gamma_gamma_expected_value(named_struct('p', 6, 'q', 4, 'gamma', 15), 1, -1) as d"
    );
    assert_eq!(answer(&sql).await, ",,,");
}

#[tokio::test]
async fn arguments_that_cannot_be_are_errors_without_their_values() {
    let check = async |call: &str, expected: &str| {
        let found = fault(&format!("select {call} as f from histories")).await;
        assert!(found.starts_with("GW0501") && found.contains(expected), "{call}: {found}");
    };
    check("bgnbd_fit(frequency, recency, age, 'fortnight')", "the unit of time is").await;
    let fit = "named_struct('model', 'bgnbd', 'unit', 'day', 'r', 1, 'alpha', 9, 'a', 1, 'b', 1)";
    check(&format!("bgnbd_expected_orders({fit}, 1, 1, 2, -age)"), "horizon is negative").await;
    check(&format!("discounted_clv({fit}, 1, 1, 2, 1, 1.5, age)"), "months is no whole number").await;
    check(&format!("discounted_clv({fit}, 1, 1, 2, 1, 12, -1 - age)"), "annual_rate").await;
    check(&format!("bgnbd_alive({}, 1, 1, age)", fit.replace("'alpha', 9", "'alpha', -9")), "not positive")
        .await;
    check("sbg_survival(named_struct('a', 1, 'b', 1), age + 0.5)", "periods is no whole number").await;
}

/// R BTYD's DERT at the continuous rate ln 1.15 ÷ 52 a week; a year of ours has 365.25 ÷ 7 of them.
#[tokio::test]
async fn orders_for_ever_are_those_of_btyd() {
    let rate = (1.15_f64.ln() / 52.0 * 365.25 / 7.0).exp_m1();
    let sql = format!(
        "{}select round(pareto_nbd_residual_orders(fit, 2, 30.428571, 38.857143, {rate}), 2) as dert, \
         pareto_nbd_residual_orders(fit, 2, 30, 38, 0) as no_rate from model",
        WEEKS.replace("FIT", "pareto_nbd")
    );
    assert_eq!(answer(&sql).await, "6.5,");
}

/// One segment of the paper: of 1,000 customers 869, 743, 653, 593, 551, 517, 491 are left after each year.
#[tokio::test]
async fn contracts_are_those_of_the_paper() {
    let sql = "with lives as (select * from (values (1, true, 131), (2, true, 126), (3, true, 90), (4, true, 60), \
        (5, true, 42), (6, true, 34), (7, true, 26), (7, false, 491)) as t(age, ended, n)), \
        model as (select sbg_fit(l.age, ended) as fit from lives as l cross join generate_series(1, 491) as s(i) where i <= n) \
        select round(fit['a'], 3) as a, round(fit['b'], 3) as b, fit['customers'] as n, fit['status'] as s, \
        round(sbg_survival(fit, 12), 3) as share from model";
    assert_eq!(answer(sql).await, "0.668,3.806,1000,ok,0.378");
}

/// At a fit the error of a figure is what its parameters' errors make of it: of the mean of all, p gamma ÷ (q − 1), by
/// hand from the struct.
#[tokio::test]
async fn the_error_of_a_figure_is_that_of_its_parameters() {
    let sql = "with model as (select gamma_gamma_fit(frequency, mean_value) as f from histories), \
        parts as (select f, f['p'] * f['gamma'] / (f['q'] - 1) as mean, f['p_se'] / f['p'] as p, \
        -f['q_se'] / (f['q'] - 1) as q, f['gamma_se'] / f['gamma'] as g from model) \
        select abs(gamma_gamma_expected_value_se(f, 0, null) / (mean * sqrt(p * p + q * q + g * g \
        + 2 * (p * q * f['p_q_correlation'] + p * g * f['p_gamma_correlation'] + q * g * f['q_gamma_correlation']))) - 1) < 0.001 \
        as same from parts";
    assert_eq!(answer(sql).await, "true");
    let sql = format!(
        "{}select round(discounted_clv_se(fit, 2, 30.43, 38.86, 10, 12, 0.1) / discounted_clv_se(fit, 2, 30.43, 38.86, 1, 12, 0.1), 6) as ten, \
         discounted_clv_se(fit, 2, 30.43, 38.86, 1, 12, 0.1) between 0.02 and 0.2 as some from model",
        WEEKS.replace("FIT", "bgnbd")
    );
    assert_eq!(answer(&sql).await, "10.0,true");
}
