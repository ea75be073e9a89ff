//! The commit: the whole state of a published root after one run.
//!
//! **Invariant:** frozen as format 1, and as format 2 with chunks (`stored`). Fields are added, never
//! renamed, removed or given another meaning; what this program does not know of a carried-over table it keeps (`extra`) and
//! writes again, so that an older program takes nothing away. [`DeltaPosition`], [`Slice`],
//! [`MadeFrom`] and [`ColumnStatistics`] are closed: later fields go beside them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::layout::FORMAT;
use super::movement::TableMovement;
use super::statistics::FileStatistics;
use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::interval::Instant;
use crate::store::Key;

/// Fields a newer program wrote, kept as they are.
pub type Extra = BTreeMap<String, Json>;

/// One version of all published tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit<T = TableEntry> {
    /// The format, [`FORMAT`](super::FORMAT), also if it is stored with chunks, as format 2.
    pub format: u32,
    /// The number of this commit: 1 for the first, then without gaps.
    pub version: u64,
    /// The commit this one was made from; `None` for the first.
    pub parent: Option<u64>,
    /// The pipeline that published.
    pub pipeline: PipelineName,
    /// The attempt that published; tells our own commit from another's.
    pub attempt: AttemptId,
    /// The run the attempt belongs to; names the folder of its receipt.
    pub run_id: String,
    /// When the commit was made.
    pub committed_at: Instant,
    /// What the run looked from.
    pub as_of: Instant,
    /// What the run knew.
    pub known_at: Instant,
    /// The fingerprint of the project's files.
    pub project_fingerprint: String,
    /// The fingerprint of the parameters' values.
    pub parameters_fingerprint: String,
    /// The program that published, such as `goodwill 0.1.0 datafusion 55.2.0`.
    pub engine_version: String,
    /// The version whose tables are restored, if this is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    /// Every published table, those of other pipelines carried over unchanged.
    pub tables: BTreeMap<NodeName, T>,
}

/// The state of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEntry {
    /// The pipeline that first published the table and alone may write it.
    pub owner: PipelineName,
    /// The commit that last changed the table.
    pub built_in: u64,
    /// The fingerprint of all the table was made from.
    pub fingerprint: String,
    /// What the table promises.
    pub contract: TableContract,
    /// The state of its Delta log.
    pub delta: DeltaPosition,
    /// The rows, by slice.
    pub parts: Vec<Part>,
    /// Fields a newer program wrote.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a published table promises, independent of how projects write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableContract {
    /// What one row is.
    pub description: String,
    /// The columns in their order.
    pub columns: Vec<TableColumn>,
    /// The columns that identify a row.
    pub grain: Vec<String>,
    /// The order of the rows: ascending, nulls last.
    pub order_by: Vec<String>,
    /// What is told of the table when two versions of it are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub movement: Option<TableMovement>,
    /// Fields a newer program wrote.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One column of a published table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableColumn {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub data_type: TableType,
    /// Whether a value may be missing.
    pub nullable: bool,
    /// Whether the values are personal data: never in statistics.
    pub pii: bool,
    /// The meaning of the values.
    pub description: String,
    /// Fields a newer program wrote.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The types every reader of published tables shares, by the names contracts use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TableType {
    /// 16-bit integer.
    Smallint,
    /// 32-bit integer.
    Integer,
    /// 64-bit integer.
    Bigint,
    /// Text.
    Varchar,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant, microseconds UTC.
    Timestamp,
    /// An exact number.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// A 64-bit floating-point number.
    Double,
}

impl TableType {
    /// Reads the name a contract or a commit uses.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "smallint" => Self::Smallint,
            "integer" => Self::Integer,
            "bigint" => Self::Bigint,
            "varchar" => Self::Varchar,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "double" => Self::Double,
            _ => {
                let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
                let (precision, scale) = (precision.parse().ok()?, scale.trim().parse().ok()?);
                if !(1..=38).contains(&precision) || scale > precision {
                    return None;
                }
                Self::Decimal { precision, scale }
            }
        })
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smallint => "smallint",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Varchar => "varchar",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Double => "double",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision}, {scale})"),
        })
    }
}

impl TryFrom<String> for TableType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::parse(&name).ok_or_else(|| format!("`{name}` is not a type of a published column"))
    }
}

impl From<TableType> for String {
    fn from(data_type: TableType) -> Self {
        data_type.to_string()
    }
}

/// Where the Delta log of a table stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaPosition {
    /// The id of the Delta table, the same in all its versions.
    pub table_id: String,
    /// The version of the Delta log that holds this state; 0 for the first.
    pub version: u64,
}

