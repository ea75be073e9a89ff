//! Tables that are computed interval by interval: what is built again, and that it is what a run from the
//! beginning gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::program::{Running, assert_at_rest, commit, versions};
use crate::publishing::number_from;
use crate::shop::{Shop, line_columns, order, order_columns, with};

const FACTS: &str = "select o.order_id, o.ordered_at, o.amount, count(l.line_no) as lines
from sources.orders as o
left join sources.lines as l on o.order_id = l.order_id
group by o.order_id, o.ordered_at, o.amount
";

const RECENT: &str =
    "select $interval_start_day as day, count(*) as orders, cast(sum(amount) as decimal(18, 2)) as amount
from sources.orders
";

const MODELS: &str = "models:
  - name: facts
    description: One row per order.
    config: {materialized: incremental, event_time: ordered_at, begin: 2024-03-01}
    grain: [order_id]
    columns:
      - {name: order_id, data_type: bigint, description: The order.}
      - {name: ordered_at, data_type: timestamp, nullable: false, description: When it was placed.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Its amount.}
      - {name: lines, data_type: bigint, description: How many lines it has.}
  - name: recent
    description: Orders of a day and the two before.
    config: {materialized: incremental, event_time: day, begin: 2024-03-01, inputs: {sources.orders: {days_before: 2}}}
    grain: [day]
    columns:
      - {name: day, data_type: date, description: The day.}
      - {name: orders, data_type: bigint, description: How many.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Their amount.}
  - name: total
    description: All orders.
    grain: [what]
    columns:
      - {name: what, data_type: varchar, description: What.}
      - {name: orders, data_type: bigint, description: How many.}
";

/// An order of a day in March, its number telling the day.
fn placed(id: i64, day: u32, amount: &str) -> Json {
    let at = format!("2024-03-{day:02}T12:00:00Z");
    with(&order(id), &json!({"ordered_at": at, "loaded_at": at, "amount": amount}))
}

/// Writes the orders of a file, and a line for each.
fn file(shop: &Shop, name: &str, orders: &[Json]) {
    shop.rows(&format!("orders/{name}.parquet"), &order_columns(), orders);
    let line = |order: &Json| json!({"order_id": order["order_id"], "line_no": 1, "amount": order["amount"]});
    let lines: Vec<Json> = orders.iter().map(line).collect();
    shop.rows(&format!("lines/{name}.parquet"), &line_columns(), &lines);
}

fn day_file(shop: &Shop, day: u32) {
    let id = i64::from(day) * 100;
    file(shop, &format!("2024-03-{day:02}"), &[placed(id, day, "10.00"), placed(id + 1, day, "5.00")]);
}

/// Two orders on each of the first days of March 2024, a file a day.
fn shop(days: u32) -> Shop {
    with_days(Shop::empty(), days)
}

fn with_days(shop: Shop, days: u32) -> Shop {
    let shop = shop.stocked(&[], &[]);
    shop.remove("orders");
    shop.remove("lines");
    for day in 1..=days {
        day_file(&shop, day);
    }
    shop.file("sql/m/facts.yml", MODELS);
    shop.file("sql/m/facts.sql", FACTS);
    shop.file("sql/m/recent.sql", RECENT);
    shop.file("sql/m/total.sql", "select 'all' as what, count(*) as orders from facts\n");
    shop
}

fn run(shop: &Shop, day: &str) {
    shop.run(&["--as-of", day]).ended_with(0);
}

/// The hashes of each interval of a table of the last version by its start, and who wrote it.
fn parts(shop: &Shop, table: &str) -> BTreeMap<String, (Vec<String>, String)> {
    let root = shop.project().root();
    let last = commit(&root, *versions(&root).last().unwrap());
    let parts = last["tables"][table]["parts"].as_array().unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let part = |part: &Json| {
        let files = part["files"].as_array().unwrap().iter();
        let hashes = files.map(|file| text(&file["sha256"])).collect();
        (text(&part["slice"]["start"])[..10].to_owned(), (hashes, text(&part["attempt"])))
    };
    let found: BTreeMap<_, _> = parts.iter().map(part).collect();
    assert_eq!(found.len(), parts.len(), "an interval is there once");
    found
}

fn bytes(shop: &Shop, table: &str) -> BTreeMap<String, Vec<String>> {
    parts(shop, table).into_iter().map(|(start, (hashes, _))| (start, hashes)).collect()
}

/// The intervals that differ in who wrote them.
fn rebuilt(
    before: &BTreeMap<String, (Vec<String>, String)>,
    after: &BTreeMap<String, (Vec<String>, String)>,
) -> Vec<String> {
    after
        .iter()
        .filter(|(start, part)| before.get(*start) != Some(part))
        .map(|(start, _)| start.clone())
        .collect()
}

