//! Flags of the commands that compute and publish.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::common::{OutputFlag, PlaceFlags, ResourceFlags, ValuesFlag, WalkFlags, time_span};
use crate::ops::{Common, OnFailure, Publication};
use crate::plan::Refresh;

/// Compute what is missing or changed, check it, and publish it as one version
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill run\n  goodwill run -p complete_journey --sources ./complete_journey\n  goodwill run -s +rfm --as-of 2025-07-01\n  goodwill run --vars value_measure=net_sales --no-publish"
)]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    pub(in crate::cli) walk: WalkFlags,
    /// Build again what is published and unchanged
    #[arg(short = 'f', long, help_heading = "Run")]
    pub(in crate::cli) full_refresh: bool,
    #[command(flatten)]
    pub(in crate::cli) conduct: ConductFlags,
    /// End with code 99 instead of 0 when there is nothing to do
    #[arg(long, help_heading = "Run")]
    pub(in crate::cli) skip_exit_code: bool,
    #[command(flatten)]
    pub(in crate::cli) values: ValuesFlag,
    #[command(flatten)]
    pub(in crate::cli) output: OutputFlag,
}

/// Do exactly what a saved plan says, or nothing
///
/// The file is what `goodwill plan -o` wrote. It says what is computed and as of when; if a file of
/// the project, a source, the last version or the program is not as it was then, nothing is done and
/// the code is 2. Say again where things lie: -p, -t, --sources, --root.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill plan -t prod -o plan.json     look at it, let others look at it\n  goodwill apply plan.json -t prod"
)]
pub(in crate::cli) struct ApplyArgs {
    /// The file that `goodwill plan -o` wrote
    #[arg(value_name = "PLAN")]
    pub(in crate::cli) plan: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) place: PlaceFlags,
    #[command(flatten)]
    pub(in crate::cli) resources: ResourceFlags,
    #[command(flatten)]
    pub(in crate::cli) conduct: ConductFlags,
    /// End with code 99 instead of 0 when there is nothing to do
    #[arg(long, help_heading = "Run")]
    pub(in crate::cli) skip_exit_code: bool,
    #[command(flatten)]
    pub(in crate::cli) values: ValuesFlag,
    #[command(flatten)]
    pub(in crate::cli) output: OutputFlag,
}

/// Go on with a run that was killed, stopped or failed
///
/// What it was asked holds: its day, its variables, its selection. Tables it has finished are read
/// through and used, the rest is computed. Say again where things lie: -p, -t, --sources, --root.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill resume\n  goodwill resume 20260101t101500-1a2b3c4d -t prod --memory-limit 24GiB"
)]
pub(in crate::cli) struct ResumeArgs {
    /// The run, as its receipt and `goodwill recover` name it; the one that began last if left out
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(in crate::cli) run: String,
    #[command(flatten)]
    pub(in crate::cli) place: PlaceFlags,
    #[command(flatten)]
    pub(in crate::cli) resources: ResourceFlags,
    #[command(flatten)]
    pub(in crate::cli) conduct: ConductFlags,
    #[command(flatten)]
    pub(in crate::cli) values: ValuesFlag,
    #[command(flatten)]
    pub(in crate::cli) output: OutputFlag,
}

/// How a run goes about it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(in crate::cli) struct ConductFlags {
    /// Start no further model after the first failure
    #[arg(long)]
    pub(in crate::cli) fail_fast: bool,
    /// Compute and check, but leave what is published as it is
    #[arg(long)]
    pub(in crate::cli) no_publish: bool,
    /// Stop after this time, such as 90s, 30m or 2h, with code 75
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    pub(in crate::cli) timeout: Option<Duration>,
    #[command(flatten)]
    pub(in crate::cli) lock: LockFlag,
}

/// How long another run is waited for.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Run")]
pub(in crate::cli) struct LockFlag {
    /// Wait as long as this for another run of the pipeline, instead of ending at once with code 75
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    pub(in crate::cli) lock_wait: Option<Duration>,
}

impl LockFlag {
    /// Adds what the flag says.
    pub(in crate::cli) fn onto(self, common: Common) -> Common {
        Common { lock_wait: self.lock_wait.unwrap_or_default(), ..common }
    }
}

impl ConductFlags {
    fn onto(&self, common: Common) -> Common {
        Common {
            on_failure: if self.fail_fast { OnFailure::Stop } else { OnFailure::GoOn },
            publication: if self.no_publish { Publication::StageOnly } else { Publication::Publish },
            ..self.lock.onto(common)
        }
    }
}

impl RunArgs {
    /// The flags as `ops` understands them.
    pub(in crate::cli) fn common(&self) -> Common {
        Common {
            refresh: if self.full_refresh { Refresh::Full } else { Refresh::Needed },
            values: self.values.values(),
            ..self.conduct.onto(self.walk.common())
        }
    }
}

impl ResumeArgs {
    /// The flags as `ops` understands them.
    pub(in crate::cli) fn common(&self) -> Common {
        let common = self.conduct.onto(self.resources.onto(self.place.common()));
        Common { values: self.values.values(), ..common }
    }
}

impl ApplyArgs {
    /// The flags as `ops` understands them.
    pub(in crate::cli) fn common(&self) -> Common {
        let common = self.conduct.onto(self.resources.onto(self.place.common()));
        Common { values: self.values.values(), ..common }
    }
}
