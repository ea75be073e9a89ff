//! What a run has written and not published, as if it were: to be compared with what is published.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, code};
use crate::ident::NodeName;
use crate::lake::{Commit, DeltaPosition, Extra, Intent, Lake, MadeFrom, Part, Slice, TableEntry};
use crate::ops::Error;
use crate::plan;
use crate::project::Project;
use crate::run::{self, Finished};

/// The last version with what `run`, or the last run since, has staged in its place.
///
/// # Errors
///
/// Returns `GW0304` if no such run has written anything, and a root that cannot be read.
pub(super) async fn staged(
    lake: &Lake,
    project: &Project,
    last: &Commit,
    run: Option<&str>,
) -> Result<Commit, Error> {
    let Some(intent) = find(lake, project, last, run).await? else {
        return Err(nothing(last, run).into());
    };
    let mut tables = last.tables.clone();
    let mut written: BTreeMap<NodeName, Vec<Part>> = BTreeMap::new();
    for entry in lake.journal(&intent.attempt).await? {
        // What an older program wrote of a step is too little to be compared.
        let Ok(finished) = serde_json::from_value::<Finished>(entry.step) else { continue };
        let Some(slice) = finished.slice else { continue };
        let part = Part {
            slice,
            fingerprint: finished.fingerprint,
            made_from: MadeFrom::default(),
            attempt: intent.attempt.clone(),
            published_at: entry.finished_at,
            rows: finished.files.iter().map(|file| file.rows).sum(),
            files: finished.files,
            read: BTreeMap::new(),
            extra: Extra::default(),
        };
        written.entry(finished.model).or_default().push(part);
    }
    if written.is_empty() {
        return Err(nothing(last, run).into());
    }
    for (table, parts) in written {
        let Some(model) = project.models.get(&table) else { continue };
        let previous = last.tables.get(&table);
        let parts = beside(previous, parts);
        let entry = TableEntry {
            owner: previous.map_or_else(|| intent.pipeline.clone(), |entry| entry.owner.clone()),
            built_in: last.version + 1,
            fingerprint: plan::fingerprint_of_parts(&parts),
            contract: run::promised(model),
            delta: DeltaPosition::after(previous, &table, &intent.attempt),
            parts,
            extra: Extra::default(),
        };
        tables.insert(table, entry);
    }
    let (run_id, attempt) = (intent.run_id, intent.attempt);
    let (as_of, known_at) = (intent.as_of, intent.known_at);
    let version = last.version + 1;
    Ok(Commit {
        version,
        parent: Some(last.version),
        run_id,
        attempt,
        as_of,
        known_at,
        tables,
        ..last.clone()
    })
}

/// What was published of other days and times, and what was written.
fn beside(previous: Option<&TableEntry>, written: Vec<Part>) -> Vec<Part> {
    let is_whole = written.iter().any(|part| part.slice == Slice::Whole);
    let is_replaced = |part: &&Part| {
        is_whole || part.slice == Slice::Whole || written.iter().any(|new| new.slice == part.slice)
    };
    let kept = previous.into_iter().flat_map(|entry| &entry.parts).filter(|part| !is_replaced(part));
    let mut parts: Vec<Part> = kept.cloned().collect();
    parts.extend(written);
    parts.sort_by_key(|part| part.slice);
    parts
}

/// The last attempt of the run that is meant, or of the last run since the last version.
async fn find(
    lake: &Lake,
    project: &Project,
    last: &Commit,
    run: Option<&str>,
) -> Result<Option<Intent>, Error> {
    let mut found: Option<Intent> = None;
    let ours = &project.pipeline.name;
    for orphan in lake.orphans().await?.into_iter().filter(|orphan| orphan.pipeline == *ours) {
        let Some(intent) = lake.intent(&orphan.attempt).await? else { continue };
        let is_meant = match run {
            Some(run) => intent.run_id == run || intent.attempt.as_str() == run,
            None => intent.started_at >= last.committed_at,
        };
        let is_later = found.as_ref().is_none_or(|found| found.started_at < intent.started_at);
        if is_meant && is_later {
            found = Some(intent);
        }
    }
    Ok(found)
}

fn nothing(last: &Commit, run: Option<&str>) -> Diagnostic {
    let message = match run {
        Some(run) => format!("run `{run}` has nothing staged"),
        None => format!("nothing was staged since version {}", last.version),
    };
    let found = Diagnostic::error(code::NOT_PUBLISHED, message);
    found.help("`goodwill run --no-publish` computes and checks tables, and keeps them unseen")
}
