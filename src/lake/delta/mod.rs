//! The Delta log of one table, derived from commits.
//!
//! Reader version 1, writer version 2, unpartitioned, no deletion vectors, no column mapping:
//! what every Delta reader understands. `docs/decisions/0001-delta-log.md` says why the log is
//! written here and by no library.
//!
//! **Invariant:** the content of a version is a function of the two states it lies between and
//! of the commit that made the second one. Two programs that write the same version write the
//! same bytes, so create-if-absent makes every roll-forward safe to repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::statistics::delta_json;
use super::{Commit, DeltaPosition, FileEntry, Part, TableContract, TableEntry, TableType};
use crate::ident::{AttemptId, NodeName};

pub(super) mod checkpoint;

/// The name Goodwill has in the `txn` action of Delta logs; its version is the commit.
pub const APPLICATION: &str = "goodwill";

/// How often a checkpoint is written, in versions.
pub(super) const CHECKPOINT_EVERY: u64 = 10;

/// How long a foreign vacuum must spare superseded files: longer than any rollback reaches.
/// Only `gc` removes files of ours.
const RETENTION_DAYS: i64 = 365;

/// One version of a table's Delta log: the states before and after it.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// The commit that changed the table.
    pub commit: Arc<Commit>,
    /// The table.
    pub table: NodeName,
    /// Its state after the change.
    pub entry: TableEntry,
    /// Its state before; `None` if the change made the table.
    pub previous: Option<TableEntry>,
}

/// The actions of Delta logs that are written here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Action {
    CommitInfo(Json),
    Protocol(Protocol),
    MetaData(MetaData),
    Txn(Txn),
    Add(Add),
    Remove(Remove),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Protocol {
    min_reader_version: i32,
    min_writer_version: i32,
}

const PROTOCOL: Protocol = Protocol { min_reader_version: 1, min_writer_version: 2 };

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetaData {
    id: String,
    name: String,
    description: String,
    format: Format,
    schema_string: String,
    partition_columns: Vec<String>,
    configuration: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Format {
    provider: String,
    options: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: u64,
    last_updated: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    path: String,
    partition_values: BTreeMap<String, String>,
    size: u64,
    modification_time: i64,
    data_change: bool,
    stats: String,
}

/// The tombstone of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remove {
    path: String,
    deletion_timestamp: i64,
    data_change: bool,
    extended_file_metadata: bool,
    partition_values: BTreeMap<String, String>,
    size: u64,
}

impl DeltaPosition {
    /// The place of a table's next state in its Delta log; the id of a new table is made from
    /// the attempt that makes it.
    #[must_use]
    pub fn after(previous: Option<&TableEntry>, table: &NodeName, attempt: &AttemptId) -> Self {
        match previous {
            Some(entry) => Self {
                table_id: entry.delta.table_id.clone(),
                version: entry.delta.version.saturating_add(1),
            },
            None => Self { table_id: table_id(table, attempt), version: 0 },
        }
    }
}

