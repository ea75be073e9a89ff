//! `init`, `check`, `plan`, `test`, `ls`, `schema`, `functions` and `completions`: the project.

use clap::CommandFactory;
use serde_json::{Value as Json, json};

use super::connect::connect;
use super::{
    CheckArgs, CompletionsArgs, Exit, FileKind, FunctionsArgs, InitArgs, Listing, LsArgs, Output, PlanArgs,
    SchemaArgs, SchemaCommand, Session, TestArgs, common_of, ops, render, tell, words,
};
use crate::cli::args::Arguments;
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::functions::{Function, FunctionKind};
use crate::ops::{
    Checked, Common, InitRequest, Initialized, Listed, SchemaChange, SchemaOrigin, TestKind, TestReport,
    TestResult,
};
use crate::plan::Refresh;
use crate::project::{Materialization, Visibility};

/// Writes a new project.
pub(in crate::cli) fn init(session: &Session, args: &InitArgs) -> Result<Exit, ops::Error> {
    let request = InitRequest { folder: args.folder.clone(), from: Some(args.from.clone()) };
    let made = ops::init(&session.around, &request)?;
    match args.output.output {
        Output::Json => session.console.document(&json!({
            "folder": made.folder,
            "pipeline": made.pipeline,
            "written": made.written,
            "kept": made.kept,
        }))?,
        Output::Text => session.console.result(&init_text(&made))?,
    }
    Ok(Exit::OK)
}

fn init_text(made: &Initialized) -> String {
    let folder = made.folder.display();
    let pipeline = &made.pipeline;
    let mut text = match made.written.len() {
        0 => "nothing was written: this is the project already\n".to_owned(),
        files => format!("wrote {} to {folder}\n", words::counted(files, "file")),
    };
    if !made.kept.is_empty() && !made.written.is_empty() {
        text.push_str(&format!("kept {} that were there\n", words::counted(made.kept.len(), "file")));
    }
    let enter = if made.folder.as_os_str() == "." {
        String::new()
    } else {
        format!("  cd {}\n", words::shell_word(&folder.to_string()))
    };
    let fetch = format!("pipelines/fetch-{}.sh", pipeline.replace('_', "-"));
    let fetched = made.written.iter().chain(&made.kept).any(|path| *path == fetch);
    let sources = if fetched {
        format!("  {fetch} {pipeline}\n")
    } else {
        "  export GOODWILL_SOURCES=/path/to/parquet\n".to_owned()
    };
    text.push_str(&format!(
        "\nnext:\n{enter}{sources}  goodwill check -p {pipeline}\n  goodwill run -p {pipeline}\n"
    ));
    text
}

/// Finds mistakes.
pub(in crate::cli) async fn check(session: &Session, args: &CheckArgs) -> Result<Exit, ops::Error> {
    let common = args.time.onto(args.select.onto(common_of(&args.project)));
    let pipeline = args.name.clone().or(common.pipeline.clone());
    let common = Common { pipeline, ..common };
    if args.connect {
        return connect(session, &common, args.output.output).await;
    }
    let checked = ops::check(&session.around, &common).await?;
    tell(&checked.warnings, session.console);
    match args.output.output {
        Output::Json => session.console.document(&json!({
            "status": "success",
            "pipeline": checked.pipeline,
            "models": checked.models,
            "unit_tests": checked.unit_tests,
            "schemas": if checked.schemas == SchemaOrigin::Lock { "lock" } else { "sources" },
            "unnamed_folders": checked.unnamed_folders,
            "diagnostics": render::json(&checked.warnings),
        }))?,
        Output::Text => {
            session.console.result(&checked_text(&checked))?;
            for folder in &checked.unnamed_folders {
                session.console.note(&format!(
                    "note: `sql/{folder}` is among the `models:` of no pipeline, so nothing in it counts\n"
                ));
            }
            if checked.schemas == SchemaOrigin::Sources {
                session
                    .console
                    .note("note: the sources were read; `goodwill schema sync` makes this needless\n");
            }
        }
    }
    Ok(Exit::OK)
}

fn checked_text(checked: &Checked) -> String {
    let models = words::counted(checked.models, "model");
    let tests = words::counted(checked.unit_tests, "unit test");
    format!("{}: {models} and {tests} are sound\n", checked.pipeline)
}

