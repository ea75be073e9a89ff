//! The values a parameter can have: typed at the door, never pasted into SQL as text.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::interval::{Instant, day_from_epoch, days_since_epoch};

/// One value of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// An exact number: `unscaled / 10^scale`.
    Decimal {
        /// The digits without the point.
        #[serde(with = "unscaled_text")]
        unscaled: i128,
        /// How many digits the type has.
        precision: u8,
        /// How many of them stand after the point.
        scale: i8,
    },
    /// A floating-point number: for rates and thresholds, never for money.
    Double(f64),
    /// A text.
    String(String),
    /// True or false.
    Bool(bool),
    /// A day, counted from 1970-01-01.
    Date(i32),
    /// A moment.
    Timestamp(Instant),
}

/// The types a variable can be declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A whole number.
    Int,
    /// An exact number.
    Decimal,
    /// A floating-point number.
    Double,
    /// A text.
    String,
    /// `true` or `false`.
    Bool,
    /// A day such as `2026-01-31`.
    Date,
}

/// A text that is no value of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct WrongValue {
    /// The text as given.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl ValueType {
    /// Reads `text` as a value of this type.
    ///
    /// # Errors
    ///
    /// Returns the text and what was expected.
    pub fn parse(self, text: &str) -> Result<Value, WrongValue> {
        let read = match self {
            Self::Int => text.parse().ok().map(Value::Int),
            Self::Decimal => decimal(text),
            Self::Double => text.parse().ok().filter(|x: &f64| x.is_finite()).map(Value::Double),
            Self::String => Some(Value::String(text.to_owned())),
            Self::Bool => text.parse().ok().map(Value::Bool),
            Self::Date => text.parse().ok().map(|day| Value::Date(days_since_epoch(day))),
        };
        read.ok_or_else(|| WrongValue { text: text.to_owned(), expected: self.expected() })
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Int => "a whole number",
            Self::Decimal => "a decimal number of at most 38 digits",
            Self::Double => "a finite number",
            Self::String => "a text",
            Self::Bool => "true or false",
            Self::Date => "a day such as 2026-01-31",
        }
    }
}

/// Reads plain decimal notation; the type has just the digits that were written.
fn decimal(text: &str) -> Option<Value> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let fits = !all.is_empty() && all.len() <= 38 && all.bytes().all(|b| b.is_ascii_digit());
    let unscaled = all.parse::<i128>().ok().filter(|_| fits)?;
    let scale = i8::try_from(fraction.len()).ok()?;
    let precision = u8::try_from(all.len()).ok()?;
    Some(Value::Decimal { unscaled: sign * unscaled, precision, scale })
}

impl Value {
    /// The value as a number for comparison with a declared minimum or maximum.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "only compared with limits a person wrote")]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Decimal { unscaled, scale, .. } => Some(*unscaled as f64 / 10f64.powi(i32::from(*scale))),
            Self::Double(value) => Some(*value),
            Self::String(_) | Self::Bool(_) | Self::Date(_) | Self::Timestamp(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Decimal { unscaled, scale, .. } => write_decimal(f, *unscaled, *scale),
            Self::Double(value) => write!(f, "{value}"),
            Self::String(value) => f.write_str(value),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Date(days) => match day_from_epoch(*days) {
                Some(day) => write!(f, "{day}"),
                None => write!(f, "day {days}"),
            },
            Self::Timestamp(at) => write!(f, "{at}"),
        }
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, unscaled: i128, scale: i8) -> fmt::Result {
    let places = usize::try_from(scale).unwrap_or(0);
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
}

mod unscaled_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(value: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_the_digits_that_were_written() {
        let value = ValueType::Decimal.parse("-0.250").expect("a decimal");
        assert_eq!(value, Value::Decimal { unscaled: -250, precision: 4, scale: 3 });
        assert_eq!(value.to_string(), "-0.250");
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused() {
        for (kind, text) in [
            (ValueType::Int, "1.5"),
            (ValueType::Decimal, "1e3"),
            (ValueType::Decimal, "."),
            (ValueType::Double, "NaN"),
            (ValueType::Bool, "yes"),
            (ValueType::Date, "2026-02-30"),
        ] {
            assert!(kind.parse(text).is_err(), "{text}");
        }
    }
}
