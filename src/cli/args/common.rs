//! Flags that several commands share, and what they mean together.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::engine::Values;
use crate::ops;
use crate::project::parse_memory;

/// What is shown while a command works.
#[derive(Debug, Args)]
#[command(next_help_heading = "Display")]
pub(in crate::cli) struct DisplayFlags {
    /// Show no progress, only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(in crate::cli) quiet: bool,
    /// Show the program's steps; $GOODWILL_LOG chooses finer
    #[arg(short, long, global = true)]
    #[expect(clippy::doc_markdown, reason = "a person reads it in `--help`")]
    pub(in crate::cli) verbose: bool,
    /// Never use colour; so does $NO_COLOR
    #[arg(long, global = true)]
    #[expect(clippy::doc_markdown, reason = "a person reads it in `--help`")]
    pub(in crate::cli) no_color: bool,
    /// The form of progress and logs on stderr
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value_t = LogFormat::Text)]
    pub(in crate::cli) log_format: LogFormat,
}

/// The form of progress and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Output {
    /// For people
    Text,
    /// One document for programs
    Json,
}

/// The form of a result, as a flag.
#[derive(Debug, Args)]
pub(in crate::cli) struct OutputFlag {
    /// The form of the result on stdout
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text, help_heading = "Display")]
    pub(in crate::cli) output: Output,
}

/// Which pipeline, over which data, published where.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pipeline")]
pub(in crate::cli) struct PlaceFlags {
    /// The pipeline's name or file; may be left out where there is only one
    #[arg(short, long, value_name = "PIPELINE")]
    pub(in crate::cli) pipeline: Option<String>,
    /// The target, instead of the pipeline's default
    #[arg(short, long, value_name = "TARGET")]
    pub(in crate::cli) target: Option<String>,
    /// Where the sources lie, instead of the pipeline's location
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) sources: Option<String>,
    /// Where tables are published, instead of the target's root
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) root: Option<String>,
}

/// The same, with which values of its variables.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pipeline")]
pub(in crate::cli) struct ProjectFlags {
    #[command(flatten)]
    pub(in crate::cli) place: PlaceFlags,
    /// The value of a variable; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(in crate::cli) vars: Vec<(String, String)>,
}

/// Which models.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Models")]
pub(in crate::cli) struct SelectFlags {
    /// Models to work on: m, +m (and all it needs), m+ (and all that need it), @m, tag:x,
    /// path:sql/value, state:modified+, result:error; may be repeated
    #[arg(short, long, value_name = "SELECTOR")]
    pub(in crate::cli) select: Vec<String>,
    /// Models to leave out, written the same way
    #[arg(long, value_name = "SELECTOR")]
    pub(in crate::cli) exclude: Vec<String>,
}

/// What is looked from, and what is known.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Time")]
pub(in crate::cli) struct TimeFlags {
    /// Look from the start of this day in the pipeline's time zone, or from this instant
    #[arg(long, value_name = "DAY")]
    pub(in crate::cli) as_of: Option<String>,
    /// Use only what was known by this day or instant
    #[arg(long, value_name = "DAY")]
    pub(in crate::cli) known_at: Option<String>,
}

/// How much of the machine may be used.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Resources")]
pub(in crate::cli) struct ResourceFlags {
    /// Streams within a step; the machine's processors if left out
    #[arg(long, value_name = "NUMBER", value_parser = threads)]
    pub(in crate::cli) threads: Option<usize>,
    /// The most memory to use, such as 12GiB; at least 1MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub(in crate::cli) memory_limit: Option<u64>,
}

/// What every command along the walk is asked with.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct WalkFlags {
    #[command(flatten)]
    pub(in crate::cli) project: ProjectFlags,
    #[command(flatten)]
    pub(in crate::cli) select: SelectFlags,
    #[command(flatten)]
    pub(in crate::cli) time: TimeFlags,
    #[command(flatten)]
    pub(in crate::cli) resources: ResourceFlags,
}

/// Whether values of rows are told.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Display")]
pub(in crate::cli) struct ValuesFlag {
    /// Tell values: keys in personal columns that break a rule, and what a model failed on
    #[arg(long)]
    pub(in crate::cli) show_values: bool,
}

impl ValuesFlag {
    /// The flag as `ops` understands it.
    pub(in crate::cli) const fn values(self) -> Values {
        if self.show_values { Values::Shown } else { Values::Hidden }
    }
}

/// The flags as `ops` understands them.
pub(in crate::cli) fn common_of(project: &ProjectFlags) -> ops::Common {
    ops::Common { vars: project.vars.iter().cloned().collect(), ..project.place.common() }
}

impl PlaceFlags {
    /// The flags as `ops` understands them.
    pub(in crate::cli) fn common(&self) -> ops::Common {
        let place = self.clone();
        ops::Common {
            pipeline: place.pipeline,
            target: place.target,
            sources: place.sources,
            root: place.root,
            ..ops::Common::default()
        }
    }
}

impl SelectFlags {
    /// Adds what the flags say.
    pub(in crate::cli) fn onto(&self, common: ops::Common) -> ops::Common {
        ops::Common { select: self.select.clone(), exclude: self.exclude.clone(), ..common }
    }
}

impl TimeFlags {
    /// Adds what the flags say.
    pub(in crate::cli) fn onto(&self, common: ops::Common) -> ops::Common {
        ops::Common { as_of: self.as_of.clone(), known_at: self.known_at.clone(), ..common }
    }
}

impl ResourceFlags {
    /// Adds what the flags say.
    pub(in crate::cli) fn onto(&self, common: ops::Common) -> ops::Common {
        ops::Common { threads: self.threads, memory_limit: self.memory_limit, ..common }
    }
}

impl WalkFlags {
    /// The flags as `ops` understands them.
    pub(in crate::cli) fn common(&self) -> ops::Common {
        let common = self.select.onto(common_of(&self.project));
        self.resources.onto(self.time.onto(common))
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = split.ok_or("write NAME=VALUE, such as churn_after_days=60")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse::<usize>().ok().filter(|threads| (1..=1024).contains(threads));
    threads.ok_or_else(|| "write a number from 1 to 1024".to_owned())
}

/// Reads a time such as `90s`, `30m`, `2h`; a bare number is seconds.
pub(super) fn time_span(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor = match unit {
        "" | "s" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(factor).and_then(|(n, factor)| n.checked_mul(factor));
    let seconds = seconds.filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| "write a time such as 90s, 30m or 2h".to_owned())
}
