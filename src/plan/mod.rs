//! What has to run, and why: decided once, shown and done from the same value.
//!
//! **Invariant:** deciding is pure. The world was pinned before; the same project, state and
//! request give the same plan, byte for byte. Nobody re-decides anything while the plan runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::Typed;
use crate::graph::Graph;
use crate::ident::{NodeName, PipelineName};
use crate::interval::{self, Instant, Interval};
use crate::lake::Slice;
use crate::query::Parameters;

mod analyze;
mod build;
mod explain;
mod fingerprint;
mod history;
mod intervals;
mod ledger;
mod left_out;
mod outcome;
mod refused;
mod saved;
mod stale;

pub use crate::lake::MadeFrom;
pub use analyze::{analyze, input_schemas, relation, retype, source_relation};
pub use build::{build, modified};
pub use explain::explain;
pub use fingerprint::{fingerprint_of_parts, sha256_hex};
pub use outcome::{
    AuditResult, Ending, Event, Observer, Outcome, Phase, RuleResult, SourceResult, SourceStatus, StepResult,
    StepStatus, TotalResult,
};
pub use saved::{Asked, MadeIn, Saved, asked_of, document, intended};

/// A graph whose every query was found sound and typed.
#[derive(Debug, Clone)]
pub struct TypedGraph {
    /// The graph.
    pub graph: Graph,
    /// The values of all parameters.
    pub parameters: Parameters,
    /// What the queries look from.
    pub as_of: Instant,
    /// What they know.
    pub known_at: Instant,
    models: BTreeMap<NodeName, TypedModel>,
}

/// A model's queries, typed.
#[derive(Debug, Clone)]
pub struct TypedModel {
    /// The SELECT, ending in casts to the contract.
    pub query: Arc<Typed>,
    /// The queries of its audits, in the audits' order; none for rules checked while writing.
    pub audits: Vec<Option<Arc<Typed>>>,
}

impl TypedGraph {
    /// The typed queries of `model`.
    #[must_use]
    pub fn model(&self, model: &NodeName) -> Option<&TypedModel> {
        self.models.get(model)
    }
}

/// What a person asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Which models.
    pub selection: crate::graph::Selection,
    /// Whether what is published already is built again.
    pub refresh: Refresh,
    /// What the tables are built for.
    pub purpose: Purpose,
    /// Models that failed in the last run, for `result:error`.
    pub failed: BTreeSet<NodeName>,
    /// The time whose intervals a backfill builds; without it a backfill is of snapshots.
    pub span: Option<Interval>,
    /// The last day of a backfill of snapshots: those that would not be kept beside it are not built.
    pub newest: Option<Instant>,
}

/// Whether what is published and unchanged is built again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// Only what is missing or changed.
    #[default]
    Needed,
    /// Everything selected.
    Full,
}

/// What tables are built for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To be what is looked at now.
    #[default]
    Run,
    /// To be what would have been looked at on another day: snapshots of that day alone are
    /// published, all else is computed on the way.
    Backfill,
}

/// The format of plans this program writes, and the newest it reads.
const FORMAT: u32 = 1;

/// What will run, in this order, and what will not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The format of this document: 1.
    pub format: u32,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// What the tables are built for.
    pub purpose: Purpose,
    /// What the run looks from.
    pub as_of: Instant,
    /// The zone its days are cut in.
    pub time_zone: String,
    /// What the run knows.
    pub known_at: Instant,
    /// The last commit the plan was made against.
    pub parent: Option<u64>,
    /// The fingerprint of the project's files.
    pub project_fingerprint: String,
    /// The fingerprint of the parameters' values.
    pub parameters_fingerprint: String,
    /// What is computed, inputs first.
    pub steps: Vec<Step>,
    /// Rules checked again although their own model is not computed: another side changed.
    pub rechecks: Vec<Recheck>,
    /// Published models that are not computed, and why.
    pub skipped: Vec<Skipped>,
    /// Tables asked for whose snapshot of this day would not be kept beside the newest one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_kept: Vec<NodeName>,
    /// The sources taken in against their contracts, those that others refer to first.
    pub intakes: Vec<Intake>,
    /// Optional sources that are absent: empty tables.
    pub absent: Vec<NodeName>,
    /// Models that cannot be computed for want of such a source.
    pub left_out: Vec<LeftOut>,
    /// Rules that cannot be checked, since they read a model that is left out.
    pub unchecked: Vec<Recheck>,
}

