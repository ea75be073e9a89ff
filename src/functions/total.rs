//! `sum` and `avg` as users call them: signatures, types, states.
//!
//! **Invariant:** the result does not depend on the order of rows or the number of streams, and
//! a total that its type cannot hold is [`Fault::Overflow`](super::Fault), never a wrapped number.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_MATH;
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

use super::accumulate::{DistinctTotal, RunningTotal};
use super::group_total::GroupTotals;

/// Digits an average has after those of its argument.
const AVERAGE_DIGITS: u8 = 4;
/// Digits a sum has before those of its argument: ten thousand million rows.
const SUM_DIGITS: u8 = 10;

/// Which of the two a total is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Sum,
    Average,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Average => "avg",
        }
    }

    fn return_type(self, argument: &DataType) -> Result<DataType> {
        match (self, argument) {
            (Self::Sum, DataType::Int64) => Ok(DataType::Int64),
            (_, DataType::Float64) | (Self::Average, DataType::Int64) => Ok(DataType::Float64),
            (Self::Sum, DataType::Decimal128(precision, scale)) => {
                Ok(DataType::Decimal128(at_most_38(precision + SUM_DIGITS), *scale))
            }
            (Self::Average, DataType::Decimal128(precision, scale)) => {
                let scale =
                    (*scale + AVERAGE_DIGITS.cast_signed()).min(DECIMAL128_MAX_PRECISION.cast_signed());
                Ok(DataType::Decimal128(at_most_38(precision + AVERAGE_DIGITS), scale))
            }
            (_, other) => plan_err!("`{}` needs numbers, not {other}", self.name()),
        }
    }
}

fn at_most_38(precision: u8) -> u8 {
    precision.min(DECIMAL128_MAX_PRECISION)
}

/// The aggregate function `sum` or `avg`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Total {
    kind: Kind,
    signature: Signature,
    aliases: Vec<String>,
}

impl Total {
    pub(super) fn sum() -> Self {
        Self {
            kind: Kind::Sum,
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: Vec::new(),
        }
    }

    pub(super) fn average() -> Self {
        Self { kind: Kind::Average, aliases: vec!["mean".to_owned()], ..Self::sum() }
    }
}

/// The type in which a sum is carried between streams: wide enough never to wrap.
fn carried(return_type: &DataType, argument: &DataType) -> DataType {
    match (return_type, argument) {
        (_, DataType::Float64) => DataType::new_list(DataType::Float64, true),
        (_, DataType::Decimal128(_, scale)) => DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale),
        _ => DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0),
    }
}

impl AggregateUDFImpl for Total {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let [argument] = arguments else {
            return plan_err!("`{}` takes one argument", self.name());
        };
        self.kind.return_type(argument)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return plan_err!("`{}` takes one argument", self.name());
        };
        let coerced = match argument {
            DataType::Null
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => DataType::Int64,
            DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
            other => return plan_err!("`{}` needs numbers, not {other}", self.name()),
        };
        Ok(vec![coerced])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let argument = args.expr_fields[0].data_type();
        if args.is_distinct {
            return Ok(Box::new(DistinctTotal::new(self.kind, argument, args.return_type())));
        }
        Ok(Box::new(RunningTotal::try_new(self.kind, argument, args.return_type())?))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let argument = args.input_fields[0].data_type();
        let field = |name: &str, data_type: DataType| -> FieldRef {
            Arc::new(Field::new(format_state_name(args.name, name), data_type, true))
        };
        if args.is_distinct {
            return Ok(vec![field("seen", DataType::new_list(carried(args.return_type(), argument), true))]);
        }
        Ok(vec![field("sum", carried(args.return_type(), argument)), field("count", DataType::Int64)])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct && *args.expr_fields[0].data_type() != DataType::Float64
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(GroupTotals::try_new(self.kind, args.expr_fields[0].data_type(), args.return_type())?))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        ScalarValue::try_from(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(match self.kind {
            Kind::Sum => &SUM_DOCUMENTATION,
            Kind::Average => &AVERAGE_DOCUMENTATION,
        })
    }
}

static SUM_DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    let description = "The exact sum of all values that are not null; null if there are none. \
        Integers give BIGINT, DECIMAL(p, s) gives DECIMAL(p + 10, s), DOUBLE is summed exactly and rounded \
        once, whatever the order of rows. A total that its type cannot hold is an error (GW0502).";
    Documentation::builder(DOC_SECTION_MATH, description, "sum(expression)")
        .with_sql_example("select customer_id, sum(amount) as revenue from orders group by customer_id")
        .with_argument("expression", "A number.")
        .build()
});

static AVERAGE_DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    let description = "The sum of all values that are not null, divided by their number; null if there are none. \
        Integers and DOUBLE give DOUBLE, DECIMAL(p, s) gives DECIMAL(p + 4, s + 4), rounded half away from zero. \
        The result does not depend on the order of rows.";
    Documentation::builder(DOC_SECTION_MATH, description, "avg(expression)")
        .with_sql_example("select avg(amount) as average_order_value from orders")
        .with_argument("expression", "A number.")
        .build()
});
