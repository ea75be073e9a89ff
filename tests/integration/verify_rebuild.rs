//! `goodwill verify --rebuild`: a published version is built again and compared, and nothing is left of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::program::{Answer, Project, Running, commit, file_entries, versions};
use crate::shop::{Shop, order, order_columns, with};

/// Every file below `folder`, with its bytes.
fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// Builds again, and finds the root, and the folder for temporary files, as they were.
#[track_caller]
fn rebuild(project: &Project, arguments: &[&str]) -> Answer {
    let before = listing(&project.root());
    let temporary = tempfile::tempdir().unwrap();
    let mut command = project.command(&["verify", "--rebuild"]);
    command.args(arguments).env("TMPDIR", temporary.path());
    let answer = command.output().unwrap().into();
    let after = listing(&project.root());
    let paths = |listing: &BTreeMap<PathBuf, Vec<u8>>| listing.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&before), paths(&after));
    assert!(before == after, "a file of the root was changed");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "scratch was left");
    answer
}

/// The same, over the demo's sources, for programs.
#[track_caller]
fn rebuilt_demo(project: &Project, arguments: &[&str]) -> Answer {
    let sources = project.sources().to_str().unwrap();
    rebuild(project, &[&["--sources", sources, "--output", "json"], arguments].concat())
}

#[track_caller]
fn rebuilt(shop: &Shop, arguments: &[&str], code: i32) -> Json {
    rebuild(shop.project(), &[arguments, &["--output", "json"]].concat()).ended_with(code).json()
}

/// What came of each part: `table`, or `table day`, and the result with its reason.
fn results(document: &Json) -> BTreeMap<String, String> {
    let parts = document["rebuilt"]["parts"].as_array().unwrap();
    let told = parts.iter().map(|part| {
        let day = part["day"].as_str().map(|day| format!(" {day}")).unwrap_or_default();
        let reason = part["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        (
            format!("{}{day}", part["table"].as_str().unwrap()),
            format!("{}{reason}", part["result"].as_str().unwrap()),
        )
    });
    told.collect()
}

#[track_caller]
fn all_same(document: &Json) -> usize {
    assert_eq!(document["status"], "as_published", "{document:#}");
    let results = results(document);
    assert!(results.values().all(|result| result == "same"), "{results:#?}");
    results.len()
}

/// A copy of the demo whose views name its own files.
fn demo() -> Project {
    let project = Project::demo();
    project.goodwill(&["recover"]).ended_with(0);
    project
}

#[test]
fn an_untouched_version_has_the_same_bytes_and_nothing_is_left() {
    let shop = Shop::sound();
    shop.run(&[]).ended_with(0);
    let told = rebuild(shop.project(), &[]).ended_with(0).stdout;
    let sales = told.lines().find(|line| line.starts_with(" sales")).unwrap();
    assert_eq!(sales.split_whitespace().collect::<Vec<_>>().join(" "), "sales │ whole │ 1 │ 1 │ same bytes");
    assert!(told.contains("all as published") && told.contains("with the published bytes\n"), "{told}");
    all_same(&rebuilt(&shop, &["1"], 0));
    all_same(&rebuilt(&shop, &["--threads", "1", "--memory-limit", "64MiB"], 0));
    let project = shop.project();
    project.goodwill(&["resume", "latest"]).ended_with(2);
    assert!(!project.goodwill(&["recover"]).ended_with(0).stdout.contains("published nothing"));
    assert_eq!(versions(&project.root()), [1]);
    let told = rebuild(project, &["2"]).ended_with(2).stderr;
    assert!(told.contains("GW0304"), "{told}");
}

