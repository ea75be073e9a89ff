//! What a reader of row groups will ask for next, asked for while it is busy with what it has.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::listing::FileRange;
use object_store::{OBJECT_STORE_COALESCE_DEFAULT, coalesce_ranges};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::binding::DataFile;
use super::footer::chunk_range;
use super::reader::fetch;

/// More than this is not fetched before somebody wants it, in bytes: each stream of a scan may hold as
/// much.
const MOST: u64 = 32 << 20;

/// Ranges under way; dropped, their requests are given up.
#[derive(Debug)]
pub(super) struct Ahead {
    ranges: Vec<Range<u64>>,
    task: SpawnedTask<Result<Vec<Bytes>>>,
}

impl Ahead {
    /// Asks for the columns of `ranges` in the next row group of the reader's part of the file.
    pub(super) fn of(
        file: &Arc<DataFile>,
        metadata: &ParquetMetaData,
        ranges: &[Range<u64>],
        part: Option<&FileRange>,
    ) -> Option<Self> {
        // What is in memory needs no hurry.
        if file.content.is_some() {
            return None;
        }
        let ranges = following(metadata, ranges, part)?;
        let task = SpawnedTask::spawn(fetch_together(Arc::clone(file), ranges.clone()));
        Some(Self { ranges, task })
    }

    /// Whether these ranges, and no others, are under way.
    pub(super) fn is_of(&self, ranges: &[Range<u64>]) -> bool {
        self.ranges == ranges
    }

    /// What was asked for.
    pub(super) async fn fetched(self) -> Result<Vec<Bytes>> {
        self.task.await.map_err(|cause| ParquetError::External(Box::new(cause)))?
    }
}

/// Fetches ranges: near ones in one request, far ones at the same time.
pub(super) async fn fetch_together(file: Arc<DataFile>, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
    coalesce_ranges(&ranges, |range| fetch(&file, range), OBJECT_STORE_COALESCE_DEFAULT).await
}

/// The same columns of the row group after the one that `ranges` are of, if it belongs to `part` too
/// and is not too large.
fn following(
    metadata: &ParquetMetaData,
    ranges: &[Range<u64>],
    part: Option<&FileRange>,
) -> Option<Vec<Range<u64>>> {
    let first = ranges.first()?;
    let groups = metadata.row_groups();
    let column_of = |group: &RowGroupMetaData, range: &Range<u64>| {
        group.columns().iter().position(|column| chunk_range(column).as_ref() == Some(range))
    };
    let at = groups.iter().position(|group| column_of(group, first).is_some())?;
    let (group, next) = (groups.get(at)?, groups.get(at + 1)?);
    // DataFusion gives a row group to the part in which its first column begins.
    let begins = i64::try_from(chunk_range(next.columns().first()?)?.start).ok()?;
    if part.is_some_and(|part| !(part.start..part.end).contains(&begins)) {
        return None;
    }
    let same = |range: &Range<u64>| chunk_range(next.columns().get(column_of(group, range)?)?);
    let following = ranges.iter().map(same).collect::<Option<Vec<_>>>()?;
    let bytes = following.iter().map(|range| range.end.saturating_sub(range.start)).sum::<u64>();
    (bytes <= MOST).then_some(following)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// Three row groups of two columns.
    fn metadata() -> ParquetMetaData {
        let column = || -> ArrayRef { Arc::new(Int64Array::from_iter_values(0..30)) };
        let batch = RecordBatch::try_from_iter([("a", column()), ("b", column())]).expect("a batch");
        let groups_of_ten = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(groups_of_ten)).expect("a writer");
        writer.write(&batch).expect("written");
        writer.finish().expect("finished")
    }

    fn chunk(metadata: &ParquetMetaData, group: usize, column: usize) -> Range<u64> {
        chunk_range(metadata.row_group(group).column(column)).expect("a range")
    }

    #[test]
    fn the_same_columns_of_the_next_group_follow() {
        let metadata = metadata();
        let [b0, b1, b2] = [0, 1, 2].map(|group| chunk(&metadata, group, 1));
        assert_eq!(following(&metadata, &[b0], None), Some(vec![b1.clone()]));
        assert_eq!(following(&metadata, &[b1], None), Some(vec![b2.clone()]));
        assert_eq!(following(&metadata, &[b2], None), None, "it is the last");
        let both = [chunk(&metadata, 0, 0), chunk(&metadata, 0, 1)];
        let next = vec![chunk(&metadata, 1, 0), chunk(&metadata, 1, 1)];
        assert_eq!(following(&metadata, &both, None), Some(next));
    }

    #[test]
    fn a_group_of_another_part_does_not_follow() {
        let metadata = metadata();
        let second = i64::try_from(chunk(&metadata, 1, 0).start).expect("a small file");
        let first = [chunk(&metadata, 0, 0)];
        assert_eq!(following(&metadata, &first, Some(&FileRange { start: 0, end: second })), None);
        assert!(following(&metadata, &first, Some(&FileRange { start: 0, end: second + 1 })).is_some());
    }

    #[test]
    fn what_is_no_column_has_no_next() {
        let metadata = metadata();
        let mut shorter = chunk(&metadata, 0, 0);
        shorter.end -= 1;
        assert_eq!(following(&metadata, &[shorter], None), None);
        assert_eq!(following(&metadata, &[], None), None);
    }
}
