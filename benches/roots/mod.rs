//! Roots that would take weeks to publish, made through the lake's own types.
#![expect(clippy::disallowed_methods, reason = "a bench writes a root without waiting for its disk")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use goodwill::ident::{AttemptId, NodeName, PipelineName};
use goodwill::interval::Instant;
use goodwill::lake::{
    ColumnStatistics, Commit, DeltaPosition, Extra, FORMAT, FileEntry, MadeFrom, Part, Slice, TableColumn,
    TableContract, TableEntry, TableType,
};
use goodwill::store::Key;
use sha2::{Digest, Sha256};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// 2016-01-01T00:00:00Z and a day, in microseconds.
pub(crate) const START: i64 = 1_451_606_400_000_000;
pub(crate) const DAY: i64 = 86_400_000_000;

/// How many columns a table has.
const COLUMNS: usize = 10;

/// Which slices a table's parts are.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    /// A snapshot of each day.
    Days,
    /// The rows of each day.
    Intervals,
}

/// A first commit of `tables` tables with `parts` parts each, a file of ten columns a part: `table_000`, ….
pub(crate) fn wide(tables: usize, parts: usize, kept: Kept) -> Result<Commit> {
    let attempt = AttemptId::parse("20260101t000000-00000000")?;
    let mut entries = BTreeMap::new();
    for table in 0..tables {
        let name = NodeName::parse(&format!("table_{table:03}"))?;
        let delta = DeltaPosition::after(None, &name, &attempt);
        let parts = (0..parts).map(|at| part(name.as_str(), i64::try_from(at)?, kept));
        let entry = TableEntry {
            owner: PipelineName::parse("wide")?,
            built_in: 1,
            fingerprint: hash(name.as_str()),
            contract: contract(),
            delta,
            parts: parts.collect::<Result<_>>()?,
            extra: Extra::new(),
        };
        entries.insert(name, entry);
    }
    Ok(Commit {
        format: FORMAT,
        version: 1,
        parent: None,
        pipeline: PipelineName::parse("wide")?,
        run_id: attempt.to_string(),
        attempt,
        committed_at: Instant::from_micros(START),
        as_of: Instant::from_micros(START),
        known_at: Instant::from_micros(START),
        project_fingerprint: hash("project"),
        parameters_fingerprint: hash("parameters"),
        engine_version: goodwill::engine::VERSION.to_owned(),
        restores: None,
        tables: entries,
    })
}

/// The part of a table's day, as a run of that night would have published it.
pub(crate) fn part(table: &str, day: i64, kept: Kept) -> Result<Part> {
    let at = |day: i64| Instant::from_micros(START + day * DAY);
    let slice = match kept {
        Kept::Days => Slice::Snapshot { as_of: at(day) },
        Kept::Intervals => Slice::Interval { start: at(day), end: at(day + 1) },
    };
    let attempt =
        AttemptId::parse(&format!("{:08}t031500-{}", 20_160_101 + day, &hash(&day.to_string())[..8]))?;
    let file = FileEntry {
        path: Key::parse(&format!("data/{attempt}/part-00000.parquet"))?,
        bytes: 1_234_567 + day.unsigned_abs(),
        rows: 40_000 + day.unsigned_abs(),
        sha256: hash(&format!("{table} {day} file")),
        columns: (0..COLUMNS).map(|column| statistics(column, day)).collect(),
        extra: Extra::new(),
    };
    let read =
        |name: &str| Ok((NodeName::parse(name)?, vec![hash(&format!("{day} {name}"))[..16].to_owned()]));
    let input = |name: &str| (format!("sources.{name}"), hash(&format!("{table} {day} {name}")));
    Ok(Part {
        slice,
        fingerprint: hash(&format!("{table} {day}")),
        made_from: MadeFrom {
            definition: hash(table),
            parameters: hash("parameters"),
            inputs: ["orders", "order_lines"].into_iter().map(input).collect(),
        },
        attempt,
        published_at: at(day + 1),
        rows: file.rows,
        files: vec![file],
        read: match kept {
            Kept::Days => BTreeMap::new(),
            Kept::Intervals => ["orders", "order_lines"].into_iter().map(read).collect::<Result<_>>()?,
        },
        extra: Extra::new(),
    })
}

fn statistics(column: usize, day: i64) -> (String, ColumnStatistics) {
    let (min, max) = match column % 4 {
        0 => (day * 1000, day * 1000 + 40_000).map(|it| it.to_string()),
        1 => (0, 987_654 + day).map(|cents| format!("{}.{:02}", cents / 100, cents % 100)),
        2 => (day, day).map(|day| Instant::from_micros(START + day * DAY).to_string()[..10].to_owned()),
        _ => ("at-home".to_owned(), "wholesale and export".to_owned()),
    };
    (format!("column_of_kind_{column}"), ColumnStatistics { min: Some(min), max: Some(max), null_count: 17 })
}

/// The same done to both.
trait Both<T> {
    fn map<U>(self, change: impl Fn(T) -> U) -> (U, U);
}

impl<T> Both<T> for (T, T) {
    fn map<U>(self, change: impl Fn(T) -> U) -> (U, U) {
        (change(self.0), change(self.1))
    }
}

fn contract() -> TableContract {
    let column = |number: usize| TableColumn {
        name: format!("column_of_kind_{number}"),
        data_type: TableType::Varchar,
        nullable: true,
        pii: false,
        description: "What this column means, in a line that somebody wrote.".to_owned(),
        extra: Extra::new(),
    };
    TableContract {
        description: "One row per thing and day.".to_owned(),
        columns: (0..COLUMNS).map(column).collect(),
        grain: vec!["column_of_kind_0".to_owned()],
        order_by: vec!["column_of_kind_0".to_owned()],
        movement: None,
        extra: Extra::new(),
    }
}

pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a commit is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// As this program does.
    Chunked,
    /// As it was before there were chunks: format 1, with all parts.
    Whole,
}

/// Writes a commit with what it names but the data files; returns how many bytes are new below the root.
pub(crate) fn write(root: &Path, commit: &Commit, form: Form) -> Result<u64> {
    let file = commit_file(root, commit.version);
    fs::create_dir_all(root.join("_goodwill/commits"))?;
    let mut written = 0;
    let content = match form {
        Form::Chunked => {
            let encoded = commit.encode()?;
            for (key, chunk) in encoded.chunks {
                let path = root.join(key.as_str());
                if !path.exists() {
                    fs::create_dir_all(path.parent().unwrap_or(root))?;
                    written += chunk.len() as u64;
                    fs::write(path, chunk)?;
                }
            }
            encoded.content
        }
        Form::Whole => serde_json::to_vec_pretty(commit)?,
    };
    written += content.len() as u64;
    fs::write(file, content)?;
    Ok(written)
}

pub(crate) fn commit_file(root: &Path, version: u64) -> PathBuf {
    root.join(format!("_goodwill/commits/{version:020}.json"))
}