fn plan(shop: &Shop, day: &str) -> String {
    shop.project().goodwill(&["plan", "--as-of", day]).ended_with(0).stdout
}

#[test]
fn a_new_day_builds_its_interval_and_no_other() {
    let shop = shop(5);
    run(&shop, "2024-03-06");
    let first = parts(&shop, "facts");
    assert_eq!(first.len(), 5);
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["10"]);
    shop.run(&["--as-of", "2024-03-06", "--skip-exit-code"]).ended_with(99);
    day_file(&shop, 6);
    run(&shop, "2024-03-07");
    let second = parts(&shop, "facts");
    assert_eq!(rebuilt(&first, &second), ["2024-03-06"]);
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["12"]);
    assert_eq!(
        shop.lines("select concat(cast(day as varchar), ' ', cast(orders as varchar)) as line from recent order by day"),
        ["2024-03-01 2", "2024-03-02 4", "2024-03-03 6", "2024-03-04 6", "2024-03-05 6", "2024-03-06 6"],
        "with the orders of the two days before"
    );
    // All of it is what a run from the beginning gives.
    let whole = self::shop(6);
    run(&whole, "2024-03-07");
    for table in ["facts", "recent"] {
        assert_eq!(bytes(&shop, table), bytes(&whole, table));
    }
    assert_at_rest(&shop.project().root());
    shop.project().goodwill(&["verify", "--all"]).ended_with(0);
    let rebuilt = shop.project().goodwill(&["verify", "--rebuild"]).ended_with(0).stdout;
    assert!(rebuilt.contains("2024-03-06 to 2024-03-07") && rebuilt.contains("same bytes"), "{rebuilt}");
    shop.project().goodwill(&["test", "--data"]).ended_with(0);
}

#[test]
fn a_bucket_that_fails_often_has_the_intervals_that_a_folder_has() {
    let folder = shop(8);
    run(&folder, "2024-03-09");
    let bucket = with_days(Shop::empty_in_a_bucket(), 5);
    let faults = |seed: u64| format!("seed={seed} 503=0.1 lost=0.05@PUT reset=0.05");
    let run = |day: &str, seed: u64| {
        let mut command = bucket.project().command(&["run", "--as-of", day]);
        command.env("GOODWILL_STORE_FAULTS", faults(seed)).env("GOODWILL_STORE_PATIENCE", "60s");
        let answer: crate::program::Answer = command.output().unwrap().into();
        answer.ended_with(0);
    };
    run("2024-03-06", 1);
    for day in 6..=8 {
        day_file(&bucket, day);
        run(&format!("2024-03-{:02}", day + 1), u64::from(day));
    }
    for table in ["facts", "recent"] {
        assert_eq!(bytes(&bucket, table), bytes(&folder, table));
    }
    assert_eq!(assert_at_rest(&bucket.project().root()), 4);
}

#[test]
fn three_days_without_a_run_are_three_missing_intervals() {
    let shop = shop(3);
    run(&shop, "2024-03-04");
    for day in 4..=6 {
        day_file(&shop, day);
    }
    let told = plan(&shop, "2024-03-07");
    assert!(told.contains("2024-03-04 to 2024-03-07, 3 intervals: never published"), "{told}");
    run(&shop, "2024-03-07");
    assert_eq!(parts(&shop, "facts").len(), 6);
}

#[test]
fn a_late_file_builds_again_the_intervals_that_read_it() {
    let shop = shop(20);
    run(&shop, "2024-03-21");
    let (facts, recent) = (parts(&shop, "facts"), parts(&shop, "recent"));
    file(&shop, "late", &[placed(850, 8, "7.00")]);
    let told = plan(&shop, "2024-03-21");
    assert!(told.contains("2024-03-08 to 2024-03-09, 1 interval: changed input"), "{told}");
    assert!(told.contains("orders/late.parquet"), "the file is named: {told}");
    run(&shop, "2024-03-21");
    assert_eq!(rebuilt(&facts, &parts(&shop, "facts")), ["2024-03-08"]);
    assert_eq!(rebuilt(&recent, &parts(&shop, "recent")), ["2024-03-08", "2024-03-09", "2024-03-10"]);
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["41"]);
}

