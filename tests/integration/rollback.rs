//! `goodwill rollback`: an old version published again, and no other harm done.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::cleaning::{APPLY, gc};
use crate::program::{
    PATIENCE, Project, Running, assert_at_rest, assert_never_torn, commit, hashes, tables, versions,
};

/// The tables that the runs of these tests make anew.
const SOME: [&str; 5] = ["-f", "-s", "dates", "-s", "products"];

/// A project with `last` versions; each has other files of two tables.
fn with_versions(last: u64) -> Project {
    let project = Project::demo();
    for _ in 2..=last {
        project.run(&SOME).ended_with(0);
    }
    assert_eq!(assert_at_rest(&project.root()), last);
    project
}

/// The files of each table of a version.
fn named(root: &Path, version: u64) -> BTreeMap<String, Json> {
    tables(&commit(root, version)).map(|(name, table)| (name.to_owned(), table["parts"].clone())).collect()
}

#[test]
fn an_old_version_is_published_again_and_the_next_run_builds_what_differs() {
    let project = Project::demo();
    let root = project.root();
    let measure = ["--vars", "value_measure=net_sales", "-s", "value_tiers"];
    project.run(&measure).ended_with(0);
    let (first, second) = (named(&root, 1), named(&root, 2));
    assert_ne!(first["value_tiers"], second["value_tiers"]);

    let told = project.goodwill(&["rollback", "1", "--output", "json"]).ended_with(0).json();
    assert_eq!(
        (&told["status"], &told["restores"], &told["version"]),
        (&json!("rolled_back"), &1.into(), &3.into())
    );
    let rows = |version: u64| {
        tables(&commit(&root, version))
            .find(|(name, _)| *name == "value_tiers")
            .map(|(_, table)| table["parts"][0]["rows"].clone())
            .unwrap()
    };
    assert_eq!(told["tables"], json!([{"table": "value_tiers", "rows": rows(1), "rows_before": rows(2)}]));
    assert_eq!(assert_at_rest(&root), 3);
    assert_eq!(named(&root, 3), first, "the very files of version 1");
    assert_eq!(named(&root, 2), second, "history stays");
    let shown = project.show("select distinct value_measure from value_tiers");
    assert_eq!(shown, [json!({"value_measure": "contribution"})]);
    project.goodwill(&["verify", "--all"]).ended_with(0);

    let history = project.goodwill(&["history", "--output", "json"]).ended_with(0).json();
    let restores: Vec<&Json> =
        history["versions"].as_array().unwrap().iter().map(|it| &it["restores"]).collect();
    assert_eq!(restores, [&json!(1), &Json::Null, &Json::Null]);
    let receipt = project.goodwill(&["receipt", "--output", "json"]).ended_with(0).json();
    assert_eq!(receipt["restores"], 1);

    // What version 1 was made of is what the project says: nothing to do. Asked otherwise, it is built.
    project.run(&["--skip-exit-code"]).ended_with(99);
    project.run(&measure).ended_with(0);
    assert_eq!(assert_at_rest(&root), 4);
    assert_eq!(hashes(&commit(&root, 4))["value_tiers"], hashes(&commit(&root, 2))["value_tiers"]);

    // By the run's name, and again: then there is nothing to do.
    let run = commit(&root, 1)["run_id"].as_str().unwrap().to_owned();
    project.goodwill(&["rollback", &run]).ended_with(0);
    let told = project.goodwill(&["rollback", "1"]).ended_with(0).stdout;
    assert_eq!(told, "nothing to do: the tables of version 5 are those of version 1\n");
    assert_eq!(assert_at_rest(&root), 5);
}

#[test]
fn rolling_back_and_forth_goes_on_with_every_delta_log_across_checkpoints() {
    let project = with_versions(3);
    let root = project.root();
    // The log of `dates` has versions 0 to 2; its first checkpoint is at 10.
    for turn in 0..10 {
        let target = if turn % 2 == 0 { 1 } else { 2 };
        project.goodwill(&["rollback", &target.to_string()]).ended_with(0);
        let last = assert_at_rest(&root);
        assert_eq!(last, 4 + turn);
        assert_eq!(named(&root, last), named(&root, target));
    }
    project.goodwill(&["verify", "--all"]).ended_with(0);
}

#[test]
fn only_what_is_there_can_be_restored() {
    let project = Project::demo();
    let told = project.goodwill(&["rollback", "7"]).ended_with(2).stderr;
    assert!(told.contains("error[GW0304]: no version or run `7` is published"), "{told}");
    let told =
        project.goodwill(&["rollback", "1", "-p", "pipelines/customer_intelligence.yml"]).ended_with(0);
    assert!(told.stdout.starts_with("nothing to do"), "a pipeline may be named by its file");
    let told = project.goodwill(&["rollback", "1", "-p", "nobody"]).ended_with(2).stderr;
    assert!(told.contains("error[GW0112]"), "{told}");
    let told =
        project.goodwill(&["rollback", "1", "-p", "other", "--root", project.root().to_str().unwrap()]);
    let told = told.ended_with(2).stderr;
    assert!(told.contains("it is not clear whose tables are to be rolled back"), "{told}");
    assert!(told.contains("here publish `customer_intelligence`"), "{told}");
    assert_eq!(versions(&project.root()), [1]);
    let empty = Project::unpublished_demo();
    let told = empty.goodwill(&["rollback", "1"]).ended_with(2).stderr;
    assert!(told.contains("nothing is published yet"), "{told}");
}