impl Plan {
    /// What the run looks from, as people of its zone say it.
    #[must_use]
    pub fn looks_from(&self) -> String {
        interval::spoken(self.as_of, &self.time_zone)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step that computes `model`.
    #[must_use]
    pub fn step(&self, model: &NodeName) -> Option<&Step> {
        self.steps.iter().find(|step| step.model == *model)
    }
}

/// One model to compute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The model.
    pub model: NodeName,
    /// Whether it is published or kept for the run only.
    pub kind: StepKind,
    /// The day whose snapshot it is, for tables that keep one a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Instant>,
    /// The days before it that have no snapshot, of a table that had one each day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Interval>,
    /// The intervals to compute, in order, for tables that are kept by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Vec<IntervalStep>>,
    /// Why it is computed.
    pub reason: Reason,
    /// The fingerprint of all it is made from.
    pub fingerprint: String,
    /// What it is made from, piece by piece.
    pub made_from: MadeFrom,
    /// What it reads directly.
    pub inputs: Vec<String>,
    /// Rows of the sources it reads directly, from their footers.
    pub source_rows: u64,
    /// Bytes of the sources it reads directly.
    pub source_bytes: u64,
    /// How much memory it is expected to want.
    pub memory: MemoryClass,
}

/// One interval to compute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntervalStep {
    /// Its rows' times.
    #[serde(flatten)]
    pub interval: Interval,
    /// Why it is computed.
    pub reason: Reason,
    /// The files that came, were replaced or are gone since it was built, as far as that is the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The fingerprint of all it is made from.
    pub fingerprint: String,
    /// What it is made from, piece by piece.
    pub made_from: MadeFrom,
    /// The files of each source that make its rows, by their marks.
    pub read: BTreeMap<NodeName, Vec<String>>,
}

impl IntervalStep {
    /// Which rows of the table they are.
    #[must_use]
    pub const fn slice(&self) -> Slice {
        Slice::Interval { start: self.interval.start, end: self.interval.end }
    }
}

/// Whether a step's result is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Written as the table's next state.
    Publish,
    /// Computed once and kept for the steps that read it.
    Intermediate,
}

/// How much memory a step is expected to want, from its inputs' size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryClass {
    /// Less than 256 MB of inputs.
    Small,
    /// Less than 2 GB.
    Medium,
    /// More.
    Large,
}

/// Why a model is computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// It was never published.
    Missing,
    /// Its snapshot of the day looked from was never published; those of other days were.
    MissingSnapshot,
    /// Intervals of it were never published; others were.
    MissingIntervals {
        /// How many.
        count: usize,
    },
    /// The day looked from moved, and the interval had not settled.
    StillOpen,
    /// Its SQL, contract or audits changed, or the program did.
    DefinitionChanged,
    /// A parameter it uses has another value.
    ParametersChanged {
        /// Those that may have: of several, at least one has.
        names: Vec<String>,
        /// What the last version looked from, if nothing else changed than that.
        #[serde(skip_serializing_if = "Option::is_none")]
        looked_from: Option<Instant>,
    },
    /// What it reads is not what it was made from.
    InputAdvanced {
        /// The inputs that changed.
        inputs: Vec<String>,
    },
    /// Asked for, although nothing changed.
    Requested,
    /// A table that is computed reads it.
    NeededBy {
        /// The tables.
        models: Vec<NodeName>,
    },
}

/// A rule to check although its own model is not computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recheck {
    /// The model.
    pub model: NodeName,
    /// The position of the rule among the model's audits.
    pub audit: usize,
}

/// A source to part into accepted and rejected rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Intake {
    /// The source.
    pub source: NodeName,
    /// Rows of its files, from their footers.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// How many rules its contract has.
    pub rules: usize,
}

/// A model that is left out for want of optional sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The model.
    pub model: NodeName,
    /// The sources it needs, itself or through what it reads.
    pub sources: Vec<NodeName>,
}

/// A published model that is not computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The model.
    pub model: NodeName,
    /// Why not.
    pub why: WhySkipped,
}

/// Why a published model is not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhySkipped {
    /// What is published was made from just this.
    UpToDate,
    /// It was not selected; what is published is not what this project and these inputs give.
    BehindAndNotSelected,
    /// It was not selected, and was never published.
    MissingAndNotSelected,
}
