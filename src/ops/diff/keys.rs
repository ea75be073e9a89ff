//! Row by row: keys that came and went, and the columns that changed under those that stayed.

use std::collections::{BTreeMap, BTreeSet};

use super::contract::Identity;
use super::pair::{AFTER, BEFORE, Pair, Question, number, quoted};
use crate::lake::{FileEntry, TableEntry};
use crate::ops::Error;
use crate::query::Parameters;
use crate::store::Key;

/// The most columns that one query compares: more make a query too large to plan.
const MOST_COLUMNS: usize = 500;

/// What became of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// They were compared.
    Compared(KeyCounts),
    /// Why they could not be told apart.
    NotCompared(String),
}

/// How many keys came, went and changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCounts {
    /// The columns that identify a row in both versions.
    pub key: Vec<String>,
    /// Keys that only the second version has.
    pub added: u64,
    /// Keys that only the first version has.
    pub removed: u64,
    /// Keys that both have.
    pub kept: u64,
    /// Those of them whose values differ in any column that both have.
    pub changed: u64,
    /// In how many kept keys each column changed, the most often changed first; those that never did are left out.
    pub columns: Vec<(String, u64)>,
}

/// Compares the rows of both versions.
///
/// # Errors
///
/// Returns what keeps the files from being read.
pub(super) async fn compared(pair: &Pair<'_>, identity: Result<Identity, String>) -> Result<Keys, Error> {
    let identity = match identity {
        Ok(identity) => identity,
        Err(why) => return Ok(Keys::NotCompared(why)),
    };
    if identity.values.len() > MOST_COLUMNS {
        return Ok(Keys::NotCompared(format!(
            "it has more than {MOST_COLUMNS} columns, so only rows are counted"
        )));
    }
    let same = same_files(pair, &identity);
    let differs = |file: &&FileEntry| !same.contains_key(&file.path);
    let question = Question {
        sql: sql(&identity),
        parameters: Parameters::new(),
        before: pair.before.files().filter(differs).collect(),
        after: pair.after.files().filter(differs).collect(),
        limit: 1,
    };
    let rows = pair.ask(question).await?;
    let row = rows.first().map(Vec::as_slice).unwrap_or_default();
    let Identity { key, values, .. } = identity;
    let changes = values.into_iter().zip(row.iter().skip(4));
    let mut columns: Vec<(String, u64)> = changes
        .map(|(column, count)| (column, number(Some(count))))
        .filter(|(_, count)| *count > 0)
        .collect();
    columns.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let [added, removed, kept, changed] = [0, 1, 2, 3].map(|at| number(row.get(at)));
    let kept = kept + same.values().sum::<u64>();
    Ok(Keys::Compared(KeyCounts { key, added, removed, kept, changed, columns }))
}

/// The files that both versions have, with their rows: no row of theirs came, went or changed, since a key is
/// in one file only. None where rows are told apart by less than the grain.
fn same_files<'a>(pair: &Pair<'a>, identity: &Identity) -> BTreeMap<&'a Key, u64> {
    let key: BTreeSet<&String> = identity.key.iter().collect();
    let is_grain = |entry: &TableEntry| entry.contract.grain.iter().collect::<BTreeSet<_>>() == key;
    if !is_grain(pair.before) || !is_grain(pair.after) {
        return BTreeMap::new();
    }
    let before: BTreeMap<&Key, &String> =
        pair.before.files().map(|file| (&file.path, &file.sha256)).collect();
    let is_same = |file: &&FileEntry| before.get(&file.path) == Some(&&file.sha256);
    pair.after.files().filter(is_same).map(|file| (&file.path, file.rows)).collect()
}

/// One row: keys added, removed, kept and changed, then a count for each column.
///
/// A key is never null (the grain is audited in every run), so where it is, the other side has no such row.
fn sql(identity: &Identity) -> String {
    let Identity { key, values, .. } = identity;
    let on = key.iter().map(|column| quoted(column)).map(|column| format!("b.{column} = a.{column}"));
    let on = on.collect::<Vec<_>>().join(" and ");
    let mark = key.first().map(|column| quoted(column)).unwrap_or_default();
    let in_both = format!("b.{mark} is not null and a.{mark} is not null");
    let mut inner = vec![
        format!("b.{mark} is null as is_added"),
        format!("a.{mark} is null as is_removed"),
        format!("{in_both} as is_kept"),
    ];
    for (at, column) in values.iter().map(|column| quoted(column)).enumerate() {
        inner.push(format!("{in_both} and b.{column} is distinct from a.{column} as c{at}"));
    }
    let counted = |flag: String| format!("count(*) filter (where {flag})");
    let any = (0..values.len()).map(|at| format!("c{at}")).collect::<Vec<_>>().join(" or ");
    let any = if any.is_empty() { "false".to_owned() } else { any };
    let flags = ["is_added", "is_removed", "is_kept"].map(str::to_owned).into_iter().chain([any]);
    let flags = flags.chain((0..values.len()).map(|at| format!("c{at}")));
    let outer = flags.map(counted).enumerate().map(|(at, count)| format!("{count} as n{at}"));
    format!(
        "select {} from (select {} from {BEFORE} as b full outer join {AFTER} as a on {on}) as pairs",
        outer.collect::<Vec<_>>().join(", "),
        inner.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_quotes_and_every_value_column_is_counted() {
        let identity = Identity {
            key: vec!["id".to_owned(), "Day".to_owned()],
            days: Vec::new(),
            values: vec!["say \"hi\"".to_owned()],
        };
        let expected = "select count(*) filter (where is_added) as n0, \
            count(*) filter (where is_removed) as n1, count(*) filter (where is_kept) as n2, \
            count(*) filter (where c0) as n3, count(*) filter (where c0) as n4 from (\
            select b.\"id\" is null as is_added, a.\"id\" is null as is_removed, \
            b.\"id\" is not null and a.\"id\" is not null as is_kept, \
            b.\"id\" is not null and a.\"id\" is not null and b.\"say \"\"hi\"\"\" is distinct from a.\"say \"\"hi\"\"\" as c0 \
            from rows_before as b full outer join rows_after as a on b.\"id\" = a.\"id\" and b.\"Day\" = a.\"Day\") as pairs";
        assert_eq!(sql(&identity), expected);
    }
}
