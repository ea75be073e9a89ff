//! A file of contracts, audits and unit tests as written: dbt's keys, where dbt has them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::sources::SourceContractSpec;

/// The contracts and unit tests of the models in one folder, the contracts of sources, and segments
/// of customers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelsSpec {
    /// The format version dbt writes; accepted and without meaning here.
    #[serde(default)]
    pub version: Option<u32>,
    /// The contracts of sources.
    #[serde(default)]
    pub sources: Vec<SourceContractSpec>,
    /// The contracts.
    #[serde(default)]
    pub models: Vec<ModelSpec>,
    /// The unit tests.
    #[serde(default)]
    pub unit_tests: Vec<UnitTestSpec>,
    /// Segments of customers, each with the rule that makes it.
    #[serde(default)]
    pub segments: Option<Vec<SegmentSpec>>,
}

/// A segment: the customers for whom a rule holds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentSpec {
    /// Its name: lower-case letters, digits and `_`.
    pub name: String,
    /// Who is in it, in words.
    pub description: String,
    /// What kind of segment it is.
    pub kind: SegmentKind,
    /// One condition on the columns of the model `segment_facts`, in SQL: `orders_lifetime > 10`.
    #[serde(rename = "where")]
    pub rule: String,
    /// Which segment counts first where a customer is in several: 1 before 2.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
}

/// What a segment is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// Attributes, behaviour, or several things together.
    Rule,
    /// Recency, frequency and monetary value.
    Rfm,
    /// The tier of value.
    Tier,
    /// The stage of the relationship.
    Lifecycle,
    /// Likeness found by a clustering.
    Cluster,
    /// What a statistical model predicts.
    Model,
}

impl SegmentKind {
    /// The kind as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Rfm => "rfm",
            Self::Tier => "tier",
            Self::Lifecycle => "lifecycle",
            Self::Cluster => "cluster",
            Self::Model => "model",
        }
    }
}

/// The contract of one model.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The name of its SQL file, without `.sql`.
    pub name: String,
    /// What one row is.
    pub description: String,
    /// How it is kept.
    #[serde(default)]
    pub config: ModelConfig,
    /// The columns that identify a row.
    #[serde(default)]
    pub grain: Vec<String>,
    /// The order rows are written in, if not the grain.
    #[serde(default)]
    pub order_by: Option<Vec<String>>,
    /// The columns, in the order they are written.
    pub columns: Vec<ColumnSpec>,
    /// Audits over the whole table.
    #[serde(default)]
    pub data_tests: Vec<ModelTest>,
}

/// How a model is kept.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A table computed once a run, a snapshot of it a day, a table computed interval by interval, or a
    /// view put into each query that reads it.
    #[serde(default)]
    pub materialized: Materialized,
    /// Which snapshots or intervals stay; all of them if left out.
    #[serde(default)]
    pub keep: Option<KeepSpec>,
    /// The column that tells which time a row is of: a date or a timestamp. Models kept by intervals
    /// need it; on others it lets those read a part of them.
    #[serde(default)]
    #[schemars(with = "String")]
    pub event_time: Option<String>,
    /// How long the intervals of an incremental model are; a day if left out.
    #[serde(default)]
    #[schemars(with = "BatchSize")]
    pub batch_size: Option<BatchSize>,
    /// The first day of an incremental model; the first of a batch.
    #[serde(default)]
    #[schemars(with = "String")]
    pub begin: Option<String>,
    /// For how many batches after its own an interval is built again by each run that looks from
    /// another day; 0 if left out.
    #[serde(default)]
    #[schemars(with = "u32")]
    pub lookback: Option<u32>,
    /// What is read of inputs around the time a row is of, by their names in the SQL.
    #[serde(default)]
    pub inputs: IndexMap<String, InputSpec>,
    /// Words to select models by: `tag:daily`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Optional sources without which the model is left out: `sources.campaign_costs`.
    #[serde(default)]
    pub requires: Vec<String>,
    /// What is told of the table when two published versions of it are compared.
    #[serde(default)]
    #[schemars(with = "MovementSpec")]
    pub movement: Option<MovementSpec>,
}

/// What moved in a table from one published version to another, as its readers ask it.
///
/// With `column` alone: how many keys moved from which of its values to which. With `total`: the
/// sum before and after, by the values of `column` if there is one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovementSpec {
    /// The column whose values keys move between, or totals are told by: a tier, a channel.
    #[serde(default)]
    #[schemars(with = "String")]
    pub column: Option<String>,
    /// The column that is added up: a whole number or a decimal.
    #[serde(default)]
    #[schemars(with = "String")]
    pub total: Option<String>,
    /// Columns of the grain over which nothing may be added up: each of their values is told by itself.
    #[serde(default)]
    pub per: Vec<String>,
    /// Who moves between the values of `column`; the grain without `latest` if left out.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub key: Option<Vec<String>>,
    /// A date of the grain, such as `as_of`: only the rows of its last day count.
    #[serde(default)]
    #[schemars(with = "String")]
    pub latest: Option<String>,
    /// Only the rows in which this column is null count: intervals that have not ended.
    #[serde(default)]
    #[schemars(with = "String")]
    pub while_null: Option<String>,
}

