//! Movements as people and programs read them: after a run in three lines, in a comparison as a table.

use serde_json::{Value as Json, json};

use super::words;
use crate::cli::tables::{Frame, Grid};
use crate::ops::{Flow, Flows, Movement, RowsMoved, Since, Stand, Told, TotalMove};

/// Rows of a movement's table before "and 4 more".
const ROWS_SHOWN: usize = 20;
/// Moves named in a line after a run before "and 4 more".
const MOVES_SHOWN: usize = 3;
/// Movements told after a run.
const MOVEMENTS_SHOWN: usize = 2;
/// Digits of a decimal after its point that are shown even if they are 0.
const DIGITS_SHOWN: usize = 2;
/// What stands where a version does not have a key.
const ABSENT: &str = "—";
/// What stands for a missing value.
const MISSING: &str = "∅";

/// What a run moved, in at most three lines.
pub(super) fn text(since: &Since) -> String {
    let mut text = format!("since version {}: {}\n", since.before, rows_sentence(since));
    for (table, movement) in since.movements.iter().take(MOVEMENTS_SHOWN) {
        text.push_str(&format!("{table}, {}{}\n", short_sentence(movement), moves(movement)));
    }
    text
}

fn rows_sentence(since: &Since) -> String {
    let part = |moved: RowsMoved, word: &str| {
        let (rows, tables) = (words::count(moved.rows, "row"), words::counted(moved.tables, "table"));
        (moved.rows > 0).then(|| format!("{rows} {word} in {tables}"))
    };
    let parts: Vec<String> =
        [part(since.grew, "more"), part(since.shrank, "fewer")].into_iter().flatten().collect();
    let built = words::counted(since.tables, "table");
    if parts.is_empty() {
        format!("as many rows in each of {built}")
    } else {
        format!("{}, {built} built", parts.join(", "))
    }
}

/// `5 of 998 customer_id moved between values of tier, 12 came, 2 left`, or what is added up.
pub(super) fn moved_sentence(movement: &Movement) -> String {
    let question = &movement.question;
    let column = question.column.as_deref().unwrap_or_default();
    let sentence = match &movement.told {
        Told::Keys(flows) if !is_in_key(movement) => {
            let key = question.key.join(", ");
            format!("{} {key} moved between values of {column}{}", moved_of(flows), came_and_left(flows))
        }
        _ => short_sentence(movement),
    };
    match (&movement.day_before, &movement.day_after) {
        (Some(before), Some(after)) if before != after => format!("{sentence}, {before} → {after}"),
        _ => sentence,
    }
}

/// `tier: 5 of 998 moved, 12 came, 2 left`, or what is added up.
fn short_sentence(movement: &Movement) -> String {
    let question = &movement.question;
    let column = question.column.as_deref().unwrap_or_default();
    match &movement.told {
        Told::Nothing(why) => format!("its movement is not told: {why}"),
        // The value is part of the key, so nobody moves between values.
        Told::Keys(flows) if is_in_key(movement) => {
            format!("{column}: {} stayed{}", words::grouped(flows.stayed), came_and_left(flows))
        }
        Told::Keys(flows) => format!("{column}: {} moved{}", moved_of(flows), came_and_left(flows)),
        Told::Totals(totals) => {
            let total = question.total.as_deref().unwrap_or_default();
            let by = if column.is_empty() { String::new() } else { format!(" by {column}") };
            let same = if totals.iter().all(|total| is_zero(&total.moved)) { ", as before" } else { "" };
            format!("{total}{by}{same}")
        }
    }
}

fn is_in_key(movement: &Movement) -> bool {
    let question = &movement.question;
    question.column.as_ref().is_some_and(|column| question.key.contains(column))
}

/// `5 of 998`.
fn moved_of(flows: &Flows) -> String {
    format!("{} of {}", words::grouped(flows.moved), words::grouped(flows.moved + flows.stayed))
}

/// `, 12 came, 2 left`, without what is none.
fn came_and_left(flows: &Flows) -> String {
    let part = |(keys, word): (u64, &str)| {
        if keys == 0 { String::new() } else { format!(", {} {word}", words::grouped(keys)) }
    };
    [(flows.came, "came"), (flows.left, "left")].into_iter().map(part).collect()
}

/// `: A → B 5, B → A 2 and 3 more`.
fn moves(movement: &Movement) -> String {
    let moves: Vec<String> = match &movement.told {
        Told::Nothing(_) => Vec::new(),
        // How many came and left was said; from where to where is new.
        Told::Keys(flows) => {
            let is_told = |flow: &&Flow| {
                is_in_key(movement) || (flow.before != Stand::Absent && flow.after != Stand::Absent)
            };
            flows.moves.iter().filter(is_told).map(|flow| flow_words(movement, flow)).collect()
        }
        Told::Totals(totals) => totals
            .iter()
            .filter(|total| !is_zero(&total.moved))
            .map(|total| format!("{}{}", total_words(movement, total), signed(&total.moved)))
            .collect(),
    };
    if moves.is_empty() { String::new() } else { format!(": {}", words::listed(&moves, MOVES_SHOWN)) }
}

