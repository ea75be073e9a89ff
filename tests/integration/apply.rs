//! `goodwill apply`: exactly the plan that was saved, or nothing.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value as Json, json};

use crate::program::{Answer, PATIENCE, Running, assert_at_rest, commit, hashes, read_json, versions};
use crate::shop::{Shop, cost_columns, order, order_columns};

/// A shop with a plan in `plan.json`, made with these flags.
fn planned(shop: &Shop, flags: &[&str]) {
    let mut arguments = vec!["plan", "-q", "-o", "plan.json"];
    arguments.extend(flags);
    shop.project().goodwill(&arguments).ended_with(0);
}

fn apply(shop: &Shop, flags: &[&str]) -> Answer {
    let mut arguments = vec!["apply", "plan.json"];
    arguments.extend(flags);
    shop.project().goodwill(&arguments)
}

/// The tables of a version that were made in it.
fn made(shop: &Shop, version: u64) -> BTreeMap<String, Vec<String>> {
    let commit = commit(&shop.project().root(), version);
    let mut hashes = hashes(&commit);
    hashes.retain(|name, _| commit["tables"][name]["built_in"] == version);
    hashes
}

fn change_plan(shop: &Shop, change: impl FnOnce(&mut Json)) {
    let path = shop.project().folder().join("plan.json");
    let mut plan = read_json(&path);
    change(&mut plan);
    fs::write(path, format!("{plan:#}\n")).unwrap();
}

#[test]
fn a_plan_that_still_holds_publishes_what_a_run_publishes() {
    let expected = Shop::sound().published(&[]);
    let shop = Shop::sound();
    planned(&shop, &[]);
    let told = apply(&shop, &[]).ended_with(0);
    assert!(told.stdout.contains("published version 1: "), "{}", told.stdout);
    assert!(told.stderr.contains("next: goodwill show "), "{}", told.stderr);
    assert_eq!(made(&shop, 1), expected);
    let receipt = shop.project().goodwill(&["receipt", "--output", "json"]).ended_with(0).json();
    assert_eq!(receipt["ending"], json!({"status": "published", "version": 1}));

    // Once: the second time its version is there.
    let told = apply(&shop, &[]).ended_with(2).stderr;
    let run = commit(&shop.project().root(), 1)["run_id"].as_str().unwrap().to_owned();
    let expected = format!(
        "error[GW0309]: what `plan.json` says is done already: run `{run}` published it as version 1"
    );
    assert!(told.contains(&expected), "{told}");
    // Also when much has happened since; but another plan's version is not its own.
    shop.run(&["-f", "-s", "sales"]).ended_with(0);
    assert!(apply(&shop, &[]).ended_with(2).stderr.contains(&expected));
    change_plan(&shop, |plan| plan["as_of"] = json!("2024-03-31T00:00:00Z"));
    let told = apply(&shop, &[]).ended_with(2).stderr;
    assert!(told.contains("the last version: none then, version 2 now"), "{told}");
    assert_eq!(assert_at_rest(&shop.project().root()), 2);

    let shop = Shop::sound();
    shop.run(&[]).ended_with(0);
    assert_eq!(assert_at_rest(&shop.project().root()), 1);

    // A plan with nothing to do is applied like any other, as often as one likes.
    planned(&shop, &[]);
    assert!(apply(&shop, &[]).ended_with(0).stdout.starts_with("nothing to do"));
    let document = apply(&shop, &["--skip-exit-code", "--output", "json"]).ended_with(99).json();
    assert_eq!(document["status"], "nothing_to_do");
    assert_eq!(versions(&shop.project().root()), [1]);
}

#[test]
fn what_was_asked_for_stands_in_the_plan() {
    let shop = Shop::sound();
    let asked = ["-p", "shop", "-s", "sales", "--as-of", "2024-03-15", "--vars", "currency=EUR"];
    planned(&shop, &asked);
    // Reformatted, as tools do it, it is the same plan.
    change_plan(&shop, |plan| assert_eq!(plan["asked"]["select"], json!(["sales"])));
    apply(&shop, &["--lock-wait", "1m", "--threads", "1"]).ended_with(0);
    let root = shop.project().root();
    assert_eq!(made(&shop, 1).into_keys().collect::<Vec<_>>(), ["sales"]);
    assert_eq!(commit(&root, 1)["as_of"], "2024-03-15T00:00:00Z");

    planned(&shop, &["-f", "-s", "sales", "--as-of", "2024-03-15"]);
    apply(&shop, &["--no-publish"]).ended_with(0);
    assert_eq!(versions(&root), [1], "as asked");
    apply(&shop, &[]).ended_with(0);
    assert_eq!(made(&shop, 2), made(&shop, 1));
    assert_eq!(assert_at_rest(&root), 2);
}

/// Makes a plan, lets `act` move something, and applies it: refused, with these words.
#[track_caller]
fn check_move(act: impl FnOnce(&Shop), told: &str) {
    check_move_at(&Shop::sound(), act, &[], told);
}

#[track_caller]
fn check_move_at(shop: &Shop, act: impl FnOnce(&Shop), flags: &[&str], told: &str) {
    planned(shop, &[]);
    act(shop);
    let before = versions(&shop.project().root());
    let said = apply(shop, flags).ended_with(2).stderr;
    assert!(said.contains("error[GW0309]: what `plan.json` was made for has moved"), "{said}");
    assert!(said.contains(told), "`{told}` is not in {said}");
    assert!(said.contains("make a new plan: `goodwill plan -o plan.json`"), "{said}");
    assert_eq!(versions(&shop.project().root()), before, "nothing is published");
}

