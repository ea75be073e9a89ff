//! `goodwill diff`: what moved between two published versions, against arithmetic by hand.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value as Json, json};

use crate::cleaning::{APPLY, gc};
use crate::program::{Answer, Project, commit, tables, versions};
use crate::shop::{Shop, order, order_columns, with};

/// Two tables of orders: the band each is in, and amounts by band, whole and by halves.
const CONTRACTS: &str = "models:
  - name: bands
    description: The band of each order.
    config: {movement: {column: band, latest: as_of}}
    grain: [as_of, order_id]
    columns:
      - {name: as_of, data_type: date, description: The day the run looks from.}
      - {name: order_id, data_type: bigint, description: The order.}
      - {name: band, data_type: varchar, description: How large it is.}
      - {name: order, data_type: \"decimal(18, 2)\", description: Its amount.}
      - {name: currency, data_type: varchar, pii: true, description: Somebody takes it for personal data.}
  - name: shares
    description: The amount of each order, whole and halved.
    config: {movement: {column: band, total: amount, per: [share]}}
    grain: [order_id, share]
    columns:
      - {name: order_id, data_type: bigint, description: The order.}
      - {name: share, data_type: varchar, description: Whole or half.}
      - {name: band, data_type: varchar, description: How large it is.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Its amount.}
";

const BAND: &str = "case when amount >= 50 then 'large' when amount >= 20 then 'middle' else 'small' end";

/// A shop with these orders: number and amount.
fn shop(orders: &[(i64, &str)]) -> Shop {
    let shop = Shop::sound();
    shop.file("sql/m/more.yml", CONTRACTS);
    let bands = format!(
        "select $as_of_day as as_of, order_id, {BAND} as band, amount as \"order\", currency\nfrom sources.orders\n"
    );
    shop.file("sql/m/bands.sql", &bands);
    let share = |name: &str, divisor: u8| {
        format!(
            "select order_id, '{name}' as share, {BAND} as band, cast(amount / {divisor} as decimal(18, 2)) as amount\nfrom sources.orders\n"
        )
    };
    shop.file("sql/m/shares.sql", &format!("{}union all\n{}", share("whole", 1), share("half", 2)));
    orders_of(&shop, orders);
    shop
}

fn orders_of(shop: &Shop, orders: &[(i64, &str)]) {
    let rows = orders.iter().map(|(number, amount)| with(&order(*number), &json!({"amount": amount})));
    shop.rows("orders/a.parquet", &order_columns(), &rows.collect::<Vec<_>>());
}

const BEFORE: [(i64, &str); 5] = [(1, "10.00"), (2, "10.00"), (3, "30.00"), (4, "30.00"), (5, "60.00")];
/// Order 1 is worth 15.50 more, order 5 is gone, order 6 is new.
const AFTER: [(i64, &str); 5] = [(1, "25.50"), (2, "10.00"), (3, "30.00"), (4, "30.00"), (6, "60.00")];

/// The shop with two versions, between which these orders became those.
fn with_two_versions() -> Shop {
    let shop = shop(&BEFORE);
    shop.published(&[]);
    orders_of(&shop, &AFTER);
    shop.published(&[]);
    shop
}

/// `goodwill diff …`, as a document.
fn diff(project: &Project, arguments: &[&str]) -> Json {
    let arguments: Vec<&str> =
        ["diff"].iter().chain(arguments).chain(&["--output", "json"]).copied().collect();
    project.goodwill(&arguments).ended_with(0).json()
}

#[track_caller]
fn table<'a>(diff: &'a Json, name: &str) -> &'a Json {
    let tables = diff["tables"].as_array().unwrap();
    tables.iter().find(|table| table["table"] == name).unwrap_or_else(|| panic!("no {name} in {diff:#}"))
}

fn at(value: &str) -> Json {
    json!({"is_there": true, "value": value})
}

fn absent() -> Json {
    json!({"is_there": false, "value": null})
}

