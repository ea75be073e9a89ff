//! Against other programs' numbers (`tests/reference/README.md`), and at the edges.

use std::collections::BTreeMap;

use super::*;

type Row = BTreeMap<&'static str, f64>;

/// A reference's columns, by name; what is no number is NaN.
fn table(text: &'static str) -> Vec<Row> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let number = |cell: &str| cell.parse().unwrap_or(f64::NAN);
    lines.map(|line| names.iter().copied().zip(line.split(',').map(number)).collect()).collect()
}

fn cdnow() -> Vec<Row> {
    table(include_str!("../../tests/reference/clv_cdnow_customers.csv"))
}

fn customer(frequency: f64, recency: f64, age: f64) -> History {
    History::try_new(frequency, recency, age).expect("possible")
}

fn of_row(row: &Row) -> History {
    customer(row["frequency"], row["recency_days"] / 7.0, row["age_days"] / 7.0)
}

fn histories() -> Histories {
    Histories::new(cdnow().iter().map(|row| (of_row(row), 1)))
}

fn spends() -> SpendCounts {
    let spend = |row: &Row| Spend::try_new(row["frequency"], row["repeat_cents"] / row["frequency"] / 100.0);
    SpendCounts::new(cdnow().iter().filter_map(|row| spend(row).expect("possible")).map(|spend| (spend, 1)))
}

fn beta_geometric(dropout: Dropout, [r, alpha, a, b]: [f64; 4]) -> BetaGeometric {
    BetaGeometric { dropout, r, alpha, a, b }
}

fn fitted_bgnbd() -> BetaGeometric {
    let dropout = Dropout::AfterRepeatOrders;
    beta_geometric(dropout, fit_beta_geometric(dropout, &histories()).parameters.expect("fitted"))
}

fn fitted_mbgnbd() -> BetaGeometric {
    let dropout = Dropout::AfterEveryOrder;
    beta_geometric(dropout, fit_beta_geometric(dropout, &histories()).parameters.expect("fitted"))
}

fn pareto([r, alpha, s, beta]: [f64; 4]) -> Pareto {
    Pareto { r, alpha, s, beta }
}

fn fitted_pareto() -> Pareto {
    pareto(fit_pareto(&histories()).parameters.expect("fitted"))
}

fn fitted_spend() -> GammaSpend {
    let [p, q, gamma] = fit_gamma_spend(&spends()).parameters.expect("fitted");
    GammaSpend { p, q, gamma }
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected} ± {tolerance}");
}

/// Parameters within 5 in 10,000, the log-likelihood within 0.01: the stated tolerances.
#[track_caller]
fn check_fit<const N: usize>(found: &Fit<N>, parameters: [f64; N], log_likelihood: f64) {
    assert_eq!(found.status, FitStatus::Ok);
    for (found, expected) in found.parameters.expect("fitted").iter().zip(parameters) {
        near(*found, expected, 5e-4 * expected);
    }
    near(found.log_likelihood.expect("fitted"), log_likelihood, 0.01);
    assert!(found.gradient_norm.expect("fitted") < 1e-10);
}

#[test]
fn bgnbd_of_cdnow_is_that_of_btyd_and_clvtools() {
    let found = fit_beta_geometric(Dropout::AfterRepeatOrders, &histories());
    // BTYD 2.4.3; CLVTools 0.11.2; published in Fader, Hardie & Lee (2005) as .243 4.414 .793 2.426, -9582.4.
    check_fit(&found, [0.242_598_2, 4.413_684_2, 0.792_989_9, 2.426_166_7], -9_582.429_207);
    check_fit(&found, [0.242_594_5, 4.413_601_9, 0.792_919_9, 2.425_888_1], -9_582.429_207);
    assert_eq!(found.customers.to_bits(), 2357.0_f64.to_bits());
}

#[test]
fn mbgnbd_of_cdnow_is_that_of_lifetimes() {
    let found = fit_beta_geometric(Dropout::AfterEveryOrder, &histories());
    check_fit(&found, [0.524_837_7, 6.182_988_5, 0.891_356_3, 1.614_000_0], -9_582.132_685);
}

#[test]
fn pareto_nbd_of_cdnow_is_that_of_btyd_and_clvtools_with_its_standard_errors() {
    let found = fit_pareto(&histories());
    check_fit(&found, [0.553_277_8, 10.577_684_3, 0.606_233_4, 11.668_515_7], -9_594.976_179);
    check_fit(&found, [0.553_270_0, 10.577_800_7, 0.606_020_0, 11.663_914_5], -9_594.976_181);
    let expected = [0.047_626_4, 0.842_722_2, 0.187_259_4, 6.210_544_8];
    for (found, expected) in found.standard_errors.iter().zip(expected) {
        near(found.expect("determined"), expected, 5e-4 * expected);
    }
}

