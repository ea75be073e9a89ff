//! What a run moved, in a few words, right after it published.

use super::movement::{self, Movement, Told};
use super::pair::Pair;
use crate::engine::Engine;
use crate::ident::NodeName;
use crate::lake::{Commit, Lake, TableEntry};
use crate::ops::Error;

/// The most rows that are read for it: a run is not to be held up by what is told of it.
const MOST_ROWS: u64 = 5_000_000;

/// What moved since the version before.
#[derive(Debug, Clone)]
pub struct Since {
    /// The version before.
    pub before: u64,
    /// The version that was published.
    pub after: u64,
    /// Tables whose rows the run made.
    pub tables: usize,
    /// Tables with more rows, new ones among them.
    pub grew: RowsMoved,
    /// Tables with fewer rows.
    pub shrank: RowsMoved,
    /// What moved in tables that say what is told of them, the largest share first; tables in which
    /// nothing moved are left out.
    pub movements: Vec<(NodeName, Movement)>,
}

/// How many tables have how many rows more, or fewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsMoved {
    /// The tables.
    pub tables: usize,
    /// The rows.
    pub rows: u64,
}

impl RowsMoved {
    fn add(&mut self, rows: u64) {
        self.tables += usize::from(rows > 0);
        self.rows += rows;
    }
}

/// What the run that published `version` moved; `None` for the first version.
///
/// Rows are counted from the commits. Of a movement only its own columns are read, and none once
/// five million rows were.
///
/// # Errors
///
/// Returns a root or files that cannot be read.
pub(in crate::ops) async fn since(
    engine: &Engine,
    lake: &Lake,
    version: u64,
) -> Result<Option<Since>, Error> {
    let Some(after) = lake.commit(version).await? else { return Ok(None) };
    let before = match after.parent {
        Some(parent) => lake.commit(parent).await?,
        None => None,
    };
    let Some(before) = before else { return Ok(None) };
    let built = after.tables.iter().filter(|(_, entry)| entry.built_in == version);
    let mut since = counted(&before, &after, version);
    let mut rows_read = 0;
    for (table, entry) in built {
        let Some((earlier, question)) = before.tables.get(table).zip(entry.contract.movement.clone()) else {
            continue;
        };
        let rows = movement::rows_read(earlier, entry, &question);
        if rows_read + rows > MOST_ROWS || super::is_same(earlier, entry) {
            continue;
        }
        rows_read += rows;
        let pair = Pair { engine, lakes: (lake, lake), table, before: earlier, after: entry };
        let told = movement::told(&pair, question).await?;
        if told.weight() > 0.0 && !matches!(told.told, Told::Nothing(_)) {
            since.movements.push((table.clone(), told));
        }
    }
    since.movements.sort_by(|(_, one), (_, other)| other.weight().total_cmp(&one.weight()));
    Ok(Some(since))
}

fn counted(before: &Commit, after: &Commit, version: u64) -> Since {
    let (mut grew, mut shrank) = (RowsMoved::default(), RowsMoved::default());
    let mut tables = 0;
    for (table, entry) in after.tables.iter().filter(|(_, entry)| entry.built_in == version) {
        let earlier = before.tables.get(table).map_or(0, TableEntry::rows);
        tables += 1;
        grew.add(entry.rows().saturating_sub(earlier));
        shrank.add(earlier.saturating_sub(entry.rows()));
    }
    Since { before: before.version, after: version, tables, grew, shrank, movements: Vec::new() }
}