#[test]
fn each_table_is_built_as_its_own_run_was_asked() {
    let project = demo();
    let tables = all_same(&rebuilt_demo(&project, &[]).ended_with(0).json());
    assert!(tables > 30, "{tables}");
    // Another day and another measure for some tables; the others stay as they were published.
    let asked = ["-f", "-s", "value_tiers", "--as-of", "2025-07-01", "--vars", "value_measure=net_sales"];
    project.run(&asked).ended_with(0);
    project.run(&["-f", "-s", "dates", "-s", "rfm"]).ended_with(0);
    // What reads the history of tiers was made without the day that is there now.
    let told = rebuilt_demo(&project, &[]).ended_with(2).json();
    let others: Vec<_> = results(&told).into_iter().filter(|(_, result)| result != "same").collect();
    assert_eq!(others, [("value_tier_migration".to_owned(), "not_compared: inputs_changed".to_owned())]);
    project.run(&[]).ended_with(0);
    let last = rebuilt_demo(&project, &[]).ended_with(0).json();
    assert!(all_same(&last) >= tables);
    let every = rebuilt_demo(&project, &["--every-day"]).ended_with(0).json();
    all_same(&every);
    assert_eq!(results(&every)["value_tiers 2025-07-01"], "same", "with the measure its run was asked for");
    let run = commit(&project.root(), 4)["run_id"].as_str().unwrap().to_owned();
    assert_eq!(all_same(&rebuilt_demo(&project, &[&run]).ended_with(0).json()), all_same(&last));
    assert_eq!(rebuilt_demo(&project, &["1"]).ended_with(0).json()["rebuilt"]["version"], 1);
}

#[test]
fn in_a_bucket_too() {
    let project = Project::demo_in_a_bucket();
    all_same(&rebuild(&project, &["--output", "json"]).ended_with(0).json());
}

#[test]
fn a_damaged_file_is_found_and_the_published_bytes_are_built_all_the_same() {
    let shop = Shop::sound();
    shop.run(&[]).ended_with(0);
    let root = shop.project().root();
    let file = file_entries(&commit(&root, 1)["tables"]["sales"]).next().unwrap()["path"].clone();
    let path = root.join("tables/sales").join(file.as_str().unwrap());
    let mut content = fs::read(&path).unwrap();
    content[40] ^= 1;
    fs::write(&path, content).unwrap();
    let told = rebuilt(&shop, &[], 4);
    assert_eq!(told["status"], "different");
    assert_eq!(told["diagnostics"].as_array().unwrap().len(), 1, "{told:#}");
    assert_eq!(told["diagnostics"][0]["code"], "GW0903");
    assert_eq!(results(&told)["sales"], "same", "the commit is what it is compared with");
}

