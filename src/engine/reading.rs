//! How a file's columns become those of its source's contract, and how they differ from them.
//!
//! **Invariant:** a value is read as it was meant or not at all. What may lose something is looked
//! at value by value: what does not come back from its new type as it was is null and marked, so
//! that its row is rejected and never changed in silence.

use std::fmt;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::diagnostic::nearest;
use crate::functions::sql_type;
use crate::project::{Column, SourceContract};

/// How one column of a contract is got from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// The file does not have it: its values are unknown.
    Absent,
    /// The file's column of this name, as it is.
    Same(String),
    /// The file's column of this name, every value of which has its equal in the contract's type.
    Cast(String),
    /// The file's column of this name, value by value.
    Checked(String),
}

/// What differs between a file and its source's contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of what kind.
    pub kind: DifferenceKind,
    /// The contract's column; the file's for one that the contract does not have.
    pub column: String,
    /// What the file has, in words.
    pub found: String,
}

/// The kinds of differences that matter: encodings, order and declared nullability do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// The file lacks a column it may lack without loss: values are unknown.
    Missing,
    /// The file lacks a column that rows cannot do without.
    MissingRequired,
    /// The file lacks a column and has another one of nearly the same name.
    Renamed,
    /// The file has a column of the same name but for its case, twice.
    Ambiguous,
    /// The file has a column that the contract does not have.
    Extra,
    /// The name differs in its case.
    Case,
    /// The type holds more than the contract's.
    Wider,
    /// The type holds less than the contract's.
    Narrower,
    /// Instants of another unit or zone.
    TimeUnit,
    /// Numbers with other digits after the point, or binary ones.
    Scale,
    /// Text where the contract has a number, a day or an instant.
    Text,
    /// A type that has nothing to do with the contract's.
    Incompatible,
}

impl DifferenceKind {
    /// Whether nothing can be read, whatever a person accepts.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        matches!(self, Self::MissingRequired | Self::Renamed | Self::Ambiguous | Self::Incompatible)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (column, found) = (&self.column, &self.found);
        match self.kind {
            DifferenceKind::Missing => write!(f, "column `{column}` is missing: its values are unknown"),
            DifferenceKind::MissingRequired => {
                write!(f, "column `{column}` is missing, and no row can do without it")
            }
            DifferenceKind::Renamed => {
                write!(f, "column `{column}` is missing; was it renamed to `{found}`?")
            }
            DifferenceKind::Ambiguous => write!(f, "column `{column}` is there as {found}: which is meant?"),
            DifferenceKind::Extra => {
                write!(f, "column `{column}` ({found}) is not in the contract: it is not read")
            }
            DifferenceKind::Case => write!(f, "column `{column}` is written `{found}`"),
            DifferenceKind::Wider | DifferenceKind::Scale | DifferenceKind::Text => {
                write!(f, "column `{column}` is {found}: rows whose value does not fit are rejected")
            }
            DifferenceKind::Narrower => write!(f, "column `{column}` is {found}: every value fits"),
            DifferenceKind::TimeUnit => write!(f, "column `{column}` is {found}: read to the microsecond"),
            DifferenceKind::Incompatible => write!(f, "column `{column}` is {found}, which cannot be read"),
        }
    }
}

/// How each column of `contract` is read from files with `schema`, and what differs.
#[must_use]
pub fn compare(contract: &SourceContract, schema: &SchemaRef) -> (Vec<Reading>, Vec<Difference>) {
    let mut comparison = Comparison { contract, schema, taken: Vec::new(), differences: Vec::new() };
    let columns = &contract.table.columns;
    let found: Vec<Option<&Field>> = columns.iter().map(|column| comparison.find(column)).collect();
    let readings = columns.iter().zip(found).map(|(column, field)| comparison.read(column, field)).collect();
    comparison.tell_extra();
    (readings, comparison.differences)
}