#[test]
fn keys_and_columns_are_counted_and_orders_move_between_bands() {
    let shop = with_two_versions();
    let told = diff(shop.project(), &[]);
    assert_eq!((&told["before"]["version"], &told["after"]["version"]), (&json!(1), &json!(2)));
    let bands = table(&told, "bands");
    // 6 came, 5 left; of 1, 2, 3, 4 only the first changed: its amount, and its band.
    let expected = json!({
        "key": ["as_of", "order_id"], "added": 1, "removed": 1, "kept": 4, "changed": 1,
        "columns_changed": [{"column": "band", "keys": 1}, {"column": "order", "keys": 1}]
    });
    assert_eq!(bands["keys"], expected);
    assert_eq!((&bands["rows_before"], &bands["rows_after"]), (&json!(5), &json!(5)));
    let movement = &bands["movement"];
    let counts = ["stayed", "moved", "came", "left"].map(|key| movement[key].clone());
    assert_eq!(counts, [3, 1, 1, 1].map(Json::from));
    let mut flows: Vec<String> = movement["flows"].as_array().unwrap().iter().map(Json::to_string).collect();
    flows.sort();
    let flow = |before: Json, after: Json| json!({"per": [], "before": before, "after": after, "keys": 1});
    let mut expected =
        [flow(at("small"), at("middle")), flow(absent(), at("large")), flow(at("large"), absent())]
            .map(|flow| flow.to_string());
    expected.sort();
    assert_eq!(flows, expected);
}

#[test]
fn totals_move_between_bands_in_exact_digits_and_never_across_shares() {
    let shop = with_two_versions();
    let told = diff(shop.project(), &["1", "2", "-s", "shares"]);
    assert_eq!(told["tables"].as_array().unwrap().len(), 1, "only what was selected");
    let shares = table(&told, "shares");
    // Orders 5 and 6 and the whole and the half of order 1.
    assert_eq!(
        ["added", "removed", "kept", "changed"].map(|key| shares["keys"][key].clone()),
        [2, 2, 8, 2].map(Json::from)
    );
    let totals: Vec<Json> = shares["movement"]["totals"].as_array().unwrap().clone();
    let total = |share: &str, band: &str, before: &str, after: &str, moved: &str| json!({"per": [share], "value": band, "before": before, "after": after, "moved": moved});
    let expected = [
        // 30 + 30, then 25.50 + 30 + 30; 10 + 10, then 10; halves of all; 60 stays 60.
        total("whole", "middle", "60.00", "85.50", "25.50"),
        total("whole", "small", "20.00", "10.00", "-10.00"),
        total("whole", "large", "60.00", "60.00", "0.00"),
        total("half", "middle", "30.00", "42.75", "12.75"),
        total("half", "small", "10.00", "5.00", "-5.00"),
        total("half", "large", "30.00", "30.00", "0.00"),
    ];
    assert_eq!(totals, expected);
}

#[test]
fn people_read_tables_and_personal_data_is_counted_only() {
    let shop = with_two_versions();
    let told = shop.project().goodwill(&["diff"]).ended_with(0).stdout;
    assert!(
        told.starts_with("from version 1, as of 2024-04-01 (UTC)\nto version 2, as of 2024-04-01 (UTC)\n"),
        "{told}"
    );
    assert!(told.contains("band 1 and order 1"), "{told}");
    assert!(told.contains("bands: 1 of 4 order_id moved between values of band, 1 came, 1 left\n"), "{told}");
    assert!(told.contains("shares: amount by band\n"), "{told}");
    assert!(told.contains(" whole │ middle │  60.00 │ 85.50 │ +25.50\n"), "{told}");

    let rows: Vec<Json> =
        AFTER.iter().map(|(number, amount)| with(&order(*number), &json!({"amount": amount}))).collect();
    shop.edit("sql/m/bands.sql", "currency\n", "concat(currency, '-canary') as currency\n");
    shop.rows("orders/a.parquet", &order_columns(), &rows);
    shop.published(&[]);
    for form in ["text", "json"] {
        let told = shop.project().goodwill(&["diff", "--output", form]).ended_with(0);
        assert!(!told.stdout.contains("canary") && !told.stdout.contains("EUR"), "{}", told.stdout);
    }
    let told = diff(shop.project(), &[]);
    assert_eq!(table(&told, "bands")["keys"]["columns_changed"], json!([{"column": "currency", "keys": 5}]));
}

