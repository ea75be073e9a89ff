//! What `backfill` is asked with.

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::common::{OutputFlag, ProjectFlags, ResourceFlags, SelectFlags, ValuesFlag};
use super::{LockFlag, common_of};
use crate::ops;
use crate::plan::Refresh;

/// Publish the snapshots and intervals of days gone by
///
/// A snapshot of each day is published as a version of its own, or all with `--one-version`; the intervals
/// that have some of that time, whole, as one version. What each snapshot needs is computed as of its day.
/// Tables that keep neither stay as they are. Days that are up to date are passed over: the same command
/// goes on where one was stopped. Days that a table would not keep beside its newest are left out of it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill backfill -s value_tiers --from 2025-01-01 --to 2026-01-01 --every month\n  goodwill backfill -s rfm -s dormancy --from 2025-12-01 --to 2026-01-01"
)]
pub(in crate::cli) struct BackfillArgs {
    #[command(flatten)]
    pub(in crate::cli) project: ProjectFlags,
    #[command(flatten)]
    pub(in crate::cli) select: SelectFlags,
    /// The first day
    #[arg(long, value_name = "DAY", help_heading = "Time")]
    pub(in crate::cli) from: Date,
    /// The first day after the last
    #[arg(long, value_name = "DAY", help_heading = "Time")]
    pub(in crate::cli) to: Date,
    /// How far the days are apart
    #[arg(long, value_enum, value_name = "STEP", default_value_t = Step::Day, help_heading = "Time")]
    pub(in crate::cli) every: Step,
    /// Publish all days as one version, or none of them
    #[arg(long, help_heading = "Run")]
    pub(in crate::cli) one_version: bool,
    /// Use only what was known by this day or instant
    #[arg(long, value_name = "DAY", help_heading = "Time")]
    pub(in crate::cli) known_at: Option<String>,
    /// Build again the snapshots that are published and unchanged
    #[arg(short = 'f', long, help_heading = "Run")]
    pub(in crate::cli) full_refresh: bool,
    /// Stop after this time, such as 90s, 30m or 2h, with code 75
    #[arg(long, value_name = "TIME", value_parser = super::common::time_span, help_heading = "Run")]
    pub(in crate::cli) timeout: Option<std::time::Duration>,
    #[command(flatten)]
    pub(in crate::cli) lock: LockFlag,
    #[command(flatten)]
    pub(in crate::cli) resources: ResourceFlags,
    #[command(flatten)]
    pub(in crate::cli) values: ValuesFlag,
    #[command(flatten)]
    pub(in crate::cli) output: OutputFlag,
}

/// How far the days of a backfill are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Step {
    /// Each day
    Day,
    /// The same day of each week
    Week,
    /// The same day of each month, or its last one
    Month,
}

impl BackfillArgs {
    /// The flags as `ops` understands them.
    pub(in crate::cli) fn common(&self) -> ops::Common {
        let common = self.resources.onto(self.select.onto(common_of(&self.project)));
        let common = self.lock.onto(common);
        ops::Common {
            known_at: self.known_at.clone(),
            refresh: if self.full_refresh { Refresh::Full } else { Refresh::Needed },
            values: self.values.values(),
            ..common
        }
    }

    /// The days as `ops` understands them.
    pub(in crate::cli) const fn request(&self) -> ops::BackfillRequest {
        let every = match self.every {
            Step::Day => ops::Every::Day,
            Step::Week => ops::Every::Week,
            Step::Month => ops::Every::Month,
        };
        let versions = if self.one_version { ops::Versions::One } else { ops::Versions::EachDay };
        ops::BackfillRequest { from: self.from, to: self.to, every, versions }
    }

    /// The flags as a person would type them again.
    pub(in crate::cli) fn typed(&self) -> String {
        let every = match self.every {
            Step::Day => "",
            Step::Week => " --every week",
            Step::Month => " --every month",
        };
        let known = self.known_at.as_ref().map_or_else(String::new, |day| format!(" --known-at {day}"));
        let one = if self.one_version { " --one-version" } else { "" };
        let days = format!(" --from {} --to {}{every}{one}{known}", self.from, self.to);
        [
            self.project.place.typed(),
            self.project.typed_variables(),
            self.select.typed(),
            days,
            self.resources.typed(),
        ]
        .concat()
    }
}
