//! Lifetime value over the demo's world: what was planted is found, and a world that breaks the models' assumptions
//! shows it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value as Json;

use crate::program::{Project, read_json};

const DAY: &str = "2026-01-01";

fn number(row: &Json, name: &str) -> f64 {
    row[name].as_f64().unwrap()
}

/// 10,000 customers, and the tables on how good the models are.
fn validated(flags: &[&str]) -> (Project, std::path::PathBuf) {
    let project = Project::empty();
    let demo = [&["demo", "shop", "--scale", "0.01", "--only", "sources", "-q"], flags].concat();
    project.goodwill(&demo).ended_with(0);
    let shop = project.folder().join("shop");
    let run = ["run", "-s", "clv_parameters clv_validation", "--as-of", DAY, "-q"];
    project.goodwill_in(&shop, &run).ended_with(0);
    (project, shop)
}

fn rows(project: &Project, folder: &std::path::Path, query: &str) -> Vec<Json> {
    let shown = project.goodwill_in(folder, &["show", query, "--output", "json", "--limit", "1000"]);
    shown.ended_with(0).json()["rows"].as_array().unwrap().clone()
}

/// Grade by measure and model over all customers, and the largest |bias| of money in a frequency bin.
fn graded(project: &Project, shop: &std::path::Path) -> (BTreeMap<(String, String), String>, f64) {
    let text = |row: &Json, name: &str| row[name].as_str().unwrap().to_owned();
    let all = "select measure, model, grade from clv_validation where bin_by = 'all'";
    let grades = rows(project, shop, all);
    let grades =
        grades.iter().map(|row| ((text(row, "measure"), text(row, "model")), text(row, "grade"))).collect();
    let bias = "select max(abs(bias)) as bias from clv_validation where bin_by = 'frequency' and measure = 'amount' \
        and model = 'mbgnbd'";
    (grades, number(&rows(project, shop, bias)[0], "bias"))
}

#[test]
fn a_world_that_breaks_the_assumptions_shows_it_in_the_validation() {
    let (project, shop) = validated(&[]);
    let (grades, bias) = graded(&project, &shop);
    for measure in ["orders", "amount"] {
        for model in ["bgnbd", "mbgnbd", "pareto_nbd"] {
            assert_eq!(grades[&(measure.to_owned(), model.to_owned())], "better", "{measure} {model}");
        }
    }
    assert!(bias < 0.2, "{bias}");
    // Contracts are sBG: its two planted parameters lie in their 95 % intervals.
    let planted = read_json(&shop.join("demo/truth/world.json"));
    let sbg = rows(&project, &shop, "select a, a_se, b, b_se from clv_parameters where model = 'sbg'");
    for name in ["a", "b"] {
        let (found, error) = (number(&sbg[0], name), number(&sbg[0], &format!("{name}_se")));
        let planted = number(&planted["contracts"], name);
        assert!(
            (found / planted).ln().abs() < 1.96 * error / found,
            "{name}: {found} ± {error}, not {planted}"
        );
    }
    // Amounts that fall where orders are frequent are no longer independent of them, and who left comes back.
    let (odd, shop) = validated(&["--misspecified"]);
    let (grades, bias) = graded(&odd, &shop);
    assert_ne!(grades[&("amount".to_owned(), "mbgnbd".to_owned())], "better");
    assert!(bias > 0.3, "{bias}");
}

const PIPELINE: &str = "\
version: 1
name: recovery
description: What was planted, fitted.
time_zone: UTC
sources:
  location: ./demo/sources
  tables:
    orders: {path: orders/}
    order_lines: {path: order_lines/}
models: [recovery]
targets:
  dev: {root: ./recovered}
default_target: dev
publish: [recovered]
";

const CONTRACT: &str = "\
models:
  - name: recovered
    description: One fit of BG/NBD.
    config: {materialized: table}
    grain: [status]
    columns:
      - {name: status, data_type: varchar, description: How it went.}
";

/// The planted process is each customer's own orders, at their instants. Campaigns bring orders beside it, which name them
/// in their lines; and a day with two orders is two orders of it.
const SQL: &str = "\
with named as (
    select order_id
    from sources.order_lines
    where campaign_id is not null
    group by order_id
),

own as (
    select o.customer_id, cast(cast(o.ordered_at as bigint) as double) / 86400e6 as day
    from sources.orders as o
    left join named as n on o.order_id = n.order_id
    where n.order_id is null
    group by o.order_id, o.customer_id, o.ordered_at
),

histories as (
    select
        count(*) - 1 as frequency,
        max(day) - min(day) as recency,
        cast(cast($as_of as bigint) as double) / 86400e6 - min(day) as age
    from own
    group by customer_id
),

fits as (select bgnbd_fit(frequency, recency, age, 'day') as fit from histories)

select
    fit['status'] as status, fit['r'] as r, fit['r_se'] as r_se, fit['alpha'] as alpha, fit['alpha_se'] as alpha_se,
    fit['a'] as a, fit['a_se'] as a_se, fit['b'] as b, fit['b_se'] as b_se
from fits
";

/// Of 20 intervals 19 are expected to hold what was planted; fewer than 16 has a chance of 1 in 400.
#[test]
fn what_was_planted_lies_in_the_intervals_of_customers_own_orders() {
    let mut held = 0;
    for seed in ["1", "2", "3", "4", "5"] {
        let project = Project::empty();
        let demo = ["demo", "shop", "--scale", "0.002", "--only", "sources", "--seed", seed, "-q"];
        project.goodwill(&demo).ended_with(0);
        let shop = project.folder().join("shop");
        let names = ["r", "r_se", "alpha", "alpha_se", "a", "a_se", "b", "b_se"];
        let column =
            |name: &&str| format!("      - {{name: {name}, data_type: double, description: Of the fit.}}\n");
        fs::create_dir_all(shop.join("sql/recovery")).unwrap();
        fs::write(shop.join("sql/recovery/recovered.sql"), SQL).unwrap();
        let columns = names.iter().map(column).collect::<String>();
        fs::write(shop.join("sql/recovery/recovered.yml"), CONTRACT.to_owned() + &columns).unwrap();
        fs::write(shop.join("pipelines/recovery.yml"), PIPELINE).unwrap();
        project.goodwill_in(&shop, &["run", "-p", "recovery", "--as-of", DAY, "-q"]).ended_with(0);
        let query = ["show", "-p", "recovery", "select * from recovered", "--output", "json"];
        let found = project.goodwill_in(&shop, &query).ended_with(0).json()["rows"][0].clone();
        assert_eq!(found["status"], "ok");
        let planted = read_json(&shop.join("demo/truth/world.json"))["purchases"].clone();
        let (rate, dropout) = (&planted["rate"], &planted["dropout"]);
        let planted = [
            ("r", number(rate, "shape")),
            ("alpha", number(rate, "alpha_days")),
            ("a", number(dropout, "a")),
            ("b", number(dropout, "b")),
        ];
        for (name, planted) in planted {
            let (found, error) = (number(&found, name), number(&found, &format!("{name}_se")));
            held += i32::from((found / planted).ln().abs() < 1.96 * error / found);
        }
    }
    assert!(held >= 16, "{held} of 20");
}
