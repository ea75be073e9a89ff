//! Every shipped model, looked at from a day in the middle of the demo's history: what lies beyond that day, or
//! became known later, changes no byte of any published file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::program::{Project, commit, demo, hashes, read_json, versions};
use crate::shop::write;
use serde_json::Value as Json;

/// 2024-06-01 in Berlin.
const AS_OF: &str = "2024-05-31T22:00:00Z";
const AS_OF_MICROS: i64 = 1_717_192_800_000_000;
/// 2024-07-01: everything before `AS_OF` was known by then.
const KNOWN_AT: &str = "2024-07-01T00:00:00Z";
const KNOWN_AT_MICROS: i64 = 1_719_792_000_000_000;

/// The demo's sources that models read, with what dates each: its own column, or that of the source it
/// belongs to. What became of orders is made here.
const SOURCES: [(&str, Dated); 23] = [
    ("customers", Dated::By("created_at")),
    ("products", Dated::By("launched_at")),
    ("product_costs", Dated::By("valid_from")),
    ("orders", Dated::By("ordered_at")),
    ("order_status", Dated::By("changed_at")),
    ("order_lines", Dated::As("order_id", "orders")),
    ("returns", Dated::By("returned_at")),
    ("campaigns", Dated::By("started_at")),
    ("campaign_steps", Dated::By("changed_at")),
    ("campaign_costs", Dated::By("cost_date")),
    ("campaign_products", Dated::As("campaign_id", "campaigns")),
    ("expenses", Dated::By("expense_month")),
    ("campaign_members", Dated::ByAndAs("assigned_at", "campaign_id", "campaigns")),
    ("touches", Dated::By("touched_at")),
    ("service_cases", Dated::By("opened_at")),
    ("wallet", Dated::ByAndAs("period_start", "customer_id", "customers")),
    ("customer_history", Dated::By("valid_from")),
    ("consents", Dated::By("changed_at")),
    ("product_needs", Dated::As("product_id", "products")),
    ("prospects", Dated::By("created_at")),
    ("party_links", Dated::By("linked_at")),
    ("surveys", Dated::By("answered_at")),
    ("needs", Dated::By("stated_at")),
];

