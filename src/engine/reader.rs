//! Reads one pinned Parquet file without believing it.
//!
//! **Invariant:** every request bears the pinned mark, so a file that was replaced gives an error
//! and never a mixture. A column has as many values as its footer says, or reading it fails. Everything
//! in a file that could make rows disappear and cannot be checked, page indexes and bloom filters,
//! is not read. What is asked for in one step is fetched together ([`fetch_together`]), and what will
//! be asked for next is fetched meanwhile ([`Ahead`]).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use super::ahead::{Ahead, fetch_together};
use super::binding::DataFile;
use super::footer::{self, TAIL};
use super::pages::{self, Promised};
use crate::store::StoreError;

/// How much of a file's end is asked for at once: most footers are smaller.
const FIRST_LOOK: u64 = 64 << 10;

/// What the footer of a file says, kept so that nobody reads it again.
#[derive(Clone, PartialEq)]
pub struct FileMetadata(pub(super) Arc<ParquetMetaData>);

impl fmt::Debug for FileMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileMetadata({} row groups)", self.0.num_row_groups())
    }
}

impl FileMetadata {
    /// What it takes in memory, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.memory_size()
    }
}

/// Gives DataFusion the readers of the files it was told of, by their paths in the client's store.
#[derive(Debug)]
pub(super) struct Readers(BTreeMap<Path, DataFile>);

impl Readers {
    /// The readers of `files`.
    pub(super) fn of(files: &[&DataFile]) -> std::result::Result<Self, StoreError> {
        let by_path = files.iter().map(|file| Ok((file.store.object_path(&file.key)?, (*file).clone())));
        by_path.collect::<std::result::Result<_, _>>().map(Self)
    }
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        _: usize,
        file: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let location = file.object_meta.location;
        let known = self.0.get(&location).cloned();
        let known = known.ok_or_else(|| DataFusionError::Internal(format!("{location} was not pinned")))?;
        Ok(Box::new(Reader { part: file.range, ..Reader::new(known) }))
    }
}

/// A file of a known size.
pub(super) struct Reader {
    file: Arc<DataFile>,
    /// The part of the file this reader is for; all of it without one.
    part: Option<FileRange>,
    ahead: Option<Ahead>,
    read: Option<Arc<ParquetMetaData>>,
    /// What the footer promises of the columns, by where their pages lie.
    chunks: BTreeMap<(u64, u64), Promised>,
}

impl Reader {
    pub(super) fn new(file: DataFile) -> Self {
        Self { file: Arc::new(file), part: None, ahead: None, read: None, chunks: BTreeMap::new() }
    }

    async fn metadata(&mut self) -> Result<Arc<ParquetMetaData>> {
        if let Some(metadata) = &self.read {
            return Ok(Arc::clone(metadata));
        }
        let metadata = match &self.file.metadata {
            // It was looked at when the file was pinned.
            Some(known) => {
                self.chunks = promises(&known.0)?;
                Arc::clone(&known.0)
            }
            None => {
                let footer = self.footer().await?;
                let metadata = Arc::new(footer::decode(&footer, self.file.size)?);
                self.chunks = promises(&metadata)?;
                self.look_at_empty_groups().await?;
                metadata
            }
        };
        self.read = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    /// Nobody reads the pages of a row group without rows: that it has none is checked here.
    async fn look_at_empty_groups(&self) -> Result<()> {
        for ((start, end), promised) in self.chunks.iter().filter(|(_, promised)| promised.rows == 0) {
            if end.saturating_sub(*start) > FIRST_LOOK
                || !pages::hold(&fetch(&self.file, *start..*end).await?, *promised)
            {
                return Err(miscounted());
            }
        }
        Ok(())
    }

    async fn footer(&self) -> Result<Bytes> {
        let start = self.file.size.saturating_sub(FIRST_LOOK);
        let end = fetch(&self.file, start..self.file.size).await?;
        let tail = end.len().checked_sub(usize::try_from(TAIL)?).ok_or_else(shorter)?;
        let range = footer::footer_range(self.file.size, &end[tail..])?;
        match range.start.checked_sub(start) {
            Some(from) => Ok(end.slice(usize::try_from(from)?..tail)),
            None => {
                let mut footer = BytesMut::from(fetch(&self.file, range.start..start).await?);
                footer.extend_from_slice(&end[..tail]);
                Ok(footer.freeze())
            }
        }
    }

    async fn fetch_all(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let metadata = self.metadata().await?;
        let next = Ahead::of(&self.file, &metadata, ranges, self.part.as_ref());
        let fetched = match std::mem::replace(&mut self.ahead, next) {
            Some(ahead) if ahead.is_of(ranges) => ahead.fetched().await?,
            _ => fetch_together(Arc::clone(&self.file), ranges.to_vec()).await?,
        };
        for (range, bytes) in ranges.iter().zip(&fetched) {
            if u64::try_from(bytes.len())? != range.end.saturating_sub(range.start) {
                return Err(shorter());
            }
            let promised = self.chunks.get(&(range.start, range.end));
            if promised.is_some_and(|promised| !pages::hold(bytes, *promised)) {
                return Err(miscounted());
            }
        }
        Ok(fetched)
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.fetch_all(&[range]).await?.pop().ok_or_else(shorter) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.fetch_all(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.metadata().boxed()
    }
}

/// Reads a range of a pinned file, all of it.
pub(super) async fn fetch(file: &DataFile, range: Range<u64>) -> Result<Bytes> {
    let length = range.end.saturating_sub(range.start);
    if length == 0 {
        return Ok(Bytes::new());
    }
    if let Some(content) = &file.content {
        return content.slice(range).ok_or_else(shorter);
    }
    let read = file.store.get_range(&file.key, range, file.etag.as_deref()).await;
    let bytes = read.map_err(failed)?;
    if u64::try_from(bytes.len())? == length { Ok(bytes) } else { Err(shorter()) }
}

fn promises(metadata: &ParquetMetaData) -> Result<BTreeMap<(u64, u64), Promised>> {
    let mut chunks = BTreeMap::new();
    for group in metadata.row_groups() {
        for column in group.columns() {
            let range = footer::chunk_range(column).ok_or_else(shorter)?;
            let promised = Promised { values: column.num_values(), rows: group.num_rows() };
            let before = chunks.insert((range.start, range.end), promised);
            if before.is_some_and(|before| before != promised && range.start < range.end) {
                return Err(ParquetError::General("the footer promises one column twice".to_owned()));
            }
        }
    }
    Ok(chunks)
}

/// A file that was there when it was pinned and is gone has changed under the run.
fn failed(cause: StoreError) -> ParquetError {
    let cause = match cause {
        StoreError::NotFound { location } => StoreError::Changed { location },
        cause => cause,
    };
    ParquetError::External(Box::new(cause))
}

fn miscounted() -> ParquetError {
    ParquetError::General("pages hold other rows than the footer says".to_owned())
}

fn shorter() -> ParquetError {
    ParquetError::EOF("the file ends too early".to_owned())
}