/// Shows what a run would do.
pub(in crate::cli) async fn plan(session: &Session, args: &PlanArgs) -> Result<Exit, ops::Error> {
    let refresh = if args.full_refresh { Refresh::Full } else { Refresh::Needed };
    let planned = ops::plan(&session.around, &Common { refresh, ..args.walk.common() }).await?;
    let document = planned.document;
    tell(&planned.warnings, session.console);
    if let Some(file) = &args.out {
        write_plan(&session.around.folder.join(file), &document)?;
    }
    match args.output.output {
        Output::Json => session.console.document(&document)?,
        Output::Text => {
            session.console.result(&planned.text)?;
            if !planned.plan.is_empty() {
                session.console.note(&next(args));
            }
        }
    }
    Ok(Exit::OK)
}

/// The command that does what was planned: this very plan, if it was saved.
fn next(args: &PlanArgs) -> String {
    if let Some(file) = &args.out {
        let file = words::shell_word(&file.to_string_lossy());
        return format!("next: goodwill apply {file}{}\n", args.walk.project.place.typed());
    }
    let forced = if args.full_refresh { " --full-refresh" } else { "" };
    format!("next: goodwill run{}{forced}\n", args.walk.typed())
}

#[expect(clippy::disallowed_methods, reason = "a file the person named, in no store")]
fn write_plan(file: &std::path::Path, document: &Json) -> Result<(), Diagnostic> {
    std::fs::write(file, format!("{document:#}\n")).map_err(|cause| {
        Diagnostic::error(code::BAD_REQUEST, format!("`{}` cannot be written: {cause}", file.display()))
    })
}

/// Runs tests.
pub(in crate::cli) async fn test(session: &Session, args: &TestArgs) -> Result<Exit, ops::Error> {
    let kind = match (args.unit, args.data) {
        (true, _) => TestKind::Unit,
        (_, true) => TestKind::Data,
        _ => TestKind::All,
    };
    let common = Common { values: args.values.values(), ..args.walk.common() };
    let report = ops::test(&session.around, &common, kind).await?;
    session.progress.finish();
    let failed: Diagnostics = report.results.iter().filter_map(|result| result.failure.clone()).collect();
    let exit = if failed.is_empty() { Exit::OK } else { Exit::AUDIT };
    tell(&failed, session.console);
    match args.output.output {
        Output::Json => session.console.document(&test_document(&report, exit))?,
        Output::Text => session.console.result(&test_text(&report))?,
    }
    Ok(exit)
}

fn test_document(report: &TestReport, exit: Exit) -> Json {
    let result = |result: &TestResult| {
        let failure = result.failure.clone().map(Diagnostics::from);
        json!({
            "name": result.name,
            "model": result.model,
            "kind": kind_name(result.kind),
            "passed": result.failure.is_none(),
            "diagnostics": failure.as_ref().map_or_else(|| json!([]), render::json),
        })
    };
    let status = if exit == Exit::OK { "success" } else { "failed" };
    json!({
        "status": status,
        "exit_code": exit.number(),
        "results": report.results.iter().map(result).collect::<Vec<_>>(),
    })
}

const fn kind_name(kind: TestKind) -> &'static str {
    match kind {
        TestKind::Unit => "unit",
        TestKind::Data => "data",
        TestKind::All => "all",
    }
}

fn test_text(report: &TestReport) -> String {
    let mut text = String::new();
    for result in report.results.iter().filter(|result| result.failure.is_some()) {
        text.push_str(&format!("failed: {} of {}\n", result.name, result.model));
    }
    let number = |kind, passed| {
        let of_kind = report.results.iter().filter(|result| result.kind == kind);
        of_kind.filter(|result| result.failure.is_none() == passed).count()
    };
    for (kind, name) in [(TestKind::Unit, "unit test"), (TestKind::Data, "data test")] {
        let (passed, failed) = (number(kind, true), number(kind, false));
        if passed + failed > 0 {
            text.push_str(&format!("{} passed, {failed} failed\n", words::counted(passed, name)));
        }
    }
    if text.is_empty() { "there are no tests for these models\n".to_owned() } else { text }
}

/// Lists models.
pub(in crate::cli) async fn ls(session: &Session, args: &LsArgs) -> Result<Exit, ops::Error> {
    let common = args.select.onto(common_of(&args.project));
    let models = ops::ls(&session.around, &common).await?;
    let lines =
        |text: fn(&Listed) -> String| models.iter().map(|model| text(model) + "\n").collect::<String>();
    match args.output {
        Listing::Name => session.console.result(&lines(|model| model.name.to_string()))?,
        Listing::Path => session.console.result(&lines(|model| model.path.clone()))?,
        Listing::Json => session.console.document(&models.iter().map(listed_document).collect())?,
        Listing::Text => session.console.result(&listed_text(&models, session.console.frame()))?,
    }
    Ok(Exit::OK)
}

