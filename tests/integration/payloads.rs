//! Names and values that try to be more: a path out of the project, a piece of SQL. They are
//! refused, or they stay what they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arrow::util::display::array_value_to_string;
use goodwill::diagnostic::SourceFile;
use goodwill::engine::{Bindings, Engine, EngineOptions, Values, analyze};
use goodwill::ident::{AttemptId, NodeName, PipelineName, VariableName};
use goodwill::query::parse;
use goodwill::store::Key;
use goodwill::value::ValueType;

use crate::program::Project;

/// Ways out of a folder; OUTSIDE is a folder beside the project, with files worth stealing.
const PATHS: [&str; 40] = [
    "../outside",
    "../outside/orders",
    "./../outside/orders",
    "orders/../../outside/orders",
    "orders/../../../outside",
    "..",
    "../",
    ".",
    "./.",
    "/OUTSIDE",
    "/OUTSIDE/orders/",
    "//OUTSIDE/orders",
    "file:///OUTSIDE/orders",
    "file://../outside/orders",
    "FILE:///OUTSIDE/orders",
    "%2e%2e/outside/orders",
    "%2e%2e%2foutside%2forders",
    "..%2foutside",
    "..%5coutside",
    "%252e%252e/outside",
    "..\\outside\\orders",
    "..\\..\\outside",
    "\\\\host\\share",
    "C:\\outside",
    "C:/outside",
    "~/outside",
    "~root",
    "$HOME/outside",
    "${HOME}",
    "．．/outside/orders",
    "․․/outside",
    "‥/outside",
    "..／outside／orders",
    "..∕outside",
    "orders\u{202e}/../outside",
    "orders/{..,x}/../../outside/orders",
    "orders/[.][.]/[.][.]/outside/orders",
    "*/../../outside/orders/*.parquet",
    "day=../../outside/orders",
    "-orders --root=/OUTSIDE",
];

/// What must not be told: it stands in every file outside.
const TREASURE: &str = "buried_treasure";

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A pipeline with these names in the places where it has names.
fn pipeline(source: &str, models: &str, root: &str) -> String {
    format!(
        "version: 1\nname: shop\nsources:\n  location: ./sources\n  tables:\n    orders: {{path: {source:?}}}\n\
         models: [{models:?}]\ntargets:\n  dev: {{root: {root:?}}}\npublish: [m]\n"
    )
}

fn contract(model: &str) -> String {
    format!(
        "models:\n  - name: {model:?}\n    description: One row.\n    grain: [a]\n    columns:\n      \
         - {{name: a, data_type: bigint, description: A number.}}\n"
    )
}

/// Every file below `folder` with its content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    found
}

struct Siege {
    home: Project,
    inside: std::path::PathBuf,
    outside: std::path::PathBuf,
    before: BTreeMap<String, Vec<u8>>,
}

impl Siege {
    fn begin() -> Self {
        let home = Project::empty();
        let outside = home.folder().join("outside");
        put(&outside, "m.sql", &format!("select {TREASURE} from nowhere\n"));
        put(&outside, "m.yml", &format!("{TREASURE}: yes\n"));
        put(&outside, "orders/a.parquet", TREASURE);
        put(&outside, "orders/receipt.json", &format!("{{\"{TREASURE}\": 1}}"));
        let inside = home.folder().join("project");
        fs::create_dir(&inside).unwrap();
        let before = content(&outside);
        Self { home, inside, outside, before }
    }

    /// A sound project, with the names given.
    fn set_up(&self, pipeline: &str, model: &str) {
        put(&self.inside, "pipelines/shop.yml", pipeline);
        put(&self.inside, "sql/m/one.sql", "select 1 as a\n");
        put(&self.inside, "sql/m/m.yml", &contract(model));
    }

    /// Runs a command in the project: it is refused, and nothing outside is touched or told.
    #[track_caller]
    fn check(&self, payload: &str, arguments: &[&str]) {
        let mut all = vec!["-q"];
        all.extend(arguments);
        let told = self.home.goodwill_in(&self.inside, &all);
        let text = format!("{payload:?} {arguments:?}: {}{}", told.stdout, told.stderr);
        assert!(matches!(told.code, Some(2 | 4)), "{:?} {text}", told.code);
        assert!(!text.contains(TREASURE), "{text}");
        assert_eq!(content(&self.outside), self.before, "{text}");
        let names = fs::read_dir(self.home.folder()).unwrap().count();
        assert_eq!(names, 2, "something was made beside the project: {text}");
    }
}

