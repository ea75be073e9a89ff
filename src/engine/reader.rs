//! Reads one Parquet file without believing it.
//!
//! **Invariant:** a column has as many values as its footer says, or reading it fails. Everything
//! in a file that could make rows disappear and cannot be checked, page indexes and bloom filters,
//! is not read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use super::footer::{self, TAIL};
use super::pages::{self, Promised};

/// How much of a file's end is asked for at once: most footers are smaller.
const FIRST_LOOK: u64 = 64 << 10;

/// Makes readers for files of one store.
#[derive(Debug)]
pub(super) struct Readers(pub(super) Arc<dyn ObjectStore>);

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        _: usize,
        file: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta;
        Ok(Box::new(Reader::new(Arc::clone(&self.0), meta.location, meta.size)))
    }
}

/// A file of a known size.
pub(super) struct Reader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    read: Option<Arc<ParquetMetaData>>,
    /// What the footer promises of the columns, by where their pages lie.
    chunks: BTreeMap<(u64, u64), Promised>,
}

impl Reader {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        Self { store, path, size, read: None, chunks: BTreeMap::new() }
    }

    async fn metadata(&mut self) -> Result<Arc<ParquetMetaData>> {
        if let Some(metadata) = &self.read {
            return Ok(Arc::clone(metadata));
        }
        let footer = self.footer().await?;
        let metadata = Arc::new(footer::decode(&footer, self.size)?);
        self.chunks = promises(&metadata)?;
        self.look_at_empty_groups().await?;
        self.read = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    /// Nobody reads the pages of a row group without rows: that it has none is checked here.
    async fn look_at_empty_groups(&self) -> Result<()> {
        for ((start, end), promised) in self.chunks.iter().filter(|(_, promised)| promised.rows == 0) {
            if end.saturating_sub(*start) > FIRST_LOOK
                || !pages::hold(&self.fetch(*start..*end).await?, *promised)
            {
                return Err(miscounted());
            }
        }
        Ok(())
    }

    async fn footer(&self) -> Result<Bytes> {
        let start = self.size.saturating_sub(FIRST_LOOK);
        let end = self.fetch(start..self.size).await?;
        let tail = end.len().checked_sub(usize::try_from(TAIL)?).ok_or_else(shorter)?;
        let range = footer::footer_range(self.size, &end[tail..])?;
        match range.start.checked_sub(start) {
            Some(from) => Ok(end.slice(usize::try_from(from)?..tail)),
            None => {
                let mut footer = BytesMut::from(self.fetch(range.start..start).await?);
                footer.extend_from_slice(&end[..tail]);
                Ok(footer.freeze())
            }
        }
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.store.get_range(&self.path, range).await.map_err(failed)?;
        if u64::try_from(bytes.len())? == length { Ok(bytes) } else { Err(shorter()) }
    }

    async fn fetch_all(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.metadata().await?;
        let fetched = self.store.get_ranges(&self.path, ranges).await.map_err(failed)?;
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

fn failed(cause: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(cause))
}

fn miscounted() -> ParquetError {
    ParquetError::General("pages hold other rows than the footer says".to_owned())
}

fn shorter() -> ParquetError {
    ParquetError::EOF("the file ends too early".to_owned())
}
