//! Reads exactly the Parquet files it was given.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::compute::SortOptions;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use futures::{FutureExt, TryStreamExt};
use object_store::ObjectMeta;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;

use super::binding::{Binding, Bindings, DataFile};
use super::hex::hexadecimal;
use super::reader::{FileMetadata, Reader, Readers};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::query::TableName;
use crate::store::{ObjectInfo, Store, StoreError};

/// How often each input's files were read, for the promise that they are read once.
#[derive(Debug, Default)]
pub(super) struct Scans(Mutex<BTreeMap<TableName, u64>>);

impl Scans {
    pub(super) fn counts(&self) -> BTreeMap<TableName, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, name: &TableName) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default() += 1;
    }
}

/// One input's files as a table of DataFusion.
#[derive(Debug)]
pub(super) struct Files {
    name: TableName,
    list: Vec<DataFile>,
    schema: SchemaRef,
    sorted_by: Vec<String>,
    scans: Arc<Scans>,
}

impl Files {
    pub(super) fn new(
        name: TableName,
        list: Vec<DataFile>,
        schema: SchemaRef,
        sorted_by: Vec<String>,
        scans: Arc<Scans>,
    ) -> Self {
        Self { name, list, schema, sorted_by, scans }
    }

    fn ordering(&self) -> Option<LexOrdering> {
        let options = SortOptions { descending: false, nulls_first: false };
        let sort =
            |name: &String| col(name, &self.schema).ok().map(|expr| PhysicalSortExpr { expr, options });
        LexOrdering::new(self.sorted_by.iter().map_while(sort).collect::<Vec<_>>())
    }

    fn scan_store(
        &self,
        state: &dyn Session,
        files: &[&DataFile],
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(first) = files.first() else {
            return Ok(Arc::new(EmptyExec::new(Arc::clone(&self.schema))));
        };
        let url = register(state, &first.store)?;
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(usize::try_from(rows).unwrap_or(usize::MAX));
        let parts = files.iter().map(|file| partitioned(file)).collect::<Result<Vec<_>>>()?;
        let readers = Readers::of(files).map_err(|cause| DataFusionError::External(Box::new(cause)))?;
        // Page indexes and bloom filters can make rows disappear and nobody can check them.
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(readers))
            .with_enable_page_index(false)
            .with_bloom_filter_on_read(false);
        let mut config = FileScanConfigBuilder::new(url, Arc::new(source)).with_statistics(statistics);
        if let Some(ordering) = self.ordering() {
            config = config.with_output_ordering(vec![ordering]);
        }
        let groups = parts.into_iter().map(|part| FileGroup::new(vec![part])).collect();
        let config = config.with_file_groups(groups).with_projection_indices(projection.cloned())?;
        Ok(DataSourceExec::from_data_source(config.build()))
    }
}

/// Makes `store` known to the session under a URL of its own.
fn register(state: &dyn Session, store: &Store) -> Result<ObjectStoreUrl> {
    // The address may hold what is no host name; its bytes in hexadecimal are one.
    let host = hexadecimal(store.url().as_str().as_bytes());
    let url = ObjectStoreUrl::parse(format!("store://{host}"))?;
    state.runtime_env().register_object_store(url.as_ref(), store.object_store());
    Ok(url)
}

fn partitioned(file: &DataFile) -> Result<PartitionedFile> {
    Ok(PartitionedFile::new_from_meta(
        meta(file).map_err(|cause| DataFusionError::External(Box::new(cause)))?,
    ))
}

fn meta(file: &DataFile) -> Result<ObjectMeta, StoreError> {
    let location = file.store.object_path(&file.key)?;
    let last_modified = chrono::DateTime::UNIX_EPOCH;
    Ok(ObjectMeta { location, last_modified, size: file.size, e_tag: None, version: None })
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // Filters stay above the scan; the physical optimizer hands them down again to skip row groups.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.scans.count(&self.name);
        let stores: BTreeSet<&str> = self.list.iter().map(|file| file.store.url().as_str()).collect();
        let mut scans = Vec::new();
        for store in &stores {
            let files: Vec<_> = self.list.iter().filter(|file| file.store.url().as_str() == *store).collect();
            scans.push(self.scan_store(state, &files, projection)?);
        }
        match (scans.pop(), scans.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => UnionExec::try_new(scans.into_iter().chain([last]).collect()),
            (None, _) => {
                let schema = match projection {
                    Some(columns) => Arc::new(self.schema.project(columns)?),
                    None => Arc::clone(&self.schema),
                };
                Ok(Arc::new(EmptyExec::new(schema)))
            }
        }
    }
}

/// What a Parquet file tells of itself.
#[derive(Debug, Clone)]
pub struct Footer {
    /// Its columns as Arrow reads them.
    pub schema: SchemaRef,
    /// Its rows.
    pub rows: u64,
    /// The size of its pages before compression, in bytes.
    pub uncompressed_bytes: u64,
    /// The number of its row groups.
    pub row_groups: usize,
    /// All of it, for readers.
    pub metadata: FileMetadata,
}

