//! Little room: few open files, a full disk for what comes after the commit, and files made to
//! explode when they are read.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::file::properties::WriterProperties;

use crate::parquet_files::write;
use crate::program::{Answer, Project, assert_at_rest, commit, tables};

/// Files of the source, and rows of each.
const FILES: i64 = 200;
const ROWS: i64 = 5;

fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

const PIPELINE: &str = "version: 1
name: shop
sources:
  location: ./sources
  tables:
    orders: {path: orders/}
models: [m]
targets:
  dev: {root: ./out}
publish: [m]
";

/// Two hundred files, and so many models that each count and sum them all.
fn project(models: usize) -> Project {
    let project = Project::empty();
    let folder = project.folder();
    put(folder, "pipelines/shop.yml", PIPELINE);
    for file in 0..FILES {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(file * ROWS..(file + 1) * ROWS));
        let batch = RecordBatch::try_from_iter([("order_id", ids)]).unwrap();
        put(folder, &format!("sources/orders/{file:03}.parquet"), write(&batch, WriterProperties::new()));
    }
    let mut contracts = "models:\n".to_owned();
    for at in 0..models {
        put(
            folder,
            &format!("sql/m/m{at:02}.sql"),
            "select count(order_id) as many, sum(order_id) as total from orders\n",
        );
        contracts.push_str(&format!(
            "  - name: m{at:02}\n    description: All orders.\n    grain: [many]\n    columns:\n      \
             - {{name: many, data_type: bigint, description: How many.}}\n      \
             - {{name: total, data_type: bigint, description: Their sum.}}\n"
        ));
    }
    put(folder, "sql/m/m.yml", contracts);
    project
}

/// The program behind a shell's limit.
fn limited(project: &Project, limit: &str, arguments: &str) -> Answer {
    let program = env!("CARGO_BIN_EXE_goodwill");
    let script = format!("trap '' XFSZ; ulimit {limit}; exec '{program}' {arguments} --no-color");
    Command::new("sh").args(["-c", &script]).current_dir(project.folder()).output().unwrap().into()
}

#[test]
fn sixty_four_open_files_are_enough_or_the_run_says_so() {
    const MODELS: usize = 30;
    let project = project(MODELS);
    let told = limited(&project, "-n 64", "run --threads 8");
    if told.code != Some(0) {
        let told = told.ended_with(75);
        assert!(told.stderr.contains("error[GW07"), "{}", told.stderr);
        return;
    }
    assert_eq!(assert_at_rest(&project.root()), 1);
    let all = FILES * ROWS;
    let union: Vec<String> = (0..MODELS).map(|at| format!("select many, total from m{at:02}")).collect();
    for row in project.show(&union.join(" union all ")) {
        assert_eq!(
            (row["many"].as_i64(), row["total"].as_i64()),
            (Some(all), Some(all * (all - 1) / 2)),
            "{row}"
        );
    }
}

/// The receipt names two hundred files and is the largest of all that a run writes here.
#[test]
fn a_disk_that_fills_up_after_the_commit_leaves_what_is_published() {
    let project = project(1);
    // 10 KiB a file.
    let told = limited(&project, "-f 20", "run").ended_with(0);
    let said = "`receipt.json` of this run was not written, all else stands: no space left to write ";
    assert!(told.stderr.contains(said), "{}", told.stderr);
    let root = project.root();
    assert_eq!(assert_at_rest(&root), 1);
    assert_eq!(tables(&commit(&root, 1)).count(), 1);
    project.goodwill(&["run", "--skip-exit-code"]).ended_with(99);
}

/// Checks a project with this pipeline and this SQL: an error, soon, and not the death of the program.
#[track_caller]
fn check_bomb(what: &str, pipeline: &str, sql: &str) {
    let project = Project::empty();
    put(project.folder(), "pipelines/shop.yml", pipeline);
    put(project.folder(), "sql/m/one.sql", sql);
    let contract = "models:\n  - name: one\n    description: One.\n    grain: [a]\n    columns:\n      \
                    - {name: a, data_type: bigint, description: A number.}\n";
    put(project.folder(), "sql/m/m.yml", contract);
    let begun = Instant::now();
    let told = project.goodwill(&["check", "-q"]);
    assert_eq!(told.code, Some(2), "{what}: {:.500}", told.stderr);
    assert!(begun.elapsed() < Duration::from_mins(1), "{what} took {:?}", begun.elapsed());
}

#[test]
fn yaml_that_explodes_is_an_error() {
    let laughs: String = (1..12)
        .map(|at| format!("a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 10].join(",")))
        .collect();
    let deep: String = (1..1200).map(|at| format!("{}- \n", " ".repeat(at))).collect();
    let bombs = [
        ("laughs", format!("a0: &a0 [x]\n{laughs}{PIPELINE}")),
        ("brackets", format!("{PIPELINE}x: {}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("braces", format!("{PIPELINE}x: {}1{}", "{a: ".repeat(50_000), "}".repeat(50_000))),
        ("blocks", format!("{PIPELINE}x:\n{deep}")),
        ("merges", format!("{PIPELINE}m: &m {{a: 1}}\nn: {{{}}}\n", vec!["<<: *m"; 50_000].join(", "))),
        ("itself", format!("{PIPELINE}x: &x [*x]\n")),
        ("tags", format!("{PIPELINE}x: {}[]\n", "!!seq ".repeat(20_000))),
        ("two megabytes", format!("{PIPELINE}# {}\n", "x".repeat(2 << 20))),
    ];
    for (what, pipeline) in bombs {
        check_bomb(what, &pipeline, "select 1 as a\n");
    }
}

#[test]
fn sql_that_explodes_is_an_error() {
    let numbers: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    let bombs = [
        ("parentheses", format!("select {}1{} as a", "(".repeat(10_000), ")".repeat(10_000))),
        ("signs", format!("select {}1 as a", "- ".repeat(20_000))),
        (
            "subqueries",
            format!("select a from {}select 1 as a{}", "(select a from ".repeat(500), ") as t".repeat(501)),
        ),
        ("a list", format!("select 1 as a where 1 in ({})", numbers.join(","))),
        ("comments", format!("{} select 1 as a", "/*".repeat(100_000))),
        ("two megabytes", format!("select 1 as a --{}", "x".repeat(2 << 20))),
    ];
    for (what, sql) in bombs {
        check_bomb(what, PIPELINE, &sql);
    }
}
