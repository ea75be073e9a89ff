//! How contracts differ, and by which columns rows of both versions are the same row.

use std::collections::BTreeSet;

use crate::lake::{TableColumn, TableContract, TableEntry, TableType};

/// How a contract changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContractChange {
    /// Columns that only the second version has.
    pub added: Vec<String>,
    /// Columns that only the first version has.
    pub removed: Vec<String>,
    /// Columns of another type.
    pub retyped: Vec<Retyped>,
    /// Another grain.
    pub grain: Option<GrainChange>,
}

/// A column of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retyped {
    /// The column.
    pub column: String,
    /// Its type in the first version.
    pub before: TableType,
    /// Its type in the second.
    pub after: TableType,
}

/// Another grain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrainChange {
    /// The columns that identified a row.
    pub before: Vec<String>,
    /// The columns that do now.
    pub after: Vec<String>,
}

/// A day of the grain that is one and the same in all rows of a version, and another in the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayMove {
    /// The column.
    pub column: String,
    /// The day in the first version.
    pub before: String,
    /// The day in the second.
    pub after: String,
}

/// How rows of both versions are known to be the same row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The columns that identify it.
    pub(super) key: Vec<String>,
    /// Days of the grain that are not among them, since they moved as a whole.
    pub(super) days: Vec<DayMove>,
    /// The columns that can be compared.
    pub(super) values: Vec<String>,
}

/// How the contract changed.
pub(super) fn compare(before: &TableContract, after: &TableContract) -> ContractChange {
    let missing = |of: &TableContract, from: &TableContract| {
        let columns = of.columns.iter().filter(|column| find(from, &column.name).is_none());
        columns.map(|column| column.name.clone()).collect()
    };
    let retyped = |column: &TableColumn| {
        let now = find(after, &column.name)?;
        let (before, after) = (column.data_type, now.data_type);
        (before != after).then(|| Retyped { column: column.name.clone(), before, after })
    };
    let is_other = before.grain != after.grain;
    ContractChange {
        added: missing(after, before),
        removed: missing(before, after),
        retyped: before.columns.iter().filter_map(retyped).collect(),
        grain: is_other.then(|| GrainChange { before: before.grain.clone(), after: after.grain.clone() }),
    }
}

/// By which columns rows are the same, or why that cannot be said.
///
/// A day that is one value in a whole version (the `as_of` of a table that is replaced in every
/// run) tells no rows apart there; where it moved, no key would be in both versions, so keys are
/// compared without it. The commits' statistics say so, without a look at the rows.
pub(super) fn identity(before: &TableEntry, after: &TableEntry) -> Result<Identity, String> {
    let (old, new) = (&before.contract, &after.contract);
    if old.grain.is_empty() || new.grain.is_empty() {
        return Err("it has no grain, so only rows are counted".to_owned());
    }
    let (mut key, mut days) = keyed(before, after);
    if key.is_empty() && old.grain == new.grain {
        // Nothing but the day identifies its row.
        (key, days) = (new.grain.clone(), Vec::new());
    }
    let in_both: BTreeSet<&String> = key.iter().collect();
    let rest = |entry: &TableEntry, grain: &[String]| {
        grain.iter().filter(|column| !in_both.contains(column)).all(|column| one_day(entry, column).is_some())
    };
    if key.is_empty() || !rest(before, &old.grain) || !rest(after, &new.grain) {
        return Err("its grain changed, so only rows are counted".to_owned());
    }
    if let Some(column) = key.iter().find(|column| !is_comparable(old, new, column)) {
        return Err(format!(
            "the type of `{column}`, which is in its grain, changed, so only rows are counted"
        ));
    }
    let is_value = |column: &&TableColumn| {
        let name = &column.name;
        !key.contains(name) && !days.iter().any(|day| day.column == *name) && is_comparable(old, new, name)
    };
    let values = new.columns.iter().filter(is_value).map(|column| column.name.clone()).collect();
    Ok(Identity { key, days, values })
}

/// The columns of both grains but for days that moved as a whole, and these days.
fn keyed(before: &TableEntry, after: &TableEntry) -> (Vec<String>, Vec<DayMove>) {
    let (mut key, mut days) = (Vec::new(), Vec::new());
    for column in &after.contract.grain {
        if !before.contract.grain.contains(column) {
            continue;
        }
        match (one_day(before, column), one_day(after, column)) {
            (Some(before), Some(after)) if before != after => {
                days.push(DayMove { column: column.clone(), before, after });
            }
            _ => key.push(column.clone()),
        }
    }
    (key, days)
}

/// The one day that a column holds in all rows, if there are rows and it does.
fn one_day(entry: &TableEntry, name: &str) -> Option<String> {
    let column = find(&entry.contract, name)?;
    if column.data_type != TableType::Date || column.pii {
        return None;
    }
    let mut only: Option<&String> = None;
    for file in entry.files().filter(|file| file.rows > 0) {
        let known = file.columns.get(name).filter(|known| known.null_count == 0)?;
        let day = known.min.as_ref().filter(|min| Some(*min) == known.max.as_ref())?;
        if only.is_some_and(|other| other != day) {
            return None;
        }
        only = Some(day);
    }
    only.cloned()
}

/// Whether the values of a column mean the same in both versions.
pub(super) fn is_comparable(before: &TableContract, after: &TableContract, name: &str) -> bool {
    let is_whole =
        |data_type| matches!(data_type, TableType::Smallint | TableType::Integer | TableType::Bigint);
    match (find(before, name), find(after, name)) {
        (Some(before), Some(after)) => {
            let (before, after) = (before.data_type, after.data_type);
            before == after || (is_whole(before) && is_whole(after))
        }
        _ => false,
    }
}

/// The column called `name`.
pub(super) fn find<'a>(contract: &'a TableContract, name: &str) -> Option<&'a TableColumn> {
    contract.columns.iter().find(|column| column.name == name)
}
