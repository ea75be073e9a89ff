//! Contracts of sources: which rows are left out, what is told of them, and when that stops a run.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use serde_json::{Value as Json, json};

use crate::program::{Project, commit, demo, file_entries, read_json, tables, versions};
use crate::shop::{
    REJECTED, SALES_LINES, Shop, batch, customer_columns, line_columns, order, order_columns, with,
};

/// Orders of which each but the first breaks one rule.
fn broken_orders() -> Vec<Json> {
    let broken = [
        json!({"order_id": null}),
        json!({"order_id": 3, "customer_id": null}),
        json!({"order_id": 4, "customer_id": 9}),
        json!({"order_id": 5, "amount": "-1.00"}),
        json!({"order_id": 6, "shipped_on": "1969-12-31"}),
        json!({"order_id": 7, "shipped_on": "2262-01-01"}),
        json!({"order_id": 8, "currency": "USD"}),
        json!({"order_id": 9, "ordered_at": null}),
        json!({"order_id": 10, "ordered_at": "1900-01-01T00:00:00Z"}),
    ];
    std::iter::once(order(1)).chain(broken.iter().map(|values| with(&order(2), values))).collect()
}

fn line(order_id: i64, line_no: i64, amount: &str) -> Json {
    json!({"order_id": order_id, "line_no": line_no, "amount": amount})
}

#[test]
fn rows_that_break_a_rule_are_left_out_and_listed_by_key() {
    let shop = Shop::with(&broken_orders(), &[line(1, 1, "10.00")]);
    shop.published(&[]);
    assert_eq!(shop.lines(SALES_LINES), ["1 10.00"]);
    let expected = [
        "orders: order_id = 10: impossible_date ordered_at 1",
        "orders: order_id = 3: not_null customer_id 1",
        "orders: order_id = 4: orphan customer_id 1",
        "orders: order_id = 5: range amount 1",
        "orders: order_id = 6: impossible_date shipped_on 1",
        "orders: order_id = 7: impossible_date shipped_on 1",
        "orders: order_id = 8: other_currency currency 1",
        "orders: order_id = 9: not_null ordered_at 1",
        "orders: order_id = null: missing_key order_id 1",
    ];
    assert_eq!(shop.lines(REJECTED), expected);
}

#[test]
fn every_check_is_counted_and_the_source_as_a_whole() {
    let shop = Shop::with(&broken_orders(), &[line(1, 1, "10.00")]);
    shop.published(&[]);
    let quality = "select concat(check_name, ' ', cast(failed as varchar), ' of ', cast(rows as varchar), ' ', status) as line
        from source_quality where source = 'orders' order by check_name";
    let expected = [
        "accepted 9 of 10 rejected",
        "duplicate_key 0 of 10 ok",
        "impossible_date loaded_at 0 of 10 ok",
        "impossible_date ordered_at 1 of 10 rejected",
        "impossible_date shipped_on 2 of 10 rejected",
        "missing_key order_id 1 of 10 rejected",
        "not_finite weight 0 of 10 ok",
        "not_null customer_id 1 of 10 rejected",
        "not_null loaded_at 0 of 10 ok",
        "not_null ordered_at 1 of 10 rejected",
        "orphan customer_id 1 of 10 rejected",
        "other_currency currency 1 of 10 rejected",
        "range amount 1 of 10 rejected",
    ];
    assert_eq!(shop.lines(quality), expected);
}

#[test]
fn the_receipt_has_counts_and_sums_that_add_up() {
    let shop = Shop::with(&broken_orders(), &[line(1, 1, "10.00")]);
    let run = shop.run(&["--output", "json"]).ended_with(0).json();
    let path = format!("_goodwill/runs/{}/receipt.json", run["run_id"].as_str().unwrap());
    let receipt = read_json(&shop.project().root().join(path));
    let orders =
        receipt["sources"].as_array().unwrap().iter().find(|source| source["source"] == "orders").unwrap();
    assert_eq!((&orders["rows"], &orders["rejected"]), (&json!(10), &json!(9)));
    // Ten orders of 10.00, one of which is of -1.00 instead: 9 × 10.00 - 1.00; accepted is the first.
    let totals = json!([{"column": "amount", "raw": "89.00", "accepted": "10.00", "rejected": "79.00"}]);
    assert_eq!(orders["totals"], totals);
}

