//! Declared sources: where they lie, and what their contracts promise.

use std::collections::BTreeSet;

use super::Located;
use super::contract::Contract;
use crate::diagnostic::Place;
use crate::ident::NodeName;
use crate::value::{Value, ValueType};

mod promise;
mod read;
mod relationships;

pub(super) use read::{Written, check};

/// The variable that [`SourceCheck::OtherCurrency`] compares with.
pub const CURRENCY: &str = "currency";

/// A declared source.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: NodeName,
    /// A folder, file or glob relative to the sources' location.
    pub path: Located<String>,
    /// The column rows are cut by at `as_of`.
    pub event_time: Option<Located<String>>,
    /// The column rows are cut by at `known_at`.
    pub ingested_at: Option<Located<String>>,
    /// Where it is declared.
    pub place: Place,
    /// Whether it must be there.
    pub presence: Presence,
    /// Whether it tells the past.
    pub history: History,
    /// What happens when files differ from the contract.
    pub drift: Drift,
    /// The largest share of rejected rows with which a run still publishes.
    pub max_rejected: MaxRejected,
    /// How old the newest row may be.
    pub freshness: Option<Freshness>,
    /// What it promises; without one it is read as it is.
    pub contract: Option<SourceContract>,
}

/// Whether a source must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Without it nothing runs.
    Compulsory,
    /// Without it, it is an empty table.
    Optional,
}

/// Whether a source tells how things were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Its facts bear their dates.
    Dated,
    /// It tells how things are today.
    Undated,
}

/// What happens when files have other columns or types than the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// Nothing is read.
    Fail,
    /// What can be read without loss is, and the difference is told.
    Warn,
    /// What can be read without loss is.
    Ignore,
}

/// A share of rows, exact as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxRejected {
    unscaled: u64,
    scale: u32,
}

/// How old the newest row of a source may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// Older is told.
    pub warn_after: Option<Age>,
    /// Older stops a run.
    pub error_after: Option<Age>,
}

/// A span of time as a person wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// In microseconds.
    pub micros: i64,
    /// As written.
    pub text: String,
}

/// What a source promises.
#[derive(Debug, Clone)]
pub struct SourceContract {
    /// Its columns and its key, as SQL reads them.
    pub table: Contract,
    /// Columns that files may lack.
    pub optional_columns: BTreeSet<String>,
    /// What its rows keep; those that do not are rejected. In the order they are judged.
    pub rules: Vec<SourceRule>,
    /// Amounts that accepted and rejected rows must add up to.
    pub totals: Vec<String>,
    /// The column whose relationship dates the rows.
    pub dated_by: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// One rule of a source's rows.
#[derive(Debug, Clone)]
pub struct SourceRule {
    /// What must hold.
    pub check: SourceCheck,
    /// Where it is declared; for rules that every contract has, the column or key.
    pub place: Place,
}

/// What must hold of a source's row.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceCheck {
    /// A column of the key has a value.
    MissingKey {
        /// The column.
        column: String,
    },
    /// A column has a value.
    NotNull {
        /// The column.
        column: String,
    },
    /// A number is neither NaN nor infinite.
    NotFinite {
        /// The column.
        column: String,
    },
    /// A day or an instant lies in the years 1970 to 2262.
    ImpossibleDate {
        /// The column.
        column: String,
    },
    /// A value is one of a list.
    AcceptedValues {
        /// The column.
        column: String,
        /// The list, as text.
        values: Vec<String>,
    },
    /// A value lies between bounds.
    Range {
        /// The column.
        column: String,
        /// The least value.
        min: Option<Value>,
        /// The greatest value.
        max: Option<Value>,
    },
    /// An amount is in the pipeline's currency.
    OtherCurrency {
        /// The column that names the currency.
        column: String,
    },
    /// No other accepted row has the key.
    DuplicateKey,
    /// The row it belongs to is an accepted row of another source.
    Orphan {
        /// The column that refers to it.
        column: String,
        /// The other source.
        to: NodeName,
        /// Its column.
        field: String,
    },
}

impl SourceCheck {
    /// The rule's name in tables and messages, such as `missing_key`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MissingKey { .. } => "missing_key",
            Self::NotNull { .. } => "not_null",
            Self::NotFinite { .. } => "not_finite",
            Self::ImpossibleDate { .. } => "impossible_date",
            Self::AcceptedValues { .. } => "accepted_values",
            Self::Range { .. } => "range",
            Self::OtherCurrency { .. } => "other_currency",
            Self::DuplicateKey => "duplicate_key",
            Self::Orphan { .. } => "orphan",
        }
    }

    /// The column it is about; none for the key as a whole.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::MissingKey { column }
            | Self::NotNull { column }
            | Self::NotFinite { column }
            | Self::ImpossibleDate { column }
            | Self::AcceptedValues { column, .. }
            | Self::Range { column, .. }
            | Self::OtherCurrency { column }
            | Self::Orphan { column, .. } => Some(column),
            Self::DuplicateKey => None,
        }
    }
}

impl MaxRejected {
    /// One row in a thousand.
    pub const USUAL: Self = Self { unscaled: 1, scale: 3 };

    /// Whether `rejected` of `rows` are more than the share; exact.
    #[must_use]
    pub fn is_exceeded(self, rejected: u64, rows: u64) -> bool {
        let factor = 10_u128.pow(self.scale);
        u128::from(rejected) * factor > u128::from(rows) * u128::from(self.unscaled)
    }

    fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Decimal { unscaled, scale, .. }) = ValueType::Decimal.parse(text) else { return None };
        let (unscaled, scale) = (u64::try_from(unscaled).ok()?, u32::try_from(scale).ok()?);
        (scale <= 18 && u128::from(unscaled) <= 10_u128.pow(scale)).then_some(Self { unscaled, scale })
    }
}

impl std::fmt::Display for MaxRejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = usize::try_from(self.scale).unwrap_or(0);
        let digits = format!("{:0width$}", self.unscaled, width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if fraction.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
    }
}

impl Source {
    /// The sources that its rows refer to.
    pub fn parents(&self) -> impl Iterator<Item = &NodeName> {
        let rules = self.contract.iter().flat_map(|contract| &contract.rules);
        rules.filter_map(|rule| match &rule.check {
            SourceCheck::Orphan { to, .. } => Some(to),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::MaxRejected;

    #[test]
    fn a_share_is_exact_at_its_edge() {
        let share = |text: &str| MaxRejected::parse(text).expect("a share");
        assert!(!share("0.001").is_exceeded(1, 1_000));
        assert!(share("0.001").is_exceeded(2, 1_999));
        assert!(share("0").is_exceeded(1, u64::MAX));
        assert!(!share("1").is_exceeded(7, 7));
        for text in ["-0.1", "1.1", "much", ""] {
            assert_eq!(MaxRejected::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_shown_as_it_was_written() {
        for text in ["0.001", "0.05", "1", "0"] {
            assert_eq!(MaxRejected::parse(text).map(|share| share.to_string()).as_deref(), Some(text));
        }
    }
}
