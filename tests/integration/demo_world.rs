//! The demo's world as the program meets it: every source read through its contract, and the broken
//! rows found as the truth counts them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::program::{Project, copy_folder, demo, read_json};

/// A project that reads all canonical sources under their contracts, over a world of 10,000 customers.
fn reader() -> Project {
    let project = Project::empty();
    project.goodwill(&["demo", "shop", "--only", "sources", "-q"]).ended_with(0);
    let shop = project.folder().join("shop");
    copy_folder(&shop.join("demo"), &project.folder().join("demo"));
    let contracts = fs::read_to_string(shop.join("sql/staging/sources.yml")).unwrap();
    let names = contracts.lines().filter_map(|line| line.strip_prefix("  - name: "));
    let names = names.map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names.len(), 35);
    let tables = names.iter().map(|name| format!("    {name}: {{path: {name}/}}\n")).collect::<String>();
    let pipeline = format!(
        "version: 1\nname: all\ndescription: Reads all.\ntime_zone: UTC\nas_of: 2026-01-01\n\
         sources:\n  location: ./demo/sources\n  tables:\n{tables}models: [all]\n\
         targets:\n  dev: {{root: ./out}}\ndefault_target: dev\npublish: [sizes]\n"
    );
    let one = |name: &String| format!("select '{name}' as source, count(*) as accepted from sources.{name}");
    let sql = names.iter().map(one).collect::<Vec<_>>().join("\nunion all\n");
    let model = "\
models:
  - name: sizes
    description: One row a source.
    config: {materialized: table}
    grain: [source]
    columns:
      - {name: source, data_type: varchar, description: Its name.}
      - {name: accepted, data_type: bigint, description: Its accepted rows.}
";
    fs::create_dir_all(project.folder().join("pipelines")).unwrap();
    fs::create_dir_all(project.folder().join("sql/all")).unwrap();
    fs::write(project.folder().join("pipelines/all.yml"), pipeline).unwrap();
    fs::write(project.folder().join("sql/all/sizes.sql"), sql).unwrap();
    fs::write(project.folder().join("sql/all/sizes.yml"), model).unwrap();
    fs::write(project.folder().join("sql/all/sources.yml"), contracts).unwrap();
    project
}

/// The hash of every file below `folder`.
fn hashes_below(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = hashes_below(&entry.path());
            found.extend(below.into_iter().map(|(file, hash)| (format!("{name}/{file}"), hash)));
        } else {
            found.insert(name, format!("{:x?}", Sha256::digest(fs::read(entry.path()).unwrap())));
        }
    }
    found
}

type Counts = BTreeMap<(String, String, String), i64>;

fn text(of: &Json, key: &str) -> String {
    of[key].as_str().unwrap().to_owned()
}

#[test]
fn every_planted_broken_row_is_found_and_no_other_is() {
    let project = reader();
    project.goodwill(&["run"]).ended_with(0);
    let truth = read_json(&project.folder().join("demo/truth/world.json"));
    let planted = truth["broken_rows"].as_array().unwrap().iter();
    let planted = planted.map(|it| {
        let key = (text(it, "source"), text(it, "rule"), text(it, "column"));
        (key, it["rows"].as_i64().unwrap())
    });
    let planted = planted.collect::<Counts>();
    let receipt = project.goodwill(&["receipt", "--output", "json"]).ended_with(0).json();
    let mut found = Counts::new();
    for source in receipt["sources"].as_array().unwrap() {
        for rule in source["rules"].as_array().unwrap() {
            let failed = rule["failed"].as_i64().unwrap();
            if failed > 0 {
                let column = rule["column"].as_str().unwrap_or_default().to_owned();
                // A key is repeated as a whole.
                let column = if rule["rule"] == "duplicate_key" { String::new() } else { column };
                found.insert((text(source, "source"), text(rule, "rule"), column), failed);
            }
        }
        // Nothing is empty, and what was read is what was written.
        assert_eq!(source["rows"], truth["rows"][text(source, "source")], "{}", source["source"]);
    }
    assert_eq!(found, planted);
    let kinds = planted.keys().map(|(_, rule, _)| rule.as_str()).collect::<std::collections::BTreeSet<_>>();
    let all = [
        "accepted_values",
        "duplicate_key",
        "impossible_date",
        "missing_key",
        "not_finite",
        "not_null",
        "orphan",
        "range",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn only_sources_makes_no_table_and_the_same_world() {
    let project = Project::empty();
    let made = project.goodwill(&["demo", "shop", "--scale", "0.001", "--only", "sources"]).ended_with(0);
    assert!(made.stdout.contains("shop/demo/truth") && !project.folder().join("shop/out").exists());
    let shop = project.folder().join("shop/demo");
    assert_eq!(hashes_below(&shop), hashes_below(&demo().folder().join("demo")));
    let other =
        ["demo", "odd", "--scale", "0.001", "--only", "sources", "--misspecified", "--until", "2025-06-01"];
    project.goodwill(&other).ended_with(0);
    let truth = read_json(&project.folder().join("odd/demo/truth/world.json"));
    assert_eq!((&truth["assumptions"], &truth["until"]), (&"broken".into(), &"2025-06-01".into()));
    let again = project.goodwill(&other).ended_with(0);
    assert!(again.stdout.starts_with("found the company made before"), "{}", again.stdout);
}

#[test]
fn late_rows_are_unknown_at_the_end_and_known_later() {
    let project = Project::unpublished_demo();
    let rows = |known_at: &str| {
        project.run(&["--known-at", known_at]).ended_with(0);
        let receipt = project.goodwill(&["receipt", "--output", "json"]).ended_with(0).json();
        let touches =
            receipt["sources"].as_array().unwrap().iter().find(|it| it["source"] == "touches").cloned();
        touches.unwrap()["rows"].as_i64().unwrap()
    };
    let (then, later) = (rows("2026-01-01"), rows("2026-02-01"));
    assert!(then < later, "{then} of {later}");
}