#[test]
fn a_version_that_was_cleaned_up_is_not_restored() {
    let project = with_versions(5);
    let root = project.root();
    gc(&root, 30, APPLY);
    let told = project.goodwill(&["rollback", "2"]).ended_with(2).stderr;
    assert!(told.contains("the files of version 2 were removed by a clean-up"), "{told}");
    assert!(told.contains("the oldest version whose files are kept is 3"), "{told}");
    project.goodwill(&["rollback", "3"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 6);
    assert_eq!(named(&root, 6), named(&root, 3));
}

/// A clean-up that looked before the rollback and removes after it leaves what is needed again.
#[test]
fn a_clean_up_beside_it_leaves_the_files_that_were_restored() {
    let project = with_versions(5);
    let root = project.root();
    let mut cleaning = Running::start(gc_in_a_month(&project), Some("after_horizon=sleep(20000)"));
    // The note is written before the clean-up looks for new versions; take it away, as if the
    // rollback had looked for it just before.
    cleaning.reach("after_horizon", 1);
    std::fs::remove_dir_all(root.join("_goodwill/gc")).unwrap();
    project.goodwill(&["rollback", "1"]).ended_with(0);
    assert!(cleaning.end_within(PATIENCE).success());
    assert_eq!(assert_at_rest(&root), 6);
    assert_eq!(named(&root, 6), named(&root, 1));
}

/// A clean-up that removes the files between the rollback's look and its commit: what was published
/// stands again, and the command says so.
#[test]
fn a_rollback_whose_files_were_removed_meanwhile_is_taken_back() {
    let project = with_versions(5);
    let root = project.root();
    let mut rolling =
        Running::start(project.command(&["rollback", "1"]), Some("before_commit=1*sleep(15000)"));
    rolling.reach("before_commit", 1);
    gc(&root, 30, APPLY);
    assert_eq!(rolling.end_within(PATIENCE).code(), Some(75));
    let said = rolling.said().join("\n");
    assert!(said.contains("a clean-up removed files of version 1 while it was being restored"), "{said}");
    assert_eq!(assert_at_rest(&root), 7);
    assert_eq!(named(&root, 7), named(&root, 5));
}

#[test]
fn killed_at_any_step_it_did_all_or_nothing() {
    let project = with_versions(2);
    let root = project.root();
    let steps = [
        "after_intent",
        "after_chunks",
        "before_commit",
        "after_commit",
        "between_versions",
        "between_tables",
        "before_views",
    ];
    for step in steps {
        let before = *versions(&root).last().unwrap();
        // Whatever is the last, one of these two differs from it.
        let target = if named(&root, before) == named(&root, 1) { "2" } else { "1" };
        let mut running =
            Running::start(project.command(&["rollback", target]), Some(&format!("{step}=pause")));
        running.reach(step, 1);
        assert!(running.kill(), "it ended before it could be killed at {step}");
        let last = assert_never_torn(&root);
        assert!(last == before || last == before + 1, "{step}");
        project.goodwill(&["rollback", target]).ended_with(0);
        assert_eq!(assert_at_rest(&root), before + 1, "{step}: once, not twice");
        assert_eq!(named(&root, before + 1), named(&root, target.parse().unwrap()), "{step}");
    }
}

#[test]
fn a_bucket_is_rolled_back_as_a_folder_is() {
    let project = Project::demo_in_a_bucket();
    let root = project.root();
    project.run(&SOME).ended_with(0);
    project.goodwill(&["rollback", "1"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 3);
    assert_eq!(named(&root, 3), named(&root, 1));
    // The commit's answer is lost: it is recognised, and nothing is published twice.
    let mut command = project.command(&["rollback", "2"]);
    command
        .env("GOODWILL_STORE_FAULTS", "seed=1 lost=1@PUT:_goodwill/commits")
        .env("GOODWILL_STORE_PATIENCE", "20s");
    let answer: crate::program::Answer = command.output().unwrap().into();
    answer.ended_with(0);
    assert_eq!(assert_at_rest(&root), 4);
    assert_eq!(named(&root, 4), named(&root, 2));
}

/// The program's own clean-up, over a root whose papers say that it is a month old.
fn gc_in_a_month(project: &Project) -> std::process::Command {
    crate::cleaning::age(&project.root(), 30);
    project.command(&["gc", "--apply"])
}