#[test]
fn what_is_made_from_other_sql_is_not_called_equal() {
    let shop = Shop::sound();
    shop.file(
        "sql/m/doubled.sql",
        "select order_id, cast(amount * 2 as decimal(18, 2)) as amount from sales\n",
    );
    shop.edit(
        "sql/m/sources.yml",
        "  - name: cost_list\n",
        "  - name: doubled
    description: Twice.
    grain: [order_id]
    columns:
      - {name: order_id, data_type: bigint, description: The order.}
      - {name: amount, data_type: \"decimal(18, 2)\", description: Twice its amount.}
  - name: cost_list\n",
    );
    shop.run(&[]).ended_with(0);
    let sql = fs::read_to_string(shop.project().folder().join("sql/m/sales.sql")).unwrap();
    // The same rows by other words: nobody can know but by building it.
    shop.file("sql/m/sales.sql", &format!("-- Edited.\n{sql}"));
    let told = rebuilt(&shop, &[], 2);
    assert_eq!(told["status"], "not_compared");
    let found = results(&told);
    assert_eq!(found["sales"], "not_compared: definition_changed");
    assert_eq!(found["doubled"], "not_compared: inputs_changed");
    assert!(found.values().any(|result| result == "same"), "{found:?}");
    let diagnostic = &told["diagnostics"][0];
    assert_eq!((&diagnostic["code"], told["diagnostics"].as_array().unwrap().len()), (&json!("GW0312"), 1));
    // It is published, and put back: each version has its own project.
    shop.run(&[]).ended_with(0);
    all_same(&rebuilt(&shop, &[], 0));
    shop.project().goodwill(&["rollback", "1"]).ended_with(0);
    assert_eq!(results(&rebuilt(&shop, &[], 2))["sales"], "not_compared: definition_changed");
    shop.file("sql/m/sales.sql", &sql);
    all_same(&rebuilt(&shop, &[], 0));
    assert_eq!(results(&rebuilt(&shop, &["2"], 2))["sales"], "not_compared: definition_changed");
    // A model that is gone.
    fs::remove_file(shop.project().folder().join("sql/m/doubled.sql")).unwrap();
    let yaml = fs::read_to_string(shop.project().folder().join("sql/m/sources.yml")).unwrap();
    let (before, rest) = yaml.split_once("  - name: doubled\n").unwrap();
    let (_, after) = rest.split_once("  - name: cost_list\n").unwrap();
    shop.file("sql/m/sources.yml", &format!("{before}  - name: cost_list\n{after}"));
    assert_eq!(results(&rebuilt(&shop, &[], 2))["doubled"], "not_compared: not_in_project");
}

#[test]
fn a_source_that_moved_is_named() {
    let shop = Shop::sound();
    shop.run(&[]).ended_with(0);
    shop.rows("orders/b.parquet", &order_columns(), &[order(2)]);
    let told = rebuild(shop.project(), &[]).ended_with(2);
    assert!(told.stderr.contains("error[GW0312]"), "{}", told.stderr);
    // Lines are dated by their orders.
    assert!(
        told.stderr.contains("`sales`: changed since: sources.lines, sources.orders\n"),
        "{}",
        told.stderr
    );
    assert!(
        told.stdout.contains("cannot be compared │ changed since: sources.lines, sources.orders"),
        "{}",
        told.stdout
    );
    // And one that went.
    shop.remove("orders");
    assert!(rebuild(shop.project(), &[]).ended_with(4).stderr.contains("GW0401"));
}

#[test]
fn a_source_that_was_changed_without_a_trace_is_found_by_its_bytes() {
    let orders = |amount: &str| [order(1), with(&order(2), &json!({"amount": amount})), order(3)];
    let shop = Shop::with(&orders("20.00"), &[json!({"order_id": 1, "line_no": 1, "amount": "10.00"})]);
    shop.run(&[]).ended_with(0);
    let path = shop.project().folder().join("sources/orders/a.parquet");
    let then = fs::metadata(&path).unwrap();
    shop.rows("orders/a.parquet", &order_columns(), &orders("21.00"));
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(then.modified().unwrap()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), then.len(), "or a plan would see it");
    let told = rebuilt(&shop, &[], 4);
    assert_eq!(told["status"], "different");
    let found = results(&told);
    assert_eq!(found["sales"], "different");
    let sales = told["rebuilt"]["parts"].as_array().unwrap().iter().find(|part| part["table"] == "sales");
    assert_eq!(sales.unwrap()["keys"], json!({"changed": 1, "only_published": 0, "only_rebuilt": 0}));
    let messages = rebuild(shop.project(), &[]).ended_with(4).stderr;
    assert!(messages.contains("error[GW0904]") && messages.contains("1 changed in amount"), "{messages}");
    // What is published is untouched, so the usual proof finds nothing.
    shop.project().goodwill(&["verify"]).ended_with(0);
}

#[test]
fn parameters_are_those_of_the_run_and_a_default_that_changed_is_told() {
    let shop = Shop::sound();
    shop.edit("pipelines/shop.yml", "vars:\n", "vars:\n  factor: {type: int, default: 2}\n");
    shop.edit("sql/m/sales.sql", "o.amount,", "cast(o.amount * $factor as decimal(18, 2)) as amount,");
    shop.run(&["--vars", "factor=3"]).ended_with(0);
    all_same(&rebuilt(&shop, &[], 0));
    shop.edit("pipelines/shop.yml", "default: 2", "default: 5");
    all_same(&rebuilt(&shop, &[], 0));
    shop.run(&[]).ended_with(0);
    all_same(&rebuilt(&shop, &[], 0));
    shop.edit("pipelines/shop.yml", "default: 5", "default: 7");
    assert_eq!(results(&rebuilt(&shop, &[], 2))["sales"], "not_compared: parameters_changed");
    // A variable that is gone takes with it what its runs were asked.
    shop.edit("pipelines/shop.yml", "  factor: {type: int, default: 7}\n", "");
    shop.edit("sql/m/sales.sql", "$factor", "1");
    let found = results(&rebuilt(&shop, &["1"], 2));
    assert_eq!(found["sales"], "not_compared: request_does_not_fit");
}

