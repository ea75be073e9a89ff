//! `freshness`: how old the sources are, as a table.

use serde_json::json;

use super::{Exit, FreshnessArgs, Output, Session, exit, ops, render, tell};
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::Kind;
use crate::ops::Freshness;
use crate::run::AgeStatus;

/// Tells how old the sources are.
pub(in crate::cli) async fn freshness(session: &Session, args: &FreshnessArgs) -> Result<Exit, ops::Error> {
    let found = ops::freshness(&session.around, &args.common()).await?;
    tell(&found.findings, session.console);
    let exit = if found.findings.has_errors() { exit::of_kind(Kind::Input) } else { Exit::OK };
    match args.output.output {
        Output::Json => session.console.document(&json!({
            "status": if exit == Exit::OK { "success" } else { "error" },
            "exit_code": exit.number(),
            "pipeline": found.pipeline,
            "at": found.at,
            "sources": found.ages,
            "diagnostics": render::json(&found.findings),
        }))?,
        Output::Text => session.console.result(&text(&found, session.console.frame()))?,
    }
    Ok(exit)
}

fn text(found: &Freshness, frame: Frame) -> String {
    if found.ages.is_empty() {
        return "no source says how old it may be: write `freshness: {warn_after: 26h, error_after: 48h}`\n"
            .to_owned();
    }
    let mut grid = Grid::new(&["source", "status", "newest row", ">age", ">warn after", ">error after"]);
    for age in &found.ages {
        grid.row([
            age.source.to_string(),
            status(age.status).to_owned(),
            age.newest.map_or_else(String::new, |newest| newest.to_string()),
            age.age_seconds.map_or_else(String::new, ops::spelled),
            age.warn_after.clone().unwrap_or_default(),
            age.error_after.clone().unwrap_or_default(),
        ]);
    }
    format!("{}seen from {}\n", grid.render(frame), found.spoken)
}

const fn status(status: AgeStatus) -> &'static str {
    match status {
        AgeStatus::Absent => "absent",
        AgeStatus::Fresh => "fresh",
        AgeStatus::Late => "late",
        AgeStatus::TooLate => "too late",
    }
}
