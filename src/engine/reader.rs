//! Reads the bytes of one pinned Parquet file: of that file and no other, and all of them.
//!
//! **Invariant:** every request bears the pinned mark, so a file that was replaced gives an error
//! and never a mixture. What is asked for in one step is fetched together: near ranges in one
//! request, far ones at the same time.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{OBJECT_STORE_COALESCE_DEFAULT, coalesce_ranges};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::binding::DataFile;
use crate::store::StoreError;

/// How much of a file's end is read at first: most footers are in it.
const FOOTER_BYTES: usize = 64 * 1024;

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

/// Reads one file.
#[derive(Debug, Clone)]
pub(super) struct PinnedReader {
    file: DataFile,
}

impl PinnedReader {
    pub(super) const fn new(file: DataFile) -> Self {
        Self { file }
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let read = self.file.store.get_range(&self.file.key, range, self.file.etag.as_deref()).await;
        read.map_err(|cause| ParquetError::External(Box::new(moved(cause))))
    }
}

/// A file that was there when it was pinned and is gone has changed under the run.
fn moved(cause: StoreError) -> StoreError {
    match cause {
        StoreError::NotFound { location } => StoreError::Changed { location },
        cause => cause,
    }
}

impl AsyncFileReader for PinnedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.fetch(range).await }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            coalesce_ranges(&ranges, |range| self.fetch(range), OBJECT_STORE_COALESCE_DEFAULT).await
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            if let Some(known) = &self.file.metadata {
                return Ok(Arc::clone(&known.0));
            }
            let size = self.file.size;
            let reader = ParquetMetaDataReader::new()
                .with_metadata_options(options.map(|options| options.metadata_options().clone()))
                .with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

/// Gives DataFusion the readers of the files it was told of.
#[derive(Debug)]
pub(super) struct PinnedFiles(BTreeMap<Path, DataFile>);

impl PinnedFiles {
    /// The readers of `files`, by their paths in the client's store.
    pub(super) fn of(files: &[&DataFile]) -> Result<Self, StoreError> {
        let by_path = files.iter().map(|file| Ok((file.store.object_path(&file.key)?, (*file).clone())));
        by_path.collect::<Result<_, _>>().map(Self)
    }
}

impl ParquetFileReaderFactory for PinnedFiles {
    fn create_reader(
        &self,
        _: usize,
        file: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let known = self.0.get(&file.object_meta.location).cloned();
        let known = known.ok_or_else(|| {
            DataFusionError::Internal(format!("{} was not pinned", file.object_meta.location))
        })?;
        Ok(Box::new(PinnedReader::new(known)))
    }
}
