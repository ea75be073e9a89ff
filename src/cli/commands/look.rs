//! `show`, `history`, `receipt` and `recover`: what is published.

use arrow::datatypes::SchemaRef;
use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::record_batch::RecordBatch;
use serde_json::{Value as Json, json};

use super::{Exit, HistoryArgs, Output, ReceiptArgs, RecoverArgs, Session, ShowArgs, common_of, ops, tables, words};
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::{Diagnostic, code};
use crate::functions::sql_type;
use crate::lake::Recovered;
use crate::ops::{History, More, ShowRequest, Shown};

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
    let column = |field: &arrow::datatypes::FieldRef| {
        json!({"name": field.name(), "type": sql_type(field.data_type()), "nullable": field.is_nullable()})
    };
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
            "version": version.version,
            "committed_at": version.committed_at,
            "pipeline": version.pipeline,
            "run_id": version.run_id,
            "as_of": version.as_of,
            "tables": version.tables,
            "changed": version.changed,
            "rows": version.rows,
        })
    };
    json!({"root": history.root, "versions": history.versions.iter().map(version).collect::<Vec<_>>()})
}

fn history_text(history: &History, frame: Frame) -> String {
    if history.versions.is_empty() {
        return format!("nothing is published in {} yet\n", history.root);
    }
    let mut grid = Grid::new(&[">version", "published", "as of", "pipeline", ">tables", ">rows", "run", "changed"]);
    for version in &history.versions {
        grid.row([
            version.version.to_string(),
            to_the_second(version.committed_at),
            to_the_second(version.as_of),
            version.pipeline.to_string(),
            format!("{} of {}", version.changed.len(), version.tables),
            words::grouped(version.rows),
            version.run_id.clone(),
            words::listed(&version.changed, 2),
        ]);
    }
    grid.render(frame)
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

/// The plain values first, then a table for each list or map of objects.
fn receipt_text(receipt: &Json, frame: Frame) -> String {
    let Json::Object(entries) = receipt else { return format!("{receipt:#}\n") };
    let mut text = String::new();
    let width = entries.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    for (key, value) in entries.iter().filter(|(_, value)| records(value).is_none()) {
        text.push_str(&format!("{key:width$}  {}\n", plain(value)));
    }
    for (key, value) in entries {
        if let Some(records) = records(value).filter(|records| !records.is_empty()) {
            text.push_str(&format!("\n{key}\n{}", records_text(&records, frame)));
        }
    }
    text
}

/// The objects of a list, or of a map with its keys as their names.
fn records(value: &Json) -> Option<Vec<serde_json::Map<String, Json>>> {
    match value {
        Json::Array(values) => values.iter().map(|value| value.as_object().cloned()).collect(),
        Json::Object(entries) if entries.values().all(Json::is_object) => {
            let named = |(name, value): (&String, &Json)| {
                let mut record = serde_json::Map::from_iter([("name".to_owned(), json!(name))]);
                record.extend(value.as_object()?.clone());
                Some(record)
            };
            entries.iter().map(named).collect()
        }
        _ => None,
    }
}

fn records_text(records: &[serde_json::Map<String, Json>], frame: Frame) -> String {
    let Some(first) = records.first() else { return String::new() };
    let numeric = |key: &String| records.iter().all(|record| record.get(key).is_none_or(Json::is_number));
    let names: Vec<String> =
        first.keys().map(|key| if numeric(key) { format!(">{key}") } else { key.clone() }).collect();
    let mut grid = Grid::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for record in records {
        grid.add(first.keys().map(|key| record.get(key).filter(|value| !value.is_null()).map(plain)).collect());
    }
    grid.render(frame)
}

/// A value in a few words.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(values) if values.iter().any(Json::is_object) => words::counted(values.len(), "item"),
        Json::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Object(entries) => {
            entries.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
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
    let table = |(name, rolled): (&crate::ident::NodeName, &crate::lake::RolledForward)| {
        json!({"table": name, "from": rolled.from, "to": rolled.to})
    };
    let orphan = |orphan: &crate::lake::Orphan| {
        json!({"attempt": orphan.attempt, "pipeline": orphan.pipeline, "started_at": orphan.started_at})
    };
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
        text.push_str(&format!("{attempt}: published nothing, started {started}; its files stay for now\n"));
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
        let columns: Vec<(&str, ArrayRef, bool)> = vec![("id", ids, false), ("amount", Arc::new(amounts), true)];
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
    fn a_receipt_is_shown_with_plain_values_first_and_a_table_a_list() {
        let receipt = json!({
            "run_id": "a",
            "ending": {"status": "published", "version": 1},
            "inputs": {"orders": {"rows": 7, "files": [{"key": "a"}, {"key": "b"}]}},
            "steps": [{"model": "rfm", "rows": 3}],
            "skipped": [],
        });
        let expected = "\
run_id   a
ending   status published, version 1

inputs
 name   │ rows │ files
────────┼──────┼─────────
 orders │    7 │ 2 items

steps
 model │ rows
───────┼──────
 rfm   │    3
";
        assert_eq!(receipt_text(&receipt, PLAIN), expected);
    }
}
