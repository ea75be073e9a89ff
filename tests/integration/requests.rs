//! What is asked of the program: requests that cannot be met, endings before anything was written,
//! and texts that would take a reader without bounds along.

use std::fs;
use std::time::{Duration, Instant};

use crate::program::{Answer, PATIENCE, Project, Running, assert_at_rest};
use crate::shop::Shop;

/// A run whose planning takes longer than anybody waits.
const SLOW_PLAN: &str = "before_plan=sleep(120000)";

#[test]
fn a_run_told_to_stop_while_it_plans_ends_at_once() {
    let project = Project::unpublished_demo();
    let mut running = Running::start(project.run_command(&[]), Some(SLOW_PLAN));
    running.reach("before_plan", 1);
    let asked = Instant::now();
    running.terminate();
    let ended = running.end_within(PATIENCE);
    assert_eq!(ended.code(), Some(143));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    project.run(&[]).ended_with(0);
    assert_eq!(assert_at_rest(&project.root()), 1);
}

#[test]
fn a_run_whose_time_is_over_says_so_with_its_code() {
    let project = Project::demo();
    let mut command = project.run_command(&["-f", "--timeout", "1s"]);
    let answer = Answer::from(command.env("FAILPOINTS", SLOW_PLAN).output().unwrap()).ended_with(75);
    assert!(answer.stderr.contains("error[GW0707]: the time of `--timeout` was over"), "{}", answer.stderr);
    assert_eq!(assert_at_rest(&project.root()), 1);
}

#[test]
fn what_changed_since_it_was_published_can_be_listed() {
    let project = Project::demo();
    let list = || project.goodwill(&["ls", "-s", "state:modified", "--output", "name"]);
    assert_eq!(list().ended_with(0).stdout, "", "nothing changed yet");
    project.run(&["-s", "state:modified", "--skip-exit-code"]).ended_with(99);
    let file = project.folder().join("sql/value/value_tiers.sql");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n-- changed\n")).unwrap();
    assert_eq!(list().ended_with(0).stdout, "value_tiers\n");
}

#[test]
fn a_period_that_does_not_exist_is_not_published_as_empty_tables() {
    let project = Project::demo();
    let answer = project.run(&["--vars", "value_period=trailing_13_months"]).ended_with(3);
    assert!(answer.stderr.contains("value_period_is_no_period_of_customer_pnl"), "{}", answer.stderr);
    assert_eq!(assert_at_rest(&project.root()), 1);
}

#[test]
fn versions_are_listed_with_the_day_of_their_time_zone() {
    let answer = Project::demo().goodwill(&["history"]).ended_with(0);
    assert!(answer.stdout.contains("2026-01-01 (Europe/Berlin)"), "{}", answer.stdout);
}