fn flow_words(movement: &Movement, flow: &Flow) -> String {
    let stand = |stand: &Stand| match stand {
        Stand::Absent => ABSENT.to_owned(),
        Stand::At(value) => shown(value.as_ref()),
    };
    let keys = words::grouped(flow.keys);
    format!("{}{} → {} {keys}", per_words(movement, &flow.per), stand(&flow.before), stand(&flow.after))
}

fn total_words(movement: &Movement, total: &TotalMove) -> String {
    let value = movement.question.column.as_ref().map(|_| shown(total.value.as_ref()) + " ");
    per_words(movement, &total.per) + &value.unwrap_or_default()
}

fn per_words(movement: &Movement, per: &[Option<String>]) -> String {
    let values = movement.question.per.iter().zip(per);
    values.map(|(column, value)| format!("{column} {} ", shown(value.as_ref()))).collect()
}

fn shown(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| MISSING.to_owned())
}

/// The movement as a table, without what did not move; empty if nothing did.
pub(super) fn movement_grid(movement: &Movement, frame: Frame) -> String {
    let question = &movement.question;
    let column = question.column.clone().unwrap_or_default();
    let mut headings = question.per.clone();
    let rows: Vec<Vec<Option<String>>> = match &movement.told {
        Told::Nothing(_) => Vec::new(),
        Told::Keys(flows) => {
            let is_the_value = |key: &&String| **key != column;
            let key: Vec<&str> = question.key.iter().filter(is_the_value).map(String::as_str).collect();
            headings.extend([format!("{column} before"), "after".to_owned(), format!(">{}", key.join(", "))]);
            flows.moves.iter().map(flow_row).collect()
        }
        Told::Totals(totals) => {
            headings.extend(question.column.clone());
            headings.extend([">before", ">after", ">moved"].map(str::to_owned));
            let moved = totals.iter().filter(|total| !is_zero(&total.moved));
            moved.map(|total| total_row(total, question.column.is_some())).collect()
        }
    };
    if rows.is_empty() {
        return String::new();
    }
    let mut grid = Grid::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    let all = rows.len();
    rows.into_iter().take(ROWS_SHOWN).for_each(|row| grid.cells(row));
    let more = all.saturating_sub(ROWS_SHOWN);
    let more = if more > 0 { format!("and {more} more (--output json)\n") } else { String::new() };
    grid.render(frame) + &more
}

fn flow_row(flow: &Flow) -> Vec<Option<String>> {
    let stand = |stand: &Stand| match stand {
        Stand::Absent => Some(ABSENT.to_owned()),
        Stand::At(value) => value.clone(),
    };
    let rest = [stand(&flow.before), stand(&flow.after), Some(words::grouped(flow.keys))];
    flow.per.iter().cloned().chain(rest).collect()
}

fn total_row(total: &TotalMove, has_value: bool) -> Vec<Option<String>> {
    let grouped = |total: &Option<String>| total.as_deref().map(|text| words::grouped_decimal(short(text)));
    let value = has_value.then(|| total.value.clone());
    let rest = [grouped(&total.before), grouped(&total.after), Some(signed(&total.moved))];
    total.per.iter().cloned().chain(value).chain(rest).collect()
}

/// A difference with its sign: `+1,204.00`.
fn signed(text: &str) -> String {
    let sign = if text.starts_with('-') || is_zero(text) { "" } else { "+" };
    format!("{sign}{}", words::grouped_decimal(short(text)))
}

/// A decimal without the zeros at its end that stand after the second digit: no less exact.
fn short(text: &str) -> &str {
    let least = text.find('.').map_or(text.len(), |point| point + 1 + DIGITS_SHOWN);
    let significant = text.trim_end_matches('0').len();
    text.get(..significant.max(least)).unwrap_or(text)
}

fn is_zero(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '0' | '.' | '-'))
}

/// What a run moved, for programs.
pub(super) fn document(since: &Since) -> Json {
    let rows = |moved: RowsMoved| json!({"tables": moved.tables, "rows": moved.rows});
    let movement = |(table, movement): &(crate::ident::NodeName, Movement)| {
        let mut document = json!({"table": table});
        if let (Some(document), Json::Object(rest)) = (document.as_object_mut(), movement_document(movement))
        {
            document.extend(rest);
        }
        document
    };
    json!({
        "since": since.before,
        "tables": since.tables,
        "more_rows": rows(since.grew),
        "fewer_rows": rows(since.shrank),
        "movements": since.movements.iter().map(movement).collect::<Vec<_>>(),
    })
}

