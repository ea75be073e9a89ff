//! Flags of the command that compares published versions.

use clap::Args;

use super::common::{OutputFlag, ProjectFlags, ResourceFlags, SelectFlags};

/// Tell what moved between two published versions: rows, columns, and what tables declare
///
/// Without a version the last one is compared with the one before it, with one version that one with
/// the last. Of personal columns only counts are told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill diff                          what the last run moved\n  goodwill diff 41                       what moved since version 41\n  goodwill diff 41 42 -s value_tiers\n  goodwill diff --staged                 what would move if what is staged were published"
)]
pub(in crate::cli) struct DiffArgs {
    /// The first version, or the run that published it; one before the last if left out
    #[arg(value_name = "A")]
    pub(in crate::cli) before: Option<String>,
    /// The second version, or the run that published it; the last if left out
    #[arg(value_name = "B")]
    pub(in crate::cli) after: Option<String>,
    /// Compare what `run --no-publish`, or a run that failed, has written with the last version; A names
    /// another run than the last
    #[arg(long, conflicts_with = "after")]
    pub(in crate::cli) staged: bool,
    #[command(flatten)]
    pub(in crate::cli) project: ProjectFlags,
    #[command(flatten)]
    pub(in crate::cli) select: SelectFlags,
    #[command(flatten)]
    pub(in crate::cli) resources: ResourceFlags,
    #[command(flatten)]
    pub(in crate::cli) output: OutputFlag,
}
