//! What a chunk holds: JSON compressed with zstd, a part an array, so that no field's name is said
//! a thousand times.
//!
//! ```text
//! {"format": 2, "columns": [NAME, …], "parts": [PART, …]}
//! PART  [SLICE, fingerprint, [definition, parameters, {input: fingerprint, …}], attempt, published_at, rows,
//!        [FILE, …], {"read": {source: [mark, …]} of an interval, later fields}]
//! SLICE [] whole · [as_of] snapshot · [start, end] interval
//! FILE  [path, bytes, rows, sha256, [COLUMN or null, …], {later fields}]
//! COLUMN [min, max, null_count], in the order of `columns`; null if nothing is known of the column
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::layout::COMMIT_FORMAT;
use super::super::{ColumnStatistics, Extra, FileEntry, FileStatistics, MadeFrom, Part, Slice};
use crate::ident::AttemptId;
use crate::interval::Instant;
use crate::store::Key;

/// How hard zstd tries: its own default.
const LEVEL: i32 = 3;
/// The name of the files of each source that made an interval, among the fields that not every part has.
const READ: &str = "read";
/// The most JSON a chunk may hold: a damaged or hostile one ends with an error, not with all memory.
const MOST: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    columns: Vec<String>,
    parts: Vec<PartRow>,
}

#[derive(Serialize, Deserialize)]
struct PartRow(Vec<Instant>, String, MadeFromRow, AttemptId, Instant, u64, Vec<FileRow>, Extra);

#[derive(Serialize, Deserialize)]
struct MadeFromRow(String, String, BTreeMap<String, String>);

#[derive(Serialize, Deserialize)]
struct FileRow(Key, u64, u64, String, Vec<Option<ColumnRow>>, Extra);

#[derive(Serialize, Deserialize)]
struct ColumnRow(Option<String>, Option<String>, u64);

/// The object that holds `parts`: the same bytes for the same parts.
///
/// # Errors
///
/// Returns an error if a kept foreign field cannot be written, or if it is all too much for one chunk.
pub(in super::super) fn encode(parts: &[Part]) -> io::Result<Vec<u8>> {
    let files = parts.iter().flat_map(|part| &part.files);
    let columns: BTreeSet<&str> = files.flat_map(|file| file.columns.iter()).map(|(name, _)| name).collect();
    let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
    let parts = parts.iter().map(|part| part_row(part, &columns)).collect();
    let json = serde_json::to_vec(&Document { format: COMMIT_FORMAT, columns, parts })?;
    if json.len() as u64 > MOST {
        return Err(io::Error::other("its parts have too many files"));
    }
    zstd::bulk::compress(&json, LEVEL)
}

/// The parts an object holds, in their order.
///
/// # Errors
///
/// Returns what is wrong with it, without any value that stands in it.
pub(in super::super) fn decode(content: &[u8]) -> Result<Vec<Part>, String> {
    let mut json = Vec::with_capacity(content.len().saturating_mul(4));
    let opened = zstd::stream::read::Decoder::new(content);
    let read = opened.and_then(|decoder| decoder.take(MOST + 1).read_to_end(&mut json));
    if read.map_err(|cause| format!("its compression is broken: {cause}"))? as u64 > MOST {
        return Err("it holds more than a chunk ever does".to_owned());
    }
    let document: Document = serde_json::from_slice(&json).map_err(|cause| {
        // The text of the error could show a value; its place is enough.
        format!("{:?} error at line {} column {}", cause.classify(), cause.line(), cause.column())
    })?;
    if document.format != COMMIT_FORMAT {
        return Err(format!("a chunk of format {}", document.format));
    }
    let columns: Arc<[String]> = document.columns.into();
    let parts = document.parts.into_iter().map(|row| part(row, &columns));
    parts.collect::<Option<_>>().ok_or_else(|| "a row has another shape than its kind has".to_owned())
}

fn part_row(part: &Part, columns: &[String]) -> PartRow {
    let Part { slice, fingerprint, made_from, attempt, published_at, rows, files, read, extra } = part;
    let mut extra = extra.clone();
    if !read.is_empty() {
        extra.insert(READ.to_owned(), json!(read));
    }
    let slice = match *slice {
        Slice::Whole => vec![],
        Slice::Snapshot { as_of } => vec![as_of],
        Slice::Interval { start, end } => vec![start, end],
    };
    let MadeFrom { definition, parameters, inputs } = made_from.clone();
    let files = files.iter().map(|file| file_row(file, columns)).collect();
    PartRow(
        slice,
        fingerprint.clone(),
        MadeFromRow(definition, parameters, inputs),
        attempt.clone(),
        *published_at,
        *rows,
        files,
        extra,
    )
}

fn file_row(file: &FileEntry, columns: &[String]) -> FileRow {
    let FileEntry { path, bytes, rows, sha256, columns: known, extra } = file;
    let row = |known: &ColumnStatistics| {
        let ColumnStatistics { min, max, null_count } = known.clone();
        ColumnRow(min, max, null_count)
    };
    let known = columns.iter().map(|column| known.get(column).map(row)).collect();
    FileRow(path.clone(), *bytes, *rows, sha256.clone(), known, extra.clone())
}

fn part(row: PartRow, columns: &Arc<[String]>) -> Option<Part> {
    let PartRow(slice, fingerprint, made_from, attempt, published_at, rows, files, mut extra) = row;
    let read = match extra.remove(READ) {
        Some(read) => serde_json::from_value(read).ok()?,
        None => BTreeMap::new(),
    };
    let slice = match slice.as_slice() {
        [] => Slice::Whole,
        [as_of] => Slice::Snapshot { as_of: *as_of },
        [start, end] => Slice::Interval { start: *start, end: *end },
        _ => return None,
    };
    let MadeFromRow(definition, parameters, inputs) = made_from;
    let made_from = MadeFrom { definition, parameters, inputs };
    let files = files.into_iter().map(|row| file(row, columns)).collect::<Option<_>>()?;
    Some(Part { slice, fingerprint, made_from, attempt, published_at, rows, files, read, extra })
}

fn file(row: FileRow, columns: &Arc<[String]>) -> Option<FileEntry> {
    let FileRow(path, bytes, rows, sha256, known, extra) = row;
    let statistics = |ColumnRow(min, max, null_count)| ColumnStatistics { min, max, null_count };
    let known = known.into_iter().map(|row| row.map(statistics)).collect();
    let columns = FileStatistics::of(columns, known)?;
    Some(FileEntry { path, bytes, rows, sha256, columns, extra })
}
