//! Parquet files for tests: small sound ones of many types, and footers written by hand.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

/// The rows of [`many_types`].
pub(crate) const ROWS: usize = 600;

/// Rows of every kind of column there is: with and without a dictionary, nested, with nulls.
fn batch() -> RecordBatch {
    let numbers = || 0..i64::try_from(ROWS).unwrap();
    let doubles = || (0..u32::try_from(ROWS).unwrap()).map(|i| f64::from(i) / 7.0);
    let every = |n: i64| move |i: i64| (i % n != 0).then_some(i);
    let word = |i: i64| format!("word {}", i % 7);
    let list = |i: i64| (i % 5 != 0).then(|| (0..i % 4).map(|k| i32::try_from(k).ok()).collect::<Vec<_>>());
    let inner: ArrayRef = Arc::new(numbers().map(|i| i32::try_from(i).ok()).collect::<Int32Array>());
    let field = Arc::new(Field::new("x", DataType::Int32, true));
    let decimals = numbers().map(|i| every(3)(i).map(i128::from)).collect::<Decimal128Array>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(numbers().collect::<Int64Array>())),
        ("sparse", Arc::new(numbers().map(every(4)).collect::<Int64Array>())),
        ("word", Arc::new(StringArray::from_iter_values(numbers().map(word)))),
        ("text", Arc::new(StringArray::from_iter_values(numbers().map(|i| format!("no. {i}"))))),
        ("bytes", Arc::new(numbers().map(|i| Some(i.to_le_bytes())).collect::<BinaryArray>())),
        ("amount", Arc::new(decimals.with_precision_and_scale(12, 2).unwrap())),
        ("share", Arc::new(doubles().map(Some).collect::<Float64Array>())),
        ("flag", Arc::new(numbers().map(|i| Some(i % 2 == 0)).collect::<BooleanArray>())),
        ("day", Arc::new(numbers().map(|i| i32::try_from(i).ok()).collect::<Date32Array>())),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(numbers()).with_timezone("UTC"))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(numbers().map(list)))),
        ("inside", Arc::new(StructArray::from(vec![(field, inner)]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A small file of many types in three row groups.
pub(crate) fn many_types(version: WriterVersion) -> Vec<u8> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap());
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_max_row_group_row_count(Some(256))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50)
        .set_compression(Compression::SNAPPY)
        .set_column_compression(ColumnPath::from("text"), zstd)
        .set_column_compression(ColumnPath::from("id"), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(ColumnPath::from("text"), false)
        .set_column_dictionary_enabled(ColumnPath::from("id"), false);
    write(&batch(), properties.build())
}

/// `batch` as a file.
pub(crate) fn write(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    file
}

/// Where the footer of a sound file lies.
pub(crate) fn footer_of(file: &[u8]) -> std::ops::Range<usize> {
    let end = file.len() - 8;
    let length = u32::from_le_bytes(file[end..end + 4].try_into().unwrap());
    end - length as usize..end
}

/// A file with this footer after `pages`.
pub(crate) fn with_footer(pages: &[u8], footer: &[u8]) -> Vec<u8> {
    let length = u32::try_from(footer.len()).unwrap();
    [pages, footer, &length.to_le_bytes(), b"PAR1"].concat()
}

/// Thrift's compact protocol as far as footers by hand need it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Thrift {
    bytes: Vec<u8>,
    last: u8,
}

impl Thrift {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn field(&mut self, id: u8, kind: u8) {
        self.bytes.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        self.bytes.push(u8::try_from(number).unwrap());
    }

    pub(crate) fn i32(mut self, id: u8, value: i32) -> Self {
        self.field(id, 5);
        self.varint(zigzag(value.into()));
        self
    }

    pub(crate) fn i64(mut self, id: u8, value: i64) -> Self {
        self.field(id, 6);
        self.varint(zigzag(value));
        self
    }

    pub(crate) fn text(mut self, id: u8, value: &str) -> Self {
        self.field(id, 8);
        self.varint(value.len() as u64);
        self.bytes.extend(value.as_bytes());
        self
    }

    /// A list that claims `claimed` structs and has those in `structs`.
    pub(crate) fn structs(mut self, id: u8, claimed: u64, structs: &[u8]) -> Self {
        self.field(id, 9);
        self.bytes.push(0xfc);
        self.varint(claimed);
        self.bytes.extend(structs);
        self
    }

    /// The end of a struct.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}