fn table_id(table: &NodeName, attempt: &AttemptId) -> String {
    let digest = Sha256::digest(format!("{attempt}/{table}"));
    let mut bytes = [0_u8; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

impl Change {
    /// The content of this version's object: one action a line.
    ///
    /// # Errors
    ///
    /// Never for states that were read from commits.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut content = Vec::new();
        for action in self.actions() {
            serde_json::to_writer(&mut content, &action)?;
            content.push(b'\n');
        }
        Ok(content)
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = vec![Action::CommitInfo(self.commit_info())];
        if self.previous.is_none() {
            actions.push(Action::Protocol(PROTOCOL));
        }
        let meta_data = meta_data(&self.table, &self.entry);
        let before = self.previous.as_ref().map(|entry| self::meta_data(&self.table, entry));
        if before.as_ref() != Some(&meta_data) {
            actions.push(Action::MetaData(meta_data));
        }
        actions.push(Action::Txn(self.txn()));
        actions.extend(self.removes().map(Action::Remove));
        actions.extend(self.adds().map(Action::Add));
        actions
    }

    fn millis(&self) -> i64 {
        self.commit.committed_at.micros().div_euclid(1000)
    }

    fn commit_info(&self) -> Json {
        json!({
            "timestamp": self.millis(),
            "operation": "WRITE",
            "operationParameters": { "mode": "Overwrite" },
            "isBlindAppend": false,
            "engineInfo": self.commit.engine_version,
            "goodwill": {
                "commit": self.commit.version,
                "pipeline": self.commit.pipeline,
                "attempt": self.commit.attempt,
                "as_of": self.commit.as_of,
            },
        })
    }

    fn txn(&self) -> Txn {
        Txn { app_id: APPLICATION.to_owned(), version: self.commit.version, last_updated: self.millis() }
    }

    fn removes(&self) -> impl Iterator<Item = Remove> {
        let kept: BTreeSet<_> = self.entry.files().map(|file| file.path.clone()).collect();
        let before = self.previous.iter().flat_map(TableEntry::files);
        let gone = before.filter(move |file| !kept.contains(&file.path));
        gone.map(|file| Remove {
            path: encoded_path(file),
            deletion_timestamp: self.millis(),
            data_change: true,
            extended_file_metadata: true,
            partition_values: BTreeMap::new(),
            size: file.bytes,
        })
    }

    fn adds(&self) -> impl Iterator<Item = Add> {
        let before = self.previous.iter().flat_map(TableEntry::files);
        let before: BTreeSet<String> = before.map(encoded_path).collect();
        adds(&self.entry).filter(move |add| !before.contains(&add.path))
    }
}

/// The files of a state as a Delta log names them.
fn adds(entry: &TableEntry) -> impl Iterator<Item = Add> {
    let of_part = |part: &Part, file: &FileEntry| Add {
        path: encoded_path(file),
        partition_values: BTreeMap::new(),
        size: file.bytes,
        modification_time: part.published_at.micros().div_euclid(1000),
        data_change: true,
        stats: delta_json(&entry.contract, file),
    };
    entry.parts.iter().flat_map(move |part| part.files.iter().map(move |file| of_part(part, file)))
}

/// A file's path as Delta logs want it: a relative URL.
fn encoded_path(file: &FileEntry) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./~=".contains(&byte);
    let encoded = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    file.path.as_str().bytes().map(encoded).collect()
}

fn meta_data(table: &NodeName, entry: &TableEntry) -> MetaData {
    let setting = |(key, value): (&str, String)| (format!("delta.{key}"), value);
    let settings = [
        ("deletedFileRetentionDuration", format!("interval {RETENTION_DAYS} days")),
        ("enableExpiredLogCleanup", "false".to_owned()),
    ];
    MetaData {
        id: entry.delta.table_id.clone(),
        name: table.to_string(),
        description: entry.contract.description.clone(),
        format: Format { provider: "parquet".to_owned(), options: BTreeMap::new() },
        schema_string: schema(&entry.contract).to_string(),
        partition_columns: Vec::new(),
        configuration: settings.into_iter().map(setting).collect(),
    }
}

fn schema(contract: &TableContract) -> Json {
    let fields = contract.columns.iter().map(|column| {
        let metadata = match column.description.as_str() {
            "" => json!({}),
            text => json!({ "comment": text }),
        };
        json!({
            "name": column.name,
            "type": type_name(column.data_type),
            "nullable": column.nullable,
            "metadata": metadata,
        })
    });
    json!({ "type": "struct", "fields": fields.collect::<Vec<_>>() })
}

fn type_name(data_type: TableType) -> String {
    match data_type {
        TableType::Smallint => "short".to_owned(),
        TableType::Integer => "integer".to_owned(),
        TableType::Bigint => "long".to_owned(),
        TableType::Varchar => "string".to_owned(),
        TableType::Boolean => "boolean".to_owned(),
        TableType::Date => "date".to_owned(),
        TableType::Timestamp => "timestamp".to_owned(),
        TableType::Double => "double".to_owned(),
        TableType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
    }
}

/// Whether the content of a version is what Goodwill wrote for `commit`.
pub(super) fn is_ours(content: &[u8], commit: u64) -> bool {
    lines(content).any(|action| {
        let txn = action.get("txn").and_then(|txn| Txn::deserialize(txn).ok());
        txn.is_some_and(|txn| txn.app_id == APPLICATION && txn.version == commit)
    })
}

fn removes_in(content: &[u8]) -> impl Iterator<Item = Remove> {
    lines(content).filter_map(|action| Remove::deserialize(action.get("remove")?).ok())
}

fn lines(content: &[u8]) -> impl Iterator<Item = Json> {
    content.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests;
