//! `gc` and `verify`: a published root kept in order.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Exit, GcArgs, Output, Session, VerifyArgs, common_of, exit, ops, render, tell, words};
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::Diagnostics;
use crate::lake::{Reason, Removal};
use crate::ops::{Gc, GcMode, GcRequest, Verified, VerifyRequest};

/// How many unknown files are named; `--output json` has all.
const NAMED: usize = 10;

/// Removes what nobody needs.
pub(in crate::cli) async fn gc(session: &Session, args: &GcArgs) -> Result<Exit, ops::Error> {
    let request = GcRequest {
        keep_versions: args.keep_versions,
        keep_days: args.keep_days,
        mode: if args.apply { GcMode::Apply } else { GcMode::DryRun },
    };
    let gc = ops::gc(&session.around, &common_of(&args.project), request).await?;
    let failures = gc.failures();
    tell(&failures, session.console);
    let exit = of_findings(&failures);
    match args.output.output {
        Output::Json => session.console.document(&gc_document(&gc, exit))?,
        Output::Text => session.console.result(&gc_text(&gc, session.console.frame()))?,
    }
    Ok(exit)
}

pub(super) fn of_findings(findings: &Diagnostics) -> Exit {
    if findings.is_empty() { Exit::OK } else { exit::of_kind(ops::Error::from(findings.clone()).kind()) }
}

fn gc_document(gc: &Gc, exit: Exit) -> Json {
    let cleanup = &gc.cleanup;
    let removal = |removal: &Removal| {
        let mut told = json!({"key": removal.key, "bytes": removal.bytes});
        told["reason"] = match &removal.reason {
            Reason::Superseded { table, version } => {
                json!({"kind": "superseded", "table": table, "last_version": version})
            }
            Reason::Orphan { attempt } => json!({"kind": "orphan", "attempt": attempt}),
        };
        if let Some(done) = &gc.done {
            told["removed"] = json!(done.removed.contains(&removal.key));
        }
        told
    };
    let orphan = |orphan: &crate::lake::Orphan| json!({"attempt": orphan.attempt, "pipeline": orphan.pipeline, "started_at": orphan.started_at});
    let undecided = cleanup.undecided.iter().chain(gc.done.iter().flat_map(|done| &done.undecided));
    let undecided = undecided.map(|it| json!({"attempt": it.attempt, "version": it.version}));
    let unknown = cleanup.unknown.iter().map(|stray| json!({"key": stray.key, "bytes": stray.bytes}));
    json!({
        "status": status(gc),
        "exit_code": exit.number(),
        "root": gc.root,
        "version": cleanup.last,
        "oldest_kept_version": cleanup.oldest_kept,
        "keep_versions": gc.request.keep_versions,
        "keep_days": gc.request.keep_days,
        "files": cleanup.removals.len(),
        "bytes": cleanup.bytes(),
        "removals": cleanup.removals.iter().map(removal).collect::<Vec<_>>(),
        "dead_attempts": cleanup.dead.iter().map(orphan).collect::<Vec<_>>(),
        "young_attempts": cleanup.young.iter().map(orphan).collect::<Vec<_>>(),
        "undecided_attempts": undecided.collect::<Vec<_>>(),
        "unknown": unknown.collect::<Vec<_>>(),
        "diagnostics": render::json(&gc.failures()),
    })
}

fn status(gc: &Gc) -> &'static str {
    match &gc.done {
        _ if gc.cleanup.is_empty() => "nothing_to_do",
        None => "dry_run",
        Some(done) if done.failed.is_empty() => "removed",
        Some(_) => "partly_removed",
    }
}

fn gc_text(gc: &Gc, frame: Frame) -> String {
    let cleanup = &gc.cleanup;
    let mut text = String::new();
    if !cleanup.removals.is_empty() {
        text.push_str(&removals(gc).render(frame));
        text.push('\n');
    }
    if cleanup.last.is_some() {
        let days = words::count(gc.request.keep_days, "day");
        let versions = words::count(gc.request.keep_versions, "version");
        let oldest = cleanup.oldest_kept;
        text.push_str(&format!(
            "kept: every file of version {oldest} and later (the last {versions}, and {days})\n"
        ));
    }
    if !cleanup.young.is_empty() {
        let young = words::counted(cleanup.young.len(), "attempt");
        text.push_str(&format!("kept: {young} that published nothing, too young to be taken for dead\n"));
    }
    for it in cleanup.undecided.iter().chain(gc.done.iter().flat_map(|done| &done.undecided)) {
        let (attempt, version) = (&it.attempt, it.version);
        text.push_str(&format!("kept: attempt {attempt}, until version {version} is published\n"));
    }
    for stray in cleanup.unknown.iter().take(NAMED) {
        text.push_str(&format!("kept, not known: {} ({})\n", stray.key, words::bytes(stray.bytes)));
    }
    if let Some(more) = cleanup.unknown.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.push_str(&format!("kept, not known: {} more (--output json)\n", words::counted(more, "file")));
    }
    text.push_str(&gc_ended(gc));
    text
}

