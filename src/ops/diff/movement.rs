//! The business view: who moved from which value to which, and what totals became.

use indexmap::IndexMap;

use super::contract::{find, is_comparable};
use super::pair::{AFTER, BEFORE, Pair, Question, number, quoted};
use crate::ident::VariableName;
use crate::lake::{FileEntry, TableEntry, TableMovement, TableType};
use crate::ops::Error;
use crate::query::{Parameters, Value, ValueType};

/// The most rows of an answer: who asks for more names a column that is no view of a business.
const MOST_ROWS: usize = 10_000;
/// The parameters that say which day of each version counts.
const DAYS: [&str; 2] = ["day_before", "day_after"];

/// What is told of a table, and the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// What was asked.
    pub question: TableMovement,
    /// The day that counts in the first version, if only one does.
    pub day_before: Option<String>,
    /// The day that counts in the second version, if only one does.
    pub day_after: Option<String>,
    /// The answer.
    pub told: Told,
}

/// What moved.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Keys between values.
    Keys(Flows),
    /// Totals, those that moved most first within each value of `per`.
    Totals(Vec<TotalMove>),
    /// Nothing can be told, and why.
    Nothing(String),
}

/// How many keys moved from which value to which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flows {
    /// Keys with the same value in both versions.
    pub stayed: u64,
    /// Keys with another value.
    pub moved: u64,
    /// Keys that only the second version has.
    pub came: u64,
    /// Keys that only the first version has.
    pub left: u64,
    /// All but those that stayed, the largest first within each value of `per`.
    pub moves: Vec<Flow>,
}

/// Keys that moved from one value to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The values of the columns of `per`.
    pub per: Vec<Option<String>>,
    /// Where they were.
    pub before: Stand,
    /// Where they are.
    pub after: Stand,
    /// How many.
    pub keys: u64,
}

/// Where a key stands in a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// The version does not have it.
    Absent,
    /// At a value, `None` where it is null.
    At(Option<String>),
}

/// A total before and after, in exact digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalMove {
    /// The values of the columns of `per`.
    pub per: Vec<Option<String>>,
    /// The value of `column`, if there is one.
    pub value: Option<String>,
    /// The total in the first version; `None` if there is nothing to add up.
    pub before: Option<String>,
    /// The total in the second version; `None` if there is nothing to add up.
    pub after: Option<String>,
    /// The second less the first, none being 0.
    pub moved: String,
}

impl Movement {
    /// The share of its keys or of its total that moved: tells which of several movements matters more.
    #[must_use]
    pub fn weight(&self) -> f64 {
        let (moved, all) = match &self.told {
            Told::Keys(flows) => {
                let moved = flows.moved + flows.came + flows.left;
                (as_number(&moved.to_string()), as_number(&(moved + flows.stayed).to_string()))
            }
            Told::Totals(totals) => {
                let before = |total: &TotalMove| total.before.as_deref().map_or(0.0, as_number);
                let moved = totals.iter().map(|total| as_number(&total.moved)).sum();
                (moved, totals.iter().map(before).sum())
            }
            Told::Nothing(_) => (0.0, 1.0),
        };
        if moved == 0.0 { 0.0 } else { moved / f64::max(all, moved) }
    }
}

/// The size of a number; its digits do not matter here.
fn as_number(text: &str) -> f64 {
    text.parse::<f64>().unwrap_or_default().abs()
}

/// The rows that [`told`] reads of both versions together.
pub(super) fn rows_read(before: &TableEntry, after: &TableEntry, question: &TableMovement) -> u64 {
    let rows = |entry| counted(entry, question).1.iter().map(|file| file.rows).sum::<u64>();
    rows(before) + rows(after)
}