fn kept_as(model: &Listed) -> &'static str {
    match (model.materialization, model.visibility) {
        (Materialization::View, _) => "view",
        (Materialization::Snapshot, _) => "snapshot",
        (Materialization::Incremental, _) => "incremental",
        (Materialization::Table, Visibility::Published) => "published",
        (Materialization::Table, Visibility::Internal) => "internal",
    }
}

fn listed_document(model: &Listed) -> Json {
    let materialized = match model.materialization {
        Materialization::View => "view",
        Materialization::Table => "table",
        Materialization::Snapshot => "snapshot",
        Materialization::Incremental => "incremental",
    };
    json!({
        "name": model.name,
        "path": model.path,
        "materialized": materialized,
        "published": model.visibility == Visibility::Published,
        "tags": model.tags,
        "grain": model.grain,
        "reads": model.reads,
        "description": model.description,
    })
}

fn listed_text(models: &[Listed], frame: Frame) -> String {
    let mut grid = Grid::new(&["model", "kept as", "path", "reads", "tags"]);
    for model in models {
        let reads = words::listed(&model.reads, 3);
        grid.row([
            model.name.to_string(),
            kept_as(model).to_owned(),
            model.path.clone(),
            reads,
            model.tags.join(", "),
        ]);
    }
    format!("{}{}\n", grid.render(frame), words::counted(models.len(), "model"))
}

/// Keeps, compares or prints schemas.
pub(in crate::cli) async fn schema(session: &Session, command: &SchemaCommand) -> Result<Exit, ops::Error> {
    match command {
        SchemaCommand::Sync(args) => {
            let change = ops::schema_sync(&session.around, &common_of(&args.project)).await?;
            schema_change(session, args, &change, "written")
        }
        SchemaCommand::Diff(args) => {
            let change = ops::schema_diff(&session.around, &common_of(&args.project)).await?;
            schema_change(session, args, &change, "not written: type `goodwill schema sync`")
        }
        SchemaCommand::Print(args) => {
            let kind = match args.kind {
                FileKind::Pipeline => ops::FileKind::Pipeline,
                FileKind::Models => ops::FileKind::Models,
            };
            session.console.document(&ops::schema_print(kind))?;
            Ok(Exit::OK)
        }
    }
}

fn schema_change(
    session: &Session,
    args: &SchemaArgs,
    change: &SchemaChange,
    done: &str,
) -> Result<Exit, ops::Error> {
    let lines = &change.differences;
    match args.output.output {
        Output::Json => session.console.document(&json!({"file": change.file, "differences": lines}))?,
        Output::Text if lines.is_empty() => {
            session.console.result(&format!("{} agrees with the sources\n", change.file))?;
        }
        Output::Text => {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let number = words::counted(lines.len(), "difference");
            session.console.result(&format!("{text}{}: {number}, {done}\n", change.file))?;
        }
    }
    Ok(Exit::OK)
}

/// Lists or explains functions.
pub(in crate::cli) fn functions(session: &Session, args: &FunctionsArgs) -> Result<Exit, ops::Error> {
    let found = ops::functions(args.name.as_deref())?;
    let text = match (args.output.output, &args.name) {
        (Output::Json, _) => {
            session.console.document(&found.iter().map(function_document).collect())?;
            return Ok(Exit::OK);
        }
        (Output::Text, Some(_)) => found.iter().map(explained).collect::<Vec<_>>().join("\n"),
        (Output::Text, None) => functions_text(&found, session.console.frame()),
    };
    session.console.result(&text)?;
    Ok(Exit::OK)
}

const fn computed_from(function: &Function) -> &'static str {
    match function.kind {
        Some(FunctionKind::Scalar) => "row",
        Some(FunctionKind::Aggregate) => "group",
        Some(FunctionKind::Window) => "window",
        None => "refused",
    }
}

fn function_document(function: &Function) -> Json {
    json!({
        "name": function.name,
        "aliases": function.aliases,
        "kind": computed_from(function),
        "signature": function.signature,
        "description": function.description,
        "arguments": function.arguments.iter().map(|(name, what)| json!({"name": name, "description": what})).collect::<Json>(),
        "example": function.example,
        "refused": function.refused.is_some(),
    })
}