#[test]
fn an_order_that_moves_is_taken_from_the_day_it_was_on() {
    let shop = shop(10);
    run(&shop, "2024-03-11");
    let before = parts(&shop, "facts");
    // Order 300, of the 3rd, is delivered again and is of the 9th.
    let moved = with(&placed(300, 9, "10.00"), &json!({"loaded_at": "2024-03-10T00:00:00Z"}));
    shop.rows("orders/corrected.parquet", &order_columns(), &[moved]);
    run(&shop, "2024-03-11");
    assert_eq!(rebuilt(&before, &parts(&shop, "facts")), ["2024-03-03", "2024-03-09"]);
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["20"]);
    // Who says that times do not move is told when one does: the key would be there twice.
    let fixed = self::shop(10);
    fixed.edit(
        "sql/m/facts.yml",
        "begin: 2024-03-01}",
        "begin: 2024-03-01, inputs: {sources.orders: {times: fixed}, sources.lines: {times: fixed}}}",
    );
    run(&fixed, "2024-03-11");
    let moved = with(&placed(300, 9, "10.00"), &json!({"loaded_at": "2024-03-10T00:00:00Z"}));
    fixed.rows("orders/corrected.parquet", &order_columns(), &[moved]);
    let answer = fixed.run(&["--as-of", "2024-03-11"]).ended_with(3);
    assert!(answer.stderr.contains("grain order_id across intervals"), "{}", answer.stderr);
}

#[test]
fn changed_sql_builds_all_intervals_again_and_changed_rules_of_inputs_too() {
    let shop = shop(4);
    run(&shop, "2024-03-05");
    let before = parts(&shop, "facts");
    shop.edit("sql/m/facts.sql", "count(l.line_no)", "2 * count(l.line_no)");
    let told = plan(&shop, "2024-03-05");
    assert!(told.contains("2024-03-01 to 2024-03-05, 4 intervals: SQL, contract"), "{told}");
    run(&shop, "2024-03-05");
    assert_eq!(rebuilt(&before, &parts(&shop, "facts")).len(), 4);
    let before = parts(&shop, "facts");
    shop.edit("sql/m/sources.yml", "range: {min: 0}", "range: {min: 6}");
    run(&shop, "2024-03-05");
    assert_eq!(rebuilt(&before, &parts(&shop, "facts")).len(), 4);
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["4"]);
}

#[test]
fn a_new_file_of_what_orders_refer_to_touches_all_unless_it_is_ignored() {
    let customers = |shop: &Shop| {
        let rows =
            [json!({"customer_id": 1, "kind": "consumer"}), json!({"customer_id": 2, "kind": "consumer"})];
        shop.rows("customers/a.parquet", &crate::shop::customer_columns(), &rows);
    };
    let shop = shop(4);
    run(&shop, "2024-03-05");
    let before = parts(&shop, "facts");
    customers(&shop);
    run(&shop, "2024-03-05");
    assert_eq!(rebuilt(&before, &parts(&shop, "facts")).len(), 4, "an order may have its customer now");
    let ignoring = self::shop(4);
    ignoring.edit(
        "sql/m/facts.yml",
        "begin: 2024-03-01}",
        "begin: 2024-03-01, lookback: 1, inputs: {sources.customers: {changes: ignore}}}",
    );
    run(&ignoring, "2024-03-05");
    let before = parts(&ignoring, "facts");
    customers(&ignoring);
    run(&ignoring, "2024-03-05");
    assert_eq!(rebuilt(&before, &parts(&ignoring, "facts")), ["2024-03-04"], "the last one has not settled");
}

#[test]
fn rows_of_another_time_than_their_interval_are_refused() {
    let shop = shop(3);
    shop.edit(
        "sql/m/facts.yml",
        "begin: 2024-03-01}",
        "begin: 2024-03-01, inputs: {sources.orders: {days_before: 1}}}",
    );
    let answer = shop.run(&["--as-of", "2024-03-04"]).ended_with(3);
    assert!(answer.stderr.contains("ordered_at in its interval"), "{}", answer.stderr);
    assert!(answer.stderr.contains("$interval_start"), "what to do: {}", answer.stderr);
    assert_eq!(versions(&shop.project().root()), Vec::<u64>::new());
    shop.edit("sql/m/facts.sql", "group by", "where o.ordered_at >= $interval_start\ngroup by");
    run(&shop, "2024-03-04");
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["6"]);
}

