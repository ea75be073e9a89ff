//! Real data, and what others compute from it: `tests/reference/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value as Json;

use crate::program::{Project, copy_folder};

/// The rows of a reference, by the names in its first line.
pub(crate) fn reference(name: &str) -> Vec<BTreeMap<String, String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name);
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        header.iter().zip(line.split(',')).map(|(k, v)| ((*k).to_owned(), v.to_owned())).collect()
    };
    lines.map(row).collect()
}

/// The third pipeline: the shipped models over a mapping of this test's own, run once.
///
/// One test at a time looks at it: some publish anew with another variable.
pub(crate) fn uci() -> MutexGuard<'static, Project> {
    static UCI: OnceLock<Mutex<Project>> = OnceLock::new();
    let made = UCI.get_or_init(|| {
        let project = Project::shared();
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let fixture = package.join("tests/fixtures/uci");
        copy_folder(&package.join("sql"), &project.folder().join("sql"));
        copy_folder(&fixture.join("sql"), &project.folder().join("sql"));
        copy_folder(&fixture.join("pipelines"), &project.folder().join("pipelines"));
        copy_folder(&fixture.join("sources"), &project.folder().join("sources"));
        project.run(&[]).ended_with(0);
        Mutex::new(project)
    });
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value as text: numbers as JSON writes them, decimals as they are.
pub(crate) fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn cents(decimal: &str) -> i64 {
    let (whole, part) = decimal.split_once('.').unwrap_or((decimal, "00"));
    let (part, rest) = part.split_at(2);
    assert!(rest.bytes().all(|digit| digit == b'0'), "{decimal} is no whole number of cents");
    format!("{whole}{part}").parse().unwrap()
}

/// Publishes rfm with a convention, compares it customer by customer and segment by segment.
fn check_rfm(convention: &str) {
    let project = uci();
    project.run(&["-s", "rfm", "--vars", &format!("rfm_tie_convention={convention}")]).ended_with(0);
    let rows = project.show("select * from rfm");
    assert!(rows.iter().all(|row| row["tie_convention"] == convention));
    compare_customers(convention, &rows);
    compare_segments(convention, &rows);
}

/// A row's figures; money in cents, for the reference writes -0.00 where sums of doubles cancel.
fn figures(cell: &str, column: impl Fn(&str) -> String) -> Vec<String> {
    let money = |name| cents(&column(name)).to_string();
    let counts = [column("days_since_last_order"), column("frequency")];
    counts.into_iter().chain([money("monetary"), money("monetary_gross"), column(cell)]).collect()
}

fn compare_customers(convention: &str, rows: &[Json]) {
    let figures_of = |row: &Json| figures("rfm_cell", |column| text(&row[column]));
    let ours: BTreeMap<String, Vec<String>> =
        rows.iter().map(|row| (text(&row["customer_id"]), figures_of(row))).collect();
    assert_eq!(ours.len(), rows.len(), "a customer twice");
    let theirs = reference("rfm_uci_or2_2009_2010_customers.csv");
    let mut differences = Vec::new();
    for row in &theirs {
        let expected = figures(convention, |column| row[column].clone());
        let customer = &row["customer_id"];
        if ours.get(customer) != Some(&expected) {
            differences.push(format!("{customer}: {:?}, not {expected:?}", ours.get(customer)));
        }
    }
    let shown = differences.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {} customers differ:\n{shown}", differences.len(), theirs.len());
    assert_eq!(ours.len(), theirs.len(), "customers the reference does not have");
}

#[derive(Debug, Default)]
struct Segment {
    customers: i32,
    monetary: i64,
    days: i32,
    frequency: i32,
}

fn compare_segments(convention: &str, rows: &[Json]) {
    let whole = |value: &Json| i32::try_from(value.as_i64().unwrap()).unwrap();
    let mut ours: BTreeMap<String, Segment> = BTreeMap::new();
    for row in rows {
        let segment = ours.entry(text(&row["segment"])).or_default();
        segment.customers += 1;
        segment.monetary += cents(&text(&row["monetary"]));
        segment.days += whole(&row["days_since_last_order"]);
        segment.frequency += whole(&row["frequency"]);
    }
    let mut theirs = reference("rfm_uci_or2_2009_2010_segments.csv");
    theirs.retain(|row| row["convention"] == convention);
    let names: Vec<&String> = theirs.iter().map(|row| &row["segment"]).collect();
    assert_eq!(ours.keys().collect::<Vec<_>>(), names);
    for row in &theirs {
        let found = &ours[&row["segment"]];
        assert_eq!(found.customers.to_string(), row["customers"], "{row:?}");
        assert_eq!(found.monetary, cents(&row["monetary"]), "{row:?}");
        let mean = |sum: i32| f64::from(sum) / f64::from(found.customers);
        assert_near(mean(found.days), &row["recency_mean"], 1e-6);
        assert_near(mean(found.frequency), &row["frequency_mean"], 1e-6);
    }
}

