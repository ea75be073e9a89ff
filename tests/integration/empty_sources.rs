//! Sources without files, without rows, or without a row to be seen: compulsory, optional, and optional
//! but required by a model. `docs/sources.md` has the table these nine tests follow.

use serde_json::{Value as Json, json};

use crate::program::{commit, file_entries, tables};
use crate::shop::{Shop, cost_columns, line_columns, order, with};

/// The statuses of cost data in the published table, and the tables that were published.
fn outcome(shop: &Shop) -> (Vec<String>, Vec<String>) {
    let published: Vec<String> = shop.published(&[]).into_keys().collect();
    (shop.lines("select cost_status from sales"), published)
}

const WITH_COSTS: [&str; 4] = ["cost_list", "rejected_rows", "sales", "source_quality"];
const WITHOUT_COSTS: [&str; 3] = ["rejected_rows", "sales", "source_quality"];

/// What the report says of costs as a whole.
fn costs(shop: &Shop) -> Vec<String> {
    shop.lines("select status from source_quality where source = 'costs' and check_name = 'accepted'")
}

/// A published table has a file with its columns, however few rows it has.
fn has_an_empty_file(shop: &Shop, table: &str) {
    let published = commit(&shop.project().root(), 1);
    let (_, entry) = tables(&published).find(|(name, _)| *name == table).unwrap();
    let rows: Vec<&Json> = file_entries(entry).map(|file| &file["rows"]).collect();
    assert_eq!(rows, [&json!(0)], "{table}");
    assert_eq!(shop.lines(&format!("select count(*) as n from {table}")), ["0"]);
}

#[test]
fn a_compulsory_source_without_files_stops_the_run() {
    let shop = Shop::sound();
    shop.remove("orders");
    shop.refused(4, &["error[GW0401]: source `orders` has no Parquet files"]);
}

#[test]
fn a_compulsory_source_without_rows_stops_the_run() {
    let shop = Shop::with(&[], &[]);
    shop.rows("lines/a.parquet", &line_columns(), &[json!({"order_id": 1, "line_no": 1, "amount": "1.00"})]);
    shop.refused(4, &["error[GW0401]: source `orders` has no rows"]);
}

#[test]
fn a_compulsory_source_whose_rows_are_all_later_gives_an_empty_table() {
    let later = with(&order(1), &json!({"ordered_at": "2024-04-01T00:00:00Z"}));
    let shop = Shop::with(&[later], &[json!({"order_id": 1, "line_no": 1, "amount": "1.00"})]);
    shop.published(&[]);
    has_an_empty_file(&shop, "sales");
    let status =
        shop.lines("select status from source_quality where source = 'orders' and check_name = 'accepted'");
    assert_eq!(status, ["empty"]);
}

#[test]
fn a_compulsory_source_whose_rows_are_all_rejected_stops_the_run_as_max_rejected_says() {
    let shop = Shop::with(&[with(&order(1), &json!({"currency": "USD"}))], &[]);
    shop.rows("lines/a.parquet", &line_columns(), &[json!({"order_id": 1, "line_no": 1, "amount": "1.00"})]);
    shop.edit(
        "sql/m/sources.yml",
        "totals: [amount]\n    max_rejected: 1",
        "totals: [amount]\n    max_rejected: 0.99",
    );
    shop.refused(3, &["error[GW0512]: 1 of 1 row of source `orders` breaks its contract"]);
}

#[test]
fn an_optional_source_without_files_is_an_empty_table_and_models_can_tell() {
    let shop = Shop::sound();
    shop.edit("sql/m/sources.yml", "    config: {requires: [sources.costs]}\n", "");
    assert_eq!(outcome(&shop), (vec!["no_cost_data".to_owned()], WITH_COSTS.map(str::to_owned).to_vec()));
    has_an_empty_file(&shop, "cost_list");
    assert_eq!(costs(&shop), ["absent"]);
}

#[test]
fn an_optional_source_without_rows_is_an_empty_table() {
    let shop = Shop::sound();
    shop.edit("sql/m/sources.yml", "    config: {requires: [sources.costs]}\n", "");
    shop.rows("costs/a.parquet", &cost_columns(), &[]);
    assert_eq!(outcome(&shop), (vec!["undated".to_owned()], WITH_COSTS.map(str::to_owned).to_vec()));
    has_an_empty_file(&shop, "cost_list");
    assert_eq!(costs(&shop), ["empty"]);
}

#[test]
fn an_optional_source_whose_rows_are_all_rejected_stops_the_run_as_max_rejected_says() {
    let shop = Shop::sound();
    shop.rows("costs/a.parquet", &cost_columns(), &[json!({"cost_id": null, "amount": "1.00"})]);
    shop.refused(3, &["error[GW0512]: 1 of 1 row of source `costs` breaks its contract"]);
}

#[test]
fn a_model_that_requires_a_source_without_files_is_left_out_and_the_plan_says_so() {
    let shop = Shop::sound();
    let plan = shop.project().goodwill(&["plan"]).ended_with(0).stdout;
    assert!(plan.contains("cost_list                needs sources.costs, which is absent"), "{plan}");
    assert!(plan.contains("optional sources that are absent, read as empty tables: costs"), "{plan}");
    let document = shop.project().goodwill(&["plan", "--output", "json"]).ended_with(0).json();
    assert_eq!(document["left_out"], json!([{"model": "cost_list", "sources": ["costs"]}]));
    assert_eq!(outcome(&shop), (vec!["no_cost_data".to_owned()], WITHOUT_COSTS.map(str::to_owned).to_vec()));
}

#[test]
fn a_model_that_requires_a_source_without_rows_is_computed() {
    let shop = Shop::sound();
    shop.rows("costs/a.parquet", &cost_columns(), &[]);
    assert_eq!(outcome(&shop).1, WITH_COSTS);
    has_an_empty_file(&shop, "cost_list");
}

#[test]
fn a_model_that_requires_a_source_whose_rows_are_all_left_out_is_computed() {
    let shop = Shop::sound();
    shop.rows("costs/a.parquet", &cost_columns(), &[json!({"cost_id": null, "amount": "1.00"})]);
    shop.edit("pipelines/shop.yml", "{path: costs/}", "{path: costs/, max_rejected: 1}");
    assert_eq!(outcome(&shop).1, WITH_COSTS);
    has_an_empty_file(&shop, "cost_list");
    assert_eq!(costs(&shop), ["rejected"]);
}

#[test]
fn a_source_that_comes_later_is_taken_in_by_the_next_run() {
    let shop = Shop::sound();
    shop.published(&[]);
    shop.rows("costs/a.parquet", &cost_columns(), &[json!({"cost_id": 5, "amount": "1.00"})]);
    assert_eq!(shop.published(&[]).into_keys().collect::<Vec<_>>(), WITH_COSTS);
    assert_eq!(shop.lines("select cost_status from sales"), ["undated"]);
    assert_eq!(shop.lines("select cost_id from cost_list"), ["5"]);
}

#[test]
fn a_schema_lock_needs_no_absent_source_and_check_touches_no_data() {
    let shop = Shop::sound();
    shop.project().goodwill(&["schema", "sync"]).ended_with(0);
    let lock = std::fs::read_to_string(shop.project().folder().join("schema.lock")).unwrap();
    assert!(lock.contains("\"orders\"") && !lock.contains("\"costs\""), "{lock}");
    for source in ["customers", "orders", "lines"] {
        shop.remove(source);
    }
    shop.project().goodwill(&["check"]).ended_with(0);
}
