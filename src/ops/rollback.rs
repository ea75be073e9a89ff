//! `rollback`: an old version of a pipeline's tables published again.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::lease::{Hold, Leasing};
use super::stop::unless_stopped;
use super::{Common, Error, Surroundings, history};
use crate::diagnostic::{Diagnostic, code};
use crate::engine;
use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::interval::Instant;
use crate::lake::{Commit, CommitOutcome, FORMAT, Intent, Lake, Restorer};
use crate::plan::Event;
use crate::report;

/// How often it is tried again after another published first.
const RACES: usize = 5;

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The root's address.
    pub root: String,
    /// The version that was asked for.
    pub target: u64,
    /// What its run looked from.
    pub as_of: Instant,
    /// The version that is the last now, and its run if it was made here; without one the tables
    /// were as asked for.
    pub version: u64,
    /// The run that made it.
    pub run_id: Option<String>,
    /// The tables that changed.
    pub tables: Vec<Restored>,
    /// Tables of the pipeline that the target did not have: they stay as they are.
    pub kept: Vec<NodeName>,
}

/// A table that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The table.
    pub table: NodeName,
    /// Its rows.
    pub rows: u64,
    /// The rows it had before.
    pub rows_before: u64,
}

/// Publishes the tables of an old version again, as a new one; `version` is its number or its run.
///
/// Nothing is computed, copied or rewritten: the new commit names the old files. Killed at any
/// moment it did all or nothing, and may be repeated.
///
/// # Errors
///
/// Returns `GW0304` for a version that is not there or whose files were cleaned up, `GW0301` if it
/// is not clear whose tables are meant, and what keeps a root from being published to.
pub async fn rollback(around: &Surroundings, common: &Common, version: &str) -> Result<RolledBack, Error> {
    let run_id = (around.fresh_word)();
    let attempt = attempt(&run_id)?;
    let hold = Hold::default();
    let roll = async {
        let lake = history::published(around, common).await?;
        let last = lake.last_commit().await?.ok_or_else(history::nothing_published)?;
        let owner = pipeline(around, common, &last)?;
        if let Some(leasing) = Leasing::of(around, common, &lake, &owner, (&run_id, &attempt))? {
            leasing.take(&hold).await?;
        }
        lake.prove(&attempt).await?;
        lake.roll_forward().await?;
        restore(around, common, &lake, (version, &run_id)).await
    };
    // It may end at any moment: it publishes all or nothing, with one write.
    let ended = unless_stopped(around, roll).await;
    hold.release().await;
    ended
}

/// Publishes the tables of `version` again as the next one, whoever else publishes meanwhile.
async fn restore(
    around: &Surroundings,
    common: &Common,
    lake: &Lake,
    (version, run_id): (&str, &str),
) -> Result<RolledBack, Error> {
    for race in 0..RACES {
        let last = lake.last_commit().await?.ok_or_else(history::nothing_published)?;
        let target = history::named(lake, version).await?;
        let oldest = lake.oldest_kept().await?;
        if target.version < oldest {
            return Err(history::files_removed(target.version, oldest).into());
        }
        let pipeline = pipeline(around, common, &last)?;
        let name = if race == 0 { run_id.to_owned() } else { format!("{run_id}-{}", race + 1) };
        let by = restorer(around, &pipeline, run_id, &name)?;
        let root = lake.store().url().to_string();
        let Some(commit) = last.restoring(&target, by) else {
            return Ok(told(root, &last, &target, &last, None));
        };
        if !publish(around, lake, &commit).await? {
            continue;
        }
        if lake.oldest_kept().await? > target.version {
            take_back(around, lake, &last, &commit).await?;
            return Err(cleaned_meanwhile(target.version).into());
        }
        lake.roll_forward_to(Some(commit.clone())).await?;
        tell_the_world(around, lake, &commit).await;
        return Ok(told(root, &last, &target, &commit, Some(run_id.to_owned())));
    }
    Err(lost("when they are done").into())
}

/// Whose tables are rolled back: those of the pipeline that is named or that the project has; with
/// nothing but a root, those of the only pipeline that publishes there.
fn pipeline(around: &Surroundings, common: &Common, last: &Commit) -> Result<PipelineName, Error> {
    let owners: BTreeSet<&PipelineName> = last.tables.values().map(|entry| &entry.owner).collect();
    let named = |name: &str| owners.iter().find(|owner| owner.as_str() == name).map(|owner| (*owner).clone());
    let meant = match &common.pipeline {
        Some(name) if named(name).is_some() => named(name),
        None if common.root.is_some() => {
            owners.first().filter(|_| owners.len() == 1).map(|only| (*only).clone())
        }
        // The name of a file, or none: then the project says it.
        _ => match history::project(around, common) {
            Ok(project) => named(project.pipeline.name.as_str()),
            // With a root no project is needed.
            Err(_) if common.root.is_some() => None,
            Err(found) => return Err(found),
        },
    };
    meant.ok_or_else(|| {
        let names: Vec<String> = owners.iter().map(|owner| format!("`{owner}`")).collect();
        let message = "it is not clear whose tables are to be rolled back";
        let found = Diagnostic::error(code::BAD_REQUEST, message);
        found.help(format!("say whose with `-p`: here publish {}", names.join(", "))).into()
    })
}

