//! Personal data and secrets never stand where they were not asked for: in what the program says,
//! in its logs, in receipts and journals, in the footers of its files. `--show-values` is the only way.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::file::properties::WriterProperties;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::parquet_files::{footer_of, write};

/// Stands in every text of a person, and in every secret.
const CANARY: &str = "canary";
/// Stands in every number of a person.
const NUMBER: &str = "98765432";

/// What fails on every row of a person, or on one.
const FAILING: [&str; 40] = [
    "cast(email as bigint)",
    "cast(email as int)",
    "cast(email as smallint)",
    "cast(email as double)",
    "cast(email as decimal(10, 2))",
    "cast(email as date)",
    "cast(email as timestamp)",
    "cast(email as boolean)",
    "cast(email as time)",
    "cast(email as interval)",
    "cast(account as smallint)",
    "cast(account as tinyint)",
    "cast(account as decimal(4, 2))",
    "cast(salary as decimal(4, 2))",
    "cast(salary as smallint)",
    "cast(ratio as smallint)",
    "arrow_cast(email, 'Int32')",
    "arrow_cast(email, 'Timestamp(Microsecond, None)')",
    "arrow_cast(account, 'UInt8')",
    "to_timestamp(email)",
    "to_timestamp_micros(email)",
    "to_date(email)",
    "account * account * account",
    "account + 9223372036854775807",
    "-account - 9223372036854775807",
    "account / (account - account)",
    "account % (account - account)",
    "salary / (salary - salary)",
    "salary * salary * salary * salary * salary",
    "sum(account * 90000000) over ()",
    "chr(account)",
    "decode(email, 'hex')",
    "decode(email, 'base64')",
    "digest(email, email)",
    "regexp_like(email, '(' || email)",
    "regexp_replace(email, '[' || email, '')",
    "arrow_cast(salary, 'Int8')",
    "local_date(timestamp '2026-01-01T00:00:00', email)",
    "(select p.email from people as p)",
    "substr(email, 1, -account)",
];

/// Rules that people break, declared in every way there is; none shows whom.
const RULES: &str = "
  - name: members
    description: One row per person.
    grain: [email]
    columns:
      - {name: email, data_type: varchar, pii: true, description: Whom., data_tests: [not_null, unique, {accepted_values: [nobody]}, {relationships: {to: strangers, field: name}}]}
      - {name: account, data_type: bigint, pii: true, description: Where., data_tests: [{range: {max: 1}}, {relationships: {to: strangers, field: id}}]}
      - {name: salary, data_type: \"decimal(12,2)\", pii: true, description: How much., data_tests: [{range: {max: 1}}]}
      - {name: id, data_type: bigint, description: A number that says nothing., data_tests: [{range: {max: 1}}]}
    data_tests:
      - broken_rows: {name: plain, sql: select email from members}
      - broken_rows: {name: alias, sql: select email as id from members}
      - broken_rows: {name: computed, sql: select upper(email) || account as hint from members}
      - broken_rows: {name: nested, sql: select (select max(m.email) from members as m where m.id = o.id) as x from members as o}
      - broken_rows: {name: outer, sql: select (select o.email) as x from members as o}
      - broken_rows: {name: united, sql: \"select id, email as y from members union all select id, cast(account as varchar) from members\"}
      - broken_rows: {name: largest, sql: \"select max(salary) as most, min(account) as least from members\"}
      - broken_rows: {name: of_a_source, sql: \"select s.email, s.account from sources.people as s\"}
      - reconciles: {left: sum(salary), right: {from: strangers, expr: sum(id)}}
  - name: strangers
    description: Nobody.
    grain: [id]
    columns:
      - {name: id, data_type: bigint, description: A number.}
      - {name: name, data_type: varchar, description: A name.}
";

fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Fifty people; the first two have one address.
fn people() -> Vec<u8> {
    let number = |i: i64| 9_876_543_210 + i;
    let email = |i: i64| format!("Canary{}@people.example", i.max(1));
    let salaries = Decimal128Array::from_iter_values((0..50).map(|i| i128::from(number(i))));
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..50)), true),
        ("email", Arc::new(StringArray::from_iter_values((0..50).map(email))), true),
        ("account", Arc::new(Int64Array::from_iter_values((0..50).map(number))), true),
        ("salary", Arc::new(salaries.with_precision_and_scale(12, 2).unwrap()), true),
        (
            "ratio",
            Arc::new(Float64Array::from_iter_values((0..50).map(|i| 9_876_543_210.0 + f64::from(i)))),
            true,
        ),
    ];
    write(&RecordBatch::try_from_iter_with_nullable(columns).unwrap(), WriterProperties::new())
}

