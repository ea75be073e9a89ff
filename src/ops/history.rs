//! `history`, `receipt` and `recover`: what is published, and how it came to be.

use serde_json::Value as Json;

use super::{Common, Error, Surroundings, context};
use crate::diagnostic::{Diagnostic, code};
use crate::ident::{NodeName, PipelineName};
use crate::interval::{Instant, spoken};
use crate::lake::{Commit, Lake, Part, Recovered};
use crate::project::{self, Location, Pipeline, Project};
use crate::store;

/// The word for the run that published last.
const LATEST: &str = "latest";

/// One published version of all tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub number: u64,
    /// When it became visible.
    pub committed_at: Instant,
    /// The pipeline that published it.
    pub pipeline: PipelineName,
    /// The run that published it.
    pub run_id: String,
    /// What the run looked from.
    pub as_of: Instant,
    /// The same as people of the pipeline's zone say it, where that is known.
    pub looks_from: String,
    /// How many tables are published in it, those of other runs among them.
    pub tables: usize,
    /// The tables it changed.
    pub changed: Vec<NodeName>,
    /// The version whose tables it restored, if it is a rollback.
    pub restores: Option<u64>,
    /// Rows it wrote; of a rollback, rows of the tables it put back.
    pub rows: u64,
    /// Whether its files are there.
    pub files: Files,
}

/// Whether the files of a version are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// All of them are.
    Kept,
    /// A clean-up has removed those that no later version needs.
    Removed,
}

/// What is published below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The root's address.
    pub root: String,
    /// The versions, the newest first.
    pub versions: Vec<Version>,
}

/// The last `limit` published versions; none for a root nobody published to.
///
/// # Errors
///
/// Returns a project that cannot be read, unless `--root` makes it needless, and a root that
/// cannot be read.
pub async fn history(around: &Surroundings, common: &Common, limit: usize) -> Result<History, Error> {
    let lake = published(around, common).await?;
    let commits = lake.history(limit).await?;
    let oldest = lake.oldest_kept().await?;
    let root = lake.store().url().to_string();
    // With `--root` there may be no project, or another one: then nobody knows the zone.
    let pipeline = project(around, common).ok().map(|project| project.pipeline);
    let versions = commits.iter().map(|commit| version(commit, pipeline.as_ref(), oldest)).collect();
    Ok(History { root, versions })
}

fn version(commit: &Commit, pipeline: Option<&Pipeline>, oldest: u64) -> Version {
    let zone = pipeline.filter(|pipeline| pipeline.name == commit.pipeline);
    let zone = zone.map_or("UTC", |pipeline| &pipeline.time_zone_name);
    let changed = commit.tables.iter().filter(|(_, entry)| entry.built_in == commit.version);
    // Of a table that keeps snapshots a run writes one day; a rollback puts all of them back.
    let is_its_own = |part: &&Part| commit.restores.is_some() || part.attempt == commit.attempt;
    let parts = changed.clone().flat_map(|(_, entry)| entry.parts.iter().filter(is_its_own));
    let rows = parts.map(|part| part.rows).sum();
    Version {
        number: commit.version,
        committed_at: commit.committed_at,
        pipeline: commit.pipeline.clone(),
        run_id: commit.run_id.clone(),
        as_of: commit.as_of,
        looks_from: spoken(commit.as_of, zone),
        tables: commit.tables.len(),
        restores: commit.restores,
        changed: changed.map(|(name, _)| name.clone()).collect(),
        rows,
        files: if commit.version < oldest { Files::Removed } else { Files::Kept },
    }
}

/// The receipt of a run: what it read, wrote and checked. `latest` is the run that published last.
///
/// # Errors
///
/// Returns `GW0304` if there is no such run, and what [`history`] returns.
pub async fn receipt(around: &Surroundings, common: &Common, run: &str) -> Result<Json, Error> {
    let lake = published(around, common).await?;
    let run_id = if run == LATEST {
        lake.last_commit().await?.ok_or_else(nothing_published)?.run_id
    } else {
        run.to_owned()
    };
    let content = lake.run_document(&run_id, "receipt.json").await?;
    let content = content.ok_or_else(|| {
        let message = format!("there is no receipt of run `{run_id}`");
        Diagnostic::error(code::NOT_PUBLISHED, message).help("type `goodwill history` to see the runs")
    })?;
    let receipt = serde_json::from_slice(&content).map_err(|_| {
        let message = format!("the receipt of run `{run_id}` is not what Goodwill writes");
        Diagnostic::error(code::CORRUPT_ROOT, message)
    })?;
    Ok(receipt)
}

pub(super) fn nothing_published() -> Diagnostic {
    Diagnostic::error(code::NOT_PUBLISHED, "nothing is published yet").help("publish first: `goodwill run`")
}

/// The version of that number, or that a run of that name published.
pub(super) async fn named(lake: &Lake, name: &str) -> Result<Commit, Error> {
    let commit = match name.parse::<u64>() {
        Ok(version) => lake.commit(version).await?,
        Err(_) => {
            let mut commits = lake.history(usize::MAX).await?.into_iter();
            commits.find(|commit| commit.run_id == name)
        }
    };
    commit.ok_or_else(|| {
        let message = format!("no version or run `{name}` is published");
        let unknown = Diagnostic::error(code::NOT_PUBLISHED, message);
        unknown.help("type `goodwill history` to see the versions and their runs").into()
    })
}

pub(super) fn files_removed(version: u64, oldest: u64) -> Diagnostic {
    let message = format!("the files of version {version} were removed by a clean-up");
    let gone = Diagnostic::error(code::NOT_PUBLISHED, message);
    gone.help(format!("the oldest version whose files are kept is {oldest}"))
}

/// Brings Delta logs and views up to the last version, whatever a killed run left.
///
/// # Errors
///
/// Returns what [`history`] returns, and a Delta log another program wrote to.
pub async fn recover(around: &Surroundings, common: &Common) -> Result<Recovered, Error> {
    Ok(published(around, common).await?.recover().await?)
}

/// The root asked for. With `--root` no project is needed: so the past can be looked at when the
/// project is broken, or from elsewhere.
pub(super) async fn published(around: &Surroundings, common: &Common) -> Result<Lake, Error> {
    let store = match &common.root {
        Some(root) => store::open(root, &around.folder, &around.access()?)?,
        None => {
            let project = project(around, common)?;
            context::root(around, common, &project.pipeline)?
        }
    };
    Ok(Lake::open(store).await?)
}

pub(super) fn project(around: &Surroundings, common: &Common) -> Result<Project, Error> {
    Ok(project::load(&location(around, common))?)
}

fn location(around: &Surroundings, common: &Common) -> Location {
    Location {
        folder: around.folder.clone(),
        pipeline: common.pipeline.clone(),
        environment: around.environment.clone(),
    }
}
