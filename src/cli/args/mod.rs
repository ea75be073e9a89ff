//! What people type: commands with their flags and help, as typed.
//!
//! **Invariant:** nothing here is looked up or resolved: a text that can be a value of its flag
//! is accepted, whether it names something that exists is the business of `ops`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::civil::Date;

use crate::ops;

mod backfill;
mod common;
mod compare;
mod conduct;
mod keep;
mod typed;

pub(super) use backfill::BackfillArgs;
pub(super) use common::{
    DisplayFlags, LogFormat, Output, OutputFlag, PlaceFlags, ProjectFlags, ResourceFlags, SelectFlags,
    TimeFlags, ValuesFlag, WalkFlags, common_of,
};
pub(super) use compare::DiffArgs;
pub(super) use conduct::{ApplyArgs, ConductFlags, LockFlag, ResumeArgs, RunArgs};
pub(super) use keep::{GcArgs, VerifyArgs};

const ABOUT: &str =
    "The worth of customer relationships, computed: SQL over Parquet, published as one version";

const EXAMPLES: &str = "\
Examples:
  goodwill demo                          a ready project with data in ./goodwill-demo, run once
  goodwill run                           compute what is missing or changed, and publish it
  goodwill show value_tiers              look at a table
  goodwill plan -s +value_tiers          what a run would do, and why

Exit codes: 0 published or nothing to do, 1 a model failed, 2 the project or the request is wrong,
3 an audit or test failed, 4 an input is missing or corrupt, 70 our bug, 75 try again later,
130/143 stopped by a signal.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "goodwill", version, about = ABOUT, after_help = EXAMPLES, bin_name = "goodwill")]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) display: DisplayFlags,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Demo(DemoArgs),
    Init(InitArgs),
    Check(CheckArgs),
    Plan(PlanArgs),
    Freshness(FreshnessArgs),
    #[command(visible_alias = "build")]
    Run(RunArgs),
    Apply(ApplyArgs),
    #[command(visible_alias = "retry")]
    Resume(ResumeArgs),
    Backfill(BackfillArgs),
    Test(TestArgs),
    Show(ShowArgs),
    Ls(LsArgs),
    History(HistoryArgs),
    Receipt(ReceiptArgs),
    Recover(RecoverArgs),
    Rollback(RollbackArgs),
    Diff(DiffArgs),
    Verify(VerifyArgs),
    Gc(GcArgs),
    #[command(subcommand)]
    Schema(SchemaCommand),
    Functions(FunctionsArgs),
    Completions(CompletionsArgs),
}

/// Make a project with data of a company that does not exist, and run it
///
/// The folder is a project as `goodwill init` makes it, with all canonical sources generated
/// under demo/sources and what is true of them under demo/truth. The same flags give the same
/// company.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill demo\n  goodwill demo --scale 0.1 /tmp/shop     100,000 customers\n  goodwill demo --only sources --misspecified /tmp/odd     where BG/NBD is wrong"
)]
pub(super) struct DemoArgs {
    /// The folder to make
    #[arg(value_name = "DIR", default_value = "goodwill-demo")]
    pub(super) folder: PathBuf,
    /// How large the company is: 1 is a million customers and ten million order lines
    #[arg(long, value_name = "NUMBER", default_value_t = 0.01, value_parser = scale, allow_negative_numbers = true)]
    pub(super) scale: f64,
    /// Which of the companies there could be
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub(super) seed: u64,
    /// The day on which its history ends; also what the run looks from
    #[arg(long, value_name = "DAY", default_value = "2026-01-01")]
    pub(super) until: Date,
    /// Break what the methods assume of purchases and spend, to see them fail
    #[arg(long)]
    pub(super) misspecified: bool,
    /// Make the sources and the truth behind them, and run nothing
    #[arg(long, value_name = "WHAT")]
    pub(super) only: Option<DemoPart>,
    #[command(flatten)]
    pub(super) resources: ResourceFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// A part of a demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DemoPart {
    /// The sources, and the truth beside them
    Sources,
}

