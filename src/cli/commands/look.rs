//! `show`, `history`, `receipt` and `recover`: what is published.

use arrow::datatypes::SchemaRef;
use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::record_batch::RecordBatch;
use serde_json::{Value as Json, json};

use super::{
    Exit, HistoryArgs, Output, ReceiptArgs, RecoverArgs, Session, ShowArgs, common_of, ops, tables, words,
};
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::{Diagnostic, code};
use crate::functions::sql_type;
use crate::lake::Recovered;
use crate::ops::{Files, History, More, ShowRequest, Shown};

/// Shows rows.
pub(in crate::cli) async fn show(session: &Session, args: &ShowArgs) -> Result<Exit, ops::Error> {
    let common = args.resources.onto(args.time.onto(common_of(&args.project)));
    let request = ShowRequest { what: args.what.clone(), limit: args.limit };
    let shown = ops::show(&session.around, &common, &request).await?;
    session.progress.finish();
    match args.output.output {
        Output::Json => session.console.document(&shown_document(&shown)?)?,
        Output::Text => {
            let grid = tables::of_batches(&shown.schema, &shown.batches).map_err(|_| cannot_show())?;
            session.console.result(&grid.render(session.console.frame()))?;
            session.console.note(&rows_line(&shown));
        }
    }
    Ok(Exit::OK)
}

fn cannot_show() -> Diagnostic {
    Diagnostic::error(code::UNSUPPORTED_TYPE, "the result has a column of a type that cannot be shown")
        .help("cast it to text or a number")
}

/// `20 rows of more (--limit), version 3, as of 2026-01-01`.
fn rows_line(shown: &Shown) -> String {
    let rows = rows(&shown.batches);
    let rows = match shown.more {
        More::No => words::counted(rows, "row"),
        More::Yes => format!("first {}, there are more (--limit)", words::counted(rows, "row")),
    };
    format!("{rows}, {}\n", shown.origin)
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn shown_document(shown: &Shown) -> Result<Json, Diagnostic> {
    Ok(json!({
        "columns": columns(&shown.schema),
        "rows": json_rows(&shown.batches).ok_or_else(cannot_show)?,
        "origin": shown.origin,
        "more": shown.more == More::Yes,
    }))
}

fn columns(schema: &SchemaRef) -> Json {
    let column = |field: &arrow::datatypes::FieldRef| json!({"name": field.name(), "type": sql_type(field.data_type()), "nullable": field.is_nullable()});
    schema.fields().iter().map(column).collect()
}

/// The rows as objects. Decimals become text: a JSON number would lose their digits.
fn json_rows(batches: &[RecordBatch]) -> Option<Json> {
    let exact = batches.iter().map(decimals_as_text).collect::<Option<Vec<_>>>()?;
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write_batches(&exact.iter().collect::<Vec<_>>()).ok()?;
    writer.finish().ok()?;
    let written = writer.into_inner();
    if written.is_empty() { Some(json!([])) } else { serde_json::from_slice(&written).ok() }
}

fn decimals_as_text(batch: &RecordBatch) -> Option<RecordBatch> {
    use arrow::compute::cast;
    use arrow::datatypes::{DataType, Field, Schema};
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if field.data_type().is_decimal() {
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(cast(column, &DataType::Utf8).ok()?);
        } else {
            fields.push(field.as_ref().clone());
            columns.push(std::sync::Arc::clone(column));
        }
    }
    RecordBatch::try_new(Schema::new(fields).into(), columns).ok()
}

/// Lists published versions.
pub(in crate::cli) async fn history(session: &Session, args: &HistoryArgs) -> Result<Exit, ops::Error> {
    let history = ops::history(&session.around, &common_of(&args.project), args.limit).await?;
    match args.output.output {
        Output::Json => session.console.document(&history_document(&history))?,
        Output::Text => session.console.result(&history_text(&history, session.console.frame()))?,
    }
    Ok(Exit::OK)
}

fn history_document(history: &History) -> Json {
    let version = |version: &ops::Version| {
        json!({
            "version": version.number,
            "committed_at": version.committed_at,
            "pipeline": version.pipeline,
            "run_id": version.run_id,
            "as_of": version.as_of,
            "tables": version.tables,
            "changed": version.changed,
            "restores": version.restores,
            "rows": version.rows,
            "files_kept": version.files == Files::Kept,
        })
    };
    json!({"root": history.root, "versions": history.versions.iter().map(version).collect::<Vec<_>>()})
}

