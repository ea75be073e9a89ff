//! The contract of a source as written: what a company's own Parquet promises.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::models::{Range, Relationship};

/// The contract of one source: its columns, their types and the rules its rows keep.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceContractSpec {
    /// The source's name, as under `sources.tables` of the pipeline.
    pub name: String,
    /// What one row is.
    pub description: String,
    /// The columns that identify a row; rows of a missing or repeated key are rejected.
    #[serde(default)]
    pub grain: Vec<String>,
    /// The columns that are read, of the types they are read as.
    pub columns: Vec<SourceColumnSpec>,
    /// Amounts whose sums over accepted and rejected rows must be the sum over all rows.
    #[serde(default)]
    pub totals: Vec<String>,
    /// The column that says when a row happened: rows at or after `as_of` are not read.
    #[serde(default)]
    pub event_time: Option<String>,
    /// The column that says when a row became known: rows after `known_at` are not read.
    #[serde(default)]
    pub ingested_at: Option<String>,
    /// A column with a relationship: a row is read once the row it belongs to is.
    #[serde(default)]
    pub dated_by: Option<String>,
    /// Whether the source may be absent: it is an empty table then.
    #[serde(default)]
    pub optional: Option<bool>,
    /// Whether the source tells how things are today, without their history.
    #[serde(default)]
    pub undated: Option<bool>,
    /// What happens when files have other columns or types than the contract.
    #[serde(default)]
    pub drift: Option<DriftSpec>,
    /// The largest share of rejected rows with which a run still publishes; 0.001 if left out.
    #[serde(default)]
    pub max_rejected: Option<Json>,
    /// How old the newest row may be.
    #[serde(default)]
    pub freshness: Option<FreshnessSpec>,
}

/// One column of a source's contract.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceColumnSpec {
    /// The column's name.
    pub name: String,
    /// Its type: smallint, integer, bigint, varchar, boolean, date, timestamp, decimal(p, s), double.
    pub data_type: String,
    /// What a value says, with its unit.
    pub description: String,
    /// Whether a value may be missing; false for columns of the grain and of time, else true.
    #[serde(default)]
    pub nullable: Option<bool>,
    /// Whether files may lack the column: its values are unknown then.
    #[serde(default)]
    pub optional: bool,
    /// Whether values are personal data and never shown.
    #[serde(default)]
    pub pii: bool,
    /// Rules of this column; a row that breaks one is rejected.
    #[serde(default)]
    pub data_tests: Vec<SourceTest>,
}

/// A rule of one column of a source.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceTest {
    /// No value is missing.
    NotNull,
    /// Every value is one of these; nulls do not count.
    AcceptedValues(Vec<Json>),
    /// Every value is a key of an accepted row of another source; nulls do not count.
    Relationships(Relationship),
    /// Every value lies between the bounds, both included; nulls do not count.
    Range(Range),
    /// Every value is the pipeline's variable `currency`; nulls do not count.
    Currency,
}

/// What happens when files have other columns or types than the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftSpec {
    /// Nothing is read.
    Fail,
    /// What can be read without loss is, and the difference is told.
    Warn,
    /// What can be read without loss is.
    Ignore,
}

/// How old the newest row of a source may be, such as `26h`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessSpec {
    /// Older is told.
    #[serde(default)]
    pub warn_after: Option<String>,
    /// Older stops a run before it reads anything.
    #[serde(default)]
    pub error_after: Option<String>,
}