#[derive(Debug, Clone, Copy)]
enum Dated {
    By(&'static str),
    As(&'static str, &'static str),
    ByAndAs(&'static str, &'static str, &'static str),
}

type Sources = BTreeMap<&'static str, RecordBatch>;

fn read(folder: &Path) -> RecordBatch {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut batches = Vec::new();
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap();
        batches.extend(reader.build().unwrap().map(Result::unwrap));
    }
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn micros(rows: &RecordBatch, column: &str) -> TimestampMicrosecondArray {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, None);
    cast(rows.column_by_name(column).unwrap(), &utc)
        .unwrap()
        .as_primitive::<TimestampMicrosecondType>()
        .clone()
}

fn keys(rows: &RecordBatch, column: &str) -> Int64Array {
    rows.column_by_name(column).unwrap().as_primitive::<Int64Type>().clone()
}

/// Which rows can be seen from the day.
fn visible(sources: &Sources, name: &str, dated: Dated) -> BooleanArray {
    let rows = &sources[name];
    let before = |column: &str| -> Vec<bool> {
        micros(rows, column).iter().map(|at| at.unwrap() < AS_OF_MICROS).collect()
    };
    let belongs = |column: &str, parent: &str| -> Vec<bool> {
        let dated = SOURCES.iter().find(|(name, _)| *name == parent).unwrap().1;
        let seen = visible(sources, parent, dated);
        let parents = keys(&sources[parent], column);
        let seen: BTreeSet<i64> = parents
            .iter()
            .zip(seen.iter())
            .filter(|(_, seen)| *seen == Some(true))
            .filter_map(|(key, _)| key)
            .collect();
        keys(rows, column).iter().map(|key| seen.contains(&key.unwrap())).collect()
    };
    match dated {
        Dated::By(column) => before(column).into(),
        Dated::As(column, parent) => belongs(column, parent).into(),
        Dated::ByAndAs(column, key, parent) => {
            let both = before(column)
                .into_iter()
                .zip(belongs(key, parent))
                .map(|(before, belongs)| before && belongs);
            both.collect::<Vec<bool>>().into()
        }
    }
}

fn only(sources: &Sources, keep: bool) -> Sources {
    let part = |(name, dated): &(&'static str, Dated)| {
        let seen = visible(sources, name, *dated);
        let wanted: BooleanArray = seen.iter().map(|seen| seen.map(|seen| seen == keep)).collect();
        (*name, filter_record_batch(&sources[name], &wanted).unwrap())
    };
    SOURCES.iter().map(part).collect()
}

/// The rows with other numbers, texts and truths; keys, references and times stay.
fn changed(rows: &RecordBatch) -> RecordBatch {
    let fields = rows.schema();
    let change = |(field, array): (&Arc<Field>, &ArrayRef)| -> ArrayRef {
        let name = field.name();
        if name.ends_with("_id")
            || matches!(
                name.as_str(),
                "line_no"
                    | "kind"
                    | "purpose"
                    | "arm"
                    | "direction"
                    | "item"
                    | "department"
                    | "step"
                    | "level"
            )
        {
            return Arc::clone(array);
        }
        match field.data_type() {
            DataType::Utf8 => {
                let texts =
                    array.as_string::<i32>().iter().map(|text| text.map(|text| format!("{text} (changed)")));
                Arc::new(texts.collect::<StringArray>())
            }
            DataType::Boolean => Arc::new(
                array.as_boolean().iter().map(|truth| truth.map(|truth| !truth)).collect::<BooleanArray>(),
            ),
            DataType::Int32 | DataType::Decimal128(_, _) => {
                let doubled = cast(array, &DataType::Decimal128(38, 2)).unwrap();
                let doubled = doubled
                    .as_primitive::<arrow::datatypes::Decimal128Type>()
                    .unary::<_, arrow::datatypes::Decimal128Type>(|value| value * 2);
                let doubled: ArrayRef = Arc::new(doubled.with_data_type(DataType::Decimal128(38, 2)));
                cast(&doubled, field.data_type()).unwrap()
            }
            _ => Arc::clone(array),
        }
    };
    let columns = fields.fields().iter().zip(rows.columns()).map(change).collect();
    RecordBatch::try_new(Arc::clone(&fields), columns).unwrap()
}

fn joined(first: &Sources, second: &Sources) -> Sources {
    let both = |(name, rows): (&&'static str, &RecordBatch)| {
        (*name, concat_batches(&rows.schema(), [rows, &second[name]]).unwrap())
    };
    first.iter().map(both).collect()
}

/// The rows with the moment they became known.
fn ingested(sources: &Sources, at: i64) -> Sources {
    let add = |(name, rows): (&&'static str, &RecordBatch)| {
        let moments = TimestampMicrosecondArray::from_value(at, rows.num_rows()).with_timezone("UTC");
        let mut fields: Vec<Field> =
            rows.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("ingested_at", moments.data_type().clone(), true));
        let columns = rows.columns().iter().map(Arc::clone).chain([Arc::new(moments) as ArrayRef]).collect();
        (*name, RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap())
    };
    sources.iter().map(add).collect()
}

/// The hashes of everything published over `sources`.
fn published(project: &Project, sources: &Sources) -> BTreeMap<String, Vec<String>> {
    let folder = project.sources_folder();
    for (name, rows) in sources {
        let folder = folder.join(name);
        drop(fs::remove_dir_all(&folder));
        write(&folder.join("part.parquet"), rows);
    }
    project.run(&["--as-of", AS_OF, "--known-at", KNOWN_AT, "--full-refresh"]).ended_with(0);
    let root = project.root();
    hashes(&commit(&root, *versions(&root).last().unwrap()))
}

