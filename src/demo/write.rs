//! A folder that is there whole or not at all, and the Parquet files in it.
//!
//! **Invariant:** the bytes of a file depend on the batches given and on nothing else: no time,
//! no host, no order of threads.

#![expect(
    clippy::disallowed_methods,
    reason = "a folder that appears by one rename is a thing of the local file system; stores have none"
)]

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::DemoError;
use super::table::{Side, Table};

/// Rows of a row group, as in everything we publish.
const ROW_GROUP_ROWS: usize = 122_880;
/// As in what is published.
const ZSTD_LEVEL: i32 = 3;
/// What the files name as their maker; no version, so that bytes outlive one.
const MADE_BY: &str = "goodwill demo";
const LOCK: &str = ".lock";

/// A folder in the making, beside the place where it will be.
///
/// Dropped before [`Draft::publish`], it takes everything it made with it; after a kill the next
/// draft for the same place sweeps what is left.
#[derive(Debug)]
pub(super) struct Draft {
    side: Side,
    folder: PathBuf,
    path: PathBuf,
    /// Held so that two drafts for one place cannot mix.
    lock: Option<File>,
}

impl Draft {
    /// Begins the folder that will be at `folder`, which must be absent or empty, for the tables
    /// of `side`.
    ///
    /// # Errors
    ///
    /// Returns [`DemoError::NotEmpty`] or [`DemoError::Busy`], or what the file system says.
    pub(super) fn begin(folder: &Path, side: Side) -> Result<Self, DemoError> {
        refuse_used(folder)?;
        let name = folder.file_name().ok_or_else(|| DemoError::no_name(folder))?;
        let path = folder.with_file_name(format!(".{}.partial", name.to_string_lossy()));
        fs::create_dir_all(&path).map_err(DemoError::write(&path))?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(DemoError::write(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DemoError::Busy { folder: folder.to_owned() });
            }
            Err(TryLockError::Error(cause)) => return Err(DemoError::write(&lock_path)(cause)),
        }
        let draft = Self { side, folder: folder.to_owned(), path, lock: Some(lock) };
        for table in side.tables() {
            draft.fresh(table)?;
        }
        Ok(draft)
    }

    /// Begins part `number` of `table`.
    ///
    /// # Errors
    ///
    /// Returns what the file system or the Parquet writer says.
    pub(super) fn part(&self, table: Table, number: usize) -> Result<Part, DemoError> {
        let path = self.path.join(table.name()).join(format!("part-{number:05}.parquet"));
        let file = File::create_new(&path).map_err(DemoError::write(&path))?;
        let writer = ArrowWriter::try_new(file, table.schema(), Some(properties()))
            .map_err(DemoError::encode(table))?;
        Ok(Part { table, path, writer, rows: 0 })
    }

    /// Puts the folder in its place; a power failure after this loses nothing.
    ///
    /// # Errors
    ///
    /// Returns what the file system says, or [`DemoError::NotEmpty`] if another folder came first.
    pub(super) fn publish(mut self) -> Result<(), DemoError> {
        for table in self.side.tables() {
            sync(&self.path.join(table.name()))?;
        }
        refuse_used(&self.folder)?;
        let lock_path = self.path.join(LOCK);
        fs::remove_file(&lock_path).map_err(DemoError::write(&lock_path))?;
        sync(&self.path)?;
        fs::rename(&self.path, &self.folder).map_err(DemoError::write(&self.folder))?;
        self.lock = None;
        sync(parent(&self.folder))
    }

    /// Puts `content` beside the tables.
    ///
    /// # Errors
    ///
    /// Returns what the file system says.
    pub(super) fn file(&self, name: &str, content: &[u8]) -> Result<(), DemoError> {
        let path = self.path.join(name);
        let mut file = File::create(&path).map_err(DemoError::write(&path))?;
        let written = file.write_all(content).and_then(|()| file.sync_all());
        written.map_err(DemoError::write(&path))
    }

    /// An empty folder for `table`, whatever an earlier draft left.
    fn fresh(&self, table: Table) -> Result<(), DemoError> {
        let path = self.path.join(table.name());
        match fs::remove_dir_all(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(DemoError::write(&path)(cause));
            }
            _ => {}
        }
        fs::create_dir(&path).map_err(DemoError::write(&path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Nobody is left to hear of a failure here; the next draft sweeps again.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// A file that is whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// The table.
    pub(super) table: Table,
    /// Its rows.
    pub(super) rows: u64,
    /// Its bytes.
    pub(super) bytes: u64,
}

/// One Parquet file in the making.
pub(super) struct Part {
    table: Table,
    path: PathBuf,
    writer: ArrowWriter<File>,
    rows: u64,
}

impl Part {
    /// Whose file it is.
    pub(super) const fn table(&self) -> Table {
        self.table
    }

    /// The rows so far.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends `batch`.
    ///
    /// # Errors
    ///
    /// Returns what the Parquet writer says.
    pub(super) fn append(&mut self, batch: &RecordBatch) -> Result<(), DemoError> {
        self.rows += u64::try_from(batch.num_rows()).unwrap_or_default();
        self.writer.write(batch).map_err(DemoError::encode(self.table))
    }

    /// Ends the file and makes sure that it is on the disk.
    ///
    /// # Errors
    ///
    /// Returns what the Parquet writer or the file system says.
    pub(super) fn finish(self) -> Result<Written, DemoError> {
        let Self { table, path, writer, rows } = self;
        let file = writer.into_inner().map_err(DemoError::encode(table))?;
        file.sync_all().map_err(DemoError::write(&path))?;
        let bytes = file.metadata().map_err(DemoError::write(&path))?.len();
        Ok(Written { table, rows, bytes })
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(MADE_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(None)
        .build()
}

fn refuse_used(folder: &Path) -> Result<(), DemoError> {
    let used = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(cause) if cause.kind() == ErrorKind::NotFound => false,
        Err(cause) => return Err(DemoError::write(folder)(cause)),
    };
    if used { Err(DemoError::NotEmpty { folder: folder.to_owned() }) } else { Ok(()) }
}

fn parent(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync(folder: &Path) -> Result<(), DemoError> {
    let opened = File::open(folder).and_then(|opened| opened.sync_all());
    opened.map_err(DemoError::write(folder))
}
