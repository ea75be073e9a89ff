//! Checkpoints: the whole state of a Delta log in one Parquet file, so that readers need not
//! replay every version.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::{Action, Change, PROTOCOL, RETENTION_DAYS, Remove, adds, meta_data, removes_in};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A checkpoint and the hint that names it.
#[derive(Debug)]
pub(in crate::lake) struct Checkpoint {
    /// The Parquet file.
    pub content: Vec<u8>,
    /// The content of `_last_checkpoint`.
    pub hint: Vec<u8>,
}

/// The files that versions of a log removed, by path, each with its last tombstone.
#[derive(Debug, Default)]
pub(in crate::lake) struct Tombstones(BTreeMap<String, Remove>);

impl Tombstones {
    /// Adds those of a version's content; versions come in ascending order.
    pub(in crate::lake) fn add_version(&mut self, content: &[u8]) {
        self.0.extend(removes_in(content).map(|remove| (remove.path.clone(), remove)));
    }

    /// Adds those of an earlier checkpoint.
    ///
    /// # Errors
    ///
    /// Returns an error if the checkpoint cannot be read.
    pub(in crate::lake) fn add_checkpoint(&mut self, content: Bytes) -> Result<(), ParquetError> {
        let removes = read(content)?.iter().flat_map(removes_of).collect::<Vec<_>>();
        self.0.extend(removes.into_iter().map(|remove| (remove.path.clone(), remove)));
        Ok(())
    }

    #[cfg(test)]
    pub(in crate::lake) fn paths(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Those a reader of `change`'s version must still know: not present again, not expired.
    fn known_at(self, change: &Change, present: &BTreeSet<String>) -> Vec<Remove> {
        let expired = change.millis() - RETENTION_DAYS * DAY_MILLIS;
        let known = |remove: &Remove| remove.deletion_timestamp > expired && !present.contains(&remove.path);
        self.0.into_values().filter(known).collect()
    }
}

/// The checkpoint of the state after `change`.
///
/// # Errors
///
/// Returns an error only for a state that no commit can hold.
pub(in crate::lake) fn encode(change: &Change, tombstones: Tombstones) -> Result<Checkpoint, ParquetError> {
    let actions = actions(change, tombstones);
    let content = parquet(&actions)?;
    let hint = json!({
        "version": change.entry.delta.version,
        "size": actions.len(),
        "sizeInBytes": content.len(),
        "numOfAddFiles": change.entry.files().count(),
    });
    Ok(Checkpoint { content, hint: hint.to_string().into_bytes() })
}

/// Whether `content` holds the state after `change`, whoever wrote it.
pub(in crate::lake) fn agrees(content: Bytes, change: &Change, tombstones: Tombstones) -> bool {
    let expected = parquet(&actions(change, tombstones)).and_then(|expected| read(expected.into()));
    matches!((read(content), expected), (Ok(found), Ok(expected)) if found == expected)
}

/// The rows of a checkpoint. A damaged file can panic the Parquet reader.
fn read(content: Bytes) -> Result<Vec<RecordBatch>, ParquetError> {
    let read =
        || ParquetRecordBatchReaderBuilder::try_new(content)?.build()?.map(|batch| Ok(batch?)).collect();
    let damaged = |_| ParquetError::General("the reader panicked".to_owned());
    catch_unwind(AssertUnwindSafe(read)).map_err(damaged)?
}

fn actions(change: &Change, tombstones: Tombstones) -> Vec<Action> {
    let adds: Vec<_> = adds(&change.entry).collect();
    let present = adds.iter().map(|add| add.path.clone()).collect();
    let mut actions = vec![
        Action::Protocol(PROTOCOL),
        Action::MetaData(meta_data(&change.table, &change.entry)),
        Action::Txn(change.txn()),
    ];
    let unchanged = |remove: Remove| Action::Remove(Remove { data_change: false, ..remove });
    actions.extend(tombstones.known_at(change, &present).into_iter().map(unchanged));
    actions.extend(adds.into_iter().map(|add| Action::Add(super::Add { data_change: false, ..add })));
    actions
}

/// The version a hint names.
pub(in crate::lake) fn hinted_version(hint: &[u8]) -> Option<u64> {
    let hint: serde_json::Value = serde_json::from_slice(hint).ok()?;
    hint.get("version")?.as_u64()
}

fn parquet(actions: &[Action]) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let batch = batch(actions)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.into_inner()
}

fn batch(actions: &[Action]) -> Result<RecordBatch, ArrowError> {
    let schema = schema();
    let mut decoder =
        ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(actions.len()).build_decoder()?;
    decoder.serialize(actions)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}

fn removes_of(batch: &RecordBatch) -> Vec<Remove> {
    let Some(removes) = batch.column_by_name("remove").and_then(|column| column.as_struct_opt()) else {
        return Vec::new();
    };
    let column = |name: &str| removes.column_by_name(name);
    let paths = column("path").and_then(|column| column.as_string_opt::<i32>());
    let long = |name: &str| column(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(paths), Some(times), Some(sizes)) = (paths, long("deletionTimestamp"), long("size")) else {
        return Vec::new();
    };
    let rows = (0..removes.len()).filter(|row| removes.is_valid(*row));
    rows.map(|row| Remove {
        path: paths.value(row).to_owned(),
        deletion_timestamp: times.value(row),
        data_change: false,
        extended_file_metadata: true,
        partition_values: BTreeMap::new(),
        size: u64::try_from(sizes.value(row)).unwrap_or(0),
    })
    .collect()
}

fn schema() -> SchemaRef {
    let action =
        |name: &str, fields: Vec<Field>| Field::new(name, DataType::Struct(Fields::from(fields)), true);
    Arc::new(Schema::new(vec![
        action("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        action(
            "add",
            vec![
                text("path"),
                map("partitionValues"),
                long("size"),
                long("modificationTime"),
                flag("dataChange"),
                text("stats"),
            ],
        ),
        action(
            "remove",
            vec![
                text("path"),
                long("deletionTimestamp"),
                flag("dataChange"),
                flag("extendedFileMetadata"),
                map("partitionValues"),
                long("size"),
            ],
        ),
        action("metaData", meta_data_fields()),
        action("protocol", vec![int("minReaderVersion"), int("minWriterVersion")]),
    ]))
}

fn meta_data_fields() -> Vec<Field> {
    let format = Fields::from(vec![text("provider"), map("options")]);
    let element = Arc::new(Field::new("element", DataType::Utf8, true));
    vec![
        text("id"),
        text("name"),
        text("description"),
        Field::new("format", DataType::Struct(format), true),
        text("schemaString"),
        Field::new("partitionColumns", DataType::List(element), true),
        map("configuration"),
    ]
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn int(name: &str) -> Field {
    Field::new(name, DataType::Int32, true)
}

fn flag(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn map(name: &str) -> Field {
    let entry = Fields::from(vec![Field::new("key", DataType::Utf8, false), text("value")]);
    let entries = Field::new("key_value", DataType::Struct(entry), false);
    Field::new(name, DataType::Map(Arc::new(entries), false), true)
}