#[test]
fn a_day_that_moved_in_all_rows_tells_none_apart() {
    let shop = shop(&BEFORE);
    shop.published(&[]);
    shop.published(&["--as-of", "2024-05-01"]);
    let told = diff(shop.project(), &[]);
    let bands = table(&told, "bands");
    let expected = json!([{"column": "as_of", "before": "2024-04-01", "after": "2024-05-01"}]);
    assert_eq!(bands["days_moved"], expected);
    let expected = json!({"key": ["order_id"], "added": 0, "removed": 0, "kept": 5, "changed": 0, "columns_changed": []});
    assert_eq!(bands["keys"], expected);
    assert_eq!(bands["movement"]["stayed"], 5);
    assert_eq!(
        (&bands["movement"]["day_before"], &bands["movement"]["day_after"]),
        (&json!("2024-04-01"), &json!("2024-05-01"))
    );
    let told = shop.project().goodwill(&["diff"]).ended_with(0).stdout;
    assert!(
        told.contains("as_of moved from 2024-04-01 to 2024-05-01; keys are compared without it in bands"),
        "{told}"
    );
}

#[test]
fn a_table_of_the_same_bytes_is_not_read() {
    let shop = shop(&BEFORE);
    shop.published(&[]);
    shop.published(&["-f"]);
    fs::remove_dir_all(shop.project().root().join("tables")).unwrap();
    let told = diff(shop.project(), &[]);
    let statuses: Vec<&Json> =
        told["tables"].as_array().unwrap().iter().map(|table| &table["status"]).collect();
    assert!(statuses.iter().all(|status| **status == "unchanged"), "{told:#}");
    assert!(statuses.len() >= 3);
}

#[test]
fn versions_are_named_by_number_or_run_and_in_either_order() {
    let shop = with_two_versions();
    let project = shop.project();
    let run = commit(&project.root(), 1)["run_id"].as_str().unwrap().to_owned();
    let forward = diff(project, &[&run]);
    assert_eq!(forward, diff(project, &["1", "2"]));
    let backward = diff(project, &["2", "1", "-s", "shares"]);
    assert_eq!(table(&backward, "shares")["movement"]["totals"][0]["moved"], "-25.50");
    let same = diff(project, &["2", "2"]);
    assert!(same["tables"].as_array().unwrap().iter().all(|table| table["status"] == "unchanged"));

    let refused = |arguments: &[&str], expected: &str| {
        let told = project.goodwill(arguments).ended_with(2).stderr;
        assert!(told.contains(expected), "{told}");
    };
    refused(&["diff", "7"], "error[GW0304]: no version or run `7` is published");
    refused(&["diff", "1", "2", "-s", "bnads"], "error[GW0215]");
    let first = self::shop(&BEFORE);
    first.published(&[]);
    let told = first.project().goodwill(&["diff"]).ended_with(2).stderr;
    assert!(
        told.contains("error[GW0304]: version 1 is the first: there is none to compare it with"),
        "{told}"
    );
}

#[test]
fn a_version_that_was_cleaned_up_is_refused_with_those_that_are_kept() {
    let shop = shop(&BEFORE);
    shop.published(&[]);
    for number in 1..=4 {
        orders_of(&shop, &[(1, &format!("1{number}.00"))]);
        shop.published(&[]);
    }
    gc(&shop.project().root(), 30, APPLY);
    let told = shop.project().goodwill(&["diff", "1"]).ended_with(2).stderr;
    assert!(told.contains("the files of version 1 were removed by a clean-up"), "{told}");
    assert!(told.contains("the oldest version whose files are kept is 3"), "{told}");
    let kept = diff(shop.project(), &["3"]);
    assert_eq!(table(&kept, "bands")["keys"]["changed"], 1, "12.00, then 14.00");
}

