//! `verify`: whether the published files still are what was published.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use serde_json::Value as Json;

use super::{Common, Error, Surroundings, history};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine;
use crate::ident::NodeName;
use crate::lake::{Commit, DerivedFault, FileEntry, FileFault, Lake, LakeError, Part, Slice, TableEntry};
use crate::run::Finished;
use crate::store::Key;

/// How many files are read at once.
const FILES: usize = 8;

/// Which versions are verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum VerifyRequest {
    /// The last one.
    #[default]
    Last,
    /// Every one whose files are kept.
    All,
    /// That of a run, by the run's name or by its number.
    Named(String),
}

/// What was verified.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The root's address.
    pub root: String,
    /// The versions, the newest first.
    pub versions: Vec<u64>,
    /// How many tables they have.
    pub tables: usize,
    /// How many data files were read through.
    pub files: usize,
    /// How many bytes those should have.
    pub bytes: u64,
    /// Every difference; none if all is as it was published.
    pub findings: Diagnostics,
}

/// Reads every file of the versions asked for once, and compares all that is published with what
/// the commits say: sizes, hashes, rows, Delta logs, views, receipts.
///
/// Memory: eight chunks of 4 MiB, and the commits.
///
/// # Errors
///
/// Returns `GW0304` if there is no such version or its files were cleaned up, and a root that
/// cannot be read. Differences are in the result.
pub async fn verify(
    around: &Surroundings,
    common: &Common,
    request: &VerifyRequest,
) -> Result<Verified, Error> {
    let lake = history::published(around, common).await?;
    let commits = commits(&lake, request).await?;
    let files = files(&lake, &commits)?;
    let mut findings = check_files(&lake, &files, &commits).await;
    for commit in &commits {
        check_receipt(&lake, commit, &mut findings).await;
        check_journal(&lake, commit, &mut findings).await;
    }
    if let Some(newest) = commits.first() {
        check_derived(&lake, newest, &mut findings).await;
    }
    if !findings.is_empty() {
        forgive_cleaned(&lake, &files, &mut findings).await?;
    }
    let tables: BTreeSet<&NodeName> = commits.iter().flat_map(|commit| commit.tables.keys()).collect();
    Ok(Verified {
        root: lake.store().url().to_string(),
        versions: commits.iter().map(|commit| commit.version).collect(),
        tables: tables.len(),
        files: files.len(),
        bytes: files.iter().map(|file| file.entry.bytes).sum(),
        findings: findings.into_values().flatten().collect(),
    })
}

/// Findings by the object they are about, so that the same damage is told once.
type Found = BTreeMap<Key, Vec<Diagnostic>>;

/// A data file, with the newest of the verified versions that names it.
struct Named {
    table: NodeName,
    version: u64,
    key: Key,
    entry: FileEntry,
}

/// The commits asked for, the newest first.
async fn commits(lake: &Lake, request: &VerifyRequest) -> Result<Vec<Commit>, Error> {
    let oldest = lake.oldest_kept().await?;
    let found = match request {
        VerifyRequest::Last => lake.last_commit().await?.into_iter().collect(),
        VerifyRequest::All => {
            let mut commits = lake.history(usize::MAX).await?;
            commits.retain(|commit| commit.version >= oldest);
            commits
        }
        VerifyRequest::Named(name) => vec![history::named(lake, name).await?],
    };
    match found.first() {
        None => Err(history::nothing_published().into()),
        Some(commit) if commit.version < oldest => Err(history::files_removed(commit.version, oldest).into()),
        Some(_) => Ok(found),
    }
}

/// The files of the commits, each once unless two commits say different things of it.
fn files(lake: &Lake, commits: &[Commit]) -> Result<Vec<Named>, Error> {
    let mut files: BTreeMap<(Key, String, u64, u64), Named> = BTreeMap::new();
    for commit in commits {
        for (table, entry) in &commit.tables {
            for file in entry.files() {
                let key = lake.file_key(table, file)?;
                let says = (key.clone(), file.sha256.clone(), file.bytes, file.rows);
                files.entry(says).or_insert_with(|| Named {
                    table: table.clone(),
                    version: commit.version,
                    key,
                    entry: file.clone(),
                });
            }
        }
    }
    Ok(files.into_values().collect())
}