/// A table that keeps snapshots, and one made from all of them.
fn snapshots() -> Shop {
    let placed = |id: i64, day: &str| with(&order(id), &json!({"ordered_at": format!("{day}T12:00:00Z")}));
    let orders = [placed(1, "2024-01-10"), placed(2, "2024-02-10"), placed(3, "2024-03-10")];
    let shop = Shop::with(&orders, &[json!({"order_id": 1, "line_no": 1, "amount": "10.00"})]);
    shop.file(
        "sql/m/spend.yml",
        "models:
  - name: spend
    description: What each customer has spent.
    config: {materialized: snapshot}
    grain: [as_of, customer_id]
    columns:
      - {name: as_of, data_type: date, description: The day looked from.}
      - {name: customer_id, data_type: bigint, description: The customer.}
      - {name: orders, data_type: bigint, description: How many orders.}
  - name: history
    description: How many orders there were, day by day.
    grain: [as_of]
    columns:
      - {name: as_of, data_type: date, description: The day looked from.}
      - {name: orders, data_type: bigint, description: How many orders.}
",
    );
    shop.file(
        "sql/m/spend.sql",
        "select $as_of_day as as_of, customer_id, count(*) as orders from sources.orders group by customer_id\n",
    );
    shop.file(
        "sql/m/history.sql",
        "select as_of, cast(sum(orders) as bigint) as orders from spend group by as_of\n",
    );
    shop
}

#[test]
fn the_versions_own_day_is_built_again_and_every_day_if_asked() {
    let shop = snapshots();
    for day in ["2024-02-01", "2024-03-01", "2024-04-01"] {
        shop.run(&["--as-of", day]).ended_with(0);
    }
    let own = rebuilt(&shop, &[], 0);
    all_same(&own);
    assert_eq!(own["rebuilt"]["other_days"], 2);
    assert_eq!(
        results(&own).keys().filter(|part| part.starts_with("spend")).collect::<Vec<_>>(),
        ["spend 2024-04-01"]
    );
    let told = rebuild(shop.project(), &[]).ended_with(0).stdout;
    assert!(told.contains("not built again: 2 parts of other days; --every-day builds them too"), "{told}");
    let every = rebuilt(&shop, &["--every-day"], 0);
    assert_eq!(all_same(&every), all_same(&own) + 2);
    all_same(&rebuilt(&shop, &["2", "--every-day"], 0));
    // A day that was filled in is the version's own too; what was made without it is not called equal.
    let filled = ["backfill", "-s", "spend", "--from", "2024-01-15", "--to", "2024-01-16"];
    shop.project().goodwill(&filled).ended_with(0);
    let found = results(&rebuilt(&shop, &[], 2));
    assert_eq!(found["spend 2024-01-15"], "same");
    assert_eq!(found["spend 2024-04-01"], "same");
    assert_eq!(found["history"], "not_compared: inputs_changed");
    shop.run(&["--as-of", "2024-04-01"]).ended_with(0);
    assert_eq!(all_same(&rebuilt(&shop, &["--every-day"], 0)), all_same(&every) + 1);
    // A contract that its history does not fit is no mistake here.
    shop.edit("sql/m/spend.yml", "name: orders, data_type: bigint", "name: orders, data_type: integer");
    shop.edit("sql/m/spend.sql", "count(*)", "cast(count(*) as integer)");
    assert_eq!(results(&rebuilt(&shop, &[], 2))["spend 2024-04-01"], "not_compared: definition_changed");
}

#[test]
fn killed_in_the_middle_it_leaves_nothing_that_could_be_gone_on_with() {
    let project = demo();
    let before = listing(&project.root());
    let temporary = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = project.command(&["verify", "--rebuild"]);
        command.arg("--sources").arg(project.sources()).env("TMPDIR", temporary.path());
        command
    };
    let mut running = Running::start(command(), None);
    running.reach("after_journal", 5);
    assert!(running.kill());
    assert!(listing(&project.root()) == before, "a kill left something in the root");
    let answer = project.goodwill(&["resume", "latest"]).ended_with(2);
    assert!(answer.stderr.contains("GW0311"), "{}", answer.stderr);
    assert!(fs::read_dir(temporary.path()).unwrap().count() > 0, "or it was killed too early");
    // The next one sweeps what the dead one left on the machine.
    Answer::from(command().output().unwrap()).ended_with(0);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    // Stopped, it ends at once and leaves nothing either.
    let mut running = Running::start(command(), None);
    running.reach("after_journal", 1);
    running.terminate();
    let ended = running.end_within(std::time::Duration::from_secs(20));
    assert_eq!(ended.code(), Some(143));
    assert!(listing(&project.root()) == before);
}