#[test]
fn a_contract_that_changed_is_told_and_the_common_columns_are_compared() {
    let shop = shop(&BEFORE);
    shop.published(&[]);
    shop.edit("sql/m/bands.sql", "currency\n", "amount * 2 as twice\n");
    shop.edit(
        "sql/m/more.yml",
        "{name: currency, data_type: varchar, pii: true, description: Somebody takes it for personal data.}",
        "{name: twice, data_type: \"decimal(38, 2)\", description: Twice.}",
    );
    shop.edit(
        "sql/m/more.yml",
        "{name: order, data_type: \"decimal(18, 2)\"",
        "{name: order, data_type: \"decimal(20, 2)\"",
    );
    orders_of(&shop, &AFTER);
    shop.published(&[]);
    let told = diff(shop.project(), &[]);
    let bands = table(&told, "bands");
    assert_eq!(
        (&bands["columns_added"], &bands["columns_removed"]),
        (&json!(["twice"]), &json!(["currency"]))
    );
    let retyped = json!([{"column": "order", "before": "decimal(18, 2)", "after": "decimal(20, 2)"}]);
    assert_eq!(bands["columns_retyped"], retyped);
    assert_eq!(bands["keys"]["columns_changed"], json!([{"column": "band", "keys": 1}]));

    shop.edit("sql/m/more.yml", "grain: [order_id, share]", "grain: [order_id, share, band]");
    orders_of(&shop, &BEFORE);
    shop.published(&[]);
    let told = diff(shop.project(), &["-s", "shares"]);
    let shares = table(&told, "shares");
    assert_eq!(shares["keys"], Json::Null);
    assert_eq!(shares["keys_not_compared"], "its grain changed, so only rows are counted");
    assert_eq!(shares["grain_changed"]["after"], json!(["order_id", "share", "band"]));
    assert_eq!(shares["movement"]["totals"][0]["moved"], "-25.50", "totals need no keys");
}

#[test]
fn a_root_is_enough() {
    let shop = with_two_versions();
    let root = shop.project().root();
    let elsewhere = Project::empty();
    let told = diff(&elsewhere, &["--root", root.to_str().unwrap()]);
    assert_eq!(table(&told, "bands")["movement"]["moved"], 1, "the commit knows what is told");
    let told =
        elsewhere.goodwill(&["diff", "--root", root.to_str().unwrap(), "-s", "bands"]).ended_with(2).stderr;
    assert!(told.contains("error[GW0112]"), "{told}");
}

#[test]
fn a_column_that_became_personal_is_not_told_of_older_versions_either() {
    let shop = shop(&BEFORE);
    shop.published(&[]);
    shop.edit("sql/m/more.yml", "    config: {movement: {column: band, latest: as_of}}\n", "");
    shop.edit(
        "sql/m/more.yml",
        "{name: band, data_type: varchar,",
        "{name: band, data_type: varchar, pii: true,",
    );
    orders_of(&shop, &AFTER);
    shop.published(&[]);
    // From elsewhere, where the commits say what is told: version 1 declares it, version 2 knows better.
    let root = shop.project().root();
    let told = diff(&Project::empty(), &["2", "1", "--root", root.to_str().unwrap()]);
    let bands = table(&told, "bands");
    assert_eq!(bands["movement"]["not_told"], "`band` is personal data");
    assert_eq!(bands["keys"]["columns_changed"][0], json!({"column": "band", "keys": 1}), "counts are told");
    assert!(bands["movement"].get("moves").is_none() && !bands.to_string().contains("middle"), "{bands}");
}

#[test]
fn a_bucket_is_compared_as_a_folder_is() {
    let project = Project::demo_in_a_bucket();
    project
        .run(&["-f", "-s", "dates", "-s", "value_tiers", "--vars", "value_measure=net_sales"])
        .ended_with(0);
    let told = diff(&project, &[]);
    assert_eq!(table(&told, "dates")["status"], "unchanged");
    assert!(table(&told, "value_tiers")["movement"]["moved"].as_u64().unwrap() > 0);
}