#[test]
fn a_path_out_of_the_project_is_refused_wherever_it_is_written() {
    let siege = Siege::begin();
    // What is refused below is refused for its name alone.
    siege.set_up(&pipeline("orders/", "m", "./out"), "one");
    siege
        .home
        .goodwill_in(&siege.inside, &["run", "--pipeline=shop", "--target=dev", "--select=one"])
        .ended_with(0);
    let outside = siege.outside.display().to_string();
    for payload in PATHS {
        let payload = &payload.replace("/OUTSIDE", &outside);
        // As a source's path; the model reads it.
        siege.set_up(&pipeline(payload, "m", "./out"), "one");
        put(&siege.inside, "sql/m/one.sql", "select count(*) as a from orders\n");
        siege.check(payload, &["run"]);
        // As a folder of models, as a model's name.
        siege.set_up(&pipeline("orders/", payload, "./out"), "one");
        siege.check(payload, &["check"]);
        siege.set_up(&pipeline("orders/", "m", "./out"), payload);
        siege.check(payload, &["check"]);
        // As what a person asks for.
        siege.set_up(&pipeline("orders/", "m", "./out"), "one");
        let target = format!("--target={payload}");
        siege.check(payload, &["run", &target]);
        siege.check(payload, &["run", &format!("--select={payload}")]);
        siege.check(payload, &["run", &format!("--pipeline={payload}")]);
        siege.check(payload, &["receipt", "--", payload]);
        siege.check(payload, &["run", &format!("--vars={payload}=1")]);
    }
}

#[test]
fn a_path_is_no_name() {
    for payload in PATHS {
        assert!(NodeName::parse(payload).is_err(), "{payload:?}");
        assert!(PipelineName::parse(payload).is_err(), "{payload:?}");
        assert!(VariableName::parse(payload).is_err(), "{payload:?}");
        assert!(AttemptId::parse(payload).is_err(), "{payload:?}");
        let climbs = payload.split(['/', '\\']).any(|part| part == "..");
        if climbs || payload.starts_with('/') {
            assert!(Key::parse(payload).is_err(), "{payload:?}");
        }
    }
    assert!(Key::parse("orders/\0").is_err());
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_project_is_not_followed() {
    let siege = Siege::begin();
    siege.set_up(&pipeline("orders/", "m", "./out"), "one");
    for (link, to) in
        [("sql/m/two.sql", "m.sql"), ("sql/m/n.yml", "m.yml"), ("pipelines/evil.yml", "m.yml"), ("sql/n", "")]
    {
        let link = siege.inside.join(link);
        std::os::unix::fs::symlink(siege.outside.join(to), &link).unwrap();
        if to.is_empty() {
            siege.set_up(&pipeline("orders/", "n", "./out"), "one");
        }
        siege.check("a link", &["check", "-p", if link.ends_with("evil.yml") { "evil" } else { "shop" }]);
        fs::remove_file(link).unwrap();
    }
}

/// Texts that would be more than a value if they were pasted into SQL.
const TEXTS: [&str; 60] = [
    "'",
    "''",
    "'''",
    "\"",
    "\"\"",
    "`",
    "\\",
    "\\'",
    "\\\\'",
    "' or '1'='1",
    "' or 1=1 --",
    "\" or \"\"=\"",
    "'; drop table orders; --",
    "1; drop table orders",
    "1 or 1=1",
    "1 union select 2",
    "' union all select secret from passwords --",
    "')) union select 1 --",
    "$other",
    "$$other$$",
    "$as_of",
    "${HOME}",
    "{{ other }}",
    "{% if 1 %}",
    "@@version",
    ":other",
    "?",
    "%s",
    "%27",
    "&#39;",
    "--",
    "-- ",
    "/*",
    "*/",
    "/* */",
    "#",
    ";",
    "\n",
    "\r\n",
    "\t",
    "a\nb; select 1",
    "\u{2019}",
    "\u{2018} or \u{2018}1\u{2019}=\u{2019}1",
    "\u{ff07}",
    "\u{ff07} or 1=1 \u{ff0d}\u{ff0d}",
    "\u{02bc}",
    "\u{200b}'",
    "\u{202e}' --",
    "\u{feff}'",
    "e'\\x27'",
    "U&'\\0027'",
    "x'27'",
    "null",
    "true",
    "current_user",
    "(select 1)",
    "1e400",
    "0x27",
    "9223372036854775808",
    " 1 ",
];

/// The value of `$v` in SQL once it was read as a `kind`; `None` if it was refused.
async fn selected(engine: &Engine, kind: ValueType, text: &str) -> Option<String> {
    let value = kind.parse(text).ok()?;
    let parameters = [("v", value), ("other", ValueType::String.parse("the other").unwrap())];
    let parameters =
        parameters.into_iter().map(|(name, value)| (VariableName::parse(name).unwrap(), value)).collect();
    let query = parse(&SourceFile::new("q.sql", "select $v as v, $other as other")).unwrap();
    let typed = analyze(&query, &[], &parameters).unwrap_or_else(|found| panic!("{text:?}: {found:?}"));
    let rows = engine.collect(&typed, &Bindings::new(), None, engine.whole()).await.unwrap();
    assert_eq!(rows.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 1, "{text:?}");
    assert_eq!(rows[0].num_columns(), 2, "{text:?}");
    assert_eq!(array_value_to_string(rows[0].column(1), 0).unwrap(), "the other", "{text:?}");
    Some(array_value_to_string(rows[0].column(0), 0).unwrap())
}

#[tokio::test]
async fn a_variable_stays_the_value_it_is_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    let options = EngineOptions { memory_limit: 128 << 20, threads: 1, scratch, values: Values::Hidden };
    let engine = Engine::try_new(options).unwrap();
    for text in TEXTS {
        assert_eq!(selected(&engine, ValueType::String, text).await.as_deref(), Some(text));
        assert_eq!(selected(&engine, ValueType::Int, text).await, None, "{text:?}");
        assert_eq!(
            selected(&engine, ValueType::Decimal, text).await.filter(|_| text.len() < 19),
            None,
            "{text:?}"
        );
        assert_eq!(
            selected(&engine, ValueType::Double, text).await.filter(|_| text.len() < 19),
            None,
            "{text:?}"
        );
        assert_eq!(selected(&engine, ValueType::Date, text).await, None, "{text:?}");
        let truth = selected(&engine, ValueType::Bool, text).await;
        assert_eq!(truth.as_deref(), (text == "true").then_some("true"), "{text:?}");
    }
    let digits = "9223372036854775808";
    assert_eq!(selected(&engine, ValueType::Decimal, digits).await.as_deref(), Some(digits));
}

