//! What became of a plan: `run` returns it, `report` and `cli` read it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Plan, StepKind};
use crate::diagnostic::Diagnostic;
use crate::ident::{AttemptId, NodeName};
use crate::interval::Instant;

/// What happens while a plan runs, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part of the run begins.
    Phase(Phase),
    /// It is known how many models are computed.
    Planned {
        /// How many.
        steps: usize,
    },
    /// A model's computation begins.
    StepStarted {
        /// The model.
        model: NodeName,
        /// Whether it is published or kept for the run only.
        kind: StepKind,
    },
    /// Rows were written.
    StepProgress {
        /// The model.
        model: NodeName,
        /// Rows so far.
        rows: u64,
    },
    /// A model was computed.
    StepFinished(StepResult),
    /// A source was taken in.
    SourceFinished(SourceResult),
    /// A rule was checked.
    AuditFinished(AuditResult),
    /// Something was recovered or done differently, for a person to know.
    Note {
        /// One sentence.
        text: String,
    },
}

/// The parts of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Finishing what an earlier run left.
    Recover,
    /// Computing tables.
    Write,
    /// Checking rules that need several tables.
    Audit,
    /// Making the results visible.
    Publish,
}

/// Watches a run.
pub trait Observer: Send + Sync {
    /// Is told what happens; must not block.
    fn notice(&self, event: Event);
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Computed, and its own rules hold.
    Success,
    /// It could not be computed.
    Error,
    /// Rows break one of its rules.
    AuditFailed,
    /// Computed before the run was broken off, and as it was written.
    Reused,
    /// Not started, since an input failed or the run was stopped.
    Skipped,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepResult {
    /// The model.
    pub model: NodeName,
    /// Whether it is published or kept for the run only.
    pub kind: StepKind,
    /// How it ended.
    pub status: StepStatus,
    /// Rows of the result.
    pub rows: u64,
    /// Bytes of the files written; 0 for results kept in memory.
    pub bytes: u64,
    /// Files written.
    pub files: usize,
    /// When it began.
    pub started_at: Instant,
    /// When it ended.
    pub finished_at: Instant,
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditResult {
    /// The model the rule belongs to.
    pub model: NodeName,
    /// The rule, such as `not_null customer_id`.
    pub audit: String,
    /// Rows that break it.
    pub broken: u64,
    /// Some of these rows, such as `customer_id = 42`; personal data is left out.
    pub examples: Vec<String>,
    /// What to do, if the rule is one that the program made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What became of a source with a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceResult {
    /// The source.
    pub source: NodeName,
    /// How it is to be taken.
    pub status: SourceStatus,
    /// Rows from before `as_of`, known by `known_at`.
    pub rows: u64,
    /// Those among them that broke a rule.
    pub rejected: u64,
    /// The largest share of rejected rows with which a run publishes.
    pub max_rejected: String,
    /// Whether it tells no history.
    pub undated: bool,
    /// What became of each rule.
    pub rules: Vec<RuleResult>,
    /// Sums over all rows and over both parts of them.
    pub totals: Vec<TotalResult>,
}

/// How a source is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// Every row keeps every rule.
    Ok,
    /// Some rows break a rule and are left out.
    Rejected,
    /// So many that nothing is published.
    TooManyRejected,
    /// It has no row to be seen.
    Empty,
    /// It is optional and has no files.
    Absent,
}

/// What became of a rule of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    /// The rule, such as `missing_key`.
    pub rule: String,
    /// Its column; empty for the key as a whole.
    pub column: String,
    /// Rows that broke it; none if it could not be checked.
    pub failed: Option<u64>,
}

/// A sum over a source's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TotalResult {
    /// The column.
    pub column: String,
    /// Over all rows.
    pub raw: String,
    /// Over those that models read.
    pub accepted: String,
    /// Over the others.
    pub rejected: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Ending {
    /// A new version of the tables is visible.
    Published {
        /// The version.
        version: u64,
    },
    /// Everything asked for was published already.
    NothingToDo {
        /// The last version, if anything was ever published.
        version: Option<u64>,
    },
    /// Everything was computed and checked, and kept unpublished as asked.
    Staged,
    /// Rules were broken; nothing was published, the staged files are kept.
    AuditsFailed,
    /// A model failed; nothing was published.
    Failed,
    /// The run was stopped by a signal; nothing was published.
    Stopped,
}

/// What became of a plan.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The run, one name for all its attempts.
    pub run_id: String,
    /// The attempt that ended so.
    pub attempt: AttemptId,
    /// The plan.
    pub plan: Plan,
    /// How it ended.
    pub ending: Ending,
    /// What became of each step, in the order they ended.
    pub steps: Vec<StepResult>,
    /// What was told of the sources before anything was read.
    pub warnings: Vec<Diagnostic>,
    /// What became of each source with a contract that was taken in.
    pub sources: Vec<SourceResult>,
    /// What became of each rule.
    pub audits: Vec<AuditResult>,
    /// Why models failed.
    pub failures: Vec<Diagnostic>,
    /// How often the files of each input were read.
    pub scans: BTreeMap<String, u64>,
    /// When the run began.
    pub started_at: Instant,
    /// When it ended.
    pub finished_at: Instant,
}

impl Outcome {
    /// The sources so many of whose rows break their contract that nothing is published.
    pub fn refused_sources(&self) -> impl Iterator<Item = &SourceResult> {
        self.sources.iter().filter(|source| source.status == SourceStatus::TooManyRejected)
    }

    /// The rules that rows break.
    pub fn broken_audits(&self) -> impl Iterator<Item = &AuditResult> {
        self.audits.iter().filter(|audit| audit.broken > 0)
    }
}