fn explained(function: &Function) -> String {
    let mut text = format!("{}\n", function.signature);
    if !function.aliases.is_empty() {
        text.push_str(&format!("also called: {}\n", function.aliases.join(", ")));
    }
    text.push_str(match function.kind {
        Some(FunctionKind::Scalar) => "computed from one row\n",
        Some(FunctionKind::Aggregate) => "computed from a group of rows\n",
        Some(FunctionKind::Window) => "computed from a row among its neighbours\n",
        None => "refused\n",
    });
    text.push_str(&format!("\n{}\n", function.description));
    if !function.arguments.is_empty() {
        text.push('\n');
    }
    for (name, what) in &function.arguments {
        text.push_str(&format!("  {name}: {what}\n"));
    }
    if let Some(example) = &function.example {
        text.push_str(&format!("\nfor example:\n{example}\n"));
    }
    text
}

fn functions_text(found: &[Function], frame: Frame) -> String {
    let mut grid = Grid::new(&["function", "of", "what it gives"]);
    for function in found {
        let first = function.description.split(['\n', '.']).next().unwrap_or_default();
        grid.row([function.name.clone(), computed_from(function).to_owned(), first.to_owned()]);
    }
    format!(
        "{}{}; explain one: goodwill functions NAME\n",
        grid.render(frame),
        words::counted(found.len(), "function")
    )
}

/// Prints a script for a shell.
pub(in crate::cli) fn completions(session: &Session, args: &CompletionsArgs) -> Result<Exit, ops::Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "goodwill", &mut script);
    session.console.result(&String::from_utf8_lossy(&script))?;
    Ok(Exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::ident::NodeName;

    const PLAIN: Frame = Frame { width: None, colour: Colour::None };

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).expect("a name")
    }

    #[test]
    fn a_new_project_says_what_to_type_next() {
        let mut made = Initialized {
            folder: "shop".into(),
            pipeline: "customer_intelligence".to_owned(),
            written: vec!["README.md".to_owned()],
            kept: Vec::new(),
        };
        let expected = "wrote 1 file to shop\n\nnext:\n  cd shop\n  export GOODWILL_SOURCES=/path/to/parquet\n  \
                        goodwill check -p customer_intelligence\n  goodwill run -p customer_intelligence\n";
        assert_eq!(init_text(&made), expected);
        made.pipeline = "complete_journey".to_owned();
        made.written.push("pipelines/fetch-complete-journey.sh".to_owned());
        assert!(init_text(&made).contains("  pipelines/fetch-complete-journey.sh complete_journey\n"));
    }

    #[test]
    fn tests_are_counted_by_kind_and_failed_ones_named() {
        let result = |name_: &str, kind, failed: bool| TestResult {
            name: name_.to_owned(),
            model: name("rfm"),
            kind,
            failure: failed.then(|| Diagnostic::error(code::UNIT_TEST_FAILED, "rows differ")),
        };
        let report = TestReport {
            results: vec![
                result("a", TestKind::Unit, false),
                result("b", TestKind::Unit, true),
                result("unique customer_id", TestKind::Data, false),
            ],
        };
        let expected = "failed: b of rfm\n1 unit test passed, 1 failed\n1 data test passed, 0 failed\n";
        assert_eq!(test_text(&report), expected);
        assert_eq!(test_document(&report, Exit::AUDIT)["exit_code"], 3);
        assert_eq!(test_text(&TestReport::default()), "there are no tests for these models\n");
    }

    #[test]
    fn models_are_listed_with_what_they_read() {
        let model = Listed {
            name: name("value_tiers"),
            path: "sql/value/value_tiers.sql".to_owned(),
            materialization: Materialization::Table,
            visibility: Visibility::Published,
            tags: vec!["value".to_owned()],
            grain: vec!["customer_id".to_owned()],
            reads: vec!["customer_pnl".to_owned()],
            description: String::new(),
        };
        let expected = "
 model       │ kept as   │ path                      │ reads        │ tags
─────────────┼───────────┼───────────────────────────┼──────────────┼───────
 value_tiers │ published │ sql/value/value_tiers.sql │ customer_pnl │ value
1 model
";
        assert_eq!(format!("\n{}", listed_text(&[model], PLAIN)), expected);
    }
}