fn history_text(history: &History, frame: Frame) -> String {
    if history.versions.is_empty() {
        return format!("nothing is published in {} yet\n", history.root);
    }
    let mut grid =
        Grid::new(&[">version", "published", "as of", "pipeline", ">tables", ">rows", "run", "changed"]);
    for version in &history.versions {
        grid.row([
            version.number.to_string(),
            to_the_second(version.committed_at),
            version.looks_from.clone(),
            version.pipeline.to_string(),
            format!("{} of {}", version.changed.len(), version.tables),
            words::grouped(version.rows),
            version.run_id.clone(),
            changed(version),
        ]);
    }
    let gone = history.versions.iter().find(|version| version.files == Files::Removed);
    let gone = gone.map(|version| {
        format!("version {} and older: the clean-up removed files that no later one needs\n", version.number)
    });
    let are_cut = history.versions.iter().any(|version| changed(version).contains(MORE));
    let cut = if are_cut { "--output json names every table that changed\n" } else { "" };
    grid.render(frame) + cut + &gone.unwrap_or_default()
}

/// What stands after the names that are shown.
const MORE: &str = " more";

fn changed(version: &ops::Version) -> String {
    let changed = match version.changed.len() {
        all if all == version.tables && all > 1 => "all".to_owned(),
        0..=3 => words::listed(&version.changed, 3),
        _ => words::listed(&version.changed, 2),
    };
    match version.restores {
        Some(restored) => format!("{changed} as in version {restored}"),
        None => changed,
    }
}

fn to_the_second(at: crate::interval::Instant) -> String {
    let whole = at.micros().div_euclid(1_000_000) * 1_000_000;
    crate::interval::Instant::from_micros(whole).to_string()
}

/// Shows the receipt of a run.
pub(in crate::cli) async fn receipt(session: &Session, args: &ReceiptArgs) -> Result<Exit, ops::Error> {
    let receipt = ops::receipt(&session.around, &common_of(&args.project), &args.run).await?;
    match args.output.output {
        Output::Json => session.console.document(&receipt)?,
        Output::Text => session.console.result(&receipt_text(&receipt, session.console.frame()))?,
    }
    Ok(Exit::OK)
}

/// The plain values first, then what was read and computed, and how many rules were checked.
fn receipt_text(receipt: &Json, frame: Frame) -> String {
    let Json::Object(entries) = receipt else { return format!("{receipt:#}\n") };
    let is_plain = |value: &&Json| {
        !value.is_array() && !value.as_object().is_some_and(|it| it.values().any(Json::is_object))
    };
    let simple: Vec<(&String, &Json)> = entries.iter().filter(|(_, value)| is_plain(value)).collect();
    let width = simple.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    let mut text: String =
        simple.iter().map(|(key, value)| format!("{key:width$}  {}\n", plain(value))).collect();
    text.push_str(&inputs_text(receipt, frame));
    text.push_str(&steps_text(receipt, frame));
    text.push_str(&audits_text(receipt));
    let failures = list(receipt, "failures")
        .map(|failure| format!("\nfailed: {}: {}", word(failure, "code"), word(failure, "message")));
    text.push_str(&failures.collect::<String>());
    if text.ends_with('\n') { text } else { text + "\n" }
}

fn inputs_text(receipt: &Json, frame: Frame) -> String {
    let mut grid = Grid::new(&["read", ">rows", ">size", ">files"]);
    for (name, input) in receipt.get("inputs").and_then(Json::as_object).into_iter().flatten() {
        let files = list(input, "files").count().to_string();
        grid.row([
            name.clone(),
            words::grouped(number(input, "rows")),
            words::bytes(number(input, "bytes")),
            files,
        ]);
    }
    format!("\n{}", grid.render(frame))
}

fn steps_text(receipt: &Json, frame: Frame) -> String {
    let mut grid = Grid::new(&["computed", "kind", "status", ">rows", ">size", "because"]);
    for step in list(receipt, "steps") {
        let because = step.get("reason").map_or("", |reason| word(reason, "kind")).replace('_', " ");
        let bytes = number(step, "bytes");
        let size = if bytes > 0 { words::bytes(bytes) } else { String::new() };
        let rows = words::grouped(number(step, "rows"));
        let of = |key| word(step, key).to_owned();
        grid.row([of("model"), of("kind"), of("status"), rows, size, because]);
    }
    format!("\n{}", grid.render(frame))
}

fn audits_text(receipt: &Json) -> String {
    let checked = list(receipt, "audits").count();
    let broken: Vec<&Json> = list(receipt, "audits").filter(|audit| number(audit, "broken") > 0).collect();
    let hold = if broken.is_empty() { ", all hold".to_owned() } else { format!(", {} broken", broken.len()) };
    let mut text = format!("\n{} checked{hold}\n", words::counted(checked, "rule"));
    for audit in broken {
        let rows = words::count(number(audit, "broken"), "row");
        text.push_str(&format!("broken: {} of {}, {rows}\n", word(audit, "audit"), word(audit, "model")));
    }
    text
}