/// Write a new project: pipelines/ and sql/, yours to change
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill init shop\n  goodwill init shop --from complete_journey     with a script that fetches a real retailer's data"
)]
pub(super) struct InitArgs {
    /// The folder to write to
    #[arg(value_name = "DIR", default_value = ".")]
    pub(super) folder: PathBuf,
    /// The shipped pipeline to start from
    #[arg(long, value_name = "PIPELINE", default_value = "customer_intelligence")]
    pub(super) from: String,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Find mistakes: reads, binds and types everything; touches no data with a schema.lock
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goodwill check\n  goodwill check complete_journey --output json")]
pub(super) struct CheckArgs {
    /// The pipeline, as with --pipeline
    #[arg(value_name = "PIPELINE", conflicts_with = "pipeline")]
    pub(super) name: Option<String>,
    /// Also look at the way to sources and root: may they be listed, read, written? An object is
    /// written to the root and removed
    #[arg(long)]
    pub(super) connect: bool,
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) select: SelectFlags,
    #[command(flatten)]
    pub(super) time: TimeFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Tell how old the newest row of each source is that says how old it may be
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill freshness\n  goodwill freshness --as-of 2025-07-01 --output json"
)]
pub(super) struct FreshnessArgs {
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) time: TimeFlags,
    #[command(flatten)]
    pub(super) resources: ResourceFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

impl FreshnessArgs {
    /// The flags as `ops` understands them.
    pub(super) fn common(&self) -> ops::Common {
        self.resources.onto(self.time.onto(common_of(&self.project)))
    }
}

/// Show what a run would do, and why
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill plan\n  goodwill plan -s tag:value --as-of 2025-07-01\n  goodwill plan -o plan.json     for goodwill apply plan.json"
)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) walk: WalkFlags,
    /// Build again what is published and unchanged
    #[arg(short = 'f', long)]
    pub(super) full_refresh: bool,
    /// Write the plan to a file, as JSON
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Run unit tests of models, and data tests on what is published
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goodwill test --unit\n  goodwill test -s value_tiers")]
pub(super) struct TestArgs {
    /// Only unit tests: rows given and expected in YAML
    #[arg(long, conflicts_with = "data")]
    pub(super) unit: bool,
    /// Only data tests: rules on what is published
    #[arg(long)]
    pub(super) data: bool,
    #[command(flatten)]
    pub(super) walk: WalkFlags,
    #[command(flatten)]
    pub(super) values: ValuesFlag,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Look at a table, a model's draft, or the rows of a query
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill show value_tiers\n  goodwill show \"select tier, count(*) as customers from value_tiers group by tier order by tier\""
)]
pub(super) struct ShowArgs {
    /// A model, or one SELECT over models
    #[arg(value_name = "MODEL|SELECT")]
    pub(super) what: String,
    /// The most rows to show
    #[arg(long, value_name = "ROWS", default_value_t = 20)]
    pub(super) limit: usize,
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) time: TimeFlags,
    #[command(flatten)]
    pub(super) resources: ResourceFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// List the models of a pipeline
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill ls\n  goodwill ls -s +value_tiers --output name\n  goodwill ls -s path:sql/value --output path"
)]
pub(super) struct LsArgs {
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) select: SelectFlags,
    /// How to list them
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Listing::Text)]
    pub(super) output: Listing,
}

/// How `ls` lists models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Listing {
    /// A table
    Text,
    /// One name a line
    Name,
    /// One SQL file a line
    Path,
    /// One document with everything
    Json,
}