/// A project with a model for each failure, and one that breaks rules.
fn project() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let pipeline = "version: 1
name: people
sources:
  location: ./sources
  tables:
    people: {path: people/}
models: [failing, rules]
targets:
  dev: {root: ./out}
publish: [failing, rules]
";
    put(folder, "pipelines/people.yml", pipeline);
    put(folder, "sources/people/a.parquet", people());
    let mut contracts = "models:\n".to_owned();
    for (at, failing) in FAILING.iter().enumerate() {
        let sql = format!("select id, case when {failing} is null then 0 else 1 end as value\nfrom people\n");
        put(folder, &format!("sql/failing/f{at:02}.sql"), sql);
        let _ = write!(
            contracts,
            "  - name: f{at:02}\n    description: Fails.\n    grain: [id]\n    columns:\n      \
             - {{name: id, data_type: bigint, description: Who.}}\n      \
             - {{name: value, data_type: bigint, description: What.}}\n"
        );
    }
    put(folder, "sql/failing/failing.yml", contracts);
    put(folder, "sql/rules/members.sql", "select email, account, salary, id from people\n");
    put(folder, "sql/rules/strangers.sql", "select 0 as id, 'x' as name\n");
    put(folder, "sql/rules/rules.yml", format!("models:{RULES}"));
    home
}