fn attempt(word: &str) -> Result<AttemptId, Diagnostic> {
    AttemptId::parse(word).map_err(|cause| Diagnostic::error(code::BUG, cause.to_string()))
}

fn restorer(
    around: &Surroundings,
    pipeline: &PipelineName,
    run_id: &str,
    name: &str,
) -> Result<Restorer, Diagnostic> {
    Ok(Restorer {
        pipeline: pipeline.clone(),
        attempt: attempt(name)?,
        run_id: run_id.to_owned(),
        committed_at: (around.clock)(),
        engine_version: engine::VERSION.to_owned(),
    })
}

/// Commits, unless another was first.
async fn publish(around: &Surroundings, lake: &Lake, commit: &Commit) -> Result<bool, Error> {
    let intent = Intent {
        format: FORMAT,
        attempt: commit.attempt.clone(),
        run_id: commit.run_id.clone(),
        pipeline: commit.pipeline.clone(),
        started_at: (around.clock)(),
        parent: commit.parent,
        as_of: commit.as_of,
        known_at: commit.known_at,
        // It writes no file.
        tables: Vec::new(),
        plan: Json::Null,
    };
    lake.write_intent(&intent).await?;
    let outcome = lake.try_commit(commit).await?;
    Ok(matches!(outcome, CommitOutcome::Committed | CommitOutcome::AlreadyOurs))
}

/// Takes back a rollback whose files a clean-up was removing, as far as nobody built those tables since.
async fn take_back(
    around: &Surroundings,
    lake: &Lake,
    before: &Commit,
    rollback: &Commit,
) -> Result<(), Error> {
    for race in 1..=RACES {
        let last = lake.last_commit().await?.ok_or_else(history::nothing_published)?;
        let name = format!("{}-back-{race}", rollback.run_id);
        let by = restorer(around, &rollback.pipeline, &name, &name)?;
        let Some(commit) = last.undoing(rollback, before, by) else { break };
        if publish(around, lake, &commit).await? {
            tell_the_world(around, lake, &commit).await;
            break;
        }
        if race == RACES {
            return Err(lost(&format!("now: `goodwill rollback {}`", before.version)).into());
        }
    }
    lake.roll_forward().await?;
    Ok(())
}

fn lost(then: &str) -> Diagnostic {
    let lost = Diagnostic::error(code::LOST_RACE, "other runs published first, again and again");
    lost.help(format!("roll back {then}"))
}

fn cleaned_meanwhile(version: u64) -> Diagnostic {
    let message = format!("a clean-up removed files of version {version} while it was being restored");
    let found = Diagnostic::error(code::LOST_RACE, message);
    found.help(
        "what was published before is published again: roll back to a version that `goodwill history` shows",
    )
}

/// Writes the rollback's receipt. It cannot change the outcome: a failure is told, no more.
async fn tell_the_world(around: &Surroundings, lake: &Lake, commit: &Commit) {
    let content = serde_json::to_vec_pretty(&report::rollback_receipt(commit)).unwrap_or_default();
    if let Err(cause) = lake.put_run_document(&commit.run_id, "receipt.json", content).await {
        let why = cause.to_diagnostic().message;
        let text = format!("`receipt.json` of this run was not written, all else stands: {why}");
        around.observer.notice(Event::Note { text });
    }
}

fn told(root: String, before: &Commit, target: &Commit, now: &Commit, run_id: Option<String>) -> RolledBack {
    let changed = now.tables.iter().filter(|(_, entry)| run_id.is_some() && entry.built_in == now.version);
    let rows_before = |table: &NodeName| before.tables.get(table).map_or(0, crate::lake::TableEntry::rows);
    let restored = |(table, entry): (&NodeName, &crate::lake::TableEntry)| Restored {
        table: table.clone(),
        rows: entry.rows(),
        rows_before: rows_before(table),
    };
    let is_kept = |(table, entry): &(&NodeName, &crate::lake::TableEntry)| {
        entry.owner == now.pipeline && !target.tables.contains_key(*table)
    };
    RolledBack {
        root,
        target: target.version,
        as_of: target.as_of,
        version: now.version,
        tables: changed.map(restored).collect(),
        kept: now.tables.iter().filter(is_kept).map(|(table, _)| table.clone()).collect(),
        run_id,
    }
}