/// Every order as placed; each fifth as cancelled forty days later, so that some of those wait beyond
/// the day for an order that was seen before it.
fn order_status(orders: &RecordBatch) -> RecordBatch {
    const FORTY_DAYS: i64 = 40 * 86_400_000_000;
    let (ids, placed) = (keys(orders, "order_id"), micros(orders, "ordered_at"));
    let mut rows = Vec::new();
    for (id, at) in ids.values().iter().zip(placed.values()) {
        rows.push((*id, *at, "placed"));
        if id % 5 == 0 {
            rows.push((*id, at + FORTY_DAYS, "cancelled"));
        }
    }
    let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.1)).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 3] = [
        ("order_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("changed_at", Arc::new(at)),
        ("status", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows without the broken ones, which are the last, and without the moment they were loaded.
fn sound(truth: &Json, name: &str, rows: &RecordBatch) -> RecordBatch {
    let broken = truth["broken_rows"].as_array().unwrap().iter().filter(|it| it["source"] == name);
    let broken = broken.map(|it| usize::try_from(it["rows"].as_u64().unwrap()).unwrap()).sum::<usize>();
    let kept = rows
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.name() != "ingested_at")
        .map(|it| it.0)
        .collect::<Vec<_>>();
    rows.slice(0, rows.num_rows() - broken).project(&kept).unwrap()
}

fn demo_sources(project: &Project) -> Sources {
    let pipeline = project.folder().join("pipelines/customer_intelligence.yml");
    let text = fs::read_to_string(&pipeline).unwrap();
    fs::write(&pipeline, text.replace(", ingested_at: ingested_at", "")).unwrap();
    let folder = project.sources_folder();
    for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        if !SOURCES.iter().any(|(name, _)| entry.file_name() == *name) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let truth = read_json(&demo().folder().join("demo/truth/world.json"));
    let made = SOURCES.iter().filter(|(name, _)| *name != "order_status");
    let mut sources: Sources =
        made.map(|(name, _)| (*name, sound(&truth, name, &read(&folder.join(name))))).collect();
    let status = order_status(&sources["orders"]);
    sources.insert("order_status", status);
    sources
}

#[test]
fn rows_beyond_the_day_change_no_byte_of_any_table() {
    let project = Project::unpublished_demo_with_sources();
    let all = demo_sources(&project);
    let (seen, beyond) = (only(&all, true), only(&all, false));
    assert!(seen.values().all(|rows| rows.num_rows() > 0) && beyond.values().all(|rows| rows.num_rows() > 0));
    let expected = published(&project, &seen);
    assert!(expected.contains_key("source_quality") && expected.len() >= 12, "{:?}", expected.keys());
    assert_eq!(published(&project, &all), expected, "rows were added");
    let changed: Sources = beyond.iter().map(|(name, rows)| (*name, changed(rows))).collect();
    assert_eq!(published(&project, &joined(&changed, &seen)), expected, "rows were changed");
}

#[test]
fn what_became_known_later_changes_no_byte_of_any_table() {
    let project = Project::unpublished_demo_with_sources();
    let contracts = project.folder().join("sql/staging/sources.yml");
    let text = fs::read_to_string(&contracts).unwrap();
    let known = "    ingested_at: ingested_at\n    columns:\n      - {name: ingested_at, data_type: timestamp, description: When it became known.}\n";
    let text =
        text.lines().filter(|line| !line.contains("{name: ingested_at")).map(|line| format!("{line}\n"));
    fs::write(&contracts, text.collect::<String>().replace("    columns:\n", known)).unwrap();
    let seen = only(&demo_sources(&project), true);
    let changed: Sources = seen.iter().map(|(name, rows)| (*name, changed(rows))).collect();
    let (known, later) = (ingested(&seen, KNOWN_AT_MICROS), ingested(&changed, KNOWN_AT_MICROS + 1));
    let expected = published(&project, &known);
    assert_eq!(published(&project, &joined(&later, &known)), expected, "other versions of rows came later");
}