/// Files and bytes by reason, and by table or attempt.
fn removals(gc: &Gc) -> Grid {
    let mut groups: BTreeMap<(&str, String), (u64, u64)> = BTreeMap::new();
    for removal in &gc.cleanup.removals {
        let group = match &removal.reason {
            Reason::Superseded { table, .. } => ("superseded", table.to_string()),
            Reason::Orphan { attempt } => ("never published", attempt.to_string()),
        };
        let (files, bytes) = groups.entry(group).or_default();
        *files += 1;
        *bytes += removal.bytes;
    }
    let mut grid = Grid::new(&["reason", "table or attempt", ">files", ">size"]);
    for ((reason, of), (files, bytes)) in groups {
        grid.row([reason.to_owned(), of, words::grouped(files), words::bytes(bytes)]);
    }
    grid
}

fn gc_ended(gc: &Gc) -> String {
    let cleanup = &gc.cleanup;
    let sum =
        |files: usize, bytes: u64| format!("{}, {}", words::counted(files, "file"), words::bytes(bytes));
    let dead = match cleanup.dead.len() {
        0 => String::new(),
        dead => format!(" and the notes of {}", words::counted(dead, "attempt")),
    };
    match &gc.done {
        _ if cleanup.is_empty() => "nothing to remove\n".to_owned(),
        None => format!(
            "nothing was removed: `goodwill gc --apply` removes {}{dead}\n",
            sum(cleanup.removals.len(), cleanup.bytes())
        ),
        Some(done) => {
            let removed = cleanup.removals.iter().filter(|removal| done.removed.contains(&removal.key));
            let bytes = removed.map(|removal| removal.bytes).sum();
            let failed = match done.failed.len() {
                0 => String::new(),
                failed => format!("; {} failed: run it again", words::counted(failed, "removal")),
            };
            format!("removed {}{dead}{failed}\n", sum(done.removed.len(), bytes))
        }
    }
}

/// Compares what lies in the root with what was published.
pub(in crate::cli) async fn verify(session: &Session, args: &VerifyArgs) -> Result<Exit, ops::Error> {
    let request = match &args.run {
        _ if args.all => VerifyRequest::All,
        Some(run) => VerifyRequest::Named(run.clone()),
        None => VerifyRequest::Last,
    };
    let verified = ops::verify(&session.around, &common_of(&args.project), &request).await?;
    tell(&verified.findings, session.console);
    let exit = of_findings(&verified.findings);
    match args.output.output {
        Output::Json => session.console.document(&verified_document(&verified, exit))?,
        Output::Text => session.console.result(&verified_text(&verified))?,
    }
    Ok(exit)
}

pub(super) fn verified_document(verified: &Verified, exit: Exit) -> Json {
    json!({
        "status": if verified.findings.is_empty() { "as_published" } else { "different" },
        "exit_code": exit.number(),
        "root": verified.root,
        "versions": verified.versions,
        "tables": verified.tables,
        "files": verified.files,
        "bytes": verified.bytes,
        "diagnostics": render::json(&verified.findings),
    })
}

pub(super) fn verified_text(verified: &Verified) -> String {
    let versions = match (verified.versions.first(), verified.versions.last()) {
        (Some(newest), Some(oldest)) if newest != oldest => format!("versions {oldest} to {newest}"),
        (Some(version), _) => format!("version {version}"),
        _ => "nothing".to_owned(),
    };
    let read = format!(
        "{versions}: {}, {}, {}",
        words::counted(verified.tables, "table"),
        words::counted(verified.files, "file"),
        words::bytes(verified.bytes)
    );
    match verified.findings.iter().count() {
        0 => format!("{read}, all as published\n"),
        found => format!("{read}, {}\n", words::counted(found, "finding")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verified_root_is_told_in_one_line() {
        let verified = Verified {
            root: "file:///out/".to_owned(),
            versions: vec![7, 6, 5],
            tables: 10,
            files: 12,
            bytes: 3_400_000,
            findings: Diagnostics::default(),
        };
        let expected = "versions 5 to 7: 10 tables, 12 files, 3.4 MB, all as published\n";
        assert_eq!(verified_text(&verified), expected);
        assert_eq!(verified_document(&verified, Exit::OK)["status"], "as_published");
        let last = Verified { versions: vec![7], ..verified };
        assert!(verified_text(&last).starts_with("version 7: "));
    }
}
