//! One Parquet file being written: bytes go to the store as they come and are hashed on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use super::binding::DataFile;
use super::hex::hexadecimal;
use super::kept::{Content, Keeper, Room};
use super::stats::{ColumnStats, extremes};
use crate::project::{Contract, Privacy};
use crate::store::{Key, Store, StoreError, Upload};

/// Rows of a row group: fifteen batches.
const ROW_GROUP_ROWS: usize = 122_880;
/// What readers get most from for its size.
const ZSTD_LEVEL: i32 = 3;

/// A file that was written and is whole.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenFile {
    /// Where it is in the store.
    pub key: Key,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What its columns hold.
    pub columns: Vec<ColumnStats>,
    /// All of it, if there was room to keep it.
    pub content: Option<Content>,
}

impl WrittenFile {
    /// The file as others read it from `store`.
    #[must_use]
    pub fn to_data_file(&self, store: &Store) -> DataFile {
        let stored = DataFile::unchanging(store.clone(), self.key.clone(), self.bytes, self.rows);
        DataFile { content: self.content.clone(), ..stored }
    }
}

/// How files are written; the same for every file of a table.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    properties: WriterProperties,
    schema: SchemaRef,
    private: Vec<bool>,
}

impl Layout {
    /// The layout of a published table, with its footer keys.
    pub(super) fn try_new(
        contract: &Contract,
        sorted_by: &[String],
        footer: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let schema = contract.schema();
        let private: Vec<_> =
            contract.columns.iter().map(|column| column.privacy == Privacy::Personal).collect();
        let keys = footer.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        let sorting = sorted_by.iter().map_while(|name| schema.index_of(name).ok());
        let sorting = sorting.filter_map(|at| i32::try_from(at).ok());
        let sorting =
            sorting.map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false });
        let mut properties = WriterProperties::builder()
            .set_created_by("goodwill".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(parquet_error)?))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(None)
            .set_sorting_columns(Some(sorting.collect()))
            .set_key_value_metadata(Some(keys));
        for column in contract.columns.iter().filter(|column| column.privacy == Privacy::Personal) {
            let path = ColumnPath::new(vec![column.name.clone()]);
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        Ok(Self { properties: properties.build(), schema, private })
    }

    /// The same layout with other nullability.
    pub(super) fn with_schema(self, schema: SchemaRef) -> Self {
        Self { schema, ..self }
    }

    /// The columns of the files.
    pub(super) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// A file that is not whole yet.
pub(super) struct OpenFile {
    key: Key,
    upload: Upload,
    writer: ArrowWriter<Vec<u8>>,
    hash: Sha256,
    bytes: u64,
    rows: u64,
    columns: Vec<ColumnStats>,
    private: Vec<bool>,
    keeper: Option<Keeper>,
}

impl OpenFile {
    pub(super) fn create(layout: &Layout, store: &Store, key: Key) -> Result<Self> {
        let options = ArrowWriterOptions::new()
            .with_properties(layout.properties.clone())
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&layout.schema), options);
        let upload = store.upload(&key).map_err(store_error)?;
        Ok(Self {
            key,
            upload,
            writer: writer.map_err(parquet_error)?,
            hash: Sha256::new(),
            bytes: 0,
            rows: 0,
            columns: layout.schema.fields().iter().map(|field| ColumnStats::new(field.name())).collect(),
            private: layout.private.clone(),
            keeper: None,
        })
    }

    /// Keeps the bytes too, while `room` has place for them.
    pub(super) fn kept_in(self, room: &Arc<Room>) -> Self {
        Self { keeper: Some(Keeper::new(Arc::clone(room))), ..self }
    }

    /// Adds rows; a full row group goes to the store.
    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        for ((stats, array), private) in self.columns.iter_mut().zip(batch.columns()).zip(&self.private) {
            stats.count_nulls(array);
            if !private && let Some((low, high)) = extremes(array) {
                stats.widen(low, high);
            }
        }
        self.writer.write(batch).map_err(parquet_error)?;
        self.drain().await
    }

    /// Whether a row group has just ended, after `bytes` or more of the file.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        self.writer.in_progress_rows() == 0 && self.bytes >= bytes
    }

    /// Ends the file: every byte is with the upload, which the caller finishes.
    pub(super) async fn close(mut self) -> Result<(WrittenFile, Upload)> {
        if let Err(cause) = self.end().await {
            // The first failure is what a person needs.
            let _ = self.upload.abort().await;
            return Err(cause);
        }
        let file = WrittenFile {
            key: self.key,
            bytes: self.bytes,
            rows: self.rows,
            sha256: hexadecimal(&self.hash.finalize()),
            columns: self.columns,
            content: self.keeper.and_then(Keeper::whole),
        };
        Ok((file, self.upload))
    }

    /// Ends the file and waits until it is in the store.
    pub(super) async fn finish(self) -> Result<WrittenFile> {
        let (file, upload) = self.close().await?;
        upload.finish().await.map_err(store_error)?;
        Ok(file)
    }

    pub(super) async fn abort(self) {
        // Nothing refers to the parts; the store's own clean-up removes what stays.
        let _ = self.upload.abort().await;
    }

    async fn end(&mut self) -> Result<()> {
        self.writer.finish().map_err(parquet_error)?;
        self.drain().await
    }

    async fn drain(&mut self) -> Result<()> {
        let ready = std::mem::take(self.writer.inner_mut());
        if ready.is_empty() {
            return Ok(());
        }
        self.hash.update(&ready);
        if let Some(keeper) = &mut self.keeper {
            keeper.add(&ready);
        }
        self.bytes += u64::try_from(ready.len()).unwrap_or(u64::MAX);
        self.upload.write(Bytes::from(ready)).await.map_err(store_error)
    }
}

fn store_error(cause: StoreError) -> DataFusionError {
    DataFusionError::External(Box::new(cause))
}

fn parquet_error(cause: parquet::errors::ParquetError) -> DataFusionError {
    DataFusionError::ParquetError(Box::new(cause))
}
