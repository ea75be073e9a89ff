//! The project's files, read once: a pipeline, its contracts, its SQL, every value with its
//! place.
//!
//! **Invariant:** this is the only floor that reads project files. Names are checked here, not
//! resolved: whether a table or column exists is the business of the floors above.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::diagnostic::{Place, SourceFile};
use crate::ident::{NodeName, PipelineName, VariableName};
use crate::interval::Batch;
use crate::query::{Parameters, Query};
use crate::value::{Value, ValueType};

mod audit;
mod contract;
pub mod embedded;
mod files;
mod load;
mod model;
mod movement;
mod pipeline;
pub mod quality;
mod segments;
mod source;
mod timing;
mod unit_test;
mod unnamed;
mod variables;

pub use audit::{Audit, Rule, audit_query};
pub use contract::{Column, ColumnType, Contract, Nullability, Privacy, UnknownType};
pub use load::{Location, list_pipelines, load};
pub use movement::Movement;
pub use segments::{MATCHES as SEGMENT_MATCHES, Segment};
pub use source::{
    Age, CURRENCY, Drift, Freshness, History, MaxRejected, Presence, Source, SourceCheck, SourceContract,
    SourceRule,
};
pub use unit_test::{Cell, Rows, UnitTest};
pub use unnamed::unnamed_folders;
pub use variables::{absent_parameter, bind, parse_memory, source_parameters, undated_parameter};

/// A pipeline with everything it names, as written.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder with `pipelines/` and `sql/`.
    pub folder: PathBuf,
    /// Every file that was read, in the order of reading.
    pub files: Vec<SourceFile>,
    /// The pipeline file.
    pub pipeline: Pipeline,
    /// The pipeline's models by name.
    pub models: BTreeMap<NodeName, Model>,
    /// Unit tests of these models, in the order of their files.
    pub unit_tests: Vec<UnitTest>,
    /// Segments of customers, in the order of their files.
    pub segments: Vec<Segment>,
}

impl Pipeline {
    /// Whether any source has a contract, so that the program tells what became of its rows.
    #[must_use]
    pub fn has_contracts(&self) -> bool {
        self.sources.values().any(|source| source.contract.is_some())
    }
}

/// A value with its place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// A pipeline file, its names checked.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The file.
    pub file: SourceFile,
    /// Its name.
    pub name: PipelineName,
    /// What it is for.
    pub description: String,
    /// The zone business days are cut in.
    pub time_zone: TimeZone,
    /// The zone's name, as bound to `$time_zone`.
    pub time_zone_name: String,
    /// The day or instant a run looks from unless the request names one.
    pub as_of: Option<Located<String>>,
    /// Declared parameters.
    pub variables: BTreeMap<VariableName, Variable>,
    /// Where sources lie, environment references resolved.
    pub location: Located<String>,
    /// The sources by name.
    pub sources: BTreeMap<NodeName, Source>,
    /// Targets by name.
    pub targets: BTreeMap<String, Target>,
    /// The target used unless the request names one.
    pub default_target: Option<Located<String>>,
}

/// A declared parameter.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its type.
    pub value_type: ValueType,
    /// Its value unless the request gives another.
    pub default: Option<Value>,
    /// The least value it accepts.
    pub min: Option<f64>,
    /// The greatest value it accepts.
    pub max: Option<f64>,
    /// The only texts it accepts.
    pub accepted_values: Option<Vec<String>>,
    /// What it changes.
    pub description: String,
    /// Where it is declared.
    pub place: Place,
}

/// A declared target.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where tables are published, environment references resolved.
    pub root: Located<String>,
    /// The most memory a run may use, in bytes.
    pub memory_limit: Option<u64>,
}

