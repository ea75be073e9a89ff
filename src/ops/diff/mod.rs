//! `diff`: what moved between two published versions of a root, or would move if what is staged were one.
//!
//! **Invariant:** values of personal columns are counted, never told. What did not change is not
//! read; names of columns reach SQL in quotes, values as parameters.

use std::collections::{BTreeMap, BTreeSet};

use super::scratch::Scratch;
use super::{Common, Error, Surroundings, context, facts, history};
use crate::diagnostic::{Diagnostic, code};
use crate::engine::Engine;
use crate::graph::{Facts, Selection};
use crate::ident::NodeName;
use crate::interval::{Instant, spoken};
use crate::lake::{Commit, Lake, TableEntry, TableMovement};
use crate::project::Project;
use crate::run;

mod contract;
mod keys;
mod movement;
mod pair;
mod since;
mod staged;

pub use contract::{ContractChange, DayMove, GrainChange, Retyped};
pub use keys::{KeyCounts, Keys};
pub use movement::{Flow, Flows, Movement, Stand, Told, TotalMove};
pub(super) use since::since;
pub use since::{RowsMoved, Since};

use pair::Pair;

/// Which versions are compared; numbers or runs.
#[derive(Debug, Clone, Default)]
pub struct DiffRequest {
    /// The first; the parent of the last if left out.
    pub before: Option<String>,
    /// The second; the last if left out.
    pub after: Option<String>,
    /// Whether the second is what a run has written and not published; the last version is the first.
    pub staged: bool,
}

/// What moved between two versions.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The root's address.
    pub root: String,
    /// The version that is compared.
    pub before: Compared,
    /// The version it is compared with.
    pub after: Compared,
    /// The tables of both, by name.
    pub tables: Vec<TableDiff>,
}

/// One of the two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Its number.
    pub version: u64,
    /// The run that published it.
    pub run_id: String,
    /// What the run looked from.
    pub as_of: Instant,
    /// The same as people of the pipeline's zone say it, where that is known.
    pub looks_from: String,
    /// Whether nobody can see it: it would be this version if it were published now.
    pub is_staged: bool,
}

/// What became of a table.
#[derive(Debug, Clone)]
pub struct TableDiff {
    /// The table.
    pub table: NodeName,
    /// What became of it.
    pub change: Change,
}

/// What became of a table.
#[derive(Debug, Clone)]
pub enum Change {
    /// Only the second version has it.
    Added {
        /// Its rows.
        rows: u64,
    },
    /// Only the first version has it.
    Removed {
        /// Its rows.
        rows: u64,
    },
    /// Both have the same files, or files of the same bytes.
    Unchanged {
        /// Its rows.
        rows: u64,
    },
    /// Its files differ.
    Changed(Box<TableChange>),
}

/// How a table changed.
#[derive(Debug, Clone)]
pub struct TableChange {
    /// Its rows in the first version.
    pub rows_before: u64,
    /// Its rows in the second.
    pub rows_after: u64,
    /// How its contract changed.
    pub contract: ContractChange,
    /// Days of the grain that moved as a whole, and by which rows are therefore not told apart.
    pub days: Vec<DayMove>,
    /// What became of its rows, key by key.
    pub keys: Keys,
    /// What its project wants to be told of it.
    pub movement: Option<Movement>,
}

/// Compares two published versions of a root, table by table.
///
/// # Errors
///
/// Returns `GW0304` for a version that is not there, whose files a clean-up removed, or that has
/// none before it; mistakes of a selection; and files that cannot be read.
pub async fn diff(around: &Surroundings, common: &Common, request: &DiffRequest) -> Result<Diff, Error> {
    let lake = history::published(around, common).await?;
    let (before, after) = if request.staged {
        let last = lake.last_commit().await?.ok_or_else(history::nothing_published)?;
        let graph = context::compile(around, common)?;
        let staged = staged::staged(&lake, graph.project(), &last, request.before.as_deref()).await?;
        (last, staged)
    } else {
        versions(&lake, request).await?
    };
    let oldest_named = before.version.min(after.version);
    let kept = async || -> Result<(), Error> {
        let oldest = lake.oldest_kept().await?;
        if oldest_named < oldest {
            return Err(history::files_removed(oldest_named, oldest).into());
        }
        Ok(())
    };
    kept().await?;
    // With `--root` there may be no project: then the commits say what their tables' movement is.
    let project = history::project(around, common).ok();
    let selected = selected(around, common, &lake).await?;
    let scratch = Scratch::of(around, &(around.fresh_word)())?;
    let pipeline = project.as_ref().map(|project| &project.pipeline);
    let engine = context::engine(around, common, pipeline, scratch.path())?;
    let names: BTreeSet<&NodeName> = before.tables.keys().chain(after.tables.keys()).collect();
    let is_selected = |name: &&&NodeName| selected.as_ref().is_none_or(|selected| selected.contains(**name));
    let mut tables = Vec::new();
    for table in names.iter().filter(is_selected) {
        let sides = (before.tables.get(*table), after.tables.get(*table));
        let declared = declared(project.as_ref(), table, sides);
        match change(&engine, &lake, table, sides, declared).await {
            Ok(change) => tables.push(TableDiff { table: (*table).clone(), change }),
            // Files may have gone while they were read; else the failure is its own.
            Err(failure) => return kept().await.and(Err(failure)),
        }
    }
    if tables.is_empty() && selected.is_some() {
        let message = "none of the selected models is published in these versions";
        return Err(Diagnostic::error(code::SELECTS_NOTHING, message).into());
    }
    let root = lake.store().url().to_string();
    let compared = |commit: &Commit| compared(commit, project.as_ref());
    let (before, after) = (compared(&before), compared(&after));
    Ok(Diff { root, before, after: Compared { is_staged: request.staged, ..after }, tables })
}

