//! The footer of a Parquet file: looked through before it is decoded, and held to what it says.
//!
//! The decoder believes a footer: it makes room for as many row groups as one claims and descends
//! as deep as its schema goes, and either ends the process. So a footer is walked first, without
//! making room for anything; what is too much, or not what Parquet writes there, is refused.
//!
//! **Invariant:** reading a footer, good or bad, takes less than 200 MB, and never the process.

use std::ops::Range;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};

use super::compact::{Compact, Field, Kind, Next};

/// The last bytes of a file: the footer's length, and `PAR1`.
pub(super) const TAIL: u64 = 8;
/// The largest footer that is read.
const MOST_BYTES: u64 = 32 << 20;
/// What a footer may take in memory once it is decoded.
const BUDGET: usize = 96 << 20;
/// The most columns, those within others counted alone.
const MOST_COLUMNS: usize = 4_096;
/// The most rows; sums of rows of many files stay far from the end of numbers.
const MOST_ROWS: i64 = 1_000_000_000_000;
/// How deep columns may lie in each other.
const MOST_DEPTH: usize = 64;

/// Where the footer lies in a file of `size` bytes that ends in `tail`.
pub(super) fn footer_range(size: u64, tail: &[u8]) -> Result<Range<u64>> {
    let (length, magic) = tail.split_first_chunk::<4>().ok_or_else(|| malformed("no end"))?;
    if magic != b"PAR1" {
        return Err(malformed("no Parquet at the end"));
    }
    let length = u64::from(u32::from_le_bytes(*length));
    let end = size.checked_sub(TAIL).ok_or_else(|| malformed("too small"))?;
    match end.checked_sub(length) {
        // The first four bytes are `PAR1` too.
        Some(start) if start >= 4 && length <= MOST_BYTES => Ok(start..end),
        _ => Err(malformed("a footer of an impossible length")),
    }
}

/// Decodes the footer of a file of `size` bytes.
pub(super) fn decode(footer: &Bytes, size: u64) -> Result<ParquetMetaData> {
    walk(footer).ok_or_else(|| malformed("a footer that is not what Parquet writes, or far too much"))?;
    let metadata = ParquetMetaDataReader::decode_metadata(footer)?;
    consistent(&metadata, size).ok_or_else(|| malformed("a footer that contradicts itself"))?;
    Ok(metadata)
}

fn malformed(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// Passes over a `FileMetaData`.
fn walk(footer: &[u8]) -> Option<()> {
    let mut footer = Compact::new(footer, BUDGET);
    let mut last = 0;
    while let Next::Field(Field { id, kind }) = footer.field(last)? {
        match (id, kind) {
            (2, Kind::LIST) => walk_schema(&mut footer)?,
            (1, Kind::I32) | (3, Kind::I64) | (4 | 5 | 7, Kind::LIST) | (6, Kind::BINARY) | (8.., _) => {
                footer.skip(kind)?;
            }
            _ => return None,
        }
        last = id;
    }
    Some(())
}

/// The columns as a tree written flat: each element says how many of those that follow are its own.
fn walk_schema(footer: &mut Compact<'_>) -> Option<()> {
    let (kind, elements) = footer.list()?;
    if kind != Kind::STRUCT || elements > 4 * MOST_COLUMNS {
        return None;
    }
    // How many children are still to come, at each depth.
    let mut open: Vec<usize> = Vec::new();
    let mut columns = 0;
    for at in 0..elements {
        if at > 0 {
            while open.last() == Some(&0) {
                open.pop();
            }
            *open.last_mut()? -= 1;
        }
        let children = walk_element(footer)?;
        columns += usize::from(children == 0);
        open.push(children);
        if open.len() > MOST_DEPTH || children > elements - at - 1 {
            return None;
        }
    }
    (columns <= MOST_COLUMNS && open.iter().all(|left| *left == 0)).then_some(())
}

/// One `SchemaElement`; how many children it has.
fn walk_element(footer: &mut Compact<'_>) -> Option<usize> {
    let (mut last, mut children) = (0, 0);
    while let Next::Field(Field { id, kind }) = footer.field(last)? {
        match (id, kind) {
            (5, Kind::I32) => children = usize::try_from(footer.integer()?).ok()?,
            (1..=3 | 6..=9, Kind::I32) | (4, Kind::BINARY) | (11.., _) => footer.skip(kind)?,
            (10, Kind::STRUCT) => walk_logical_type(footer)?,
            _ => return None,
        }
        last = id;
    }
    Some(children)
}

/// A `LogicalType`: a union of structs. The decoder believes its kinds too.
fn walk_logical_type(footer: &mut Compact<'_>) -> Option<()> {
    let mut last = 0;
    while let Next::Field(Field { id, kind }) = footer.field(last)? {
        (kind == Kind::STRUCT).then_some(())?;
        let mut inner = 0;
        while let Next::Field(part) = footer.field(inner)? {
            is_logical_part(id, part).then_some(())?;
            footer.skip(part.kind)?;
            inner = part.id;
        }
        last = id;
    }
    Some(())
}

/// Whether a logical type has such a part: a decimal's scale, a timestamp's unit.
fn is_logical_part(logical_type: i16, part: Field) -> bool {
    let truth = matches!(part.kind, Kind::TRUE | Kind::FALSE);
    match (logical_type, part.id) {
        (5, 1 | 2) | (18, 2) => part.kind == Kind::I32,
        (7 | 8, 1) | (10, 2) => truth,
        (7 | 8, 2) => part.kind == Kind::STRUCT,
        (10 | 16, 1) => part.kind == Kind::BYTE,
        (17 | 18, 1) => part.kind == Kind::BINARY,
        _ => true,
    }
}

/// Whether the rows add up and every column lies within the file.
fn consistent(metadata: &ParquetMetaData, size: u64) -> Option<()> {
    let file: &FileMetaData = metadata.file_metadata();
    let mut rows = 0_i64;
    for group in metadata.row_groups() {
        rows = rows.checked_add(group.num_rows()).filter(|_| group.num_rows() >= 0)?;
        (group.total_byte_size() >= 0).then_some(())?;
        group.columns().iter().try_for_each(|column| consistent_column(column, group, size))?;
    }
    (rows == file.num_rows() && rows <= MOST_ROWS).then_some(())
}

fn consistent_column(column: &ColumnChunkMetaData, group: &RowGroupMetaData, size: u64) -> Option<()> {
    let flat = column.column_descr().max_rep_level() == 0;
    let counted = if flat { column.num_values() == group.num_rows() } else { column.num_values() >= 0 };
    let within = chunk_range(column).is_some_and(|range| range.end <= size);
    // Rows of another file are not this file's.
    (counted && within && column.uncompressed_size() >= 0 && column.file_path().is_none_or(str::is_empty))
        .then_some(())
}

/// Where the pages of a column lie.
pub(super) fn chunk_range(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
    Some(start..end)
}