#[test]
fn gamma_gamma_of_cdnow_is_that_of_btyd_and_clvtools() {
    let found = fit_gamma_spend(&spends());
    check_fit(&found, [6.249_349_2, 3.744_256_3, 15.444_306_7], -4_055.917_695);
    near(fitted_spend().expected_value(None).expect("finite"), 35.170_5, 0.02);
}

#[test]
fn new_customers_order_as_published() {
    let model = fitted_bgnbd();
    let published = [(1.0 / 7.0, 0.0078), (1.0, 0.0532), (3.0, 0.1506), (32.0, 1.0437), (78.0, 1.8576)];
    for (weeks, orders) in published {
        near(model.expected_orders(&History::NEW, weeks), orders, 5e-4);
    }
    let lifetimes =
        [0.0, 0.051_006_545_6, 0.099_626_535_0, 0.146_134_798_5, 0.190_758_224_1, 0.233_686_608_8];
    let model = fitted_pareto();
    for (weeks, orders) in (0..).zip(lifetimes) {
        near(model.expected_orders(&History::NEW, f64::from(weeks)), orders, 1e-5);
    }
}

#[test]
fn single_customers_are_those_of_the_papers() {
    near(fitted_bgnbd().expected_orders(&customer(2.0, 30.43, 38.86), 39.0), 1.226, 0.001);
    let frequent = customer(26.0, 30.86, 31.0);
    near(fitted_pareto().expected_orders(&frequent, 52.0), 25.456_36, 0.001);
    near(fitted_pareto().alive(&frequent), 0.997_917_9, 1e-5);
}

#[test]
fn fifteen_customers_are_those_of_btyd() {
    let (bgnbd, pareto, spend) = (fitted_bgnbd(), fitted_pareto(), fitted_spend());
    for row in table(include_str!("../../tests/reference/clv_cdnow_R_BTYD_15customers.csv")) {
        let one = customer(row["x"], row["t_x"], row["T"]);
        near(bgnbd.expected_orders(&one, 39.0), row["bgnbd_cet39"], 0.0005);
        near(bgnbd.alive(&one), row["bgnbd_palive"], 0.0001);
        near(pareto.expected_orders(&one, 39.0), row["pnbd_cet39"], 0.0005);
        near(pareto.alive(&one), row["pnbd_palive"], 0.0001);
        // BTYD's rate is continuous: ln 1.15 ÷ 52 a week.
        let residual = pareto.discounted_for_ever(&one, 1.15_f64.ln() / 52.0).expect("a rate");
        near(residual, row["pnbd_dert_15pct"], 5e-4 * row["pnbd_dert_15pct"]);
        let value = spend.expected_value(Spend::try_new(row["x"], row["m_x"]).expect("possible").as_ref());
        near(value.expect("finite"), row["gg_expected_spend"], 0.02);
    }
}

#[test]
fn twenty_customers_are_those_of_lifetimes() {
    let (bgnbd, mbgnbd, pareto, spend) = (fitted_bgnbd(), fitted_mbgnbd(), fitted_pareto(), fitted_spend());
    let rows = table(include_str!("../../tests/reference/clv_cdnow_20customers.csv"));
    assert_eq!(rows.len(), 20);
    for row in rows {
        let one = customer(row["frequency"], row["recency"], row["T"]);
        near(bgnbd.expected_orders(&one, 39.0), row["bgnbd_expected_39"], 0.005);
        near(mbgnbd.expected_orders(&one, 39.0), row["mbgnbd_expected_39"], 0.005);
        near(pareto.expected_orders(&one, 39.0), row["pareto_nbd_expected_39"], 0.005);
        near(bgnbd.alive(&one), row["bgnbd_p_alive"], 0.001);
        near(mbgnbd.alive(&one), row["mbgnbd_p_alive"], 0.001);
        near(pareto.alive(&one), row["pareto_nbd_p_alive"], 0.001);
        let value = Spend::try_new(row["frequency"], row["monetary_value"]).expect("possible");
        let value = spend.expected_value(value.as_ref()).expect("finite");
        near(value, row["gg_expected_avg"], 0.02);
        // lifetimes: 1 % a month, months of 4.345 weeks.
        let clv = value * discounted_orders(&bgnbd, &one, TimeUnit::Week, 12, 1.01_f64.powi(12) - 1.0);
        near(clv, row["clv_12m_bgnbd_gg_d1pct"], 1e-8 + 0.005 * row["clv_12m_bgnbd_gg_d1pct"]);
    }
}