#[test]
fn a_day_in_the_past_sees_what_was_before_it() {
    let shop = shop(6);
    run(&shop, "2024-03-07");
    let before = parts(&shop, "facts");
    shop.run(&["--as-of", "2024-03-04T10:00:00Z"]).ended_with(0);
    let then = parts(&shop, "facts");
    assert_eq!(rebuilt(&before, &then), ["2024-03-04"], "the day that is looked from has not ended");
    assert_eq!(then.len(), 4);
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["6"]);
    shop.run(&["--as-of", "2024-03-04"]).ended_with(0);
    assert_eq!(parts(&shop, "facts").len(), 3, "nothing is built, and a day goes");
    run(&shop, "2024-03-07");
    assert_eq!(
        bytes(&shop, "facts"),
        before.into_iter().map(|(start, (hashes, _))| (start, hashes)).collect()
    );
    let early = shop.run(&["--as-of", "2024-03-01"]).ended_with(2);
    assert!(early.stderr.contains("`facts` begins on 2024-03-01"), "{}", early.stderr);
}

#[test]
fn months_and_weeks_are_intervals_too_and_old_ones_go() {
    let shop = shop(20);
    shop.edit("sql/m/facts.yml", "begin: 2024-03-01}", "batch_size: week, begin: 2024-02-26}");
    run(&shop, "2024-03-12");
    assert_eq!(
        parts(&shop, "facts").into_keys().collect::<Vec<_>>(),
        ["2024-02-26", "2024-03-04", "2024-03-11"]
    );
    let before = parts(&shop, "facts");
    run(&shop, "2024-03-13");
    assert_eq!(rebuilt(&before, &parts(&shop, "facts")), ["2024-03-11"], "the week that has not ended");
    shop.edit(
        "sql/m/facts.yml",
        "batch_size: week, begin: 2024-02-26}",
        "batch_size: month, begin: 2024-03-01}",
    );
    run(&shop, "2024-03-13");
    assert_eq!(parts(&shop, "facts").into_keys().collect::<Vec<_>>(), ["2024-03-01"]);
    assert_eq!(shop.lines("select cast(orders as varchar) as line from total"), ["24"]);
    shop.edit(
        "sql/m/facts.yml",
        "batch_size: month, begin: 2024-03-01}",
        "begin: 2024-03-01, keep: {days: 3}}",
    );
    run(&shop, "2024-03-13");
    assert_eq!(
        parts(&shop, "facts").into_keys().collect::<Vec<_>>(),
        ["2024-03-10", "2024-03-11", "2024-03-12"]
    );
}

