//! One short function a command: flags in, a question to `ops`, the answer told.

use super::args::{
    ApplyArgs, BackfillArgs, CheckArgs, CompletionsArgs, DemoArgs, DiffArgs, FileKind, FreshnessArgs,
    FunctionsArgs, GcArgs, HistoryArgs, InitArgs, Listing, LsArgs, Output, PlanArgs, ReceiptArgs,
    RecoverArgs, ResumeArgs, RollbackArgs, RunArgs, SchemaArgs, SchemaCommand, ShowArgs, TestArgs,
    VerifyArgs, common_of,
};
use super::exit::{self, Exit, WhenIdle};
use super::{Session, ops, render, tables, tell, words};

mod backfill;
mod connect;
mod demo;
mod diff;
mod freshness;
mod keep;
mod look;
mod moved;
mod project;
mod rebuild;
mod rollback;
mod run;

pub(super) use backfill::backfill;
pub(super) use demo::demo;
pub(super) use diff::diff;
pub(super) use freshness::freshness;
pub(super) use keep::{gc, verify};
pub(super) use look::{history, receipt, recover, show};
pub(super) use project::{check, completions, functions, init, ls, plan, schema, test};
pub(super) use rebuild::rebuild;
pub(super) use rollback::rollback;
pub(super) use run::{apply, resume, run};