#[test]
fn a_movement_declared_later_is_told_of_what_is_published() {
    let shop = shop(&BEFORE);
    let declared = "    config: {movement: {column: band, latest: as_of}}\n";
    shop.edit("sql/m/more.yml", declared, "");
    shop.published(&[]);
    orders_of(&shop, &AFTER);
    shop.published(&[]);
    assert_eq!(table(&diff(shop.project(), &[]), "bands")["movement"], Json::Null);
    shop.edit(
        "sql/m/more.yml",
        "    description: The band of each order.\n",
        &format!("    description: The band of each order.\n{declared}"),
    );
    shop.run(&["--skip-exit-code"]).ended_with(99);
    assert_eq!(table(&diff(shop.project(), &[]), "bands")["movement"]["moved"], 1);
}

#[test]
fn keys_that_are_not_one_row_each_are_not_told() {
    let shop = shop(&BEFORE);
    shop.edit(
        "sql/m/more.yml",
        "{column: band, total: amount, per: [share]}",
        "{column: band, key: [order_id]}",
    );
    shop.published(&[]);
    orders_of(&shop, &AFTER);
    shop.published(&[]);
    let told = diff(shop.project(), &["-s", "shares"]);
    let why = "its rows are not one for each order_id: 6 stand in several";
    assert_eq!(table(&told, "shares")["movement"]["not_told"], why);
}

#[test]
fn a_run_tells_what_it_moved_and_a_quiet_one_does_not() {
    let shop = shop(&BEFORE);
    let first = shop.run(&[]).ended_with(0);
    assert!(!first.stderr.contains("since version"), "{}", first.stderr);
    orders_of(&shop, &[(1, "25.50"), (2, "10.00"), (3, "30.00"), (4, "30.00")]);
    let second = shop.run(&[]).ended_with(0);
    let lines: Vec<&str> =
        second.stderr.lines().skip_while(|line| !line.starts_with("since version")).take(3).collect();
    // One order fewer in sales and bands, two rows fewer in shares. Of 5 orders 1 moved and 1 left;
    // of 210 the large 90, the middle 38.25 and the small 15 moved.
    let built = lines.first().unwrap();
    assert!(built.starts_with("since version 1: 4 rows fewer in 3 tables"), "{}", second.stderr);
    let expected = [
        "shares, amount by band: share whole large -60.00, share whole middle +25.50, share whole small -10.00 and 3 more",
        "bands, band: 1 of 4 moved, 1 left: small → middle 1",
    ];
    assert_eq!(lines[1..], expected, "{}", second.stderr);
    assert!(second.stderr.lines().last().unwrap().starts_with("next: goodwill show "), "{}", second.stderr);

    orders_of(&shop, &BEFORE);
    let quiet = shop.run(&["-q"]).ended_with(0);
    assert_eq!(quiet.stderr, "");
    orders_of(&shop, &AFTER);
    let told = shop.run(&["--output", "json"]).ended_with(0).json();
    assert_eq!(told["moved"]["since"], 3);
    assert_eq!(told["moved"]["more_rows"], json!({"tables": 0, "rows": 0}));
    assert_eq!(told["moved"]["movements"].as_array().unwrap().len(), 2);
}

/// The files of the version before are gone: the run ends as it did, and says what it cannot tell.
#[test]
fn what_cannot_be_compared_does_not_change_how_a_run_ends() {
    let shop = shop(&BEFORE);
    shop.published(&[]);
    let root = shop.project().root();
    for table in ["bands", "shares"] {
        fs::remove_dir_all(root.join("tables").join(table).join("data")).unwrap();
    }
    orders_of(&shop, &AFTER);
    let told: Answer = shop.run(&[]).ended_with(0);
    assert!(told.stderr.contains("what this run moved is not told, all else stands: "), "{}", told.stderr);
    assert!(!told.stderr.contains("since version"), "{}", told.stderr);
    assert_eq!(versions(&root), [1, 2]);
}

