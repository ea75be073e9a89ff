//! Functions that SQL may call: our own, and DataFusion's without those that break promises.
//!
//! **Invariant:** every function here gives the same result for the same rows, whatever their
//! order, the number of streams, the day it is called, and never wraps a number in silence.
//! What cannot promise that is listed by [`refusal`], with what to write instead.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

mod accumulate;
mod catalogue;
mod clusters;
mod clv;
mod contacts;
mod exact;
mod fault;
mod finish;
mod group_total;
mod key_number;
mod local_time;
mod ordered_list;
#[cfg(test)]
mod page;
mod refused;
mod total;
mod two_proportions;

pub use catalogue::{Function, FunctionKind, catalogue};
pub use fault::Fault;
pub use refused::{Refusal, refusal};

/// The functions a session registers.
#[derive(Debug, Clone)]
pub struct Functions {
    /// Functions of one row.
    pub scalar: Vec<Arc<ScalarUDF>>,
    /// Functions of a group of rows.
    pub aggregate: Vec<Arc<AggregateUDF>>,
    /// Functions of a row among its neighbours.
    pub window: Vec<Arc<WindowUDF>>,
}

/// Every function SQL may call, built once.
#[must_use]
pub fn available() -> &'static Functions {
    static AVAILABLE: LazyLock<Functions> = LazyLock::new(|| Functions {
        scalar: scalars(),
        aggregate: aggregates(),
        window: SessionStateDefaults::default_window_functions(),
    });
    &AVAILABLE
}

fn scalars() -> Vec<Arc<ScalarUDF>> {
    let stock = SessionStateDefaults::default_scalar_functions();
    let allowed = stock.into_iter().filter(|function| refusal(function.name()).is_none());
    let own = [
        ScalarUDF::from(local_time::LocalTime::date()),
        ScalarUDF::from(local_time::LocalTime::timestamp()),
        ScalarUDF::from(key_number::KeyNumber::new()),
    ];
    allowed
        .chain(own.map(Arc::new))
        .chain(clv::scalars())
        .chain([clusters::scalar(), contacts::scalar(), two_proportions::scalar()])
        .collect()
}

fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let own = [total::Total::sum(), total::Total::average()];
    let own = own.map(|function| Arc::new(AggregateUDF::from(function)));
    let stock = SessionStateDefaults::default_aggregate_functions();
    let kept = |function: &Arc<AggregateUDF>| {
        !matches!(function.name(), "sum" | "avg") && refusal(function.name()).is_none()
    };
    let quicker = |function: Arc<AggregateUDF>| match function.name() {
        "array_agg" => Arc::new(AggregateUDF::from(ordered_list::OrderedList::around(function))),
        _ => function,
    };
    own.into_iter()
        .chain(clv::aggregates())
        .chain([clusters::aggregate()])
        .chain(stock.into_iter().filter(kept).map(quicker))
        .collect()
}

/// A type as SQL names it, for messages.
#[must_use]
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INTEGER UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(unit, zone) => zoned_type(*unit, zone.is_some()),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::Dictionary(_, values) => sql_type(values),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::List(element) | DataType::LargeList(element) => {
            format!("{}[]", sql_type(element.data_type()))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "VARBINARY".to_owned(),
        other => other.to_string(),
    }
}

fn zoned_type(unit: TimeUnit, zoned: bool) -> String {
    let digits = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let zone = if zoned { "" } else { " WITHOUT TIME ZONE" };
    format!("TIMESTAMP({digits}){zone}")
}