/// Answers what is asked of a table.
///
/// # Errors
///
/// Returns what keeps the files from being read.
pub(super) async fn told(pair: &Pair<'_>, question: TableMovement) -> Result<Movement, Error> {
    let (day_before, before) = counted(pair.before, &question);
    let (day_after, after) = counted(pair.after, &question);
    let movement = |told| Movement {
        question: question.clone(),
        day_before: day_before.clone(),
        day_after: day_after.clone(),
        told,
    };
    if let Some(why) = unanswerable(pair, &question) {
        return Ok(movement(Told::Nothing(why)));
    }
    let mut parameters = Parameters::new();
    for (name, day) in DAYS.into_iter().zip([&day_before, &day_after]) {
        // A version without rows has no day, and nothing to be cut.
        let day = day.as_deref().and_then(|day| ValueType::Date.parse(day).ok()).unwrap_or(Value::Date(0));
        parameters.extend(VariableName::parse(name).ok().map(|name| (name, day)));
    }
    let sql = if question.total.is_some() { totals_sql(&question) } else { flows_sql(&question) };
    let asked = Question { sql, parameters, before, after, limit: MOST_ROWS + 1 };
    let rows = pair.ask(asked).await?;
    if rows.len() > MOST_ROWS {
        let why = format!("its columns have more than {MOST_ROWS} combinations of values");
        return Ok(movement(Told::Nothing(why)));
    }
    Ok(movement(if question.total.is_some() { totals(&question, rows) } else { flows(&question, rows) }))
}

/// The day that counts, if only one does, and the files that may hold its rows.
fn counted<'a>(entry: &'a TableEntry, question: &TableMovement) -> (Option<String>, Vec<&'a FileEntry>) {
    let Some(latest) = &question.latest else { return (None, entry.files().collect()) };
    let last = |file: &FileEntry| file.columns.get(latest).and_then(|known| known.max.clone());
    // Days as text are in order: the year has four digits.
    let Some(day) = entry.files().filter_map(last).max() else { return (None, entry.files().collect()) };
    let files = entry.files().filter(|file| last(file).as_ref() == Some(&day)).collect();
    (Some(day), files)
}

/// Why nothing can be told of these two versions, if so.
fn unanswerable(pair: &Pair<'_>, question: &TableMovement) -> Option<String> {
    let (before, after) = (&pair.before.contract, &pair.after.contract);
    for (word, name) in question.columns() {
        let columns = [find(before, name), find(after, name)];
        let is_told = !matches!(word, "key" | "while_null");
        if is_told && columns.iter().flatten().any(|column| column.pii) {
            return Some(format!("`{name}` is personal data"));
        }
        let is_sound = match word {
            "while_null" => columns.iter().all(Option::is_some),
            "latest" => columns.iter().all(|it| it.is_some_and(|column| column.data_type == TableType::Date)),
            _ => is_comparable(before, after, name),
        };
        if !is_sound {
            return Some(format!("`{name}` is not in both versions, or of another type"));
        }
    }
    None
}

/// The columns of `per`, then other ones, of both versions, one below the other; `side` says whose they are.
fn both_sides(question: &TableMovement, columns: &[(String, &str)]) -> String {
    let per = question.per.iter().enumerate().map(|(at, column)| format!("{} as p{at}", quoted(column)));
    let others = columns.iter().map(|(column, name)| format!("{} as {name}", quoted(column)));
    let columns = per.chain(others).collect::<Vec<_>>().join(", ");
    let side = |table: &str, day: &str, side: u8| {
        let day = question.latest.iter().map(|column| format!("{} = ${day}", quoted(column)));
        let open = question.while_null.iter().map(|column| format!("{} is null", quoted(column)));
        let conditions = day.chain(open).collect::<Vec<_>>().join(" and ");
        let filter = if conditions.is_empty() { conditions } else { format!(" where {conditions}") };
        format!("select {columns}, {side} as side from {table}{filter}")
    };
    let [day_before, day_after] = DAYS;
    format!("{} union all {}", side(BEFORE, day_before, 1), side(AFTER, day_after, 2))
}

fn names(letter: char, number: usize) -> Vec<String> {
    (0..number).map(|at| format!("{letter}{at}")).collect()
}

/// A row for each way keys went: the columns of `per`, whether each version has them, the value in
/// each, how many, and how many of them stand in several rows of a version.
fn flows_sql(question: &TableMovement) -> String {
    let keys = names('k', question.key.len());
    let value = question.column.clone().unwrap_or_default();
    let columns = question.key.iter().cloned().zip(keys.iter().map(String::as_str));
    let columns: Vec<(String, &str)> = columns.chain([(value, "moving")]).collect();
    let per = names('p', question.per.len());
    let by = per.iter().chain(&keys).cloned().collect::<Vec<_>>().join(", ");
    let per: String = per.iter().map(|name| format!("{name}, ")).collect();
    format!(
        "select {per}was_there, is_there, value_before, value_after, count(*) as keys, sum(repeats) as repeated from (\
         select {by}, \
         min(moving) filter (where side = 1) as value_before, \
         min(moving) filter (where side = 2) as value_after, \
         count(*) filter (where side = 1) > 0 as was_there, \
         count(*) filter (where side = 2) > 0 as is_there, \
         case when count(*) filter (where side = 1) > 1 or count(*) filter (where side = 2) > 1 \
         then 1 else 0 end as repeats \
         from ({}) as sides group by {by}) as keyed group by {per}was_there, is_there, value_before, value_after \
         order by keys desc, {per}was_there, is_there, value_before, value_after",
        both_sides(question, &columns),
    )
}