#[test]
fn days_are_cut_where_the_clocks_of_the_pipeline_say() {
    let shop = shop(1);
    let at = |id: i64, at: &str| with(&order(id), &json!({"ordered_at": at, "loaded_at": at}));
    // In Berlin the clocks go forward on 31 March 2024: that day is from 23:00 to 22:00 UTC.
    let orders = [
        at(10, "2024-03-30T22:59:59.999999Z"),
        at(11, "2024-03-30T23:00:00Z"),
        at(12, "2024-03-31T21:59:59.999999Z"),
        at(13, "2024-03-31T22:00:00Z"),
    ];
    file(&shop, "clocks", &orders);
    shop.edit("pipelines/shop.yml", "name: shop\n", "name: shop\ntime_zone: Europe/Berlin\n");
    shop.edit("sql/m/facts.yml", "begin: 2024-03-01}", "begin: 2024-03-30}");
    shop.edit("sql/m/facts.yml", "begin: 2024-03-01,", "begin: 2024-03-30,");
    run(&shop, "2024-04-02");
    let root = shop.project().root();
    let parts = commit(&root, 1)["tables"]["facts"]["parts"].clone();
    let rows: Vec<u64> =
        parts.as_array().unwrap().iter().map(|part| part["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows, [1, 2, 1]);
    assert_eq!(
        shop.lines("select concat(cast(day as varchar), ' ', cast(orders as varchar)) as line from recent order by day"),
        ["2024-03-30 1", "2024-03-31 3", "2024-04-01 4"]
    );
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        // Knuth's multiplier, as in MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Brings files of all kinds, and sometimes changes or removes one; returns what it did.
fn something_happens(shop: &Shop, dice: &mut Dice, step: u64) -> String {
    let day = |dice: &mut Dice| u32::try_from(dice.throw(12) + 1).unwrap();
    let mut told = String::new();
    match dice.throw(5) {
        0 => {
            let (id, day) = (i64::try_from(5_000 + step).unwrap(), day(dice));
            file(shop, &format!("late-{step}"), &[placed(id, day, "3.00")]);
            write!(told, "a late order of {day}").unwrap();
        }
        1 => {
            // An order that is there already, on another day.
            let (id, day) = (i64::from(day(dice)) * 100, day(dice));
            let at = format!("2024-03-20T{:02}:00:00Z", step % 24);
            let moved = with(&placed(id, day, "4.00"), &json!({"loaded_at": at}));
            shop.rows(&format!("orders/moved-{step}.parquet"), &order_columns(), &[moved]);
            write!(told, "order {id} moves to {day}").unwrap();
        }
        2 => {
            let order = i64::from(day(dice)) * 100;
            let line = json!({"order_id": order, "line_no": step + 2, "amount": "1.00"});
            shop.rows(&format!("lines/more-{step}.parquet"), &line_columns(), &[line]);
            write!(told, "a line of {order}").unwrap();
        }
        3 => {
            let day = day(dice);
            let id = i64::from(day) * 100;
            let amount = format!("{step}.50");
            file(shop, &format!("2024-03-{day:02}"), &[placed(id, day, &amount)]);
            write!(told, "the file of {day} is written again").unwrap();
        }
        _ => {
            let who = i64::try_from(dice.throw(3)).unwrap();
            let of = day(dice);
            let id = i64::from(of) * 100 + 1;
            let orphan = with(
                &placed(id, of, "2.00"),
                &json!({"customer_id": who + 1, "loaded_at": "2024-03-25T00:00:00Z"}),
            );
            shop.rows(&format!("orders/who-{step}.parquet"), &order_columns(), &[orphan]);
            if dice.throw(2) == 0 {
                let customers: Vec<Json> =
                    (1..=who + 1).map(|id| json!({"customer_id": id, "kind": "consumer"})).collect();
                shop.rows(&format!("customers/{step}.parquet"), &crate::shop::customer_columns(), &customers);
            }
            write!(told, "order {id} of customer {}", who + 1).unwrap();
        }
    }
    told
}

#[test]
fn whatever_happens_to_the_sources_the_intervals_are_those_of_a_run_from_the_beginning() {
    for seed in 0..3 * number_from("GOODWILL_SCALE", 1) {
        let shop = shop(12);
        let mut dice = Dice(seed + 1);
        let mut story = Vec::new();
        run(&shop, "2024-03-10");
        for step in 0..5 {
            story.push(something_happens(&shop, &mut dice, step));
            let day = format!("2024-03-{:02}", 8 + dice.throw(7));
            let ended = shop.run(&["--as-of", &day]);
            assert_eq!(ended.code, Some(0), "{seed}: {story:?}: {}", ended.stderr);
            let found: BTreeMap<&str, _> =
                ["facts", "recent"].into_iter().map(|table| (table, bytes(&shop, table))).collect();
            shop.run(&["--as-of", &day, "-f"]).ended_with(0);
            for (table, found) in found {
                assert_eq!(found, bytes(&shop, table), "{seed}, {table} as of {day}: {story:?}");
            }
        }
    }
}

#[test]
fn a_killed_run_goes_on_with_the_intervals_it_has_not_written() {
    let shop = shop(12);
    let mut running = Running::start(shop.project().command(&["run", "--as-of", "2024-03-13"]), None);
    running.reach("after_journal", 9);
    assert!(running.kill());
    let root = shop.project().root();
    assert_eq!(versions(&root), Vec::<u64>::new());
    let answer = shop.project().goodwill(&["resume"]).ended_with(0);
    assert!(answer.stderr.contains("going on with run"), "{}", answer.stderr);
    let whole = self::shop(12);
    run(&whole, "2024-03-13");
    for table in ["facts", "recent"] {
        assert_eq!(bytes(&shop, table), bytes(&whole, table));
    }
    assert_at_rest(&root);
}

#[test]
fn intervals_are_filled_in_in_any_order_and_no_other_is_touched() {
    let whole = shop(6);
    run(&whole, "2024-03-07");
    let expected = bytes(&whole, "facts");
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let shop = shop(6);
        let mut dice = Dice(seed);
        let mut days: Vec<u32> = (1..=6).collect();
        let mut order = Vec::new();
        while !days.is_empty() {
            let at = usize::try_from(dice.throw(u64::try_from(days.len()).unwrap())).unwrap();
            order.push(days.remove(at));
        }
        orders.insert(order.clone());
        for day in &order {
            let (from, to) = (format!("2024-03-{day:02}"), format!("2024-03-{:02}", day + 1));
            let fill = ["backfill", "-s", "facts", "--from", &from, "--to", &to];
            shop.project().goodwill(&fill).ended_with(0);
        }
        assert_eq!(bytes(&shop, "facts"), expected, "{order:?}");
        let fill = ["backfill", "-s", "facts", "--from", "2024-03-01", "--to", "2024-03-07"];
        let told = shop.project().goodwill(&fill).ended_with(0).stdout;
        assert!(told.contains("up to date"), "{told}");
    }
    assert!(orders.len() > 15, "different orders");
}