fn list<'a>(document: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> {
    document.get(key).and_then(Json::as_array).into_iter().flatten()
}

fn word<'a>(document: &'a Json, key: &str) -> &'a str {
    document.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn number(document: &Json, key: &str) -> u64 {
    document.get(key).and_then(Json::as_u64).unwrap_or_default()
}

/// A value in a few words.
fn plain(value: &Json) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::String(text) => text.clone(),
        Json::Object(entries) => entries.values().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Finishes what a killed run left.
pub(in crate::cli) async fn recover(session: &Session, args: &RecoverArgs) -> Result<Exit, ops::Error> {
    let recovered = ops::recover(&session.around, &common_of(&args.project)).await?;
    match args.output.output {
        Output::Json => session.console.document(&recovered_document(&recovered))?,
        Output::Text => session.console.result(&recovered_text(&recovered))?,
    }
    Ok(Exit::OK)
}

fn recovered_document(recovered: &Recovered) -> Json {
    let table = |(name, rolled): (&crate::ident::NodeName, &crate::lake::RolledForward)| json!({"table": name, "from": rolled.from, "to": rolled.to});
    let orphan = |orphan: &crate::lake::Orphan| json!({"attempt": orphan.attempt, "pipeline": orphan.pipeline, "started_at": orphan.started_at});
    json!({
        "version": recovered.version,
        "tables": recovered.tables.iter().map(table).collect::<Vec<_>>(),
        "views": recovered.views,
        "unpublished_attempts": recovered.orphans.iter().map(orphan).collect::<Vec<_>>(),
    })
}

fn recovered_text(recovered: &Recovered) -> String {
    let Some(version) = recovered.version else { return "nothing is published here yet\n".to_owned() };
    let mut text = String::new();
    for (table, rolled) in &recovered.tables {
        text.push_str(&format!("{table}: Delta log brought to version {}\n", rolled.to));
    }
    for view in &recovered.views {
        text.push_str(&format!("{view}: written again\n"));
    }
    for orphan in &recovered.orphans {
        let (attempt, started) = (&orphan.attempt, to_the_second(orphan.started_at));
        text.push_str(&format!(
            "{attempt}: published nothing, started {started}; `goodwill gc` removes its files in time\n"
        ));
    }
    text.push_str(&format!("tables and views agree with version {version}\n"));
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Decimal128Array, Int64Array};

    use super::*;
    use crate::cli::render::Colour;

    const PLAIN: Frame = Frame { width: None, colour: Colour::None };

    #[test]
    fn programs_get_decimals_in_full_and_nulls_as_nulls() {
        let amounts = Decimal128Array::from(vec![Some(12_345_678_901_234_567_890), None]);
        let amounts = amounts.with_precision_and_scale(38, 2).expect("a decimal");
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let columns: Vec<(&str, ArrayRef, bool)> =
            vec![("id", ids, false), ("amount", Arc::new(amounts), true)];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
        let expected = json!([{"id": 1, "amount": "123456789012345678.90"}, {"id": 2, "amount": null}]);
        assert_eq!(json_rows(&[batch]), Some(expected));
        assert_eq!(json_rows(&[]), Some(json!([])));
    }

    #[test]
    fn a_root_nobody_published_to_says_so() {
        let history = History { root: "file:///out/".to_owned(), versions: Vec::new() };
        assert_eq!(history_text(&history, PLAIN), "nothing is published in file:///out/ yet\n");
        assert_eq!(recovered_text(&Recovered::default()), "nothing is published here yet\n");
    }

    #[test]
    fn a_receipt_is_shown_with_plain_values_first_and_broken_rules_by_name() {
        let receipt = json!({
            "run_id": "a",
            "ending": {"status": "published", "version": 1},
            "inputs": {"orders": {"rows": 7000, "bytes": 1200, "files": [{"key": "a"}, {"key": "b"}]}},
            "steps": [{"model": "rfm", "kind": "publish", "status": "success", "rows": 3, "bytes": 0, "reason": {"kind": "needed_by"}}],
            "audits": [{"model": "rfm", "audit": "unique a", "broken": 0}, {"model": "rfm", "audit": "unique b", "broken": 2}],
        });
        let expected = "\
run_id  a
ending  published 1

 read   │  rows │   size │ files
────────┼───────┼────────┼───────
 orders │ 7,000 │ 1.2 kB │     2

 computed │ kind    │ status  │ rows │ size │ because
──────────┼─────────┼─────────┼──────┼──────┼───────────
 rfm      │ publish │ success │    3 │      │ needed by

2 rules checked, 1 broken
broken: unique b of rfm, 2 rows
";
        assert_eq!(receipt_text(&receipt, PLAIN), expected);
    }
}