/// A movement for programs: values as text, decimals in all their digits.
pub(super) fn movement_document(movement: &Movement) -> Json {
    let question = &movement.question;
    let mut document = json!({
        "column": question.column,
        "total": question.total,
        "per": question.per,
        "key": question.key,
        "day_before": movement.day_before,
        "day_after": movement.day_after,
    });
    let rest = match &movement.told {
        Told::Nothing(why) => json!({"not_told": why}),
        Told::Keys(flows) => json!({
            "stayed": flows.stayed,
            "moved": flows.moved,
            "came": flows.came,
            "left": flows.left,
            "flows": flows.moves.iter().map(flow_document).collect::<Vec<_>>(),
        }),
        Told::Totals(totals) => json!({"totals": totals.iter().map(total_document).collect::<Vec<_>>()}),
    };
    if let (Some(document), Json::Object(rest)) = (document.as_object_mut(), rest) {
        document.extend(rest);
    }
    document
}

fn flow_document(flow: &Flow) -> Json {
    let stand = |stand: &Stand| match stand {
        Stand::Absent => json!({"is_there": false, "value": Json::Null}),
        Stand::At(value) => json!({"is_there": true, "value": value}),
    };
    json!({"per": flow.per, "before": stand(&flow.before), "after": stand(&flow.after), "keys": flow.keys})
}

fn total_document(total: &TotalMove) -> Json {
    json!({
        "per": total.per,
        "value": total.value,
        "before": total.before,
        "after": total.after,
        "moved": total.moved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::ident::NodeName;
    use crate::lake::TableMovement;

    fn credit() -> Movement {
        let total =
            |model: &str, channel: Option<&str>, before: Option<&str>, after: &str, moved: &str| TotalMove {
                per: vec![Some(model.to_owned())],
                value: channel.map(str::to_owned),
                before: before.map(str::to_owned),
                after: Some(after.to_owned()),
                moved: moved.to_owned(),
            };
        Movement {
            question: TableMovement {
                column: Some("channel".to_owned()),
                total: Some("revenue".to_owned()),
                per: vec!["model".to_owned()],
                ..TableMovement::default()
            },
            day_before: None,
            day_after: None,
            told: Told::Totals(vec![
                total("last", Some("email"), Some("1000.00"), "2204.50", "1204.50"),
                total("last", None, Some("3000.00"), "1795.50", "-1204.50"),
                total("first", Some("post"), None, "0.00", "0.00"),
            ]),
        }
    }

    fn since(movements: Vec<(NodeName, Movement)>) -> Since {
        let grew = RowsMoved { tables: 2, rows: 1_204 };
        Since { before: 3, after: 4, tables: 5, grew, shrank: RowsMoved::default(), movements }
    }

    #[test]
    fn a_run_says_in_three_lines_what_it_moved() {
        let table = |name: &str| NodeName::parse(name).expect("a name");
        let movements = vec![(table("credit"), credit()), (table("b"), credit()), (table("c"), credit())];
        let expected = "\
since version 3: 1,204 rows more in 2 tables, 5 tables built
credit, revenue by channel: model last email +1,204.50 and model last ∅ -1,204.50
b, revenue by channel: model last email +1,204.50 and model last ∅ -1,204.50
";
        assert_eq!(text(&since(movements)), expected);
        let still = Since { grew: RowsMoved::default(), ..since(Vec::new()) };
        assert_eq!(text(&still), "since version 3: as many rows in each of 5 tables\n");
    }

    #[test]
    fn totals_are_told_with_their_sign_and_without_those_that_stayed() {
        let expected = "
 model │ channel │   before │    after │     moved
───────┼─────────┼──────────┼──────────┼───────────
 last  │ email   │ 1,000.00 │ 2,204.50 │ +1,204.50
 last  │ ∅       │ 3,000.00 │ 1,795.50 │ -1,204.50
";
        let frame = Frame { width: None, colour: Colour::None };
        assert_eq!(format!("\n{}", movement_grid(&credit(), frame)), expected);
    }

    #[test]
    fn decimals_lose_nothing_but_zeros_at_their_end() {
        for (text, expected) in [
            ("-937.000000000", "-937.00"),
            ("656.981150769", "656.981150769"),
            ("0.500", "0.50"),
            ("1200", "1200"),
            ("7.1", "7.1"),
        ] {
            assert_eq!(short(text), expected);
        }
    }

    #[test]
    fn a_long_movement_is_cut_with_a_count() {
        let flow = |keys| Flow { per: Vec::new(), before: Stand::Absent, after: Stand::At(None), keys };
        let flows = Flows { moves: (1..=25).map(flow).collect(), ..Flows::default() };
        let movement = Movement { told: Told::Keys(flows), ..credit() };
        let frame = Frame { width: None, colour: Colour::None };
        assert!(movement_grid(&movement, frame).ends_with("and 5 more (--output json)\n"));
    }

    #[test]
    fn programs_get_decimals_in_full() {
        let document = document(&since(vec![(NodeName::parse("credit").expect("a name"), credit())]));
        let total = &document["movements"][0]["totals"][1];
        assert_eq!(total["moved"], "-1204.50");
        assert_eq!(total["value"], Json::Null);
        assert_eq!(document["more_rows"], json!({"tables": 2, "rows": 1_204}));
    }
}
