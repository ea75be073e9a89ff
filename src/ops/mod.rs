//! One function a verb: what the command line, and any other caller, can ask for.
//!
//! **Invariant:** nothing here prints, reads a clock or the environment: the caller's
//! [`Surroundings`] bring them. Every verb is a prefix of one walk, so `plan` cannot lie about
//! `run`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Values;
use crate::interval::{Instant, Interval};
use crate::lake::Holder;
use crate::plan::{Asked, Observer, Purpose, Refresh};
use crate::store::Access;

mod apply;
mod backfill;
mod check;
mod connect;
mod context;
mod demo;
mod diff;
mod error;
mod facts;
mod files;
mod freshness;
mod gc;
mod history;
mod init;
mod lease;
mod lock;
mod ls;
mod plan;
mod rebuild;
mod reference;
mod resume;
mod rollback;
mod run;
mod scratch;
mod show;
mod stop;
mod test;
mod verify;

pub use apply::apply;
pub use backfill::{BackfillRequest, Backfilled, Every, NotKept, Versions, backfill};
pub use check::{Checked, SchemaOrigin, check};
pub use connect::{Connection, connect};
pub use demo::{Demo, DemoEnd, DemoRequest, Extent, Headlines, Made, OnProgress, SourceSize, TierSize, demo};
pub use diff::{
    Change, Compared, ContractChange, DayMove, Diff, DiffRequest, Flow, Flows, GrainChange, KeyCounts, Keys,
    Movement, Retyped, RowsMoved, Since, Stand, TableChange, TableDiff, Told, TotalMove, diff,
};
pub use error::Error;
pub use freshness::{Freshness, freshness, spelled};
pub use gc::{Gc, GcMode, GcRequest, gc};
pub use history::{Files, History, Version, history, receipt, recover};
pub use init::{DEFAULT_PIPELINE, InitRequest, Initialized, init};
pub use lock::{SchemaChange, schema_diff, schema_sync};
pub use ls::{Listed, ls};
pub use plan::{Planned, plan};
pub use rebuild::{Days, RebuildRequest, Rebuilt, RebuiltPart, Verdict, WhyNot, rebuild};
pub use reference::{FileKind, functions, schema_print};
pub use resume::resume;
pub use rollback::{Restored, RolledBack, rollback};
pub use run::{Ran, run};
pub use show::{More, ShowRequest, Shown, show};
pub use test::{TestKind, TestReport, TestResult, broken_audit, refused_source, test};
pub use verify::{Verified, VerifyRequest, verify};

/// What a verb needs of the world outside: the caller brings it.
#[derive(Clone)]
pub struct Surroundings {
    /// The project's folder.
    pub folder: PathBuf,
    /// The environment's variables.
    pub environment: BTreeMap<String, String>,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// A fresh word of letters and digits, never given twice: names runs and attempts.
    pub fresh_word: Arc<dyn Fn() -> String + Send + Sync>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Becomes true when the run must stop.
    pub stop: tokio::sync::watch::Receiver<bool>,
    /// This process, for others that would do the same work.
    pub holder: Holder,
    /// Whether a process is one of this machine that has ended; `false` for whatever nobody knows here.
    pub gone: Arc<dyn Fn(&Holder) -> bool + Send + Sync>,
    /// How much memory the machine or its cgroup has, in bytes.
    pub machine_memory: u64,
    /// How many processors there are.
    pub machine_threads: usize,
}

impl Surroundings {
    /// What the environment grants to stores.
    ///
    /// # Errors
    ///
    /// Returns a finding if a variable of ours cannot be understood.
    pub fn access(&self) -> Result<Access, Error> {
        Ok(Access::of(&self.environment)?)
    }
}

/// What most verbs are asked with: the common flags.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// The pipeline's name or file.
    pub pipeline: Option<String>,
    /// Entries of `--select`.
    pub select: Vec<String>,
    /// Entries of `--exclude`.
    pub exclude: Vec<String>,
    /// The target.
    pub target: Option<String>,
    /// Where sources lie, instead of the pipeline's location.
    pub sources: Option<String>,
    /// Where tables are published, instead of the target's root.
    pub root: Option<String>,
    /// Values of variables, over their defaults.
    pub vars: BTreeMap<String, String>,
    /// The day or instant looked from.
    pub as_of: Option<String>,
    /// What is known: a day or instant.
    pub known_at: Option<String>,
    /// What a saved plan looks from and knows, whatever was typed then and day it is now.
    pub saved_times: Option<(Instant, Instant)>,
    /// Whether unchanged tables are built again.
    pub refresh: Refresh,
    /// What tables are built for.
    pub purpose: Purpose,
    /// The time whose intervals a backfill builds.
    pub span: Option<Interval>,
    /// Streams within a step.
    pub threads: Option<usize>,
    /// The most memory to use, in bytes.
    pub memory_limit: Option<u64>,
    /// What happens after a first failure.
    pub on_failure: OnFailure,
    /// Whether results become visible.
    pub publication: Publication,
    /// Whether findings may tell values of rows.
    pub values: Values,
    /// How long another run's lease is waited for.
    pub lock_wait: Duration,
    /// Whether a run that published looks at what it moved.
    pub comparison: Comparison,
}

impl Common {
    /// The same where things lie and how to run, and what was asked for another time, looking from
    /// then.
    fn as_asked(&self, asked: Asked, times: (Instant, Instant)) -> Self {
        Self {
            pipeline: self.pipeline.clone().or(asked.pipeline),
            select: asked.select,
            exclude: asked.exclude,
            refresh: asked.refresh,
            as_of: asked.as_of,
            known_at: asked.known_at,
            vars: asked.vars,
            span: asked.span,
            saved_times: Some(times),
            ..self.clone()
        }
    }
}

/// Whether a run that published looks at what it moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Comparison {
    /// Nobody would be told.
    #[default]
    None,
    /// It compares the tables it built with the version before.
    WithParent,
}

/// What happens to other steps when one fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Steps that do not need the failed one go on, so that all failures are told.
    #[default]
    GoOn,
    /// No further step is started.
    Stop,
}

/// Whether results become visible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Publication {
    /// They do, if every audit holds.
    #[default]
    Publish,
    /// They are computed, checked and kept in the root, unseen.
    StageOnly,
}