/// One model: its SQL, its contract, its audits.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name and, if published, its table's.
    pub name: NodeName,
    /// The folder under `sql/` it lies in, such as `value`.
    pub folder: String,
    /// Its SQL as written.
    pub query: Query,
    /// What its table promises.
    pub contract: Contract,
    /// Where the contract stands.
    pub place: Place,
    /// Where each column of the contract stands, in the contract's order.
    pub column_places: Vec<Place>,
    /// How it is kept.
    pub materialization: Materialization,
    /// For how many days before the newest each snapshot stays, older ones only as of the first day of a
    /// month; `None` if all stay.
    pub keep_days: Option<u32>,
    /// Which time its rows are of, if a column tells it.
    pub timing: Option<Timing>,
    /// Its intervals, if it is kept by them.
    pub incremental: Option<Incremental>,
    /// Whether people outside may read it.
    pub visibility: Visibility,
    /// Where `publish:` names the model itself, not its folder.
    pub named: Option<Place>,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// Optional sources without which it is left out.
    pub requires: Vec<Located<NodeName>>,
    /// Rules whose broken rows stop a publication.
    pub audits: Vec<Audit>,
    /// What is told of it when two published versions are compared.
    pub movement: Option<Movement>,
}

/// How a model is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materialization {
    /// Computed once a run.
    Table,
    /// Put into each query that reads it.
    View,
    /// Computed once a run and kept beside the snapshots of earlier days.
    Snapshot,
    /// Computed and kept interval by interval.
    Incremental,
}

/// Which time the rows of a model are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The column that tells it: a date or a timestamp, never null.
    pub column: String,
    /// What of its inputs makes the rows of a time, by the inputs' names; where one is not named, the
    /// input's rows of the same time, as far as a column of it tells that.
    pub inputs: BTreeMap<String, Located<Window>>,
}

/// What of an input makes the rows of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many days of the calendar before the interval are read.
    pub days_before: u32,
    /// How many days after it.
    pub days_after: u32,
    /// Whether an interval is built again when the input changes.
    pub follows_changes: bool,
    /// Whether a row that is delivered again is of the same time.
    pub times_are_fixed: bool,
}

impl Window {
    /// Whether it says more than what a change of the input means.
    #[must_use]
    pub const fn is_about_times(&self) -> bool {
        self.days_before > 0 || self.days_after > 0 || self.times_are_fixed
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { days_before: 0, days_after: 0, follows_changes: true, times_are_fixed: false }
    }
}

/// The intervals a model is kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incremental {
    /// How long one is.
    pub batch: Batch,
    /// The first day of the first.
    pub begin: Date,
    /// For how many batches after its own an interval depends on the day looked from.
    pub lookback: u32,
    /// How many days before the day looked from an interval may end and stay; `None` if all stay.
    pub keep_days: Option<u32>,
}

/// The parameters that tell an incremental model which interval it computes.
pub const INTERVAL_PARAMETERS: [&str; 4] =
    ["interval_start", "interval_end", "interval_start_day", "interval_end_day"];

/// The column that tells the day a snapshot looks from.
pub const SNAPSHOT_DAY: &str = "as_of";

/// What the name of a snapshot's table ends in where only its latest snapshot is meant.
pub const LATEST: &str = "_latest";

impl Model {
    /// What is read of an input for an interval, by the name the SQL gives it or the node it means.
    #[must_use]
    pub fn window(&self, names: &[&str]) -> Window {
        let inputs = self.timing.as_ref().map(|timing| &timing.inputs);
        let named = inputs.and_then(|inputs| names.iter().find_map(|name| inputs.get(*name)));
        named.map_or_else(Window::default, |window| window.value)
    }

    /// Whether the snapshots of earlier days are kept.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.materialization == Materialization::Snapshot
    }

    /// Whether it is kept interval by interval.
    #[must_use]
    pub const fn is_incremental(&self) -> bool {
        self.incremental.is_some()
    }

    /// The name of the latest snapshot alone; `None` for models that keep none.
    #[must_use]
    pub fn latest(&self) -> Option<NodeName> {
        self.is_snapshot().then(|| NodeName::parse(&format!("{}{LATEST}", self.name)).ok()).flatten()
    }
}

impl Project {
    /// The model whose latest snapshot is called `name`.
    #[must_use]
    pub fn snapshot_of(&self, name: &NodeName) -> Option<&Model> {
        let model = self.models.get(&NodeName::parse(name.as_str().strip_suffix(LATEST)?).ok()?)?;
        model.is_snapshot().then_some(model)
    }
}

/// Who may read a model's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody: it is published.
    Published,
    /// Only models of the same run.
    Internal,
}

/// The parameters every query may use: the built-in ones and the pipeline's variables.
pub type BoundParameters = Parameters;