/// The same through the program, all sixty at once.
#[test]
fn variables_of_the_command_line_stay_values() {
    let project = Project::empty();
    let declared: String =
        (0..TEXTS.len()).map(|at| format!("  s{at}: {{type: string, default: ''}}\n")).collect();
    let numbers = "  i: {type: int, default: 1}\n  d: {type: decimal, default: 1.0}\n  b: {type: bool, default: true}\n";
    let pipeline =
        pipeline("orders/", "m", "./out").replace("sources:", &format!("vars:\n{declared}{numbers}sources:"));
    put(project.folder(), "pipelines/shop.yml", &pipeline);
    put(project.folder(), "sql/m/one.sql", "select 1 as a\n");
    put(project.folder(), "sql/m/m.yml", &contract("one"));
    let given: Vec<String> =
        TEXTS.iter().enumerate().map(|(at, text)| format!("--vars=s{at}={text}")).collect();
    let columns: Vec<String> = (0..TEXTS.len()).map(|at| format!("$s{at} as s{at}")).collect();
    let query = format!("select {}", columns.join(", "));
    let mut arguments = vec!["show", query.as_str(), "--output", "json"];
    arguments.extend(given.iter().map(String::as_str));
    let shown = project.goodwill(&arguments).ended_with(0).json();
    for (at, text) in TEXTS.iter().enumerate() {
        assert_eq!(shown["rows"][0][format!("s{at}")], *text);
    }
    for (at, text) in
        TEXTS.iter().enumerate().filter(|(_, text)| !matches!(**text, "true" | "9223372036854775808"))
    {
        let name = ["i", "d", "b"][at % 3];
        let told =
            project.goodwill(&["show", "select $i as i, $d as d, $b as b", &format!("--vars={name}={text}")]);
        assert!(told.ended_with(2).stderr.contains("GW0206"), "{text:?}");
    }
}
