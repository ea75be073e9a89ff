//! The floors of `ARCHITECTURE.md`, proven: a module names only modules on lower floors.
//!
//! The table there is the rule and this test its judge, so that the two cannot part.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::rust_source::{declared_modules, module_files, named_paths};

type Floors = BTreeMap<String, u8>;

/// Reads the rows `| floor | modules | … |` of the table under the heading `## Floors`.
fn floors_of(page: &str) -> Floors {
    let section = page.split("\n## Floors\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut floors = Floors::new();
    for row in section.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let Some(floor) = cells.get(1).and_then(|cell| cell.parse().ok()) else { continue };
        for module in cells[2].split('`').skip(1).step_by(2) {
            let before = floors.insert(module.trim_end_matches('/').to_owned(), floor);
            assert_eq!(before, None, "`{module}` stands on two floors");
        }
    }
    floors
}

/// Returns every line of `text`, which is `module`, that names a module it must not, as a sentence.
fn faults(floors: &Floors, file: &Path, module: &[String], text: &str) -> Vec<String> {
    let own = &module[0];
    let Some(own_floor) = floors.get(own) else {
        return vec![format!("{}: `{own}` has no floor in ARCHITECTURE.md", file.display())];
    };
    named_paths(text, module, "crate")
        .into_iter()
        .filter_map(|named| {
            let other = named.segments.first().map_or("the crate's root", String::as_str);
            let why = match floors.get(other) {
                _ if other == own => return None,
                Some(floor) if floor < own_floor => return None,
                Some(floor) if floor == own_floor => "is its neighbour",
                Some(_) => "stands above it",
                None => "has no floor",
            };
            Some(format!("{}:{}: `{own}` names `{other}`, which {why}", file.display(), named.line))
        })
        .collect()
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn floors() -> Floors {
    floors_of(&fs::read_to_string(package().join("ARCHITECTURE.md")).unwrap())
}

#[test]
fn a_module_names_only_modules_on_lower_floors() {
    let floors = floors();
    let source = package().join("src");
    let found: Vec<String> = module_files(&source, "lib.rs")
        .iter()
        .filter(|(_, module)| !module.is_empty())
        .flat_map(|(file, module)| {
            faults(&floors, file, module, &fs::read_to_string(source.join(file)).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_of_the_library_has_a_floor() {
    let floors = floors();
    let text = fs::read_to_string(package().join("src/lib.rs")).unwrap();
    let homeless: Vec<String> = declared_modules(&text)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !floors.contains_key(name))
        .collect();
    assert!(homeless.is_empty(), "give these a floor in ARCHITECTURE.md: {homeless:?}");
}

#[test]
fn the_binary_names_only_the_command_line() {
    let text = fs::read_to_string(package().join("src/main.rs")).unwrap();
    let names = named_paths(&text, &[], "goodwill");
    assert!(names.iter().all(|named| named.segments.first().is_some_and(|name| name == "cli")), "{names:?}");
}

const SMALL: &str = "# A\n\n## Floors\n\n| floor | module | what |\n| --- | --- | --- |\n| 2 | `run/` | `x` |\n\
                     | 1 | `store/` · `spec` | |\n| 0 | `ident` | |\n\n## Next\n\n| 7 | `not_this` | |\n";

fn check(module: &str, text: &str, expected: &[&str]) {
    let module: Vec<String> = module.split("::").map(str::to_owned).collect();
    assert_eq!(faults(&floors_of(SMALL), Path::new("x.rs"), &module, text), expected);
}

#[test]
fn the_table_is_read_by_name() {
    let expected = [("ident", 0), ("run", 2), ("spec", 1), ("store", 1)];
    assert_eq!(floors_of(SMALL), expected.map(|(name, floor)| (name.to_owned(), floor)).into());
}

#[test]
fn lower_floors_and_oneself_may_be_named() {
    check("run", "use crate::{ident::Name, store::Store};\nuse crate::run::step;\nuse super::ident;", &[]);
}

#[test]
fn a_floor_above_is_a_fault() {
    check(
        "store",
        "use crate::ident;\nuse crate::run::Run;",
        &["x.rs:2: `store` names `run`, which stands above it"],
    );
}

#[test]
fn a_neighbour_is_a_fault() {
    check(
        "spec",
        "fn f(s: &crate::store::Store) {}",
        &["x.rs:1: `spec` names `store`, which is its neighbour"],
    );
}

#[test]
fn a_way_round_through_super_is_a_fault() {
    check(
        "store::key",
        "mod tests {\n    use super::super::super::run::Run;\n}",
        &["x.rs:2: `store` names `run`, which stands above it"],
    );
}

#[test]
fn a_module_without_a_floor_is_a_fault() {
    check("util", "", &["x.rs: `util` has no floor in ARCHITECTURE.md"]);
    check("run", "use crate::util::x;", &["x.rs:1: `run` names `util`, which has no floor"]);
    check("run", "use crate::*;", &["x.rs:1: `run` names `*`, which has no floor"]);
}
