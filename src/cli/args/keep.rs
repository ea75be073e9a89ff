//! Flags of the commands that keep a published root in order.

use clap::Args;

use super::common::{OutputFlag, ProjectFlags, ResourceFlags};
use crate::lake::Retention;

/// Remove what no kept version needs, and what dead runs left; a dry run unless told
///
/// Superseded files go once they are older than --keep-days and in none of the last
/// --keep-versions versions. Files of a run that published nothing go when nothing was heard of
/// it for 48 hours, or for twice the longest run. What nobody knows stays, and is told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill gc             what would go, and why\n  goodwill gc --apply     remove it\n  goodwill gc --apply --keep-versions 30 --keep-days 90"
)]
pub(in crate::cli) struct GcArgs {
    /// Remove, instead of telling what would be removed
    #[arg(long)]
    pub(in crate::cli) apply: bool,
    /// How many of the last versions keep all their files; at least 3
    #[arg(long, value_name = "VERSIONS", default_value_t = Retention::LEAST.versions(), value_parser = clap::value_parser!(u64).range(Retention::LEAST.versions()..))]
    pub(in crate::cli) keep_versions: u64,
    /// How many days superseded files stay; at least 7
    #[arg(long, value_name = "DAYS", default_value_t = Retention::LEAST.days(), value_parser = clap::value_parser!(u64).range(Retention::LEAST.days()..))]
    pub(in crate::cli) keep_days: u64,
    #[command(flatten)]
    pub(in crate::cli) project: ProjectFlags,
    #[command(flatten)]
    pub(in crate::cli) output: OutputFlag,
}

/// Prove that the published files are what was published: sizes, hashes, rows, logs, views
///
/// Reads every file of the version once. Ends with code 4 and the name of each file that differs. With
/// --rebuild its tables are also built again, from the project and the sources as they are and as of the
/// version's own day, and compared byte for byte; nothing is published. Tables that are made from something
/// else now cannot be compared: each is told with the reason, and the code is 2.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill verify                                the last version\n  goodwill verify 41\n  goodwill verify 20260101t101500-1a2b3c4d       the version that run published\n  goodwill verify --all\n  goodwill verify --rebuild                      build the last version again, and compare\n  goodwill verify --rebuild 41 --every-day"
)]
pub(in crate::cli) struct VerifyArgs {
    /// The run or version, as `goodwill history` names it; the last one if left out
    #[arg(value_name = "RUN", conflicts_with = "all")]
    pub(in crate::cli) run: Option<String>,
    /// Every version whose files are kept
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Build the version's tables again too, publish nothing, and compare their bytes; variables are
    /// those of its runs
    #[arg(long, conflicts_with_all = ["all", "vars"])]
    pub(in crate::cli) rebuild: bool,
    /// With --rebuild: snapshots of all days, instead of the version's own
    #[arg(long, requires = "rebuild")]
    pub(in crate::cli) every_day: bool,
    #[command(flatten)]
    pub(in crate::cli) project: ProjectFlags,
    #[command(flatten)]
    pub(in crate::cli) resources: ResourceFlags,
    #[command(flatten)]
    pub(in crate::cli) output: OutputFlag,
}