async fn check_files(lake: &Lake, files: &[Named], commits: &[Commit]) -> Found {
    let newest = commits.first().map_or(0, |commit| commit.version);
    let checks = files.iter().map(|file| async move { (file, check_file(lake, file).await) });
    let mut checks = stream::iter(checks).buffer_unordered(FILES);
    let mut found = Found::new();
    while let Some((file, result)) = checks.next().await {
        let finding = match result {
            Ok(None) => continue,
            Ok(Some(fault)) => changed(lake, &file.key, &format!("of version {} {fault}", file.version))
                .help(what_to_do(file, newest)),
            Err(cause) => cause.to_diagnostic(),
        };
        found.entry(file.key.clone()).or_default().push(finding);
    }
    found
}

/// What is wrong with a file, in words that follow its name.
async fn check_file(lake: &Lake, file: &Named) -> Result<Option<String>, LakeError> {
    let FileEntry { bytes, rows, .. } = &file.entry;
    Ok(match lake.check_file(&file.key, &file.entry).await? {
        Some(FileFault::Missing) => Some("is not there".to_owned()),
        Some(FileFault::Size { found }) => Some(format!("has {found} bytes, {bytes} were published")),
        Some(FileFault::Content) => Some("holds other bytes than were published".to_owned()),
        None => match footer_rows(lake, &file.key).await? {
            Some(found) if found == *rows => None,
            Some(found) => Some(format!("has {found} rows, its commit says {rows}")),
            None => Some("is not a readable Parquet file".to_owned()),
        },
    })
}

/// The rows a file's footer tells; `None` if it cannot be read.
async fn footer_rows(lake: &Lake, key: &Key) -> Result<Option<u64>, LakeError> {
    let Some(info) = lake.store().head(key).await? else { return Ok(None) };
    Ok(engine::read_footer(lake.store(), &info).await.ok().map(|footer| footer.rows))
}

fn what_to_do(file: &Named, newest: u64) -> String {
    if file.version == newest {
        let table = &file.table;
        format!("build the table again: `goodwill run -f -s {table}`; or restore the file from a backup")
    } else {
        format!("only versions up to {} read it: restore it from a backup if they matter", file.version)
    }
}

fn changed(lake: &Lake, key: &Key, what: &str) -> Diagnostic {
    let message = format!("`{}` {what}", lake.store().locate(key));
    Diagnostic::error(code::PUBLISHED_FILE_CHANGED, message)
}

/// The Delta logs of a commit, and the views if it is the last.
async fn check_derived(lake: &Lake, commit: &Commit, found: &mut Found) {
    for table in commit.tables.keys() {
        match lake.check_log(commit, table).await {
            Ok(faults) => {
                for (key, fault) in faults {
                    let log = format!("tables/{table}/_delta_log");
                    let finding = derived(lake, &key, fault, Some(&log));
                    found.entry(key).or_default().push(finding);
                }
            }
            Err(cause) => push_failure(found, &cause),
        }
    }
    let views = async {
        let faults = lake.check_views(commit).await?;
        let last = lake.last_commit().await?.map(|last| last.version);
        Ok::<_, LakeError>((faults, last))
    };
    match views.await {
        // The views are those of the last version, which another run may just have made.
        Ok((faults, last)) if last == Some(commit.version) => {
            for (key, fault) in faults {
                let finding = derived(lake, &key, fault, None);
                found.entry(key).or_default().push(finding);
            }
        }
        Ok(_) => {}
        Err(cause) => push_failure(found, &cause),
    }
}

fn push_failure(found: &mut Found, cause: &LakeError) {
    found.entry(Key::root()).or_default().push(cause.to_diagnostic());
}

/// `log` is the folder of the Delta log the file belongs to; views belong to none.
fn derived(lake: &Lake, key: &Key, fault: DerivedFault, log: Option<&str>) -> Diagnostic {
    let what = match fault {
        DerivedFault::Behind => "is not written yet",
        DerivedFault::Missing => "is missing, though later versions are there",
        DerivedFault::Changed => "is not what the commits say",
    };
    let finding = changed(lake, key, what);
    match (fault, log) {
        (DerivedFault::Behind, _) => {
            finding.help("a run is at it, or was killed: type `goodwill recover` and verify again")
        }
        (_, None) => finding.help("type `goodwill recover`: it is written anew from the last commit"),
        (_, Some(log)) => finding.help(format!(
            "move `{log}` away and type `goodwill recover`: it is written anew from the commits"
        )),
    }
}

