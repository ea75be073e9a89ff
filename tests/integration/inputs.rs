//! Bad data and bad requests beyond the examples of `tests/fixtures/invalid`: `goodwill run` ends with the
//! exit code and the message that tell what to do, and publishes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

const PIPELINE: &str = "version: 1
name: shop
vars:
  least: {type: int, default: 0, min: 0}
sources:
  location: ./sources
  tables:
    orders: {path: orders/}
models: [m]
targets:
  dev: {root: ./out}
publish: [m]
";

const SQL: &str = "-- One row per order.
select order_id, amount / weight as price
from orders
where order_id >= $least
";

const CONTRACT: &str = "models:
  - name: prices
    description: One row per order.
    grain: [order_id]
    columns:
      - {name: order_id, data_type: bigint, description: The order.}
      - {name: price, data_type: double, description: Its amount for each unit of weight.}
";

/// A project in a folder of its own, without data.
fn project() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("pipelines/shop.yml", PIPELINE), ("sql/m/prices.sql", SQL), ("sql/m/m.yml", CONTRACT)]
    {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Writes orders with these keys, each of amount 1 and of the weight given.
fn write_orders(folder: &TempDir, file: &str, keys: ArrayRef, weights: &[f64]) {
    let amounts: ArrayRef = Arc::new(Float64Array::from_value(1.0, weights.len()));
    let weights: ArrayRef = Arc::new(Float64Array::from(weights.to_vec()));
    let columns = [("order_id", keys), ("amount", amounts), ("weight", weights)];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.path().join("sources/orders").join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn keys(keys: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(keys.to_vec()))
}

pub(crate) fn with_orders(order_ids: &[i64], weights: &[f64]) -> TempDir {
    let folder = project();
    write_orders(&folder, "a.parquet", keys(order_ids), weights);
    folder
}

/// The files below `folder`, if it is there.
fn files_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path.display().to_string()] })
        .collect()
}

fn is_published(folder: &TempDir) -> bool {
    let root = folder.path().join("out");
    let commits = files_below(&root.join("_goodwill/commits"));
    let logs = files_below(&root.join("tables"));
    !commits.is_empty() || logs.iter().any(|file| file.contains("_delta_log"))
}

/// Runs the project; the exit code and what stands on stderr, the folder written `PROJECT`.
fn run(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_goodwill"));
    let program = program.args(["run", "--no-color"]).args(arguments).current_dir(folder.path());
    let output = program.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let place = folder.path().canonicalize().unwrap().display().to_string();
    (output.status.code(), stderr.replace(&place, "PROJECT"))
}

/// Checks that a run ends with `code`, says each of `expected`, and publishes nothing.
pub(crate) fn check(folder: &TempDir, arguments: &[&str], code: i32, expected: &[&str]) {
    let (found, stderr) = run(folder, arguments);
    for text in expected {
        assert!(stderr.contains(text), "`{text}` is not in:\n{stderr}");
    }
    assert_eq!(found, Some(code), "{stderr}");
    assert!(!is_published(folder), "published in spite of:\n{stderr}");
}

#[test]
fn sound_data_is_published() {
    let folder = with_orders(&[1, 2], &[1.0, 2.0]);
    let (code, stderr) = run(&folder, &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(is_published(&folder), "{stderr}");
}

#[test]
fn an_empty_source_folder_is_no_empty_table() {
    let folder = project();
    fs::create_dir_all(folder.path().join("sources/orders")).unwrap();
    check(
        &folder,
        &[],
        4,
        &["error[GW0401]: source `orders` has no Parquet files: `PROJECT/sources/orders`\n"],
    );
}

#[test]
fn a_key_of_a_wrong_type_is_told_before_anything_is_computed() {
    let folder = project();
    write_orders(&folder, "a.parquet", Arc::new(StringArray::from(vec!["one"])), &[1.0]);
    check(
        &folder,
        &[],
        2,
        &["error[GW0211]: `order_id` is text and would be read as BIGINT", "where order_id >= $least"],
    );
}

#[test]
fn nan_is_not_published() {
    let message = "error[GW0503]: `price` has 1 row with NaN or infinity\n";
    check(&with_orders(&[1, 2], &[1.0, f64::NAN]), &[], 1, &[message]);
}

#[test]
fn a_variable_of_the_wrong_type_is_a_bad_request() {
    let folder = with_orders(&[1], &[1.0]);
    check(
        &folder,
        &["--vars", "least=many"],
        2,
        &["error[GW0206]: variable `least`: `many` is not a whole number\n"],
    );
    check(&folder, &["--vars", "least=-1"], 2, &["error[GW0206]: variable `least`: -1 is less than 0\n"]);
}

#[test]
fn a_variable_nobody_declared_is_a_bad_request() {
    let folder = with_orders(&[1], &[1.0]);
    let expected =
        ["error[GW0206]: `pipelines/shop.yml` has no variable `leest`\n", "= help: did you mean `least`?\n"];
    check(&folder, &["--vars", "leest=1"], 2, &expected);
}

#[test]
fn a_selector_that_matches_nothing_is_a_bad_request() {
    let folder = with_orders(&[1], &[1.0]);
    let expected = ["error[GW0215]: `price` matches no model\n", "= help: did you mean `prices`?\n"];
    check(&folder, &["-s", "price"], 2, &expected);
}