#[test]
fn a_plan_is_refused_when_a_file_of_the_project_changed() {
    check_move(
        |shop| shop.edit("sql/m/sales.sql", "with counted", "-- Another comment.\nwith counted"),
        "= help: `sql/m/sales.sql` was changed\n",
    );
    // A limit of a source changes no byte of any table, and what is published all the same.
    check_move(
        |shop| shop.edit("sql/m/sources.yml", "max_rejected: 1", "max_rejected: 0.5"),
        "= help: `sql/m/sources.yml` was changed\n",
    );
    check_move(
        |shop| shop.edit("pipelines/shop.yml", "default: EUR", "default: USD"),
        "= help: `$currency`: `EUR` then, `USD` now\n",
    );
    check_move(|shop| shop.file("sql/m/more.yml", "models: []\n"), "= help: `sql/m/more.yml` is new\n");
}

#[test]
fn a_plan_is_refused_when_a_source_moved() {
    check_move(
        |shop| shop.rows("orders/b.parquet", &order_columns(), &[order(2)]),
        "= help: sources.orders: 1 file then, 2 now\n",
    );
    check_move(
        |shop| shop.rows("orders/a.parquet", &order_columns(), &[order(1), order(2)]),
        "= help: sources.orders: 1 file then and now, 1 row then, 2 now\n",
    );
    check_move(
        |shop| {
            // Another file of the same name and size.
            let path = shop.project().folder().join("sources/orders/a.parquet");
            fs::copy(&path, path.with_extension("new")).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        },
        "= help: sources.orders: 1 file then and now, written again\n",
    );
    check_move(
        |shop| shop.rows("costs/a.parquet", &cost_columns(), &[json!({"cost_id": 1, "amount": "1.00"})]),
        "= help: sources.costs: absent then, 1 file now\n",
    );
}

#[test]
fn a_plan_is_refused_when_another_version_was_published() {
    let other = |shop: &Shop| drop(shop.run(&["-s", "sales"]).ended_with(0));
    check_move(other, "the last version: none then, version 1 now\n");
    // Unless the other run did the very same.
    let shop = Shop::sound();
    planned(&shop, &[]);
    shop.run(&[]).ended_with(0);
    let told = apply(&shop, &[]).ended_with(2).stderr;
    assert!(told.contains("says is done already") && told.contains("published it as version 1"), "{told}");
    let shop = Shop::sound();
    shop.run(&[]).ended_with(0);
    check_move_at(
        &shop,
        |shop| drop(shop.run(&["--root", "other"]).ended_with(0)),
        &["--root", "other"],
        "now: is it another root?\n",
    );
    assert_eq!(versions(&shop.project().folder().join("other")), [1]);
}

#[test]
fn a_plan_is_refused_when_the_program_or_the_file_is_another() {
    let change = |change: fn(&mut Json)| move |shop: &Shop| change_plan(shop, change);
    check_move(
        change(|plan| plan["made_in"]["program"] = "goodwill 0.0.1 datafusion 54".into()),
        "the program: goodwill 0.0.1 datafusion 54 then, goodwill ",
    );
    check_move(change(|plan| plan["asked"]["vars"] = json!({"currency": "USD"})), "`$currency`: `EUR` then");
    check_move(change(|plan| plan["as_of"] = "2024-03-15T00:00:00Z".into()), "`$as_of`: ");
    check_move(
        change(|plan| drop(plan["steps"].as_array_mut().unwrap().pop())),
        "`steps` not as it would be now: somebody changed the file",
    );
}

#[test]
fn a_file_that_is_no_plan_is_refused_with_its_place() {
    let shop = Shop::sound();
    planned(&shop, &[]);
    let path = shop.project().folder().join("plan.json");
    let whole = fs::read_to_string(&path).unwrap();
    let refused = |text: &str, expected: &str| {
        fs::write(&path, text).unwrap();
        let said = apply(&shop, &[]).ended_with(2).stderr;
        assert!(said.contains("error[GW0308]: ") && said.contains(expected), "`{expected}` is not in {said}");
    };
    refused(&whole[..whole.len() / 2], "--> plan.json:");
    refused("plan of shop\n", "--> plan.json:1:1");
    refused("[]\n", "it has no `format`");
    refused("{\"format\": 2}", "is a plan of format 2, this program knows formats up to 1");
    refused(&whole.replace("\"asked\"", "\"others\""), "missing field `asked`");
    refused(&whole.replace("\"needed\"", "\"sometimes\""), "`sometimes`");
    fs::remove_file(&path).unwrap();
    let said = apply(&shop, &[]).ended_with(2).stderr;
    assert!(said.contains("error[GW0301]: `plan.json` cannot be read"), "{said}");
    assert_eq!(versions(&shop.project().root()), Vec::<u64>::new());
}

#[test]
fn a_lost_race_ends_it_and_plans_nothing_else() {
    let shop = Shop::sound();
    planned(&shop, &[]);
    let project = shop.project();
    let mut applying =
        Running::start(project.command(&["apply", "plan.json"]), Some("before_commit=1*sleep(8000)"));
    applying.reach("before_commit", 1);
    project.run_without_lease(&[]).ended_with(0);
    assert_eq!(applying.end_within(PATIENCE).code(), Some(75));
    let said = applying.said().join("\n");
    assert!(
        said.contains("error[GW0704]: another run published version 1 while this plan was applied"),
        "{said}"
    );
    assert_eq!(assert_at_rest(&project.root()), 1);
    apply(&shop, &[]).ended_with(2);
}
