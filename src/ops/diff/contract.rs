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

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    /// A table with these columns (name and type) and this grain, in one file with these days.
    fn table(columns: &[(&str, &str)], grain: &[&str], days: &[(&str, &str, &str)]) -> TableEntry {
        let column = |(name, data_type): &(&str, &str)| json!({"name": name, "type": data_type, "nullable": false, "pii": false, "description": ""});
        let known = |(name, min, max): &(&str, &str, &str)| {
            ((*name).to_owned(), json!({"min": min, "max": max, "null_count": 0}))
        };
        let file = json!({
            "path": "data/a/part-00000.parquet", "bytes": 1, "rows": 2, "sha256": "",
            "columns": days.iter().map(known).collect::<serde_json::Map<_, _>>()
        });
        let entry = json!({
            "owner": "p", "built_in": 1, "fingerprint": "",
            "contract": {
                "description": "", "columns": columns.iter().map(column).collect::<Vec<Json>>(),
                "grain": grain, "order_by": grain
            },
            "delta": {"table_id": "", "version": 0},
            "parts": [{
                "slice": {"kind": "whole"}, "fingerprint": "", "attempt": "a",
                "published_at": "2026-01-01T00:00:00Z", "rows": 2, "files": [file]
            }]
        });
        serde_json::from_value(entry).expect("an entry of a commit")
    }

    const COLUMNS: [(&str, &str); 3] = [("as_of", "date"), ("id", "bigint"), ("tier", "varchar")];

    fn seen_on(first: &str, last: &str) -> TableEntry {
        table(&COLUMNS, &["as_of", "id"], &[("as_of", first, last)])
    }

    fn key(before: &TableEntry, after: &TableEntry) -> Vec<String> {
        identity(before, after).expect("an identity").key
    }

    #[test]
    fn a_day_that_moved_as_a_whole_is_in_no_key() {
        let (january, february) = (seen_on("2026-01-01", "2026-01-01"), seen_on("2026-02-01", "2026-02-01"));
        let found = identity(&january, &february).expect("an identity");
        assert_eq!((found.key, found.values), (vec!["id".to_owned()], vec!["tier".to_owned()]));
        let day = DayMove {
            column: "as_of".to_owned(),
            before: "2026-01-01".to_owned(),
            after: "2026-02-01".to_owned(),
        };
        assert_eq!(found.days, [day]);
        assert_eq!(key(&january, &january), ["as_of", "id"], "the same day stays");
    }

    #[test]
    fn a_table_with_several_days_is_compared_day_by_day() {
        let january = seen_on("2026-01-01", "2026-01-01");
        let both = seen_on("2026-01-01", "2026-02-01");
        assert_eq!(key(&january, &both), ["as_of", "id"]);
        assert_eq!(key(&both, &both), ["as_of", "id"]);
    }

    #[test]
    fn a_grain_may_gain_a_day_that_tells_no_rows_apart_and_nothing_else() {
        let plain = table(&COLUMNS, &["id"], &[]);
        assert_eq!(key(&plain, &seen_on("2026-01-01", "2026-01-01")), ["id"]);
        let several = seen_on("2026-01-01", "2026-02-01");
        assert!(identity(&plain, &several).expect_err("no identity").contains("grain changed"));
        let by_tier = table(&COLUMNS, &["id", "tier"], &[]);
        assert!(identity(&plain, &by_tier).expect_err("no identity").contains("grain changed"));
        let none = table(&COLUMNS, &[], &[]);
        assert!(identity(&none, &plain).expect_err("no identity").contains("no grain"));
    }

    #[test]
    fn whole_numbers_of_any_width_are_compared_and_other_types_are_not() {
        let narrow = table(&[("id", "integer"), ("tier", "varchar")], &["id"], &[]);
        let wide = table(&[("id", "bigint"), ("tier", "integer")], &["id"], &[]);
        let found = identity(&narrow, &wide).expect("an identity");
        assert_eq!((found.key, found.values), (vec!["id".to_owned()], Vec::new()));
        let text = table(&[("id", "varchar"), ("tier", "varchar")], &["id"], &[]);
        assert!(identity(&narrow, &text).expect_err("no identity").contains("the type of `id`"));
        let changed = compare(&narrow.contract, &wide.contract);
        assert_eq!(changed.retyped.len(), 2);
    }

    #[test]
    fn a_row_known_by_its_day_alone_keeps_it() {
        let one = |day: &str| table(&[("as_of", "date")], &["as_of"], &[("as_of", day, day)]);
        assert_eq!(key(&one("2026-01-01"), &one("2026-02-01")), ["as_of"]);
    }
}