/// The two versions that are meant.
async fn versions(lake: &Lake, request: &DiffRequest) -> Result<(Commit, Commit), Error> {
    let after = match &request.after {
        Some(name) => history::named(lake, name).await?,
        None => lake.last_commit().await?.ok_or_else(history::nothing_published)?,
    };
    if let Some(name) = &request.before {
        return Ok((history::named(lake, name).await?, after));
    }
    let parent = match after.parent {
        Some(parent) => lake.commit(parent).await?,
        None => None,
    };
    let none = || {
        let message = format!("version {} is the first: there is none to compare it with", after.version);
        Diagnostic::error(code::NOT_PUBLISHED, message)
            .help("compare again after the next run that publishes")
    };
    Ok((parent.ok_or_else(none)?, after))
}

fn compared(commit: &Commit, project: Option<&Project>) -> Compared {
    let pipeline = project.map(|project| &project.pipeline);
    let zone = pipeline.filter(|pipeline| pipeline.name == commit.pipeline);
    let zone = zone.map_or("UTC", |pipeline| &pipeline.time_zone_name);
    Compared {
        version: commit.version,
        run_id: commit.run_id.clone(),
        as_of: commit.as_of,
        looks_from: spoken(commit.as_of, zone),
        is_staged: false,
    }
}

/// The models of `--select` and `--exclude`; `None` if neither was given.
async fn selected(
    around: &Surroundings,
    common: &Common,
    lake: &Lake,
) -> Result<Option<BTreeSet<NodeName>>, Error> {
    if common.select.is_empty() && common.exclude.is_empty() {
        return Ok(None);
    }
    let graph = context::compile(around, common)?;
    let selection = Selection::parse(&common.select, &common.exclude)?;
    selection.check(&graph)?;
    let facts = if selection.depends_on_facts() {
        facts::look(lake, common, &graph).await?
    } else {
        Facts::default()
    };
    Ok(Some(selection.evaluate(&graph, &facts)?))
}

/// What is told of a table: what its project says today, else what its newest commit says.
///
/// The question is today's, whatever versions it is asked of; the commit's copy is for those who
/// have only the root.
fn declared(
    project: Option<&Project>,
    table: &NodeName,
    (before, after): (Option<&TableEntry>, Option<&TableEntry>),
) -> Option<TableMovement> {
    let newest = after.or(before)?;
    let own = project.filter(|project| project.pipeline.name == newest.owner);
    match own.and_then(|project| project.models.get(table)) {
        Some(model) => model.movement.as_ref().map(run::table_movement),
        None => newest.contract.movement.clone(),
    }
}

async fn change(
    engine: &Engine,
    lake: &Lake,
    table: &NodeName,
    sides: (Option<&TableEntry>, Option<&TableEntry>),
    declared: Option<TableMovement>,
) -> Result<Change, Error> {
    let (before, after) = match sides {
        (Some(before), Some(after)) => (before, after),
        (Some(before), None) => return Ok(Change::Removed { rows: before.rows() }),
        (None, Some(after)) => return Ok(Change::Added { rows: after.rows() }),
        (None, None) => return Ok(Change::Unchanged { rows: 0 }),
    };
    if is_same(before, after) {
        return Ok(Change::Unchanged { rows: after.rows() });
    }
    let pair = Pair { engine, lakes: (lake, lake), table, before, after };
    let identity = contract::identity(before, after);
    let days = identity.as_ref().map(|identity| identity.days.clone()).unwrap_or_default();
    let movement = match declared {
        Some(question) => Some(movement::told(&pair, question).await?),
        None => None,
    };
    Ok(Change::Changed(Box::new(TableChange {
        rows_before: before.rows(),
        rows_after: after.rows(),
        contract: contract::compare(&before.contract, &after.contract),
        days,
        keys: keys::compared(&pair, identity).await?,
        movement,
    })))
}

/// Row by row what differs between two states of a table, each in its own root.
///
/// # Errors
///
/// Returns what keeps the files from being read.
pub(super) async fn rows(
    engine: &Engine,
    table: &NodeName,
    (before_lake, before): (&Lake, &TableEntry),
    (after_lake, after): (&Lake, &TableEntry),
) -> Result<Keys, Error> {
    let pair = Pair { engine, lakes: (before_lake, after_lake), table, before, after };
    keys::compared(&pair, contract::identity(before, after)).await
}

/// Whether both versions have the same rows, as far as that is known without reading them.
fn is_same(before: &TableEntry, after: &TableEntry) -> bool {
    let is_carried_over = before.built_in == after.built_in;
    let hashes = |entry: &TableEntry| entry.files().map(|file| file.sha256.clone()).collect::<Vec<_>>();
    let columns = |entry: &TableEntry| {
        let columns = entry.contract.columns.iter().map(|column| (column.name.clone(), column.data_type));
        columns.collect::<BTreeMap<_, _>>()
    };
    let is_promised_alike =
        before.contract.grain == after.contract.grain && columns(before) == columns(after);
    is_carried_over || (is_promised_alike && hashes(before) == hashes(after))
}