/// Reads the footer of one file.
///
/// # Errors
///
/// Returns GW0402 naming the file if it is no Parquet file, truncated or corrupt, contradicts itself
/// or asks for more than a footer needs (a panic of the reader is such a finding too), and the
/// store's own finding if it cannot be read. Memory: less than 200 MB, whatever the file says.
pub async fn read_footer(store: &Store, info: &ObjectInfo) -> Result<Footer, Diagnostic> {
    let mut file = DataFile::unchanging(store.clone(), info.key.clone(), info.size, 0);
    file.etag.clone_from(&info.etag);
    let builder = open(&file).await?;
    let metadata = builder.metadata();
    let rows = u64::try_from(metadata.file_metadata().num_rows()).ok();
    let bytes = metadata.row_groups().iter().try_fold(0_u64, |sum, group| {
        u64::try_from(group.total_byte_size()).ok().and_then(|more| sum.checked_add(more))
    });
    Ok(Footer {
        schema: Some(without_metadata(builder.schema()))
            .filter(are_different)
            .ok_or_else(|| unreadable(&file))?,
        rows: rows.ok_or_else(|| unreadable(&file))?,
        uncompressed_bytes: bytes.ok_or_else(|| unreadable(&file))?,
        row_groups: metadata.num_row_groups(),
        metadata: FileMetadata(Arc::clone(metadata)),
    })
}

/// Whether every column has a name of its own.
fn are_different(schema: &SchemaRef) -> bool {
    let names: BTreeSet<&String> = schema.fields().iter().map(|field| field.name()).collect();
    names.len() == schema.fields().len()
}

/// The columns alone: what pandas and others note in a footer is no part of a type, and tables
/// that differ in it only must be the same.
fn without_metadata(schema: &SchemaRef) -> SchemaRef {
    let bare = |field: &FieldRef| field.as_ref().clone().with_metadata(std::collections::HashMap::new());
    Arc::new(Schema::new(schema.fields().iter().map(bare).collect::<Vec<_>>()))
}

type Builder = ParquetRecordBatchStreamBuilder<Reader>;

async fn open(file: &DataFile) -> Result<Builder, Diagnostic> {
    let reader = Reader::new(file.clone());
    let opened = AssertUnwindSafe(ParquetRecordBatchStreamBuilder::new(reader)).catch_unwind().await;
    match opened {
        Ok(Ok(builder)) => Ok(builder),
        Ok(Err(cause)) => Err(cannot_read(file, Some(&cause)).await),
        Err(_) => Err(cannot_read(file, None).await),
    }
}

/// Why a file cannot be read: gone, changed, refused, out of reach, or not Parquet; the reader
/// panicked if there is no cause.
async fn cannot_read(file: &DataFile, cause: Option<&ParquetError>) -> Diagnostic {
    let moved = |what: &str| {
        let message = format!("{} {what}", file.store.locate(&file.key));
        Diagnostic::error(code::INPUT_MOVED, message).help("run again")
    };
    if let Some(store) = cause.and_then(of_store) {
        return store.to_diagnostic();
    }
    match file.store.head(&file.key).await {
        Ok(Some(info)) if info.size != file.size || (file.etag.is_some() && info.etag != file.etag) => {
            moved("changed while it was read")
        }
        Ok(Some(_)) => unreadable(file),
        Ok(None) => moved("is not there any more"),
        Err(cause) => cause.to_diagnostic(),
    }
}

/// What the store said, if it failed and not what it gave.
pub(super) fn of_store(cause: &ParquetError) -> Option<&StoreError> {
    match cause {
        ParquetError::External(cause) => cause.downcast_ref(),
        _ => None,
    }
}

fn unreadable(file: &DataFile) -> Diagnostic {
    let message = format!(
        "{} is not a readable Parquet file: it is truncated or corrupt",
        file.store.locate(&file.key)
    );
    Diagnostic::error(code::UNREADABLE_FILE, message).help("write or copy the file again")
}

/// The files among the inputs that cannot be read through; called only after a failure.
pub(super) async fn unreadable_files(bindings: &Bindings) -> Diagnostics {
    let mut found = Diagnostics::default();
    let mut open: Vec<&Binding> = bindings.values().collect();
    while let Some(binding) = open.pop() {
        let files: Vec<&DataFile> = match binding {
            Binding::Parquet { files, .. } => files.iter().collect(),
            Binding::Source(source) => source.files.iter().flat_map(|set| &set.files).collect(),
            Binding::Memory { .. } => Vec::new(),
            Binding::View(_, inner) => {
                open.extend(inner.values());
                continue;
            }
            Binding::Union(parts) => {
                open.extend(parts);
                continue;
            }
            Binding::Within { rows, .. } => {
                open.push(rows);
                continue;
            }
        };
        for file in files {
            if let Err(finding) = read_through(file).await {
                found.push(finding);
            }
        }
    }
    found
}

async fn read_through(file: &DataFile) -> Result<(), Diagnostic> {
    let builder = open(file).await?;
    let read = async move {
        let mut stream = builder.build()?;
        while stream.try_next().await?.is_some() {}
        Ok::<_, ParquetError>(())
    };
    match AssertUnwindSafe(read).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(cause)) => Err(cannot_read(file, Some(&cause)).await),
        Err(_) => Err(cannot_read(file, None).await),
    }
}
