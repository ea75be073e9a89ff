//! The pages of a column: as many rows as the footer says, or an error.
//!
//! The decoder ends with the last page, however many rows that were; a column whose pages were cut
//! at a page's end would be read as a shorter one, in silence.

use super::compact::{Compact, Field, Kind, Next};

/// The largest page that is decompressed.
const MOST_BYTES: i64 = 1 << 30;
/// What the statistics in a page's header may take.
const HEADER_BUDGET: usize = 64 << 20;

/// What a footer says of a column within a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promised {
    /// Values, nulls counted.
    pub(super) values: i64,
    /// Rows of the row group.
    pub(super) rows: i64,
}

/// What the header of a page says.
#[derive(Debug, Default)]
struct Header {
    page_type: i64,
    compressed: i64,
    uncompressed: i64,
    values: i64,
    /// Rows, if the page is one that says so.
    rows: Option<i64>,
}

/// Whether the pages in `chunk` hold what was promised.
pub(super) fn hold(chunk: &[u8], promised: Promised) -> bool {
    count(chunk).is_some_and(|(values, rows)| {
        values == promised.values && rows.is_none_or(|rows| rows == promised.rows)
    })
}

/// The values in all pages, and the rows if every page says them.
fn count(chunk: &[u8]) -> Option<(i64, Option<i64>)> {
    let (mut rest, mut values, mut rows) = (chunk, 0_i64, Some(0_i64));
    while !rest.is_empty() {
        let (header, pages) = header(rest)?;
        let length = usize::try_from(header.compressed).ok()?;
        rest = pages.get(length..)?;
        if header.page_type == DATA || header.page_type == DATA_V2 {
            values = values.checked_add(header.values).filter(|_| header.values >= 0)?;
            rows = rows.zip(header.rows).and_then(|(sum, more)| sum.checked_add(more));
        }
    }
    Some((values, rows))
}

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// The header at the front of `bytes`, and what follows it.
fn header(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let mut compact = Compact::new(bytes, HEADER_BUDGET);
    let mut header = Header::default();
    let mut last = 0;
    while let Next::Field(Field { id, kind }) = compact.field(last)? {
        match (id, kind) {
            (1, Kind::I32) => header.page_type = compact.integer()?,
            (2, Kind::I32) => header.uncompressed = compact.integer()?,
            (3, Kind::I32) => header.compressed = compact.integer()?,
            (5 | 7 | 8, Kind::STRUCT) => {
                (id == part_of(header.page_type)?).then_some(())?;
                counts(&mut compact, &mut header)?;
            }
            (1..=3, _) => return None,
            _ => compact.skip(kind)?,
        }
        last = id;
    }
    (0..=MOST_BYTES).contains(&header.uncompressed).then_some((header, compact.rest()))
}

/// The field of a header that tells of a page of this type.
const fn part_of(page_type: i64) -> Option<i16> {
    match page_type {
        DATA => Some(5),
        DICTIONARY => Some(7),
        DATA_V2 => Some(8),
        _ => None,
    }
}

/// The first field counts values in each kind of page; the third of a newer data page counts rows.
fn counts(compact: &mut Compact<'_>, header: &mut Header) -> Option<()> {
    let mut last = 0;
    while let Next::Field(Field { id, kind }) = compact.field(last)? {
        match (id, kind) {
            (1, Kind::I32) => header.values = compact.integer()?,
            (3, Kind::I32) if header.page_type == DATA_V2 => header.rows = Some(compact.integer()?),
            _ => compact.skip(kind)?,
        }
        last = id;
    }
    Some(())
}