#[test]
fn a_number_that_is_none_is_rejected() {
    let rows = batch(&order_columns(), &[order(1), order(2), order(3)]);
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns[6] = Arc::new(Float64Array::from(vec![1.0, f64::NAN, f64::INFINITY]));
    let shop = Shop::sound();
    shop.batch("orders/a.parquet", &RecordBatch::try_new(rows.schema(), columns).unwrap());
    shop.published(&[]);
    let expected = ["orders: order_id = 2: not_finite weight 1", "orders: order_id = 3: not_finite weight 1"];
    assert_eq!(shop.lines(REJECTED), expected);
}

#[test]
fn too_many_rejected_rows_publish_nothing_and_keep_their_list() {
    let shop = Shop::with(&broken_orders(), &[line(1, 1, "10.00")]);
    shop.edit(
        "sql/m/sources.yml",
        "totals: [amount]\n    max_rejected: 1",
        "totals: [amount]\n    max_rejected: 0.5",
    );
    let expected = [
        "error[GW0512]: 9 of 10 rows of source `orders` break its contract, more than `max_rejected: 0.5`",
        "= help: impossible_date shipped_on: 2 rows",
        "= help: missing_key order_id: 1 row",
    ];
    shop.refused(3, &expected);
    assert!(shop.project().root().join("tables/rejected_rows/data").is_dir(), "the list is staged");
    // What the pipeline says wins over the contract.
    shop.edit("pipelines/shop.yml", "{path: orders/}", "{path: orders/, max_rejected: 0.9}");
    shop.published(&[]);
}

#[test]
fn one_row_in_a_thousand_may_break_the_contract_unless_it_says_otherwise() {
    let shop = Shop::sound();
    shop.edit("sql/m/sources.yml", "totals: [amount]\n    max_rejected: 1\n", "totals: [amount]\n");
    let orders = |number: i64| -> Vec<Json> {
        let broken = with(&order(0), &json!({"currency": "USD"}));
        (1..number).map(order).chain([broken]).collect()
    };
    shop.rows("orders/a.parquet", &order_columns(), &orders(999));
    shop.refused(
        3,
        &["1 of 999 rows of source `orders` breaks its contract, more than `max_rejected: 0.001`"],
    );
    shop.rows("orders/a.parquet", &order_columns(), &orders(1_000));
    shop.published(&[]);
}

#[test]
fn of_rows_with_one_key_the_newest_is_kept_wherever_it_lies() {
    let old = order(1);
    let new = with(&old, &json!({"loaded_at": "2024-03-05T00:00:00Z", "amount": "12.00"}));
    let later = with(&old, &json!({"ordered_at": "2024-03-01T08:00:01Z", "amount": "11.00"}));
    for files in [[&old, &new, &later], [&new, &later, &old], [&later, &old, &new]] {
        let shop = Shop::sound();
        for (name, row) in ["a", "b", "c"].iter().zip(files) {
            shop.rows(&format!("orders/{name}.parquet"), &order_columns(), std::slice::from_ref(row));
        }
        shop.published(&[]);
        assert_eq!(shop.lines(SALES_LINES), ["1 12.00"]);
        assert_eq!(shop.lines(REJECTED), ["orders: order_id = 1: duplicate_key  2"]);
    }
}

#[test]
fn of_rows_nobody_can_tell_apart_in_time_values_decide() {
    let (less, more) = (order(1), with(&order(1), &json!({"amount": "10.01"})));
    for rows in [[less.clone(), more.clone()], [more, less]] {
        let shop = Shop::with(&rows, &[]);
        shop.rows("lines/a.parquet", &line_columns(), &[line(1, 1, "1.00"), line(1, 1, "1.00")]);
        shop.published(&[]);
        assert_eq!(shop.lines(SALES_LINES), ["1 10.00"]);
        let expected =
            ["lines: order_id = 1, line_no = 1: duplicate_key  1", "orders: order_id = 1: duplicate_key  1"];
        assert_eq!(shop.lines(REJECTED), expected);
    }
}

#[test]
fn a_row_that_breaks_a_rule_of_its_own_does_not_make_another_a_duplicate() {
    let broken = with(&order(1), &json!({"currency": "USD", "loaded_at": "2024-03-09T00:00:00Z"}));
    let shop = Shop::with(&[order(1), broken], &[line(1, 1, "1.00")]);
    shop.published(&[]);
    assert_eq!(shop.lines(REJECTED), ["orders: order_id = 1: other_currency currency 1"]);
}

