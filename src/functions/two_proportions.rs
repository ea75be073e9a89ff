//! `two_proportion_test`: whether two shares differ by more than chance.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::fault::impossible;
use super::sql_type;
use crate::stats::{Comparison, Proportion, compare};

const NAME: &str = "two_proportion_test";
const ARGUMENTS: [&str; 4] = ["hits", "of", "other_hits", "other_of"];

/// The heading it stands under.
const SECTION: DocSection =
    DocSection { include: true, label: "Tests", description: Some("Whether chance alone would do it.") };

/// The function.
pub(super) fn scalar() -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::from(TwoProportions { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TwoProportions {
    signature: Signature,
}

fn fields() -> Fields {
    let double = |name: &str| Field::new(name, DataType::Float64, true);
    ["difference", "low", "high", "score", "p_value"].into_iter().map(double).collect()
}

/// One row's answer; none where an argument is null or nobody is in a group.
fn answer(row: [Option<f64>; 4]) -> Result<Option<Comparison>> {
    let [Some(hits), Some(of), Some(other_hits), Some(other_of)] = row else { return Ok(None) };
    if of == 0.0 && hits == 0.0 || other_of == 0.0 && other_hits == 0.0 {
        return Ok(None);
    }
    match (Proportion::new(hits, of), Proportion::new(other_hits, other_of)) {
        (Some(one), Some(other)) => Ok(Some(compare(one, other))),
        _ => Err(impossible(NAME, "hits are not between 0 and how many they are of")),
    }
}

impl ScalarUDFImpl for TwoProportions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        if arguments.len() != ARGUMENTS.len() {
            return plan_err!("`{NAME}` takes {}", ARGUMENTS.join(", "));
        }
        for (name, data_type) in ARGUMENTS.iter().zip(arguments) {
            if !data_type.is_numeric() && !data_type.is_null() {
                return plan_err!("`{NAME}` needs a number as {name}, not {}", sql_type(data_type));
            }
        }
        Ok(vec![DataType::Float64; ARGUMENTS.len()])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let columns: Vec<ArrayRef> =
            args.args.iter().map(|value| value.to_array(rows)).collect::<Result<_>>()?;
        let value = |column: &ArrayRef, row: usize| {
            column.is_valid(row).then(|| column.as_primitive::<Float64Type>().value(row))
        };
        let mut answers = Vec::with_capacity(rows);
        for row in 0..rows {
            let [hits, of, other_hits, other_of] = columns.as_slice() else {
                return plan_err!("`{NAME}` takes {}", ARGUMENTS.join(", "));
            };
            answers.push(answer([hits, of, other_hits, other_of].map(|column| value(column, row)))?);
        }
        let column = |of: fn(&Comparison) -> Option<f64>| {
            Arc::new(answers.iter().map(|found| found.as_ref().and_then(of)).collect::<Float64Array>())
                as ArrayRef
        };
        let columns = vec![
            column(|found| Some(found.difference)),
            column(|found| Some(found.interval[0])),
            column(|found| Some(found.interval[1])),
            column(|found| found.test.map(|[score, _]| score)),
            column(|found| found.test.map(|[_, chance]| chance)),
        ];
        let answers = StructArray::try_new(fields(), columns, None)?;
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TEXT: LazyLock<Documentation> = LazyLock::new(|| {
            Documentation::builder(
                SECTION,
                "Compares two shares: the z test of two proportions. Gives a STRUCT: difference, the first share less the \
                second; low and high, its 95 % interval by the shares' own variances; score, the difference in standard \
                errors of no difference, told by both together; p_value, the chance of one as far from 0, both tails of the \
                normal curve. It holds where five or more are expected in each of the four cells. All null where an \
                argument is null or nobody is in a group; score and p_value also where all have it, or none. Newcombe \
                (1998), Statistics in Medicine 17, compares it with others; as R's `prop.test` without correction.",
                "two_proportion_test(hits, of, other_hits, other_of)",
            )
            .with_argument("hits", "How many of the first group have it; other than 0 to `of` is an error (GW0501).")
            .with_argument("of", "How many are in the first group.")
            .with_argument("other_hits", "How many of the other group have it.")
            .with_argument("other_of", "How many are in the other group.")
            .with_sql_example(
                "select two_proportion_test(15, 50, 25, 50)['p_value'] as chance_of_no_difference",
            )
            .build()
        });
        Some(&TEXT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::page;

    #[test]
    fn the_page_says_what_the_code_says() {
        page::check("two_proportions.rs", scalar().documentation().into_iter());
    }

    #[test]
    fn a_group_of_nobody_tells_nothing_and_more_hits_than_members_are_refused() {
        assert_eq!(answer([Some(0.0), Some(0.0), Some(1.0), Some(2.0)]).expect("possible"), None);
        assert_eq!(answer([Some(1.0), None, Some(1.0), Some(2.0)]).expect("possible"), None);
        assert!(answer([Some(1.0), Some(2.0), Some(1.0), Some(2.0)]).expect("possible").is_some());
        for odd in [[3.0, 2.0, 1.0, 2.0], [1.0, 2.0, -1.0, 2.0], [1.0, 0.0, 1.0, 2.0]] {
            assert!(answer(odd.map(Some)).is_err(), "{odd:?}");
        }
    }
}