/// The program in `folder` with all it could be tempted by.
fn goodwill(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_goodwill"));
    fs::create_dir_all(folder.join("tmp")).unwrap();
    program.args(arguments).current_dir(folder).env("TMPDIR", folder.join("tmp")).env("NO_COLOR", "1");
    let temptations = [
        ("AWS_SECRET_ACCESS_KEY", "canary/secret"),
        ("AWS_SESSION_TOKEN", "canary-token"),
        ("AZURE_STORAGE_KEY", "canary=="),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/canary.json"),
        ("DATABASE_URL", "postgres://canary:canary@host/canary"),
        ("RUST_BACKTRACE", "full"),
        ("RUST_LOG", "trace"),
        ("GOODWILL_LOG", "trace"),
    ];
    let told = program.envs(temptations).envs(environment.iter().copied()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    (told.status.code(), text)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Every place where a canary sings in `text`, or none.
#[track_caller]
fn assert_silent(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let digits: String = text.replace([',', '_', '.'], "");
    for line in text.lines().chain(digits.lines()) {
        assert!(!line.contains(CANARY) && !line.contains(NUMBER), "{what}: {line}");
    }
}

/// Nothing below `root` tells of people but the rows of tables themselves.
#[track_caller]
fn assert_root_is_silent(root: &Path) {
    let files = files_below(root);
    assert!(!files.is_empty(), "a run leaves something");
    for file in files {
        let content = fs::read(&file).unwrap();
        let is_table = file.extension().is_some_and(|end| end == "parquet");
        let told = if is_table { &content[footer_of(&content)] } else { &content[..] };
        assert_silent(&file.display().to_string(), told);
    }
}

#[test]
fn two_hundred_failures_tell_of_nobody() {
    let project = project();
    let folder = project.path();
    let variants: [&[&str]; 5] = [
        &["run", "--output", "json"],
        &["run", "--output", "json", "--log-format", "json"],
        &["run", "--output", "json", "-v", "--threads", "1"],
        &["run", "--output", "json", "-q"],
        &["run", "--output", "json", "--no-publish", "--memory-limit", "512MiB"],
    ];
    let mut failures = 0;
    for arguments in variants {
        let (code, told) = goodwill(folder, arguments, &[]);
        assert_silent(&arguments.join(" "), told.as_bytes());
        assert_eq!(code, Some(1), "{told}");
        let start = told.find("{\n").unwrap();
        let document: Json =
            serde_json::Deserializer::from_str(&told[start..]).into_iter().next().unwrap().unwrap();
        let failed = document["steps"].as_array().unwrap().iter().filter(|step| step["status"] == "error");
        let names: Vec<&str> = failed.map(|step| step["model"].as_str().unwrap()).collect();
        let all: Vec<String> = (0..FAILING.len()).map(|at| format!("f{at:02}")).collect();
        let missing: Vec<_> = all.iter().filter(|name| !names.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "did not fail: {missing:?}");
        let broken = document["audits"].as_array().unwrap().iter().filter(|audit| audit["broken"] != 0);
        let broken = broken.count();
        assert!(broken >= 10, "{broken} rules are broken: {:#}", document["audits"]);
        failures += names.len() + broken;
        assert_root_is_silent(&folder.join("out"));
        assert_eq!(files_below(&folder.join("tmp")), Vec::<PathBuf>::new(), "left in scratch");
    }
    println!("{failures} failures");
    assert!(failures >= 200, "{failures}");
}

#[test]
fn values_are_shown_to_whoever_asks_and_in_no_file() {
    let project = project();
    let (code, told) = goodwill(project.path(), &["run", "--show-values"], &[]);
    assert_eq!(code, Some(1), "{told}");
    for text in ["Canary2@people.example", "9876543210", "DataFusion said: "] {
        assert!(told.contains(text), "`{text}` is not in:\n{told}");
    }
    assert_root_is_silent(&project.path().join("out"));
}

/// Addresses as people paste them, each with a secret.
const ADDRESSES: [&str; 12] = [
    "https://user:canary@host.example/path",
    "https://user:canary@host.example/path?sig=canary",
    "https://canary@host.example",
    "https://host.example/path?X-Amz-Signature=canary&X-Amz-Credential=canary",
    "https://host.example/path?sv=1#canary?sig=canary",
    "ftp://user:can/canary@host.example/path",
    "http://user:canary@host.example:99999/path",
    "http://user:canary@[::1/path",
    "postgres://user:canary@host.example/base",
    "hdfs://user:canary@host.example/base?token=canary",
    "file://user:canary@host.example/path",
    "HTTPS://user:p@ss?canary@host.example/path",
];

#[test]
fn an_address_is_told_without_what_gives_access() {
    let project = project();
    let folder = project.path();
    let pipeline = fs::read_to_string(folder.join("pipelines/people.yml")).unwrap();
    for address in ADDRESSES {
        let by_variable =
            pipeline.replace("./sources", "${GOODWILL_SOURCES}").replace("./out", "${ROOT:-./out}");
        put(folder, "pipelines/people.yml", by_variable);
        let environment = [("GOODWILL_SOURCES", address), ("ROOT", address)];
        check_address(folder, &["run"], &environment);
        check_address(folder, &["history", "--output", "json"], &environment);
        check_address(folder, &["run", "--sources", address, "--root", "./out"], &environment);
        check_address(folder, &["show", "members", "--root", address, "-v"], &environment);
        // In the file itself, on the line of another mistake.
        let written =
            pipeline.replace("{root: ./out}", &format!("{{root: '{address}', memory_limit: lots}}"));
        put(folder, "pipelines/people.yml", written);
        check_address(folder, &["run"], &[]);
    }
}

#[track_caller]
fn check_address(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) {
    let (code, told) = goodwill(folder, arguments, environment);
    assert_silent(&format!("{arguments:?}"), told.as_bytes());
    assert_ne!(code, Some(0), "{arguments:?}: {told}");
    assert!(told.contains("error") && code.is_some(), "{arguments:?}: {told}");
}