#[test]
fn what_belongs_to_a_rejected_row_is_rejected_and_what_belongs_to_a_later_one_is_not_seen() {
    let rejected = with(&order(2), &json!({"currency": "USD"}));
    let later = with(&order(3), &json!({"ordered_at": "2024-04-01T00:00:00Z"}));
    let lines = [line(1, 1, "10.00"), line(2, 1, "2.00"), line(3, 1, "3.00"), line(4, 1, "4.00")];
    let shop = Shop::with(&[order(1), rejected, later], &lines);
    shop.published(&[]);
    let expected = [
        "lines: order_id = 2, line_no = 1: orphan order_id 1",
        "lines: order_id = 4, line_no = 1: orphan order_id 1",
        "orders: order_id = 2: other_currency currency 1",
    ];
    assert_eq!(shop.lines(REJECTED), expected);
    let rows =
        shop.lines("select rows from source_quality where source = 'lines' and check_name = 'accepted'");
    assert_eq!(rows, ["3"], "the line of the later order is not counted");
}

#[test]
fn a_personal_key_is_never_told() {
    let shop = Shop::sound();
    let customers = [
        json!({"customer_id": 1, "kind": "consumer"}),
        json!({"customer_id": 4711, "kind": "alien"}),
        json!({"customer_id": 4712, "kind": "alien"}),
    ];
    shop.rows("customers/a.parquet", &customer_columns(), &customers);
    shop.published(&[]);
    assert_eq!(shop.lines(REJECTED), ["customers: customer_id = (hidden): accepted_values kind 2"]);
    // What is published does not depend on what somebody wants to see in messages.
    shop.published(&["--full-refresh", "--show-values"]);
    assert_eq!(shop.lines(REJECTED), ["customers: customer_id = (hidden): accepted_values kind 2"]);
}

/// Orders of which every 97th breaks a rule, every 89th is there twice and every 83rd is an orphan.
fn many_orders() -> Vec<Json> {
    let values = |id: i64| match id {
        id if id % 97 == 0 => json!({"currency": "USD"}),
        id if id % 83 == 0 => json!({"customer_id": 77}),
        _ => json!({}),
    };
    let twice = (1..=30_000).filter(|id| id % 89 == 0);
    (1..=30_000).chain(twice).map(|id| with(&order(id), &values(id))).collect()
}

#[test]
fn rows_that_do_not_fit_in_memory_are_read_again_and_give_the_same_bytes() {
    let lines: Vec<Json> = (1..=30_000).map(|id| line(id, 1, "10.00")).collect();
    let shop = Shop::with(&many_orders(), &lines);
    let hashes = shop.published(&[]);
    for arguments in [["--memory-limit", "16MiB"], ["--threads", "1"], ["--threads", "5"]] {
        let again = shop.published(&[&["--full-refresh"], arguments.as_slice()].concat());
        assert_eq!(again, hashes, "{arguments:?}");
    }
    // Of 30,000 ids 309 are multiples of 97, 3 of them there twice; 358 others are multiples of 83 (361 less 3).
    let count = |rule: &str| {
        shop.lines(&format!(
            "select sum(rows) as n from rejected_rows where source = 'orders' and rule = '{rule}'"
        ))
    };
    assert_eq!(count("other_currency"), [(309 + 30_000 / (97 * 89)).to_string()]);
    assert_eq!(count("orphan"), ["358"]);
    // 337 multiples of 89, less the 3 that are multiples of 97 too, were twice there.
    assert_eq!(count("duplicate_key"), ["334"]);
}

#[test]
fn a_source_is_read_once_and_its_parent_again_only_where_rows_are_later() {
    let scans = |shop: &Shop| {
        let run = shop.run(&["--output", "json"]).ended_with(0).json();
        let path = format!("_goodwill/runs/{}/receipt.json", run["run_id"].as_str().unwrap());
        let mut scans = read_json(&shop.project().root().join(path))["scans"].clone();
        scans.as_object_mut().unwrap().retain(|name, _| name.starts_with("sources."));
        scans
    };
    let shop = Shop::sound();
    assert_eq!(scans(&shop), json!({"sources.customers": 1, "sources.lines": 1, "sources.orders": 1}));
    let later = with(&order(2), &json!({"ordered_at": "2024-04-01T00:00:00Z"}));
    let shop = Shop::with(&[order(1), later], &[line(1, 1, "10.00")]);
    assert_eq!(scans(&shop), json!({"sources.customers": 1, "sources.lines": 1, "sources.orders": 3}));
}

