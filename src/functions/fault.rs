//! What can go wrong inside a function while rows flow, without a single value of them.

use datafusion::common::DataFusionError;

use crate::count::counted;

/// A failure of our own functions; carries names, types and counts, never a customer's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A result that its type cannot hold.
    #[error("`{operation}` overflows {data_type}")]
    Overflow {
        /// The function or operator as people write it.
        operation: String,
        /// The type of the result, as SQL names it.
        data_type: String,
    },
    /// NaN or infinity where a number must be.
    #[error("`{column}` has {} with NaN or infinity", counted(*rows, "row"))]
    NotFinite {
        /// The output column.
        column: String,
        /// How many rows of the batch at hand.
        rows: usize,
    },
    /// Values that the contract's type cannot hold.
    #[error("`{column}` has {} not fit {data_type}", values_that_do(*rows))]
    Narrowing {
        /// The output column.
        column: String,
        /// The contract's type, as SQL names it.
        data_type: String,
        /// How many rows of the batch at hand.
        rows: usize,
    },
    /// Input that cannot be, such as a last order after the end of the observation.
    #[error("`{function}` cannot use a row: {what}")]
    Impossible {
        /// The function as people write it.
        function: String,
        /// What is wrong, without the value.
        what: String,
    },
    /// An argument that no row has to do with, such as the number of groups.
    #[error("`{function}` cannot be asked so: {what}")]
    Argument {
        /// The function as people write it.
        function: String,
        /// What is wrong.
        what: String,
    },
    /// A time zone that the zone database does not have.
    #[error("there is no time zone with that name")]
    UnknownZone,
}

fn values_that_do(number: usize) -> String {
    let do_or_does = if number == 1 { "does" } else { "do" };
    format!("{} that {do_or_does}", counted(number, "value"))
}

impl From<Fault> for DataFusionError {
    fn from(fault: Fault) -> Self {
        Self::External(Box::new(fault))
    }
}

/// The overflow of `operation` in `data_type`.
pub(crate) fn overflow(operation: &str, data_type: impl Into<String>) -> DataFusionError {
    Fault::Overflow { operation: operation.to_owned(), data_type: data_type.into() }.into()
}

/// What is impossible about a row that `function` was given.
pub(super) fn impossible(function: &str, what: impl Into<String>) -> DataFusionError {
    Fault::Impossible { function: function.to_owned(), what: what.into() }.into()
}

/// What is wrong about how `function` was asked.
pub(super) fn wrong_argument(function: &str, what: impl Into<String>) -> DataFusionError {
    Fault::Argument { function: function.to_owned(), what: what.into() }.into()
}