fn flows(question: &TableMovement, rows: Vec<Vec<Option<String>>>) -> Told {
    let per = question.per.len();
    let mut told = Flows::default();
    let mut repeated = 0;
    for mut row in rows {
        let rest = row.split_off(per);
        let there = |at: usize| rest.get(at).is_some_and(|flag| flag.as_deref() == Some("true"));
        let stand = |is_there: bool, at: usize| {
            if is_there { Stand::At(rest.get(at).cloned().flatten()) } else { Stand::Absent }
        };
        let flow = Flow {
            per: row,
            before: stand(there(0), 2),
            after: stand(there(1), 3),
            keys: number(rest.get(4)),
        };
        repeated += number(rest.get(5));
        match (&flow.before, &flow.after) {
            (Stand::Absent, _) => told.came += flow.keys,
            (_, Stand::Absent) => told.left += flow.keys,
            (before, after) if before == after => told.stayed += flow.keys,
            _ => told.moved += flow.keys,
        }
        if flow.before != flow.after {
            told.moves.push(flow);
        }
    }
    if repeated > 0 {
        let key = question.key.join(", ");
        return Told::Nothing(format!("its rows are not one for each {key}: {repeated} stand in several"));
    }
    told.moves = together(told.moves, |flow| &flow.per);
    Told::Keys(told)
}

/// A row for each value: the columns of `per`, the value of `column`, the total before, after, and
/// their difference; those that moved most first.
fn totals_sql(question: &TableMovement) -> String {
    let total = question.total.clone().unwrap_or_default();
    let value = question.column.clone().map(|column| (column, "moving"));
    let columns: Vec<(String, &str)> = value.into_iter().chain([(total, "amount")]).collect();
    let value = question.column.iter().map(|_| "moving".to_owned());
    let by: Vec<String> = names('p', question.per.len()).into_iter().chain(value).collect();
    let told: String = by.iter().map(|name| format!("{name}, ")).collect();
    let group = if by.is_empty() { String::new() } else { format!(" group by {}", by.join(", ")) };
    let order = if by.is_empty() { String::new() } else { format!(", {}", by.join(", ")) };
    format!(
        "select {told}total_before, total_after, difference from (\
         select {told}total_before, total_after, \
         coalesce(total_after, 0) - coalesce(total_before, 0) as difference from (\
         select {told}sum(amount) filter (where side = 1) as total_before, \
         sum(amount) filter (where side = 2) as total_after from ({}) as sides{group}) as totals) as moves \
         order by abs(difference) desc{order}",
        both_sides(question, &columns),
    )
}

fn totals(question: &TableMovement, rows: Vec<Vec<Option<String>>>) -> Told {
    let per = question.per.len();
    let total = |mut row: Vec<Option<String>>| {
        let mut rest = row.split_off(per.min(row.len())).into_iter();
        let value = if question.column.is_some() { rest.next().flatten() } else { None };
        let (before, after) = (rest.next().flatten(), rest.next().flatten());
        let moved = rest.next().flatten().unwrap_or_else(|| "0".to_owned());
        TotalMove { per: row, value, before, after, moved }
    };
    Told::Totals(together(rows.into_iter().map(total).collect(), |total| &total.per))
}

/// What must not be added up stands apart: the values of `per` in the order in which they come
/// first, so that the one in which most moved leads.
fn together<T>(moves: Vec<T>, per: impl Fn(&T) -> &Vec<Option<String>>) -> Vec<T> {
    let mut groups: IndexMap<Vec<Option<String>>, Vec<T>> = IndexMap::new();
    for one in moves {
        groups.entry(per(&one).clone()).or_default().push(one);
    }
    groups.into_values().flatten().collect()
}