#[test]
fn a_unit_test_says_what_is_known_of_a_source() {
    let shop = Shop::sound();
    let test = |name: &str, vars: &str, status: &str| {
        format!(
            "  - name: {name}\n    model: sales\n{vars}    given:\n      - {{input: sources.orders, rows: [{{order_id: 1, amount: 1.00}}]}}\n    \
             expect:\n      rows: [{{order_id: 1, cost_status: {status}}}]\n"
        )
    };
    let tests = [
        test("absent", "    vars: {absent_costs: true}\n", "no_cost_data"),
        test("as_its_contract_says", "", "undated"),
        test("dated", "    vars: {undated_costs: false}\n", "ok"),
    ];
    shop.file("sql/m/tests.yml", &format!("unit_tests:\n{}", tests.concat()));
    let told = shop.project().goodwill(&["test", "--unit"]).ended_with(0).stdout;
    assert!(told.contains("3 unit tests passed, 0 failed"), "{told}");
    let answer = shop.run(&["--vars", "absent_costs=true"]).ended_with(2);
    assert!(answer.stderr.contains("has no variable `absent_costs`"), "{}", answer.stderr);
}

#[test]
fn what_is_told_of_the_sources_can_be_asked_of_a_draft_and_tested_where_it_lies() {
    let shop = Shop::with(&broken_orders(), &[line(1, 1, "10.00")]);
    let draft = shop
        .lines("select cast(sum(rows) as varchar) as n from sources.rejected_rows where source = 'orders'");
    assert_eq!(draft, ["9"]);
    shop.published(&[]);
    let told = shop.project().goodwill(&["test", "--data"]).ended_with(0).stdout;
    assert!(told.contains("passed, 0 failed"), "{told}");
}

#[test]
fn a_change_of_the_contract_alone_builds_what_reads_the_source_again() {
    let shop = Shop::sound();
    shop.published(&[]);
    shop.run(&["--skip-exit-code"]).ended_with(99);
    shop.edit("sql/m/sources.yml", "{range: {min: 0}}", "{range: {min: 11}}");
    shop.published(&[]);
    assert_eq!(shop.lines(SALES_LINES), [""; 0]);
    assert_eq!(versions(&shop.project().root()), [1, 2]);
}

#[test]
fn customers_orders_and_their_lines_are_enough_for_every_shipped_table() {
    let project = Project::unpublished_demo_with_sources();
    let sources = project.sources_folder();
    let kept = ["customers", "orders", "order_lines"];
    for entry in std::fs::read_dir(&sources).unwrap().map(Result::unwrap) {
        if !kept.iter().any(|name| entry.file_name() == *name) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    project.run(&[]).ended_with(0);
    let published = commit(&project.root(), 1);
    let truth = read_json(&demo().folder().join("demo/truth/world.json"));
    let demo = commit(&demo().folder().join("out"), 1);
    let names = |commit: &Json| tables(commit).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&published), names(&demo));
    let sold = file_entries(&published["tables"]["sales_lines"]).map(|file| file["rows"].as_i64().unwrap());
    // Without order_status nothing is known of cancellations: all lines that are not broken.
    let broken = truth["broken_rows"].as_array().unwrap().iter().filter(|it| it["source"] == "order_lines");
    let broken = broken.map(|it| it["rows"].as_i64().unwrap()).sum::<i64>();
    let sound = truth["rows"]["order_lines"].as_i64().unwrap() - broken;
    assert_eq!(sold.sum::<i64>(), sound, "every line is sold, with a catalogue or without");
}

#[test]
fn a_project_without_contracts_has_no_table_of_them() {
    let shop = Shop::sound();
    let text = std::fs::read_to_string(shop.project().folder().join("sql/m/sources.yml")).unwrap();
    let (_, models) = text.split_once("models:\n  - name: sales").unwrap();
    let models = models.split("  - name: cost_list").next().unwrap();
    shop.file("sql/m/sources.yml", &format!("models:\n  - name: sales{models}"));
    std::fs::remove_file(shop.project().folder().join("sql/m/cost_list.sql")).unwrap();
    shop.file(
        "sql/m/sales.sql",
        "select order_id, amount, cast(1 as bigint) as lines, 'none' as cost_status from sources.orders\n",
    );
    let tables: Vec<String> = shop.published(&[]).into_keys().collect();
    assert_eq!(tables, ["sales"]);
}