/// Compares the receipt of the commit's run, if it left one, with the commit.
async fn check_receipt(lake: &Lake, commit: &Commit, found: &mut Found) {
    let key = lake.run_document_key(&commit.run_id, "receipt.json");
    let (Ok(key), receipt) = (key, lake.run_document(&commit.run_id, "receipt.json").await) else { return };
    let receipt: Json = match receipt {
        Ok(Some(receipt)) => serde_json::from_slice(&receipt).unwrap_or_default(),
        Ok(None) => return,
        Err(cause) => return push_failure(found, &cause),
    };
    let wrong = if receipt.get("attempt").and_then(Json::as_str) == Some(commit.attempt.as_str()) {
        let mut changed = commit.tables.iter().filter(|(_, entry)| entry.built_in == commit.version);
        changed
            .find(|(table, entry)| !receipt_says(&receipt, commit, table, entry))
            .map(|(table, _)| format!("says other things of `{table}` than commit {}", commit.version))
    } else {
        Some(format!("is not the receipt of version {}", commit.version))
    };
    let finding = wrong.map(|wrong| changed(lake, &key, &wrong).help("restore it from a backup"));
    found.entry(key).or_default().extend(finding);
}

/// Whether the receipt has the table as the commit has it.
fn receipt_says(receipt: &Json, commit: &Commit, table: &NodeName, entry: &TableEntry) -> bool {
    // A run tells of the snapshot it wrote, a rollback of all it restored.
    let is_meant = |part: &&Part| commit.restores.is_some() || part.attempt == commit.attempt;
    let parts: Vec<&Part> = entry.parts.iter().filter(is_meant).collect();
    let by_intervals = parts.iter().any(|part| matches!(part.slice, Slice::Interval { .. }));
    let fingerprint = match parts.as_slice() {
        // What a run tells of a table with intervals is the fingerprint of those it was to have.
        _ if by_intervals => None,
        [only] => Some(only.fingerprint.as_str()),
        _ => Some(entry.fingerprint.as_str()),
    };
    let rows = parts.iter().map(|part| part.rows).sum();
    let files = parts.iter().flat_map(|part| &part.files);
    let (bytes, count) = files.fold((0, 0), |(bytes, count), file| (bytes + file.bytes, count + 1));
    let steps = receipt.get("steps").and_then(Json::as_array).into_iter().flatten();
    let mut steps = steps.filter(|step| step.get("model").and_then(Json::as_str) == Some(table.as_str()));
    let number = |step: &Json, name: &str| step.get(name).and_then(Json::as_u64);
    steps.any(|step| {
        (fingerprint.is_none() || step.get("fingerprint").and_then(Json::as_str) == fingerprint)
            && number(step, "rows") == Some(rows)
            && number(step, "bytes") == Some(bytes)
            && number(step, "files") == Some(count)
    })
}

/// Compares the hashes the commit's attempt wrote down while it wrote with those of the commit.
async fn check_journal(lake: &Lake, commit: &Commit, found: &mut Found) {
    let journal = match lake.journal(&commit.attempt).await {
        Ok(journal) => journal,
        Err(cause) => return push_failure(found, &cause),
    };
    // What cannot be read as a finished step is of an older program, or of a newer one.
    let finished =
        journal.into_iter().filter_map(|entry| serde_json::from_value::<Finished>(entry.step).ok());
    let mut written: BTreeMap<Key, String> = BTreeMap::new();
    for Finished { model, files, .. } in finished {
        let named = |file: FileEntry| Some((lake.file_key(&model, &file).ok()?, file.sha256));
        written.extend(files.into_iter().filter_map(named));
    }
    for (table, entry) in commit.tables.iter().filter(|(_, entry)| entry.built_in == commit.version) {
        for file in entry.files() {
            let Ok(key) = lake.file_key(table, file) else { continue };
            if written.get(&key).is_some_and(|says| *says != file.sha256) {
                let wrong = format!(
                    "has another hash in commit {} than in the journal of attempt `{}`",
                    commit.version, commit.attempt
                );
                let finding = changed(lake, &key, &wrong);
                let finding = finding.help("restore the commit or the journal from a backup");
                found.entry(key).or_default().push(finding);
            }
        }
    }
}

/// Takes back findings on files that a clean-up beside us has removed meanwhile.
async fn forgive_cleaned(lake: &Lake, files: &[Named], found: &mut Found) -> Result<(), Error> {
    let oldest = lake.oldest_kept().await?;
    for file in files.iter().filter(|file| file.version < oldest) {
        found.remove(&file.key);
    }
    Ok(())
}