struct Comparison<'a> {
    contract: &'a SourceContract,
    schema: &'a Schema,
    taken: Vec<String>,
    differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    fn differ(&mut self, kind: DifferenceKind, column: &str, found: impl Into<String>) {
        self.differences.push(Difference { kind, column: column.to_owned(), found: found.into() });
    }

    /// The file's column of that name, or the only one of that name but for case.
    fn find(&mut self, column: &Column) -> Option<&'a Field> {
        let schema: &'a Schema = self.schema;
        let mut field = schema.field_with_name(&column.name).ok();
        if field.is_none() {
            let is_other = |name: &str| self.contract.table.column(name).is_some();
            let same =
                |field: &&Field| field.name().eq_ignore_ascii_case(&column.name) && !is_other(field.name());
            let alike: Vec<&Field> = schema.fields().iter().map(AsRef::as_ref).filter(same).collect();
            match alike.as_slice() {
                [only] => {
                    field = Some(*only);
                    self.differ(DifferenceKind::Case, &column.name, only.name());
                }
                [] => {}
                many => {
                    let names: Vec<String> = many.iter().map(|field| format!("`{}`", field.name())).collect();
                    self.taken.extend(many.iter().map(|field| field.name().clone()));
                    self.differ(DifferenceKind::Ambiguous, &column.name, names.join(" and "));
                    return None;
                }
            }
        }
        self.taken.extend(field.map(|field| field.name().clone()));
        field
    }

    fn read(&mut self, column: &Column, field: Option<&Field>) -> Reading {
        let Some(field) = field else {
            let told = self
                .differences
                .iter()
                .any(|told| told.kind == DifferenceKind::Ambiguous && told.column == column.name);
            if !told {
                self.missing(column);
            }
            return Reading::Absent;
        };
        let from = field.name().clone();
        let (how, kind) = conversion(field.data_type(), &column.data_type.arrow());
        if let Some(kind) = kind {
            let data_type = match kind {
                DifferenceKind::TimeUnit => field.data_type().to_string(),
                _ => sql_type(field.data_type()),
            };
            self.differ(kind, &column.name, format!("{data_type}, not {}", column.data_type));
        }
        match how {
            How::Same => Reading::Same(from),
            How::Cast => Reading::Cast(from),
            How::Checked => Reading::Checked(from),
            How::Not => Reading::Absent,
        }
    }

    fn missing(&mut self, column: &Column) {
        let guessed: Vec<&str> = self.renamed().collect();
        let could_be = |field: &Field| {
            !self.taken.contains(field.name())
                && !guessed.contains(&field.name().as_str())
                && conversion(field.data_type(), &column.data_type.arrow()).0 != How::Not
        };
        let free = self.schema.fields().iter().filter(|field| could_be(field));
        let renamed = nearest(&column.name, free.map(|field| field.name().as_str())).map(str::to_owned);
        let name = &column.name;
        if let Some(renamed) = renamed {
            self.differ(DifferenceKind::Renamed, name, renamed);
        } else if column.nullable == crate::project::Nullability::Required {
            self.differ(DifferenceKind::MissingRequired, name, "");
        } else if !self.contract.optional_columns.contains(name) {
            self.differ(DifferenceKind::Missing, name, "");
        }
    }

    /// Columns of the file that are taken for renamed ones.
    fn renamed(&self) -> impl Iterator<Item = &str> {
        let renamed = self.differences.iter().filter(|told| told.kind == DifferenceKind::Renamed);
        renamed.map(|told| told.found.as_str())
    }

    fn tell_extra(&mut self) {
        let renamed: Vec<String> = self.renamed().map(str::to_owned).collect();
        let schema = self.schema;
        for field in schema.fields() {
            let known = self.taken.contains(field.name()) || renamed.contains(field.name());
            if !known {
                self.differ(DifferenceKind::Extra, field.name(), sql_type(field.data_type()));
            }
        }
    }
}

/// How values of one type become those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Same,
    Cast,
    Checked,
    Not,
}

type Change = (How, Option<DifferenceKind>);

