//! `key_number`: a number for a key that is text, the same in every run.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_HASHING;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use sha2::{Digest, Sha256};

/// The scalar function `key_number`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyNumber {
    signature: Signature,
}

impl KeyNumber {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for KeyNumber {
    fn name(&self) -> &'static str {
        "key_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [key] if key.is_string() || key.is_null() => Ok(vec![DataType::Utf8]),
            [key] => plan_err!("`key_number` needs a VARCHAR, not {key}: a number is a key already"),
            _ => plan_err!("`key_number` takes one key"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [keys] = args.args.as_slice() else {
            return exec_err!("`key_number` takes one key");
        };
        let is_scalar = matches!(keys, ColumnarValue::Scalar(_));
        let keys = keys.to_array(args.number_rows)?;
        let numbers: Int64Array = keys.as_string::<i32>().iter().map(|key| key.map(number)).collect();
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&numbers, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

/// The first 63 bits of the SHA-256 of `key` (FIPS 180-4), so never negative.
fn number(key: &str) -> i64 {
    let bytes = Sha256::digest(key.as_bytes());
    bytes.iter().take(8).enumerate().fold(0, |number, (at, byte)| match at {
        7 => (number << 7) | i64::from(byte >> 1),
        _ => (number << 8) | i64::from(*byte),
    })
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    let description = "A BIGINT for a key that is text: the first 63 bits of its SHA-256, the same in every run and \
        on every machine. Two of ten million keys share one with a probability of 1 in 184,000; the table's grain \
        then fails and nothing is published.";
    Documentation::builder(DOC_SECTION_HASHING, description, "key_number(key)")
        .with_sql_example("select key_number(order_uuid) as order_id from sources.orders")
        .with_argument("key", "A VARCHAR such as a UUID, as it is: letters of another case are another key.")
        .build()
});

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_is_the_first_63_bits_of_the_hash() {
        // FIPS 180-4's example: SHA-256 of "abc" begins with ba7816bf8f01cfea.
        assert_eq!(number("abc"), i64::try_from(0xba78_16bf_8f01_cfea_u64 >> 1).expect("63 bits"));
        // And of nothing with e3b0c44298fc1c14.
        assert_eq!(number(""), i64::try_from(0xe3b0_c442_98fc_1c14_u64 >> 1).expect("63 bits"));
    }
}
