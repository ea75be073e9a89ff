//! What a table promises its readers: columns, types, grain and order.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

/// The promise of one table; what is written is cast to it, and nothing else is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// What one row is, in words.
    pub description: String,
    /// The columns in the order they are written.
    pub columns: Vec<Column>,
    /// The columns that identify a row: unique together and never null; may be empty for a
    /// table that nobody publishes.
    pub grain: Vec<String>,
    /// The order rows are written in: ascending, nulls last; the grain unless declared.
    pub order_by: Vec<String>,
}

/// One column of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name in the table.
    pub name: String,
    /// The type, one of those every reader shares.
    pub data_type: ColumnType,
    /// Whether a value may be missing.
    pub nullable: Nullability,
    /// Whether values are personal data and must not appear in errors, statistics or reports.
    pub privacy: Privacy,
    /// Formula, numerator, denominator, unit, and whether it may be added up.
    pub description: String,
}

/// Whether a column may hold nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nullability {
    /// A value may be unknown.
    Nullable,
    /// A value is always there.
    Required,
}

/// Whether a column holds personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// Values may be shown.
    Public,
    /// Values never leave the table itself.
    Personal,
}

/// The types a published column may have, with the names contracts use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// 16-bit integer.
    Smallint,
    /// 32-bit integer.
    Integer,
    /// 64-bit integer.
    Bigint,
    /// Text.
    Varchar,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant, microseconds UTC.
    Timestamp,
    /// An exact number.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// A 64-bit floating-point number.
    Double,
}

/// A type name that no contract knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a type: use {}", ColumnType::NAMES.join(", "))]
pub struct UnknownType {
    /// The text as written.
    pub text: String,
}

impl ColumnType {
    /// The names a contract may use.
    pub const NAMES: [&'static str; 9] = [
        "smallint",
        "integer",
        "bigint",
        "varchar",
        "boolean",
        "date",
        "timestamp",
        "decimal(precision, scale)",
        "double",
    ];

    /// Reads the type's name; case and blanks do not matter.
    ///
    /// # Errors
    ///
    /// Returns the text if there is no such type.
    pub fn parse(text: &str) -> Result<Self, UnknownType> {
        let name: String = text.to_ascii_lowercase().split_whitespace().collect();
        let simple = match name.as_str() {
            "smallint" => Some(Self::Smallint),
            "integer" | "int" => Some(Self::Integer),
            "bigint" => Some(Self::Bigint),
            "varchar" | "text" | "string" => Some(Self::Varchar),
            "boolean" | "bool" => Some(Self::Boolean),
            "date" => Some(Self::Date),
            "timestamp" => Some(Self::Timestamp),
            "double" => Some(Self::Double),
            other => decimal(other),
        };
        simple.ok_or_else(|| UnknownType { text: text.to_owned() })
    }

    /// The Arrow type that is written.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Smallint => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::Bigint => DataType::Int64,
            Self::Varchar => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Decimal { precision, scale } => {
                DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
            }
            Self::Double => DataType::Float64,
        }
    }
}

fn decimal(name: &str) -> Option<ColumnType> {
    let arguments = name.strip_prefix("decimal(").or_else(|| name.strip_prefix("numeric("))?;
    let (precision, scale) = arguments.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
    let fits = (1..=38).contains(&precision) && scale <= precision;
    fits.then_some(ColumnType::Decimal { precision, scale })
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Smallint => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::Bigint => f.write_str("bigint"),
            Self::Varchar => f.write_str("varchar"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            Self::Double => f.write_str("double"),
        }
    }
}

impl TryFrom<String> for ColumnType {
    type Error = UnknownType;

    fn try_from(text: String) -> Result<Self, UnknownType> {
        Self::parse(&text)
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

impl Contract {
    /// The Arrow schema that is written, in the contract's order.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let field = |column: &Column| {
            let nullable = column.nullable == Nullability::Nullable;
            Field::new(&column.name, column.data_type.arrow(), nullable)
        };
        Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()).into()
    }

    /// The column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_read_back_as_they_are_shown() {
        for name in [
            "smallint",
            "integer",
            "bigint",
            "varchar",
            "boolean",
            "date",
            "timestamp",
            "decimal(18, 2)",
            "double",
        ] {
            assert_eq!(ColumnType::parse(name).map(|t| t.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn a_decimal_has_at_most_38_digits_and_not_more_after_the_point() {
        for name in ["decimal(39,2)", "decimal(2,3)", "decimal(0,0)", "decimal", "decimal(18)", "float"] {
            assert!(ColumnType::parse(name).is_err(), "{name}");
        }
    }
}