#[test]
fn the_tiers_of_the_demo_move_as_its_tables_say() {
    let project = Project::demo();
    let tiers = || -> BTreeMap<i64, String> {
        let rows = project.show("select customer_id, tier from value_tiers");
        let row =
            |row: &Json| (row["customer_id"].as_i64().unwrap(), row["tier"].as_str().unwrap().to_owned());
        rows.iter().map(row).collect()
    };
    let before = tiers();
    project.run(&["--vars", "value_measure=net_sales", "-s", "value_tiers"]).ended_with(0);
    let after = tiers();
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (customer, tier) in &after {
        if let Some(old) = before.get(customer).filter(|old| *old != tier) {
            *expected.entry((old.clone(), tier.clone())).or_default() += 1;
        }
    }
    let told = diff(&project, &[]);
    let movement = &table(&told, "value_tiers")["movement"];
    let flows = movement["flows"].as_array().unwrap().iter().map(|flow| {
        let text = |side: &str| flow[side]["value"].as_str().unwrap_or("—").to_owned();
        ((text("before"), text("after")), flow["keys"].as_u64().unwrap())
    });
    let flows: BTreeMap<(String, String), u64> =
        flows.filter(|((before, after), _)| before != "—" && after != "—").collect();
    assert!(!expected.is_empty());
    assert_eq!(flows, expected);
    let unchanged =
        told["tables"].as_array().unwrap().iter().filter(|table| table["status"] == "unchanged").count();
    assert_eq!(unchanged, tables(&commit(&project.root(), 2)).count() - 1, "all but value_tiers");

    // All movements that are declared are told, from one day to another.
    project.run(&["--as-of", "2025-07-01"]).ended_with(0);
    let told = diff(&project, &[]);
    for name in
        ["customer_pnl", "value_tiers", "rfm", "segment_membership", "lifecycle", "attribution_credit"]
    {
        let movement = &table(&told, name)["movement"];
        assert!(movement.is_object() && movement.get("not_told").is_none(), "{name}: {movement:#}");
    }
    let members = &table(&told, "segment_membership")["movement"];
    let open = |key: &str| members[key].as_u64().unwrap();
    let now = project.show("select count(*) as n from segment_membership where valid_to is null");
    assert_eq!(open("stayed") + open("came"), now[0]["n"].as_u64().unwrap());
    assert_eq!(open("moved"), 0, "a customer comes into a segment or leaves it");
    project.goodwill(&["diff", "1"]).ended_with(0);
}

#[test]
fn what_is_staged_is_compared_with_what_is_published() {
    let shop = Shop::sound();
    let project = shop.project();
    shop.run(&[]).ended_with(0);
    let none = project.goodwill(&["diff", "--staged"]).ended_with(2);
    assert!(none.stderr.contains("nothing was staged since version 1"), "{}", none.stderr);
    assert!(none.stderr.contains("--no-publish"), "{}", none.stderr);
    let more = [order(2), order(3)];
    shop.rows("orders/b.parquet", &order_columns(), &more);
    shop.run(&["--no-publish"]).ended_with(0);
    let told =
        project.goodwill(&["diff", "--staged", "-s", "sales", "--output", "json"]).ended_with(0).json();
    assert_eq!((&told["before"]["version"], &told["after"]["staged"]), (&json!(1), &json!(true)));
    let sales = &told["tables"][0];
    assert_eq!(
        (&sales["table"], &sales["rows_before"], &sales["rows_after"]),
        (&json!("sales"), &json!(1), &json!(3))
    );
    assert_eq!(sales["keys"]["added"], 2, "{sales:#}");
    let text = project.goodwill(&["diff", "--staged"]).ended_with(0).stdout;
    assert!(text.contains("to what run ") && text.contains(" has staged"), "{text}");
    assert_eq!(versions(&project.root()), [1]);
    // Published, it is the last version's own difference, and nothing is staged any more.
    shop.run(&[]).ended_with(0);
    project.goodwill(&["diff", "--staged"]).ended_with(2);
}