#[track_caller]
pub(crate) fn assert_near(found: f64, expected: &str, tolerance: f64) {
    let expected: f64 = expected.parse().unwrap();
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

#[test]
fn rfm_of_a_wholesaler_scored_by_edges() {
    check_rfm("edges");
}

#[test]
fn rfm_of_a_wholesaler_scored_by_ntile() {
    check_rfm("ntile");
}

#[test]
fn rfm_of_a_wholesaler_scored_by_cume() {
    check_rfm("cume");
}

#[test]
fn rfm_of_a_wholesaler_scored_by_prank() {
    check_rfm("prank");
}

/// The figures of `concentration_uci_or2_2009_2010.csv` by name.
fn concentration() -> BTreeMap<String, String> {
    let rows = reference("concentration_uci_or2_2009_2010.csv");
    rows.into_iter().map(|row| (row["figure"].clone(), row["value"].clone())).collect()
}

#[test]
fn concentration_of_a_wholesaler() {
    let expected = concentration();
    let rows = uci().show("select * from value_concentration order by percentile");
    assert_eq!(rows.len(), 100);
    // These describe all customers and repeat in each row.
    for row in &rows {
        assert_eq!(text(&row["customers"]), expected["customers"]);
        assert_eq!(text(&row["costly_customers"]), expected["costly_customers"]);
        assert_eq!(cents(&text(&row["total_value"])), cents(&expected["net_sales"]));
        assert_near(row["gini"].as_f64().unwrap(), &expected["gini"], 1e-9);
        assert_near(row["gini_raw"].as_f64().unwrap(), &expected["gini_raw"], 1e-9);
    }
    let mut compared = 0;
    for (row, percentile) in rows.iter().zip(1..) {
        assert_eq!(row["percentile"], percentile);
        for share in ["top_sales_share", "lorenz_share"] {
            if let Some(expected) = expected.get(&format!("{share}_{percentile}")) {
                assert_near(row[share].as_f64().unwrap(), expected, 1e-9);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 13, "three shares of the best and ten deciles");
}

#[test]
fn money_and_classes_of_a_wholesaler() {
    let expected = concentration();
    let project = uci();
    let rows = project.show("select monetary, monetary_gross, returns from rfm");
    for (column, figure) in
        [("monetary", "net_sales"), ("monetary_gross", "invoiced_sales"), ("returns", "returns")]
    {
        let sum: i64 = rows.iter().map(|row| cents(&text(&row[column]))).sum();
        assert_eq!(sum, cents(&expected[figure]), "{figure}");
    }
    let rows = project.show("select tier, net_sales from value_tiers");
    for (class, tiers) in [("A", "A"), ("B", "B"), ("C_or_D", "CD")] {
        let of_class: Vec<&Json> =
            rows.iter().filter(|row| tiers.contains(row["tier"].as_str().unwrap())).collect();
        assert_eq!(of_class.len().to_string(), expected[&format!("tier_{class}_customers")], "{class}");
        let sum: i64 = of_class.iter().map(|row| cents(&text(&row["net_sales"]))).sum();
        assert_eq!(sum, cents(&expected[&format!("tier_{class}_net_sales")]), "{class}");
    }
}

/// What the references of churn and growth count by: sales before returns, quarters by rank, half a year.
const BY_GRADE: [&str; 7] = [
    "value_measure=invoiced_sales",
    "tier_basis=rank",
    "tier_a_rank=0.25",
    "tier_b_rank=0.50",
    "tier_c_rank=0.75",
    // June to November are 183 days; the records begin 182 days before June.
    "churn_after_days=183",
    "churn_history_factor=0.99",
];

/// The answers to queries over tables published by grade; the shipped definitions are published again after.
fn by_grade(queries: &[&str]) -> Vec<Vec<Json>> {
    let project = uci();
    let mut arguments = vec!["-s", "churn_snapshots value_movement"];
    arguments.extend(BY_GRADE.iter().flat_map(|variable| ["--vars", variable]));
    let published = project.run(&arguments);
    let answers = queries.iter().map(|query| project.show(query)).collect();
    let restored = project.run(&[]);
    published.ended_with(0);
    restored.ended_with(0);
    answers
}

fn number(value: &Json) -> f64 {
    text(value).parse().unwrap()
}

#[test]
fn churn_of_a_wholesaler_by_grade() {
    let answers = by_grade(&["select s.tier, count(*) as customers, \
         count(*) filter (where s.label_churned) as churned, sum(v.value) as value, \
         sum(v.value) filter (where s.label_churned) as lost_value \
         from churn_snapshots as s inner join ( \
             select customer_id, sum(value) as value from value_movement \
             where month < '2010-06-01' group by customer_id \
         ) as v on s.customer_id = v.customer_id \
         where s.definition = 'days_silent' and s.snapshot_date = '2010-06-01' \
         and s.label_status = 'closed' group by s.tier order by s.tier"]);
    let mut all = [0.0; 4];
    let mut theirs = reference("churn_by_grade_uci_or2_2009_2010.csv");
    let total = theirs.pop().unwrap();
    assert_eq!(answers[0].len(), theirs.len());
    for (ours, row) in answers[0].iter().zip(&theirs) {
        assert_eq!(text(&ours["tier"]), row["grade"]);
        let figures = ["customers", "churned", "value", "lost_value"].map(|name| number(&ours[name]));
        compare_grade(figures, row);
        all.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    compare_grade(all, &total);
}

/// Counts exactly; money to two pence, for the reference adds fractions of pence that we round by line.
fn compare_grade([customers, churned, value, lost_value]: [f64; 4], row: &BTreeMap<String, String>) {
    assert_near(customers, &row["customers"], 0.0);
    assert_near(churned, &row["churned"], 0.0);
    assert_near(value, &row["value"], 0.02);
    assert_near(lost_value, &row["lost_value"], 0.02);
    assert_near(churned / customers, &row["customer_churn_rate"], 1e-9);
    assert_near(lost_value / value, &row["value_churn_rate"], 1e-7);
}

#[test]
fn growth_accounting_of_a_wholesaler() {
    let answers = by_grade(&["select to_char(month, '%Y-%m') as month, \
         count(*) filter (where is_active) as active, \
         count(*) filter (where movement = 'new') as new, \
         count(*) filter (where movement in ('expansion', 'flat', 'contraction')) as retained, \
         count(*) filter (where movement = 'reactivated') as resurrected, \
         count(*) filter (where movement = 'churned') as churned, \
         sum(value) as revenue, \
         coalesce(sum(value) filter (where movement = 'new'), 0) as new_revenue, \
         coalesce(sum(value) filter (where movement = 'reactivated'), 0) as resurrected_revenue, \
         coalesce(sum(value_change) filter (where movement = 'expansion'), 0) as expansion, \
         coalesce(sum(-value_change) filter (where movement = 'contraction'), 0) as contraction, \
         coalesce(sum(value_before) filter (where movement = 'churned'), 0) as churned_revenue \
         from value_movement group by month order by month"]);
    let theirs = reference("growth_accounting_uci_or2_2009_2010.csv");
    assert_eq!(answers[0].len(), theirs.len());
    for (ours, row) in answers[0].iter().zip(&theirs) {
        assert_eq!(text(&ours["month"]), row["month"]);
        for count in ["active", "new", "retained", "resurrected", "churned"] {
            assert_eq!(text(&ours[count]), row[count], "{count} of {row:?}");
        }
        for money in
            ["revenue", "new_revenue", "resurrected_revenue", "expansion", "contraction", "churned_revenue"]
        {
            assert_near(number(&ours[money]), &row[money], 0.01);
        }
    }
}

#[test]
fn retention_of_a_wholesalers_cohorts() {
    let rows = uci().show("select * from retention_cohorts order by cohort_month, age");
    let theirs = reference("retention_cohorts_uci_or2_2009_2010_counts.csv");
    let mut compared = 0;
    for row in &theirs {
        let cohort = format!("{}-01", row["cohort"]);
        let of_cohort: Vec<&Json> =
            rows.iter().filter(|ours| text(&ours["cohort_month"]) == cohort).collect();
        for (age, ours) in of_cohort.iter().enumerate() {
            assert_eq!(text(&ours["active_customers"]), row[&format!("m{age}")], "{cohort} {age}");
            // December 2010 is cut on the ninth.
            assert_eq!(ours["is_complete"], ours["month"] != "2010-12-01", "{cohort} {age}");
            compared += 1;
        }
    }
    assert_eq!(compared, rows.len(), "a cohort the reference does not have");
    assert_eq!(compared, 91, "13 + 12 + … + 1");
}

/// Counted in the file by DuckDB 2.0.1: 525,461 rows, 107,927 without a customer, three prices below
/// nothing (all of them without a customer), and 4,372 cancelling invoices of somebody.
#[test]
fn rows_without_a_customer_and_negative_prices_are_rejected_and_counted() {
    let project = uci();
    let rows = project.show("select check_name, rows, failed from source_quality where failed > 0");
    let found: BTreeSet<(String, u64, u64)> = rows
        .iter()
        .map(|row| (text(&row["check_name"]), row["rows"].as_u64().unwrap(), row["failed"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("accepted", 525_461, 107_927),
        ("not_null Customer ID", 525_461, 107_927),
        ("range Price", 525_461, 3),
    ];
    assert_eq!(found, expected.map(|(check, rows, failed)| (check.to_owned(), rows, failed)).into());
    let cancelled = project.show(
        "select count(*) as orders, count(o.order_id) as accepted from order_status as s left join orders as o \
         on s.order_id = o.order_id where s.status = 'cancelled'",
    );
    assert_eq!(cancelled[0], serde_json::json!({"orders": 4_372, "accepted": 0}));
}