#[test]
fn where_lifetimes_gives_nan_the_expectation_is_that_of_fifty_digits() {
    let model = beta_geometric(
        Dropout::AfterRepeatOrders,
        [0.776_780_060_274_799_2, 9.627_007_961_926_006, 0.004_099_876_941_264_338, 0.611_074_057_482_656],
    );
    let rows = table(include_str!("../../tests/reference/clv_bgnbd_small_a_edge_cases.csv"));
    assert!(rows.iter().filter(|row| row["lifetimes_0_11_3"].is_nan()).count() > 10);
    for row in rows {
        let one = customer(row["frequency"], row["recency"], row["T"]);
        let expected = row["expected_transactions"];
        near(model.expected_orders(&one, row["t"]), expected, 1e-9 * expected);
    }
}

#[test]
fn a_wholesalers_customers_are_those_of_lifetimes_and_mpmath() {
    let dropout = [Dropout::AfterRepeatOrders, Dropout::AfterEveryOrder];
    let bgnbd = beta_geometric(
        dropout[0],
        [0.776_780_060_274_799_2, 9.627_007_961_926_006, 0.004_099_876_941_264_338, 0.611_074_057_482_656],
    );
    let mbgnbd = beta_geometric(
        dropout[1],
        [0.778_694_260_669_443_5, 9.700_514_607_039_358, 0.005_101_915_668_519_186, 9.348_697_187_476_521],
    );
    let pareto = pareto([
        0.779_071_916_505_704_8,
        9.723_153_728_468_258,
        2.111_376_736_642_29e-13,
        460.678_650_274_701_57,
    ]);
    let horizon = 100.0 / 7.0;
    let rows = table(include_str!("../../tests/reference/clv_uci_or2_customers_every20th.csv"));
    for row in &rows {
        let one = customer(row["frequency"], row["recency"], row["T"]);
        let check = |found: f64, expected: f64| near(found, expected, 1e-5 * expected);
        check(bgnbd.expected_orders(&one, horizon), row["bgnbd_expected_exact_mpmath"]);
        check(bgnbd.alive(&one), row["bgnbd_p_alive"]);
        check(mbgnbd.expected_orders(&one, horizon), row["mbgnbd_expected_14.285714285714286"]);
        check(mbgnbd.alive(&one), row["mbgnbd_p_alive"]);
        check(pareto.expected_orders(&one, horizon), row["pareto_nbd_expected_14.285714285714286"]);
        check(pareto.alive(&one), row["pareto_nbd_p_alive"]);
    }
    assert!(rows.len() > 160);
}

/// At the edge parameters say nothing: the log-likelihood and the sum of the predictions are compared.
#[test]
fn a_wholesalers_fits_are_at_least_as_likely_as_those_of_lifetimes() {
    let rows = table(include_str!("../../tests/reference/clv_uci_or2_histories.csv"));
    let customers = Histories::new(rows.iter().map(|row| (of_row(row), 1)));
    let check = |found: &Fit<4>, model: &dyn ExpectedOrders, [likely, total]: [f64; 2]| {
        assert!(found.status.has_converged(), "{found:?}");
        assert!(found.log_likelihood.expect("fitted") > likely - 0.01, "{found:?}");
        let sum: f64 = rows.iter().map(|row| model.expected_orders(&of_row(row), 100.0 / 7.0)).sum();
        near(sum, total, 0.0005 * total);
    };
    let found = fit_beta_geometric(Dropout::AfterRepeatOrders, &customers);
    // lifetimes sums 3344.2 for BG/NBD, without the 715 customers for whom it has NaN.
    let model = beta_geometric(Dropout::AfterRepeatOrders, found.parameters.expect("fitted"));
    check(&found, &model, [-22_655.015_960, 3_785.265]);
    let found = fit_beta_geometric(Dropout::AfterEveryOrder, &customers);
    let model = beta_geometric(Dropout::AfterEveryOrder, found.parameters.expect("fitted"));
    check(&found, &model, [-22_655.373_798, 3_797.247]);
    let found = fit_pareto(&customers);
    check(&found, &pareto(found.parameters.expect("fitted")), [-22_655.454_544, 3_801.379]);
    assert_eq!(found.status, FitStatus::Boundary);
    let spend = |row: &Row| Spend::try_new(row["frequency"], row["repeat_cents"] / row["frequency"] / 100.0);
    let spends = rows.iter().filter_map(|row| spend(row).expect("possible")).map(|spend| (spend, 1));
    check_fit(
        &fit_gamma_spend(&SpendCounts::new(spends)),
        [2.128_014_9, 3.490_398_1, 487.552_100],
        -13_438.071_433,
    );
}