#[test]
fn a_plan_says_which_parameter_changed() {
    let project = Project::demo();
    let plan = |flags: &[&str]| {
        let sources = project.sources().to_str().unwrap();
        project
            .goodwill(&[&["plan", "-s", "value_tiers", "--sources", sources], flags].concat())
            .ended_with(0)
    };
    let told = plan(&["--vars", "value_measure=net_sales"]).stdout;
    assert!(told.contains("value_tiers  parameter value_measure changed"), "{told}");
    project.run(&["-s", "kpi_monthly value_tiers", "--vars", "value_measure=net_sales"]).ended_with(0);
    // Back to the default: which value it had nobody knows any more.
    let told = plan(&[]).stdout;
    assert!(told.contains("value_tiers  a parameter changed: one of "), "{told}");
    // The snapshot of another day is missing; what is made on the way is told by the day.
    let asked = ["--as-of", "2025-12-01", "-f", "-s", "kpi_monthly"];
    let told = plan(&asked).stdout;
    let expected = "as_of moved from 2026-01-01 (Europe/Berlin) to 2025-12-01 (Europe/Berlin)";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn the_next_command_works_as_it_is_printed() {
    let project = Project::demo();
    let answer = project.run(&["-p", "customer_intelligence", "-t", "dev"]).ended_with(0);
    let next = answer.stderr.lines().find_map(|line| line.strip_prefix("next: goodwill ")).unwrap();
    assert!(next.starts_with("history -p customer_intelligence -t dev"), "{next}");
    let words: Vec<&str> = next.split(' ').collect();
    project.goodwill(&words).ended_with(0);
}

#[test]
fn a_root_that_cannot_be_made_is_named() {
    let answer = Project::unpublished_demo().run(&["--root", "/proc/nope"]).ended_with(2);
    let message = "error[GW0301]: `file:///proc/nope/` cannot be opened: no folder can be made there\n";
    assert!(answer.stderr.contains(message), "{}", answer.stderr);
}

#[test]
fn too_little_memory_is_refused_before_anything_is_read() {
    let answer = Project::empty().goodwill(&["run", "--memory-limit", "1KiB"]).ended_with(2);
    assert!(answer.stderr.contains("`1KiB` is too little memory: write 1MiB or more"), "{}", answer.stderr);
}

/// Checks the demo with another text of `file`; the answer names `code` and comes within a minute.
#[track_caller]
fn check_text(file: &str, text: &str, code: &str) {
    let project = Project::unpublished_demo();
    fs::write(project.folder().join(file), text).unwrap();
    let asked = Instant::now();
    let answer = project.goodwill(&["check", "-p", "customer_intelligence"]).ended_with(2);
    let found = answer.stderr.contains(&format!("error[{code}]: ")) && answer.stderr.contains(file);
    let start: String = answer.stderr.chars().take(2_000).collect();
    assert!(found, "{start}");
    assert!(asked.elapsed() < Duration::from_mins(1), "{:?}", asked.elapsed());
}

#[test]
fn sql_without_bounds_ends_in_a_finding() {
    let check = |expression: String| {
        let text = format!("select customer_id as a from customers where {expression}");
        check_text("sql/value/value_tiers.sql", &text, "GW0220");
    };
    check("customer_id = 1 or ".repeat(10_000) + "true");
    check("(".repeat(2_000) + "true" + &")".repeat(2_000));
    check("case when true then ".repeat(5_000) + "true" + &" end".repeat(5_000));
    check("a or ".repeat(200_000) + "true");
}

#[test]
fn yaml_without_bounds_ends_in_a_finding() {
    let file = "sql/value/value.yml";
    check_text(file, &format!("models: {}1{}\n", "[".repeat(1_000), "]".repeat(1_000)), "GW0101");
    let mut deep = "models:\n".to_owned();
    (1..1_000).for_each(|level| deep.push_str(&format!("{}a:\n", " ".repeat(level))));
    check_text(file, &deep, "GW0101");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    check_text(file, &bomb, "GW0101");
}

#[test]
fn published_tables_are_tested_as_seen_from_their_own_day() {
    let project = Project::demo();
    project.run(&["--as-of", "2025-07-01"]).ended_with(0);
    let sources = project.sources().to_str().unwrap();
    let told = project.goodwill(&["test", "--data", "--sources", sources]).ended_with(0).stdout;
    assert!(told.contains("data tests passed, 0 failed"), "{told}");
}

#[test]
fn a_folder_of_sql_that_no_pipeline_names_is_told() {
    let shop = Shop::sound();
    let folder = shop.project().folder();
    let unnamed = || {
        shop.project().goodwill(&["check", "--output", "json"]).ended_with(0).json()["unnamed_folders"]
            .clone()
    };
    assert_eq!(unnamed(), serde_json::json!([]));
    fs::create_dir_all(folder.join("sql/mine/deep")).unwrap();
    fs::create_dir_all(folder.join("sql/empty")).unwrap();
    fs::write(folder.join("sql/mine/deep/rules.yml"), "segments: [nonsense]\n").unwrap();
    assert_eq!(unnamed(), serde_json::json!(["mine/deep"]));
    let told = shop.project().goodwill(&["check"]).ended_with(0).stderr;
    assert!(told.contains("note: `sql/mine/deep` is among the `models:` of no pipeline"), "{told}");
    // Another pipeline's folder is no stray one.
    let other = "version: 1\nname: other\nmodels: [mine/deep]\n";
    fs::write(folder.join("pipelines/other.yml"), other).unwrap();
    let named = |shop: &Shop| {
        shop.project().goodwill(&["check", "-p", "shop", "--output", "json"]).ended_with(0).json()["unnamed_folders"].clone()
    };
    assert_eq!(named(&shop), serde_json::json!([]));
}
