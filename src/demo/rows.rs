//! Rows as columns: a struct whose fields are the columns of a table, in their order.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use super::table::Table;

/// Amounts of money.
pub(super) const MONEY: DataType = DataType::Decimal128(18, 2);

/// The type of instants: microseconds, UTC.
pub(super) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// An instant, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) i64);

/// A day, in days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(pub(super) i32);

/// An amount of money in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cents(pub(super) i64);

/// A value that a column can hold.
pub(super) trait Value: Sized {
    /// The column's type.
    fn data_type() -> DataType;

    /// The column.
    fn array(values: impl Iterator<Item = Self>) -> ArrayRef;
}

macro_rules! values {
    ($($type:ty: $data_type:expr, $collect:expr;)+) => {$(
        impl Value for $type {
            fn data_type() -> DataType {
                $data_type
            }

            fn array(values: impl Iterator<Item = Self>) -> ArrayRef {
                <Option<Self> as Value>::array(values.map(Some))
            }
        }

        impl Value for Option<$type> {
            fn data_type() -> DataType {
                $data_type
            }

            fn array(values: impl Iterator<Item = Self>) -> ArrayRef {
                let collect = $collect;
                Arc::new(collect(&mut { values }))
            }
        }
    )+};
}

type Some<'a, T> = &'a mut dyn Iterator<Item = Option<T>>;

values! {
    i64: DataType::Int64, |values: Some<'_, i64>| values.collect::<Int64Array>();
    i32: DataType::Int32, |values: Some<'_, i32>| values.collect::<Int32Array>();
    f64: DataType::Float64, |values: Some<'_, f64>| values.collect::<Float64Array>();
    bool: DataType::Boolean, |values: Some<'_, bool>| values.collect::<BooleanArray>();
    &'static str: DataType::Utf8, |values: Some<'_, &'static str>| values.collect::<StringArray>();
    String: DataType::Utf8, |values: Some<'_, String>| values.collect::<StringArray>();
    Day: DataType::Date32, |values: Some<'_, Day>| values.map(|it| it.map(|day| day.0)).collect::<Date32Array>();
    At: instant(), |values: Some<'_, At>| {
        values.map(|it| it.map(|at| at.0)).collect::<TimestampMicrosecondArray>().with_timezone("UTC")
    };
    Cents: MONEY, |values: Some<'_, Cents>| {
        let cents = values.map(|it| it.map(|it| i128::from(it.0))).collect::<Decimal128Array>();
        cents.with_data_type(MONEY)
    };
}

/// A row of a table.
pub(super) trait Row: Sized {
    /// The table.
    const TABLE: Table;

    /// Its columns. Each may have NULLs, as in most companies' files.
    fn fields() -> Vec<Field>;

    /// The rows' columns.
    fn columns(rows: &[Self]) -> Vec<ArrayRef>;

    /// The table's schema.
    fn schema() -> SchemaRef {
        Arc::new(Schema::new(Self::fields()))
    }

    /// The rows as a batch.
    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(Self::schema(), Self::columns(rows))
    }
}

/// Declares rows: a struct each, with its table.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident of $table:ident { $($field:ident: $type:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(in crate::demo) struct $name {
            $(pub(in crate::demo) $field: $type),+
        }

        impl $crate::demo::rows::Row for $name {
            const TABLE: $crate::demo::table::Table = $crate::demo::table::Table::$table;

            fn fields() -> Vec<arrow::datatypes::Field> {
                use $crate::demo::rows::Value;
                vec![$(arrow::datatypes::Field::new(stringify!($field), <$type as Value>::data_type(), true)),+]
            }

            fn columns(rows: &[Self]) -> Vec<arrow::array::ArrayRef> {
                use $crate::demo::rows::Value;
                vec![$(<$type as Value>::array(rows.iter().map(|row| row.$field.clone()))),+]
            }
        }
    )+};
}
pub(super) use rows;
