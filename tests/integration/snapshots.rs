//! Tables that keep a snapshot for each day, and the days that are filled in afterwards.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::program::{
    Project, Running, assert_at_rest, commit, delta_versions, files, hashes, tables, versions,
};
use crate::shop::{Shop, order, order_columns, with};

const SPEND: &str = "select $as_of_day as as_of, customer_id, cast(sum(amount) as decimal(18, 2)) as spent
from sources.orders
group by customer_id
";

const MODELS: &str = "models:
  - name: spend
    description: What each customer has spent.
    config: {materialized: snapshot}
    grain: [as_of, customer_id]
    columns:
      - {name: as_of, data_type: date, description: The day looked from.}
      - {name: customer_id, data_type: bigint, description: The customer.}
      - {name: spent, data_type: \"decimal(18, 2)\", description: The amount of all orders., data_tests: [{range: {min: 0}}, unique]}
  - name: history
    description: What all customers had spent, day by day.
    grain: [as_of]
    columns:
      - {name: as_of, data_type: date, description: The day looked from.}
      - {name: spent, data_type: \"decimal(18, 2)\", description: The amount of all orders.}
  - name: today
    description: What each customer has spent by now.
    grain: [customer_id]
    columns:
      - {name: customer_id, data_type: bigint, description: The customer.}
      - {name: spent, data_type: \"decimal(18, 2)\", description: The amount of all orders.}
";

/// Orders of 10, 20 and 40 in the first three months of 2024, and the tables made of them.
fn shop() -> Shop {
    let placed = |id: i64, day: &str, amount: &str| {
        with(&order(id), &json!({"ordered_at": format!("{day}T12:00:00Z"), "amount": amount}))
    };
    let orders = [
        placed(1, "2024-01-10", "10.00"),
        placed(2, "2024-02-10", "20.00"),
        placed(3, "2024-03-10", "40.00"),
    ];
    let shop = Shop::with(&orders, &[json!({"order_id": 1, "line_no": 1, "amount": "10.00"})]);
    shop.file("sql/m/spend.yml", MODELS);
    shop.file("sql/m/spend.sql", SPEND);
    shop.file(
        "sql/m/history.sql",
        "select as_of, cast(sum(spent) as decimal(18, 2)) as spent from spend group by as_of\n",
    );
    shop.file("sql/m/today.sql", "select customer_id, spent from spend_latest\n");
    shop
}

const SPENT: &str =
    "select concat(cast(as_of as varchar), ' ', cast(spent as varchar)) as line from spend order by as_of";
const HISTORY: &str =
    "select concat(cast(as_of as varchar), ' ', cast(spent as varchar)) as line from history order by as_of";
const TODAY: &str = "select cast(spent as varchar) as line from today";

fn run(shop: &Shop, day: &str) {
    shop.run(&["--as-of", day]).ended_with(0);
}

fn table(root: &Path, version: u64, name: &str) -> Json {
    tables(&commit(root, version)).find(|(found, _)| *found == name).unwrap().1.clone()
}

fn last(root: &Path) -> u64 {
    *versions(root).last().unwrap()
}

#[test]
fn each_day_has_a_snapshot_and_a_day_built_again_replaces_its_own() {
    let shop = shop();
    let root = shop.project().root();
    run(&shop, "2024-02-01");
    run(&shop, "2024-03-01");
    assert_eq!(shop.lines(SPENT), ["2024-02-01 10.00", "2024-03-01 30.00"]);
    assert_eq!(shop.lines(HISTORY), ["2024-02-01 10.00", "2024-03-01 30.00"], "a model reads the history");
    assert_eq!(shop.lines(TODAY), ["30.00"], "and the latest snapshot by its own name");
    assert_eq!(
        shop.lines("select cast(spent as varchar) as line from spend_latest"),
        ["30.00"],
        "as `show` does"
    );
    // The file of February is the one that was published in February, and both are in the Delta log.
    let (first, second) = (table(&root, 1, "spend"), table(&root, 2, "spend"));
    assert_eq!(second["parts"][0], first["parts"][0]);
    assert_eq!(delta_versions(&root, "spend").last(), Some(&files("spend", &second)));
    let views = fs::read_to_string(root.join("views/duckdb.sql")).unwrap();
    let latest = views.split("create or replace view ").find(|view| view.starts_with("spend_latest as"));
    let path = second["parts"][1]["files"][0]["path"].as_str().unwrap();
    assert!(latest.unwrap().contains(path) && latest.unwrap().matches(".parquet").count() == 1, "{views}");

    shop.run(&["--as-of", "2024-03-01", "--skip-exit-code"]).ended_with(99);
    shop.run(&["--as-of", "2024-03-01", "-f", "-s", "spend"]).ended_with(0);
    let third = table(&root, 3, "spend");
    assert_eq!(third["parts"][0], first["parts"][0], "the other day's snapshot is not touched");
    assert_ne!(third["parts"][1]["attempt"], second["parts"][1]["attempt"]);
    assert_eq!(hashes(&commit(&root, 3))["spend"], hashes(&commit(&root, 2))["spend"]);
    shop.project().goodwill(&["verify", "--all"]).ended_with(0);
    shop.project().goodwill(&["test", "--data"]).ended_with(0);
    assert_at_rest(&root);
}

#[test]
fn a_run_of_an_earlier_day_says_what_the_latest_is_of() {
    const STAYS: &str =
        "note: this run looked from 2024-03-01 (UTC), but `spend_latest` still is of 2024-04-01 (UTC)";
    let shop = shop();
    run(&shop, "2024-02-01");
    for (day, says) in [("2024-04-01", false), ("2024-03-01", true), ("2024-04-01", false)] {
        let told = shop.run(&["-f", "--as-of", day]).ended_with(0).stderr;
        assert_eq!(told.contains(STAYS), says, "{told}");
        assert_eq!(told.matches("_latest").count(), usize::from(says), "{told}");
        assert_eq!(told.matches("checking rules across tables").count(), 1, "{told}");
    }
    // A version tells of the rows that its run wrote, not of those of other days.
    let history = shop.project().goodwill(&["history", "--output", "json"]).ended_with(0).json();
    let rows = |commit: &Json| {
        let own = tables(commit).flat_map(|(_, table)| table["parts"].as_array().unwrap());
        let own = own.filter(|part| part["attempt"] == commit["attempt"]);
        own.map(|part| part["rows"].as_u64().unwrap()).sum::<u64>()
    };
    for version in history["versions"].as_array().unwrap() {
        let commit = commit(&shop.project().root(), version["version"].as_u64().unwrap());
        assert_eq!(version["rows"], rows(&commit), "{version}");
    }
    let told = shop.project().goodwill(&["history"]).ended_with(0).stdout;
    assert!(told.lines().nth(2).unwrap().ends_with(" all"), "{told}");
}

#[test]
fn an_instant_of_a_day_is_that_days_snapshot() {
    let shop = shop();
    run(&shop, "2024-02-01");
    shop.run(&["--as-of", "2024-02-01T18:00:00Z"]).ended_with(0);
    assert_eq!(shop.lines(SPENT), ["2024-02-01 10.00"]);
}

#[test]
fn what_came_late_is_in_the_days_that_are_filled_in_again() {
    let shop = shop();
    let root = shop.project().root();
    run(&shop, "2024-02-01");
    run(&shop, "2024-03-01");
    let late = with(&order(4), &json!({"ordered_at": "2024-01-20T12:00:00Z", "amount": "5.00"}));
    shop.rows("orders/late.parquet", &order_columns(), &[late]);
    run(&shop, "2024-03-01");
    assert_eq!(shop.lines(SPENT), ["2024-02-01 10.00", "2024-03-01 35.00"], "a run is of its day");
    let filled =
        shop.project().goodwill(&["backfill", "-s", "spend", "--from", "2024-02-01", "--to", "2024-02-02"]);
    assert!(filled.ended_with(0).stdout.contains("1 of 1 day published"));
    assert_eq!(shop.lines(SPENT), ["2024-02-01 15.00", "2024-03-01 35.00"]);
    let told = commit(&root, last(&root));
    assert_eq!(told["as_of"], "2024-03-01T00:00:00Z", "the version still looks from the last run's day");
    // Who reads the history is behind, who reads the latest snapshot is not.
    let plan = shop.project().goodwill(&["plan", "--as-of", "2024-03-01", "--output", "json"]).ended_with(0);
    let steps: Vec<Json> = plan.json()["steps"].as_array().unwrap().clone();
    let written: Vec<&Json> = steps.iter().map(|step| &step["model"]).collect();
    assert_eq!(written, [&json!("history")], "{steps:#?}");
    run(&shop, "2024-03-01");
    assert_eq!(shop.lines(HISTORY), ["2024-02-01 15.00", "2024-03-01 35.00"]);
}

#[test]
fn the_past_is_filled_in_and_nothing_else_changes() {
    let shop = shop();
    let root = shop.project().root();
    run(&shop, "2024-04-01");
    let before = commit(&root, 1);
    let months =
        ["backfill", "-s", "spend", "--from", "2024-01-01", "--to", "2024-04-01", "--every", "month"];
    let told = shop.project().goodwill(&months).ended_with(0).stdout;
    assert!(told.contains("3 of 3 days published, 0 up to date before"), "{told}");
    // January begins without orders: a snapshot without rows is one all the same.
    assert_eq!(shop.lines(SPENT), ["2024-02-01 10.00", "2024-03-01 30.00", "2024-04-01 70.00"]);
    let filled = commit(&root, 4);
    let days: Vec<Json> = filled["tables"]["spend"]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["slice"]["as_of"].clone())
        .collect();
    let expected = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"];
    assert_eq!(days, expected.map(|day| json!(format!("{day}T00:00:00Z"))));
    for (name, table) in tables(&before).filter(|(name, _)| *name != "spend") {
        assert_eq!(&filled["tables"][name], table, "{name} stays as it was");
    }
    assert_eq!(filled["tables"]["spend"]["parts"][3], before["tables"]["spend"]["parts"][0]);
    // Again: there is nothing to do.
    let told = shop.project().goodwill(&months).ended_with(0).stdout;
    assert!(told.contains("0 of 3 days published, 3 up to date before"), "{told}");
    assert_eq!(assert_at_rest(&root), 4);
    // A run that looks from a day in between reads the history up to there.
    run(&shop, "2024-03-01");
    assert_eq!(shop.lines(HISTORY), ["2024-02-01 10.00", "2024-03-01 30.00"]);
}

/// The `number`th order of `days`.
fn shuffled(mut days: Vec<&str>, mut number: usize) -> Vec<&str> {
    let mut order = Vec::new();
    while !days.is_empty() {
        order.push(days.remove(number % days.len()));
        number /= days.len() + 1;
    }
    order
}

#[test]
fn days_filled_in_in_any_order_give_the_same_tables() {
    let days = vec!["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"];
    let mut seen = std::collections::BTreeSet::new();
    let mut first = None;
    for number in 0..20 {
        let order = shuffled(days.clone(), number);
        assert!(seen.insert(order.clone()), "each order once: {order:?}");
        let shop = shop();
        let root = shop.project().root();
        for day in order {
            let next = format!("{}-02", &day[..7]);
            shop.project().goodwill(&["backfill", "-s", "spend", "--from", day, "--to", &next]).ended_with(0);
        }
        run(&shop, "2024-04-01");
        let found = hashes(&commit(&root, last(&root)));
        assert_eq!(found["spend"].len(), 4);
        assert_eq!(first.get_or_insert(found.clone()), &found);
    }
}

#[test]
fn a_backfill_that_was_killed_goes_on_where_it_ended() {
    let shop = shop();
    let root = shop.project().root();
    run(&shop, "2024-04-01");
    let months =
        ["backfill", "-s", "spend", "--from", "2023-01-01", "--to", "2024-04-01", "--every", "month"];
    let mut running = Running::start(shop.project().command(&months), None);
    running.reach("after_commit", 5);
    assert!(running.kill());
    let told = shop.project().goodwill(&months).ended_with(0).stdout;
    assert!(told.contains("10 of 15 days published, 5 up to date before"), "{told}");
    assert_eq!(assert_at_rest(&root), 16);
    assert_eq!(table(&root, 16, "spend")["parts"].as_array().unwrap().len(), 16);
    let fresh = self::shop();
    run(&fresh, "2024-04-01");
    fresh.project().goodwill(&months).ended_with(0);
    assert_eq!(hashes(&commit(&root, 16)), hashes(&commit(&fresh.project().root(), 16)));
}

#[test]
fn old_snapshots_go_but_for_the_first_of_each_month() {
    let shop = shop();
    shop.edit("sql/m/spend.yml", "materialized: snapshot", "materialized: snapshot, keep: {days: 35}");
    for day in ["2024-02-01", "2024-02-15", "2024-03-01", "2024-03-20", "2024-04-20"] {
        run(&shop, day);
    }
    // From 20 March to 20 April are 31 days; 15 February is older, 1 February begins a month.
    let expected = ["2024-02-01 10.00", "2024-03-01 30.00", "2024-03-20 70.00", "2024-04-20 70.00"];
    assert_eq!(shop.lines(SPENT), expected);
    let root = shop.project().root();
    assert_eq!(table(&root, 4, "spend")["parts"].as_array().unwrap().len(), 4, "an older version has it");
    assert_at_rest(&root);
    shop.project().goodwill(&["verify", "--all"]).ended_with(0);
}

#[test]
fn what_would_not_be_kept_is_told_and_not_built() {
    for versions in [&[][..], &["--one-version"]] {
        let shop = shop();
        shop.edit("sql/m/spend.yml", "materialized: snapshot", "materialized: snapshot, keep: {days: 35}");
        run(&shop, "2024-04-01");
        let root = shop.project().root();
        // Before 1 April are 31 days to 1 March, 32 to 29 February and 61 to 31 January; 1 January begins a month.
        let days =
            ["backfill", "-s", "spend", "--from", "2024-01-31", "--to", "2024-03-02", "--every", "month"];
        let asked = [&days[..], versions].concat();
        let told = shop.project().goodwill(&asked).ended_with(0).stdout;
        assert!(told.contains("1 of 2 days published, 0 up to date before, 1 not kept"), "{told}");
        assert!(
            told.contains(
                "spend keeps 35 days and the first of each month: without 1 day of these (2024-01-31)"
            ),
            "{told}"
        );
        let expected = ["2024-02-29 30.00", "2024-04-01 70.00"];
        assert_eq!(shop.lines(SPENT), expected);
        let published = last(&root);
        let again = [&asked[..], &["--output", "json"]].concat();
        let again = shop.project().goodwill(&again).ended_with(0).json();
        assert_eq!(again["not_kept"], json!([{"model": "spend", "keep_days": 35, "days": ["2024-01-31"]}]));
        assert_eq!(again["days"][1]["status"], "nothing_to_do");
        assert_eq!(last(&root), published, "nothing is computed twice");
        let all = ["backfill", "-s", "spend", "--from", "2024-01-30", "--to", "2024-02-01"];
        let refused = shop.project().goodwill(&[&all[..], versions].concat()).ended_with(2);
        assert!(refused.stderr.contains("none of these snapshots would be kept"), "{}", refused.stderr);
        // The newest day of the request counts too.
        let beyond =
            ["backfill", "-s", "spend", "--from", "2024-02-29", "--to", "2024-06-01", "--every", "month"];
        let told = shop.project().goodwill(&[&beyond[..], versions].concat()).ended_with(0).stdout;
        assert!(told.contains("without 2 days of these (2024-02-29, 2024-03-29)"), "{told}");
        assert_at_rest(&root);
        shop.project().goodwill(&["verify", "--all"]).ended_with(0);
        shop.project().goodwill(&["resume"]).ended_with(2);
    }
}

#[test]
fn rows_of_another_day_are_no_snapshot() {
    let shop = shop();
    shop.edit("sql/m/spend.sql", "$as_of_day as", "cast('2024-01-31' as date) as");
    let answer = shop.run(&["--as-of", "2024-02-01"]).ended_with(3);
    assert!(answer.stderr.contains("snapshot of the day looked from"), "{}", answer.stderr);
    assert_eq!(versions(&shop.project().root()), Vec::<u64>::new());
}

#[test]
fn a_history_gains_columns_and_begins_anew_when_it_cannot_be_read() {
    let shop = shop();
    run(&shop, "2024-02-01");
    shop.edit("sql/m/spend.sql", "as spent\n", "as spent, count(*) as orders\n");
    let column = "      - {name: orders, data_type: bigint, description: How many orders.}\n";
    shop.edit("sql/m/spend.yml", "  - name: history", &format!("{column}  - name: history"));
    run(&shop, "2024-03-01");
    let orders =
        "select concat(cast(as_of as varchar), ' ', coalesce(cast(orders as varchar), 'none')) as line
        from spend order by as_of";
    assert_eq!(shop.lines(orders), ["2024-02-01 none", "2024-03-01 2"]);
    shop.file(
        "sql/m/history.sql",
        "select as_of, cast(sum(orders) as decimal(18, 2)) as spent from spend group by as_of\n",
    );
    run(&shop, "2024-03-01");
    assert_eq!(
        shop.lines("select concat(cast(as_of as varchar), ' ', coalesce(cast(spent as varchar), 'none')) as line from history order by as_of"),
        ["2024-02-01 none", "2024-03-01 2.00"],
        "models read it too"
    );
    // Another type: refused, until its history begins anew.
    shop.edit("sql/m/spend.sql", "count(*) as orders", "cast(count(*) as varchar) as orders");
    shop.edit("sql/m/spend.yml", "orders, data_type: bigint", "orders, data_type: varchar");
    shop.file(
        "sql/m/history.sql",
        "select as_of, cast(count(*) as decimal(18, 2)) as spent from spend group by as_of\n",
    );
    let answer = shop.run(&["--as-of", "2024-03-01"]).ended_with(2);
    assert!(answer.stderr.contains("GW0310"), "{}", answer.stderr);
    shop.run(&["--as-of", "2024-03-01", "-f"]).ended_with(0);
    assert_eq!(shop.lines(SPENT), ["2024-03-01 30.00"]);
}

#[test]
fn a_bucket_keeps_the_snapshots_a_folder_does() {
    let fill = |project: &Project, sources: &[&str]| {
        let days =
            ["backfill", "-s", "rfm", "-s", "value_tiers", "--from", "2025-11-01", "--to", "2026-01-01"];
        project.goodwill(&[&days[..], &["--every", "month"], sources].concat()).ended_with(0);
        let root = project.root();
        let found = commit(&root, assert_at_rest(&root));
        assert_eq!(found["tables"]["rfm"]["parts"].as_array().unwrap().len(), 3);
        hashes(&found)
    };
    let folder = Project::demo();
    let sources = folder.sources().to_str().unwrap().to_owned();
    let expected = fill(&folder, &["--sources", &sources]);
    assert_eq!(fill(&Project::demo_in_a_bucket(), &[]), expected);
}

const MONTHS: [&str; 9] =
    ["backfill", "-s", "spend", "--from", "2023-10-01", "--to", "2024-04-01", "--every", "month"];

#[test]
fn all_days_are_one_version_if_that_is_asked_for() {
    let together = shop();
    run(&together, "2024-04-01");
    let one = [&MONTHS[..], &["--one-version"]].concat();
    let told = together.project().goodwill(&one).ended_with(0).stdout;
    assert!(told.contains("6 of 6 days published, 0 up to date before"), "{told}");
    let root = together.project().root();
    assert_eq!(assert_at_rest(&root), 2);
    assert_eq!(commit(&root, 2)["as_of"], "2024-04-01T00:00:00Z");
    let apart = shop();
    run(&apart, "2024-04-01");
    apart.project().goodwill(&MONTHS).ended_with(0);
    assert_eq!(last(&apart.project().root()), 7);
    assert_eq!(hashes(&commit(&root, 2)), hashes(&commit(&apart.project().root(), 7)));
    together.project().goodwill(&["verify", "--all"]).ended_with(0);
    let told = together.project().goodwill(&one).ended_with(0).stdout;
    assert!(told.contains("0 of 6 days published, 6 up to date before"), "{told}");
    assert_eq!(last(&root), 2);
}

#[test]
fn one_version_is_all_of_its_days_or_none() {
    let shop = shop();
    run(&shop, "2024-04-01");
    shop.edit(
        "sql/m/spend.sql",
        "sum(amount)",
        "sum(amount / case when $as_of_day = date '2024-02-01' then 0 else 1 end)",
    );
    let one = [&MONTHS[..], &["--one-version"]].concat();
    let failed = shop.project().goodwill(&one).ended_with(1);
    assert!(failed.stderr.contains("GW05"), "{}", failed.stderr);
    assert!(
        failed.stdout.contains("2024-02-01") && failed.stdout.contains("not published"),
        "{}",
        failed.stdout
    );
    let root = shop.project().root();
    assert_eq!(last(&root), 1);
    // Day by day, those before it are there.
    shop.project().goodwill(&MONTHS).ended_with(1);
    assert_eq!(last(&root), 5);
    assert_at_rest(&root);
}

#[test]
fn one_version_that_was_killed_goes_on_with_what_it_has_written() {
    let shop = shop();
    run(&shop, "2024-04-01");
    let one = [&MONTHS[..], &["--one-version"]].concat();
    let mut running = Running::start(shop.project().command(&one), None);
    running.reach("after_journal", 3);
    assert!(running.kill());
    let root = shop.project().root();
    assert_eq!(last(&root), 1);
    let refused = shop.project().goodwill(&["resume"]).ended_with(2);
    assert!(refused.stderr.contains("repeat the backfill"), "{}", refused.stderr);
    let again = shop.project().goodwill(&one).ended_with(0);
    assert!(again.stderr.contains("what it has written is used"), "{}", again.stderr);
    assert_eq!(assert_at_rest(&root), 2);
    let fresh = self::shop();
    run(&fresh, "2024-04-01");
    fresh.project().goodwill(&one).ended_with(0);
    assert_eq!(hashes(&commit(&root, 2)), hashes(&commit(&fresh.project().root(), 2)));
    shop.project().goodwill(&["verify", "--all"]).ended_with(0);
}

#[test]
fn days_that_read_earlier_ones_are_filled_in_one_after_another() {
    let growing = || {
        let shop = shop();
        shop.edit(
            "sql/m/spend.yml",
            "  - name: today",
            "  - name: grown
    description: What all customers had spent on each day up to this one.
    config: {materialized: snapshot}
    grain: [as_of]
    columns:
      - {name: as_of, data_type: date, description: The day looked from.}
      - {name: days, data_type: bigint, description: How many days with orders there were.}
  - name: today",
        );
        shop.file(
            "sql/m/grown.sql",
            "select $as_of_day as as_of, count(distinct as_of) as days from spend\n",
        );
        shop
    };
    let months =
        ["backfill", "-s", "spend grown", "--from", "2024-02-01", "--to", "2024-04-01", "--every", "month"];
    let days =
        "select concat(cast(as_of as varchar), ' ', cast(days as varchar)) as line from grown order by as_of";
    for more in [&[][..], &["--one-version"]] {
        let shop = growing();
        shop.project().goodwill(&[&months[..], more].concat()).ended_with(0);
        run(&shop, "2024-04-01");
        assert_eq!(shop.lines(days), ["2024-02-01 1", "2024-03-01 2", "2024-04-01 3"], "{more:?}");
        let told = shop.project().goodwill(&[&months[..], more].concat()).ended_with(0).stdout;
        assert!(told.contains("0 of 2 days published"), "{told}");
    }
}

#[test]
fn nights_that_were_missed_are_told_by_the_plan() {
    let shop = shop();
    for day in ["2024-03-01", "2024-03-02"] {
        run(&shop, day);
    }
    let plan = |day: &str| shop.project().goodwill(&["plan", "--as-of", day]).ended_with(0).stdout;
    assert!(!plan("2024-03-03").contains("missed"), "the next day follows");
    let told = plan("2024-03-06");
    let command = "goodwill backfill -s \"spend\" --from 2024-03-03 --to 2024-03-06";
    assert!(told.contains(command), "{told}");
    shop.project()
        .goodwill(&["backfill", "-s", "spend", "--from", "2024-03-03", "--to", "2024-03-06"])
        .ended_with(0);
    assert!(!plan("2024-03-06").contains("missed"));
}