/// How values become the contract's, and whether that is a difference worth telling.
fn conversion(from: &DataType, to: &DataType) -> Change {
    use DifferenceKind::{Incompatible, Narrower, Text, TimeUnit as Unit};
    let told = |how, kind| (how, Some(kind));
    match (from, to) {
        (from, to) if from == to => (How::Same, None),
        (DataType::Dictionary(_, values), to) => match conversion(values, to) {
            (How::Same, kind) => (How::Cast, kind),
            other => other,
        },
        (DataType::Null, _) => (How::Cast, None),
        (from, DataType::Utf8) if from.is_string() => (How::Cast, None),
        (from, DataType::Utf8) if from.is_integer() || from.is_decimal() => told(How::Cast, Narrower),
        (from, to) if from.is_string() && !matches!(to, DataType::Boolean) => told(How::Checked, Text),
        (DataType::Timestamp(unit, zone), DataType::Timestamp(_, _)) => {
            let utc = zone.as_ref().is_none_or(|zone| matches!(zone.as_ref(), "UTC" | "+00:00" | "Z"));
            if *unit == TimeUnit::Microsecond && utc { (How::Cast, None) } else { told(How::Checked, Unit) }
        }
        (DataType::Timestamp(_, _) | DataType::Date64, DataType::Date32) => told(How::Checked, Unit),
        (from, to) if from.is_numeric() && to.is_numeric() => number(from, to),
        _ => told(How::Not, Incompatible),
    }
}

/// The digits before and after the point that a type holds exactly.
fn digits(data_type: &DataType) -> Option<(i32, i32)> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            (i32::from(*precision) - i32::from(*scale), i32::from(*scale))
        }
        _ => return None,
    })
}

fn number(from: &DataType, to: &DataType) -> Change {
    use DifferenceKind::{Narrower, Scale, Wider};
    let told = |how, kind| (how, Some(kind));
    match (digits(from), digits(to)) {
        // A double holds each number of fifteen digits.
        (Some((whole, fraction)), None) if whole + fraction <= 15 => told(How::Cast, Narrower),
        (None, None) => told(How::Cast, Narrower),
        (Some(_), None) => told(How::Checked, Wider),
        (None, Some(_)) => told(How::Checked, Scale),
        (Some((whole, fraction)), Some((their_whole, their_fraction))) => {
            let same_sign = from.is_unsigned_integer() <= to.is_unsigned_integer();
            let unsigned_fits = from.is_unsigned_integer() && whole < their_whole;
            let fits = match (from.is_integer(), to.is_integer()) {
                (true, true) => (same_sign && whole <= their_whole) || unsigned_fits,
                (false, true) => fraction == 0 && whole < their_whole,
                _ => whole <= their_whole,
            };
            let scaled = from.is_decimal() && fraction != their_fraction;
            match (fits && fraction <= their_fraction, scaled) {
                (true, false) => told(How::Cast, Narrower),
                (true, true) => told(How::Cast, Scale),
                (false, true) => told(How::Checked, Scale),
                (false, false) => told(How::Checked, Wider),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &DataType, to: &DataType, how: How, kind: Option<DifferenceKind>) {
        assert_eq!(conversion(from, to), (how, kind), "{from} to {to}");
    }

    #[test]
    fn numbers_are_cast_only_where_each_value_has_its_equal() {
        use DifferenceKind::{Narrower, Scale, Wider};
        let decimal = DataType::Decimal128;
        check(&DataType::Int32, &DataType::Int64, How::Cast, Some(Narrower));
        check(&DataType::Int64, &DataType::Int32, How::Checked, Some(Wider));
        check(&DataType::UInt32, &DataType::Int32, How::Checked, Some(Wider));
        check(&DataType::UInt32, &DataType::Int64, How::Cast, Some(Narrower));
        check(&DataType::Int32, &decimal(18, 2), How::Cast, Some(Narrower));
        check(&decimal(18, 2), &decimal(18, 4), How::Checked, Some(Scale));
        check(&decimal(12, 2), &decimal(18, 4), How::Cast, Some(Scale));
        check(&decimal(18, 4), &decimal(18, 2), How::Checked, Some(Scale));
        check(&decimal(38, 2), &decimal(18, 2), How::Checked, Some(Wider));
        check(&DataType::Float64, &decimal(18, 2), How::Checked, Some(Scale));
        check(&DataType::Float32, &DataType::Float64, How::Cast, Some(Narrower));
        check(&DataType::Int64, &DataType::Float64, How::Checked, Some(Wider));
    }

    #[test]
    fn encodings_are_no_difference() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        check(&dictionary, &DataType::Utf8, How::Cast, None);
        check(&DataType::Utf8View, &DataType::Utf8, How::Cast, None);
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        check(&DataType::Timestamp(TimeUnit::Microsecond, None), &instant, How::Cast, None);
        check(&DataType::Boolean, &DataType::Int64, How::Not, Some(DifferenceKind::Incompatible));
    }
}