/// Mean absolute and root mean squared error over 39 weeks, and the total.
#[track_caller]
fn check_holdout(model: &impl ExpectedOrders, [absolute, squared, total]: [f64; 3]) {
    let rows = cdnow();
    let pairs: Vec<(f64, f64)> =
        rows.iter().map(|row| (model.expected_orders(&of_row(row), 39.0), row["holdout_orders"])).collect();
    let mean =
        |of: fn(f64) -> f64| pairs.iter().map(|(found, actual)| of(found - actual)).sum::<f64>() / 2357.0;
    near(mean(f64::abs), absolute, 1e-3);
    near(mean(|difference| difference * difference).sqrt(), squared, 1e-3);
    near(pairs.iter().map(|(found, _)| found).sum(), total, 1e-3 * total);
}

#[test]
fn the_holdout_of_cdnow_is_met_as_well_as_by_lifetimes() {
    check_holdout(&fitted_bgnbd(), [0.785_456_5, 1.608_006_7, 1653.423]);
    check_holdout(&fitted_mbgnbd(), [0.764_780_6, 1.607_204_7, 1576.736]);
    check_holdout(&fitted_pareto(), [0.754_527_4, 1.602_872_9, 1665.534]);
}

#[test]
fn the_order_of_customers_leaves_no_trace() {
    let mut rows: Vec<(History, u64)> = cdnow().iter().map(|row| (of_row(row), 1)).collect();
    let fit = |rows: &[(History, u64)]| fit_pareto(&Histories::new(rows.iter().copied()));
    let expected = fit(&rows);
    rows.reverse();
    assert_eq!(fit(&rows), expected);
    let (left, right) = rows.split_at(700);
    assert_eq!(fit(&[right, left].concat()), expected);
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let check = |customers: &[(History, u64)], expected: FitStatus| {
        let customers = Histories::new(customers.iter().copied());
        for dropout in [Dropout::AfterRepeatOrders, Dropout::AfterEveryOrder] {
            let found = fit_beta_geometric(dropout, &customers);
            assert_eq!(found.status, expected, "{found:?}");
        }
        let found = fit_pareto(&customers);
        assert_eq!(found.status, expected, "{found:?}");
        assert_eq!(found.parameters, None);
    };
    check(&[], FitStatus::NoCustomers);
    check(&[(customer(3.0, 5.0, 9.0), 1)], FitStatus::NoVariation);
    check(&[(customer(3.0, 5.0, 9.0), 500)], FitStatus::NoVariation);
    check(&[(customer(0.0, 0.0, 9.0), 5), (customer(0.0, 0.0, 0.0), 5)], FitStatus::NoRepeatOrders);
    let spend = Spend::try_new(2.0, 5.0).expect("possible").expect("with orders");
    assert_eq!(fit_gamma_spend(&SpendCounts::new([])).status, FitStatus::NoCustomers);
    assert_eq!(fit_gamma_spend(&SpendCounts::new([(spend, 9)])).status, FitStatus::NoVariation);
}

/// Data at the edge: whatever the status, every prediction is a number.
#[test]
fn degenerate_data_give_numbers_and_an_honest_status() {
    let sets: [&[(History, u64)]; 6] = [
        &[(customer(0.0, 0.0, 9.0), 1), (customer(1.0, 9.0, 9.0), 1)],
        &[(customer(1.0, 0.0, 9.0), 50), (customer(1.0, 0.0, 8.0), 50)],
        &[(customer(3.0, 9.0, 9.0), 50), (customer(3.0, 8.0, 8.0), 50)],
        &[(customer(900.0, 1e-6, 3650.0), 1), (customer(0.0, 0.0, 0.0), 900)],
        &[(customer(1e5, 1.0, 1.0), 3), (customer(2.0, 1.0, 1.0), 3)],
        &[(customer(1.0, 1e-9, 1e-9), 3), (customer(0.0, 0.0, 1e12), 3)],
    ];
    for set in sets {
        let customers = Histories::new(set.iter().copied());
        let probe = |model: &dyn Fn(&History) -> [f64; 2], status: FitStatus| {
            for (one, _) in set {
                let [alive, orders] = model(one);
                assert!((0.0..=1.0).contains(&alive), "{set:?} {status:?} {alive}");
                assert!(orders.is_finite() && orders >= 0.0, "{set:?} {status:?} {orders}");
            }
        };
        for dropout in [Dropout::AfterRepeatOrders, Dropout::AfterEveryOrder] {
            let found = fit_beta_geometric(dropout, &customers);
            if let Some(parameters) = found.parameters {
                let model = beta_geometric(dropout, parameters);
                probe(&|one| [model.alive(one), model.expected_orders(one, 52.0)], found.status);
            }
        }
        let found = fit_pareto(&customers);
        if let Some(parameters) = found.parameters {
            let model = pareto(parameters);
            probe(&|one| [model.alive(one), model.expected_orders(one, 52.0)], found.status);
        }
    }
}