/// A slice of a table, its rows written by one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Which rows of the table these are.
    pub slice: Slice,
    /// The fingerprint of all the rows were made from.
    pub fingerprint: String,
    /// What the rows were made from, piece by piece: tells why a later plan differs.
    #[serde(default)]
    pub made_from: MadeFrom,
    /// The attempt that wrote the files.
    pub attempt: AttemptId,
    /// When the commit was made that first published the files.
    pub published_at: Instant,
    /// How many rows.
    pub rows: u64,
    /// The files, at least one.
    pub files: Vec<FileEntry>,
    /// The files of each source that made the rows of an interval, by their marks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub read: BTreeMap<NodeName, Vec<String>>,
    /// Fields a newer program wrote.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a result is made from; its hash is the result's fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFrom {
    /// SQL, contract, audits and the program's version.
    #[serde(default)]
    pub definition: String,
    /// The values of the parameters the SQL uses.
    #[serde(default)]
    pub parameters: String,
    /// The fingerprint of each input, by the name SQL gives it.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
}

/// Which rows of a table a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Slice {
    /// All rows.
    Whole,
    /// The rows as seen from one day.
    Snapshot {
        /// What the rows were seen from.
        as_of: Instant,
    },
    /// The rows of a half-open span of time.
    Interval {
        /// The first instant in it.
        start: Instant,
        /// The first instant after it.
        end: Instant,
    },
}

/// One Parquet file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it is, seen from the table's folder: `data/<attempt>/part-00000.parquet`.
    pub path: Key,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many rows it has.
    pub rows: u64,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// What is known of the values, by column; no extremes for personal data.
    pub columns: FileStatistics,
    /// Fields a newer program wrote.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is known of the values of a column in one file.
///
/// Extremes are plain text: digits, `12.50`, `2026-01-31`, RFC 3339, `true`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnStatistics {
    /// Nothing in the file is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Nothing in the file is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// How many values are missing.
    pub null_count: u64,
}

impl Commit {
    /// The commit without what may not stand in it: extremes of personal data.
    #[must_use]
    pub fn without_personal_data(mut self) -> Self {
        self.tables.values_mut().for_each(TableEntry::drop_personal_data);
        self
    }

    /// What keeps a commit from following on `parent`: a caller's bug that must not be published.
    pub(super) fn problem(&self, parent: Option<&Self>) -> Option<String> {
        let before = parent.map_or(0, |parent| parent.version);
        if self.format != FORMAT {
            return Some(format!("its format is {}", self.format));
        }
        if before.checked_add(1) != Some(self.version) {
            return Some(format!("its parent is {before}"));
        }
        let earlier = |name: &NodeName| parent.and_then(|parent| parent.tables.get(name));
        let mut lost = parent.iter().flat_map(|parent| parent.tables.keys());
        if let Some(name) = lost.find(|name| !self.tables.contains_key(*name)) {
            return Some(format!("table `{name}` is missing"));
        }
        self.tables.iter().find_map(|(name, entry)| {
            let reason = self.table_problem(entry, earlier(name))?;
            Some(format!("table `{name}` {reason}"))
        })
    }

    fn table_problem(&self, entry: &TableEntry, earlier: Option<&TableEntry>) -> Option<&'static str> {
        if entry.built_in != self.version {
            return (Some(entry) != earlier).then_some("is neither changed nor carried over");
        }
        let log = earlier.map(|earlier| &earlier.delta);
        if entry.delta.version != log.map_or(0, |log| log.version.saturating_add(1))
            || log.is_some_and(|log| log.table_id != entry.delta.table_id)
        {
            return Some("does not go on with its Delta log");
        }
        entry.problem()
    }
}

impl TableEntry {
    /// The files of all parts, in order.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.parts.iter().flat_map(|part| &part.files)
    }

    /// The snapshot of the latest day, if the table keeps snapshots.
    #[must_use]
    pub fn latest_snapshot(&self) -> Option<&Part> {
        let snapshots = self.parts.iter().filter(|part| matches!(part.slice, Slice::Snapshot { .. }));
        snapshots.max_by_key(|part| part.slice)
    }

    /// How many rows the table has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    fn drop_personal_data(&mut self) {
        let personal = self.contract.columns.iter().filter(|column| column.pii);
        let personal: Vec<&str> = personal.map(|column| column.name.as_str()).collect();
        for file in self.parts.iter_mut().flat_map(|part| &mut part.files) {
            for name in &personal {
                file.columns.drop_extremes(name);
            }
        }
    }

    fn problem(&self) -> Option<&'static str> {
        if self.parts.iter().any(|part| part.files.is_empty()) || self.parts.is_empty() {
            return Some("has a part without a file");
        }
        let mut paths: Vec<&Key> = self.files().map(|file| &file.path).collect();
        paths.sort();
        let twice = paths.windows(2).any(|pair| pair.first() == pair.last());
        twice.then_some("names a file twice")
    }
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;