/// Which snapshots or intervals stay.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepSpec {
    /// Snapshots of so many days before the newest, older ones only where they are of the first day of a
    /// month; intervals that end no more than so many days before the day looked from.
    pub days: u32,
}

/// How long an interval is, by the calendar of the pipeline's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchSize {
    /// A day.
    Day,
    /// A week; it begins on Monday.
    Week,
    /// A month.
    Month,
}

/// What of an input makes the rows of a time.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// So many days before the interval are read too.
    #[serde(default)]
    pub days_before: u32,
    /// So many days after the interval are read too, as far as they have come.
    #[serde(default)]
    pub days_after: u32,
    /// Whether an interval that was built is built again when the input changes.
    #[serde(default)]
    pub changes: Changes,
    /// Whether a row that is delivered again may be of another time than before.
    #[serde(default)]
    pub times: Times,
}

/// Whether an interval that was built is built again when an input changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Changes {
    /// It is, so that the table is what a run from its beginning would give.
    #[default]
    Rebuild,
    /// It is not: its rows stay as they were seen when it was built last.
    Ignore,
}

/// Whether a row that is delivered again may be of another time than before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// It may: all files that could hold its key count.
    #[default]
    MayMove,
    /// It may not: files that hold no row of the interval's time count for nothing.
    Fixed,
}

/// How a model is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Materialized {
    /// Computed once a run; replaced whole.
    #[default]
    Table,
    /// Put into each query that reads it; cannot be published.
    View,
    /// Computed once a run and kept beside what earlier days gave: one snapshot for each day looked
    /// from, `as_of`, which is a column of the grain. A run replaces that day's snapshot alone.
    Snapshot,
    /// Computed and kept interval by interval: a run replaces those that are missing, or whose inputs
    /// or SQL changed, each whole.
    Incremental,
}

/// One column of a contract.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// The column's name.
    pub name: String,
    /// Its type: smallint, integer, bigint, varchar, boolean, date, timestamp, decimal(p, s), double.
    pub data_type: String,
    /// Formula, numerator, denominator, unit, and whether it may be added up.
    pub description: String,
    /// Whether a value may be missing; false for columns of the grain, else true.
    #[serde(default)]
    pub nullable: Option<bool>,
    /// Whether values are personal data and never shown.
    #[serde(default)]
    pub pii: bool,
    /// Audits of this column.
    #[serde(default)]
    pub data_tests: Vec<ColumnTest>,
}

/// An audit of one column.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnTest {
    /// No value is missing.
    NotNull,
    /// No value stands twice; nulls do not count.
    Unique,
    /// Every value is one of these; nulls do not count.
    AcceptedValues(Vec<Json>),
    /// Every value is in a column of another model; nulls do not count.
    Relationships(Relationship),
    /// Every value lies between the bounds, both included; nulls do not count.
    Range(Range),
}

/// The column another column's values come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relationship {
    /// The model.
    pub to: String,
    /// Its column.
    pub field: String,
}

/// Bounds, both included.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least value allowed.
    #[serde(default)]
    pub min: Option<Json>,
    /// The greatest value allowed.
    #[serde(default)]
    pub max: Option<Json>,
}

/// An audit of a whole table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelTest {
    /// Two totals are equal.
    Reconciles(Reconciles),
    /// A query finds no row.
    BrokenRows(BrokenRows),
}

/// Two totals that must be equal.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconciles {
    /// An aggregate over this model, such as `sum(profit)`.
    pub left: String,
    /// Which of this model's rows count.
    #[serde(default, rename = "where")]
    pub filter: Option<String>,
    /// The other total.
    pub right: OtherSide,
    /// The largest difference allowed, 0 if left out.
    #[serde(default)]
    pub tolerance: Option<Json>,
}

/// The total a model is compared with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherSide {
    /// The model or source it is taken from.
    pub from: String,
    /// The aggregate.
    pub expr: String,
    /// Which rows count.
    #[serde(default, rename = "where")]
    pub filter: Option<String>,
}

/// A query that must find nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokenRows {
    /// What the rule is called in messages.
    pub name: String,
    /// One SELECT that returns the rows that break the rule.
    pub sql: String,
}

/// A unit test of a model: with these rows given, those rows come out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitTestSpec {
    /// What the test shows, as a sentence in snake case.
    pub name: String,
    /// The model under test.
    pub model: String,
    /// What it shows, in words.
    #[serde(default)]
    pub description: String,
    /// The day or instant looked from.
    #[serde(default)]
    pub as_of: Option<String>,
    /// Parameters other than the pipeline's.
    #[serde(default)]
    pub vars: IndexMap<String, Json>,
    /// The inputs' rows; an input left out is empty.
    #[serde(default)]
    pub given: Vec<Given>,
    /// The rows that come out.
    pub expect: Expected,
}

/// Rows of one input.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The input as the SQL names it: `orders` or `sources.orders`.
    pub input: String,
    /// Its rows; a column left out is null.
    pub rows: Vec<IndexMap<String, Json>>,
}

/// The rows that come out, in the contract's order; only the columns named are compared.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The rows.
    pub rows: Vec<IndexMap<String, Json>>,
    /// Only rows that have one of these values in each of these columns are compared; all of them if left out.
    #[serde(default)]
    pub only: IndexMap<String, Vec<Json>>,
}
