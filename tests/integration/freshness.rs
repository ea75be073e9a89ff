//! How old a source may be: told by `goodwill freshness`, and a gate that every run goes through.

use serde_json::json;

use crate::program::versions;
use crate::shop::{Shop, order, order_columns, with};

/// Orders that were loaded by 2024-03-30T22:00:00Z, seen from 2024-04-01T00:00:00Z: 26 hours.
fn shop(freshness: &str) -> Shop {
    let shop = Shop::sound();
    let newest = with(&order(2), &json!({"loaded_at": "2024-03-30T22:00:00Z"}));
    shop.rows("orders/a.parquet", &order_columns(), &[order(1), newest]);
    shop.edit("pipelines/shop.yml", "{path: orders/}", &format!("{{path: orders/, freshness: {freshness}}}"));
    shop
}

#[test]
fn a_source_that_is_recent_enough_is_fresh() {
    let answer = shop("{warn_after: 26h, error_after: 48h}").project().goodwill(&["freshness"]).ended_with(0);
    assert_eq!(answer.stderr, "");
    let row: Vec<&str> = answer.stdout.lines().nth(2).unwrap().split('│').map(str::trim).collect();
    assert_eq!(row, ["orders", "fresh", "2024-03-30T22:00:00Z", "1 d 2 h", "26h", "48h"]);
    assert!(answer.stdout.ends_with("seen from 2024-04-01 (UTC)\n"), "{}", answer.stdout);
}

#[test]
fn a_source_that_is_late_is_told_and_the_run_goes_on() {
    let shop = shop("{warn_after: 25h, error_after: 48h}");
    let message = "warning[GW0406]: source `orders` is late: its newest `loaded_at` is 2024-03-30T22:00:00Z, \
                   1 d 2 h old, more than `warn_after: 25h`";
    let answer = shop.project().goodwill(&["freshness", "--output", "json"]).ended_with(0);
    assert!(answer.stderr.contains(message), "{}", answer.stderr);
    let expected = json!([{
        "source": "orders", "column": "loaded_at", "newest": "2024-03-30T22:00:00Z", "age_seconds": 93_600,
        "warn_after": "25h", "error_after": "48h", "status": "late"
    }]);
    assert_eq!(answer.json()["sources"], expected);
    let answer = shop.run(&[]).ended_with(0);
    assert!(answer.stderr.contains(message), "{}", answer.stderr);
}

#[test]
fn a_source_that_is_too_late_stops_the_run_before_anything_is_computed() {
    let shop = shop("{error_after: 1d}");
    shop.project().goodwill(&["freshness"]).ended_with(4);
    shop.refused(4, &["error[GW0406]: source `orders` is late", "more than `error_after: 1d`"]);
}

#[test]
fn an_earlier_day_is_looked_from_as_of_that_day() {
    let shop = shop("{error_after: 1d}");
    // Seen from then, nobody knows of what was loaded at 22:00.
    let answer =
        shop.project().goodwill(&["freshness", "--as-of", "2024-03-02", "--output", "json"]).ended_with(0);
    let source = &answer.json()["sources"][0];
    assert_eq!((&source["newest"], &source["age_seconds"]), (&json!("2024-03-01T09:00:00Z"), &json!(54_000)));
}

#[test]
fn without_a_day_to_look_from_it_is_now() {
    let shop = shop("{error_after: 1d}");
    shop.edit("pipelines/shop.yml", "as_of: 2024-04-01\n", "");
    shop.run(&[]).ended_with(4);
    assert_eq!(versions(&shop.project().root()), Vec::<u64>::new());
}

#[test]
fn a_source_without_a_row_has_no_age_and_is_late() {
    let shop = shop("{error_after: 1d}");
    let later = with(&order(1), &json!({"loaded_at": "2024-04-01T00:00:00Z"}));
    shop.rows("orders/a.parquet", &order_columns(), &[later]);
    shop.refused(4, &["source `orders` is late: it has no row with a `loaded_at` yet"]);
}

#[test]
fn an_absent_source_is_not_late() {
    let shop = Shop::sound();
    shop.edit(
        "sql/m/sources.yml",
        "    undated: true\n",
        "    undated: true\n    event_time: paid_on\n    freshness: {error_after: 1d}\n",
    );
    shop.edit("sql/m/sources.yml", "      - {name: cost_id, data_type: bigint, description: The cost.}\n", "      - {name: cost_id, data_type: bigint, description: The cost.}\n      - {name: paid_on, data_type: date, description: When.}\n");
    let answer = shop.project().goodwill(&["freshness", "--output", "json"]).ended_with(0).json();
    assert_eq!(answer["sources"][0]["status"], "absent");
    shop.published(&[]);
    // A day is as old as its midnight: 2024-03-30 is 48 hours before 2024-04-01.
    let columns =
        [("cost_id", arrow::datatypes::DataType::Int64), ("paid_on", arrow::datatypes::DataType::Date32)];
    shop.rows("costs/a.parquet", &columns, &[json!({"cost_id": 1, "paid_on": "2024-03-30"})]);
    let answer = shop.project().goodwill(&["freshness", "--output", "json"]).ended_with(4).json();
    assert_eq!(answer["sources"][0]["age_seconds"], 172_800);
}