/// List the published versions, the newest first
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// The most versions to list
    #[arg(long, value_name = "VERSIONS", default_value_t = 20)]
    pub(super) limit: usize,
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Show what a run read, wrote and checked
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill receipt\n  goodwill receipt 20260101t101500-1a2b3c4d --output json"
)]
pub(super) struct ReceiptArgs {
    /// The run, as `goodwill history` names it
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(super) run: String,
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Finish what a killed run left: Delta logs and views follow the last version
#[derive(Debug, Args)]
pub(super) struct RecoverArgs {
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Publish the tables of an old version again, as a new one
///
/// Nothing is computed or rewritten: the new version names the old files. The next run builds
/// again what the project and its sources say otherwise.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goodwill rollback 41\n  goodwill rollback 20260101t101500-1a2b3c4d --root s3://bucket/goodwill"
)]
pub(super) struct RollbackArgs {
    /// The version, or the run that published it, as `goodwill history` names them
    #[arg(value_name = "VERSION")]
    pub(super) version: String,
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) lock: LockFlag,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Keep the sources' columns in schema.lock, compare them, print JSON Schemas
#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Read the sources' columns and write schema.lock, so that `check` needs no data
    Sync(SchemaArgs),
    /// Compare the sources' columns with schema.lock
    Diff(SchemaArgs),
    /// Print the JSON Schema of a kind of file, for editors
    Print(SchemaPrintArgs),
}

/// What `schema sync` and `schema diff` are asked with.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    #[command(flatten)]
    pub(super) project: ProjectFlags,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// What `schema print` is asked with.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  goodwill schema print pipeline > pipeline.schema.json")]
pub(super) struct SchemaPrintArgs {
    /// The kind of file
    #[arg(value_enum, value_name = "FILE")]
    pub(super) kind: FileKind,
}

/// The kinds of files people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FileKind {
    /// pipelines/*.yml
    Pipeline,
    /// sql/**/*.yml
    Models,
}

/// List the functions SQL may call, or explain one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goodwill functions\n  goodwill functions local_date")]
pub(super) struct FunctionsArgs {
    /// The function to explain
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputFlag,
}

/// Print a script that completes commands in a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  goodwill completions bash > ~/.local/share/bash-completion/completions/goodwill"
)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(super) shell: Shell,
}

impl Command {
    /// The form its result is wanted in.
    pub(super) const fn output(&self) -> Output {
        match self {
            Self::Demo(DemoArgs { output, .. })
            | Self::Init(InitArgs { output, .. })
            | Self::Check(CheckArgs { output, .. })
            | Self::Plan(PlanArgs { output, .. })
            | Self::Freshness(FreshnessArgs { output, .. })
            | Self::Run(RunArgs { output, .. })
            | Self::Apply(ApplyArgs { output, .. })
            | Self::Resume(ResumeArgs { output, .. })
            | Self::Backfill(BackfillArgs { output, .. })
            | Self::Test(TestArgs { output, .. })
            | Self::Show(ShowArgs { output, .. })
            | Self::History(HistoryArgs { output, .. })
            | Self::Receipt(ReceiptArgs { output, .. })
            | Self::Recover(RecoverArgs { output, .. })
            | Self::Rollback(RollbackArgs { output, .. })
            | Self::Diff(DiffArgs { output, .. })
            | Self::Verify(VerifyArgs { output, .. })
            | Self::Gc(GcArgs { output, .. })
            | Self::Schema(
                SchemaCommand::Sync(SchemaArgs { output, .. })
                | SchemaCommand::Diff(SchemaArgs { output, .. }),
            )
            | Self::Functions(FunctionsArgs { output, .. }) => output.output,
            Self::Ls(LsArgs { output: Listing::Json, .. }) => Output::Json,
            Self::Ls(_) | Self::Schema(SchemaCommand::Print(_)) | Self::Completions(_) => Output::Text,
        }
    }
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.parse::<f64>().ok().filter(|scale| scale.is_finite() && *scale > 0.0);
    scale.ok_or_else(|| "write a number above 0, such as 0.01".to_owned())
}

#[cfg(test)]
mod tests;
