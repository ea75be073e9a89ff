//! `diff`: what moved between two published versions.

use serde_json::{Value as Json, json};

use super::moved::{moved_sentence, movement_document, movement_grid};
use super::{DiffArgs, Exit, Output, Session, common_of, ops, words};
use crate::cli::tables::{Frame, Grid, LONGEST_TEXT};
use crate::ops::{Change, Compared, Diff, DiffRequest, KeyCounts, Keys, TableChange, TableDiff};

/// Columns named in a row of the table before "and 4 more".
const COLUMNS_SHOWN: usize = 3;
/// Tables named in a sentence before "and 4 more".
const TABLES_SHOWN: usize = 8;

/// Tells what moved between two published versions.
pub(in crate::cli) async fn diff(session: &Session, args: &DiffArgs) -> Result<Exit, ops::Error> {
    let common = args.resources.onto(args.select.onto(common_of(&args.project)));
    let request = DiffRequest { before: args.before.clone(), after: args.after.clone(), staged: args.staged };
    let diff = ops::diff(&session.around, &common, &request).await?;
    session.progress.finish();
    match args.output.output {
        Output::Json => session.console.document(&document(&diff))?,
        Output::Text => session.console.result(&text(&diff, session.console.frame()))?,
    }
    Ok(Exit::OK)
}

fn document(diff: &Diff) -> Json {
    let side = |side: &Compared| {
        json!({
            "version": side.version, "run_id": side.run_id, "as_of": side.as_of, "staged": side.is_staged
        })
    };
    json!({
        "root": diff.root,
        "before": side(&diff.before),
        "after": side(&diff.after),
        "tables": diff.tables.iter().map(table_document).collect::<Vec<_>>(),
    })
}

fn table_document(table: &TableDiff) -> Json {
    let name = &table.table;
    match &table.change {
        Change::Added { rows } => {
            json!({"table": name, "status": "added", "rows_before": Json::Null, "rows_after": rows})
        }
        Change::Removed { rows } => {
            json!({"table": name, "status": "removed", "rows_before": rows, "rows_after": Json::Null})
        }
        Change::Unchanged { rows } => {
            json!({"table": name, "status": "unchanged", "rows_before": rows, "rows_after": rows})
        }
        Change::Changed(change) => {
            let mut document = json!({"table": name, "status": "changed"});
            if let (Some(document), Json::Object(rest)) = (document.as_object_mut(), change_document(change))
            {
                document.extend(rest);
            }
            document
        }
    }
}

fn change_document(change: &TableChange) -> Json {
    let contract = &change.contract;
    let retyped = contract
        .retyped
        .iter()
        .map(|it| json!({"column": it.column, "before": it.before, "after": it.after}));
    let days =
        change.days.iter().map(|it| json!({"column": it.column, "before": it.before, "after": it.after}));
    let (keys, why) = match &change.keys {
        Keys::Compared(counts) => (keys_document(counts), None),
        Keys::NotCompared(why) => (Json::Null, Some(why)),
    };
    json!({
        "rows_before": change.rows_before,
        "rows_after": change.rows_after,
        "columns_added": contract.added,
        "columns_removed": contract.removed,
        "columns_retyped": retyped.collect::<Vec<_>>(),
        "grain_changed": contract.grain.as_ref().map(|grain| json!({"before": grain.before, "after": grain.after})),
        "days_moved": days.collect::<Vec<_>>(),
        "keys": keys,
        "keys_not_compared": why,
        "movement": change.movement.as_ref().map(movement_document),
    })
}

fn keys_document(counts: &KeyCounts) -> Json {
    let columns = counts.columns.iter().map(|(column, keys)| json!({"column": column, "keys": keys}));
    json!({
        "key": counts.key,
        "added": counts.added,
        "removed": counts.removed,
        "kept": counts.kept,
        "changed": counts.changed,
        "columns_changed": columns.collect::<Vec<_>>(),
    })
}

fn text(diff: &Diff, frame: Frame) -> String {
    let side = |side: &Compared| {
        if side.is_staged {
            format!("what run {} has staged, as of {}", side.run_id, side.looks_from)
        } else {
            format!("version {}, as of {}", side.version, side.looks_from)
        }
    };
    let mut text = format!("from {}\nto {}\n", side(&diff.before), side(&diff.after));
    let changed: Vec<(&TableDiff, &TableChange)> = diff.tables.iter().filter_map(changed).collect();
    if !changed.is_empty() {
        text.push_str(&format!("\n{}\n", changed_grid(&changed).render(frame)));
    }
    text.push_str(&others(diff));
    text.push_str(&moved_days(&changed));
    for (table, change) in &changed {
        text.push_str(&contract_lines(table, change));
    }
    for (table, change) in &changed {
        let Some(movement) = &change.movement else { continue };
        text.push_str(&format!("\n{}: {}\n", table.table, moved_sentence(movement)));
        text.push_str(&movement_grid(movement, frame));
    }
    text
}

fn changed(table: &TableDiff) -> Option<(&TableDiff, &TableChange)> {
    match &table.change {
        Change::Changed(change) => Some((table, change.as_ref())),
        _ => None,
    }
}

fn changed_grid(changed: &[(&TableDiff, &TableChange)]) -> Grid {
    let mut grid = Grid::new(&[
        "table",
        ">rows before",
        ">after",
        ">keys added",
        ">removed",
        ">changed",
        "columns that changed",
    ]);
    for (table, change) in changed {
        let rows = [change.rows_before, change.rows_after].map(words::grouped);
        let [added, removed, kept_changed, columns] = match &change.keys {
            Keys::NotCompared(_) => [const { String::new() }; 4],
            Keys::Compared(counts) => {
                let columns: Vec<String> = counts
                    .columns
                    .iter()
                    .map(|(column, keys)| format!("{column} {}", words::grouped(*keys)))
                    .collect();
                let [added, removed, changed] =
                    [counts.added, counts.removed, counts.changed].map(words::grouped);
                [added, removed, changed, cut(&columns)]
            }
        };
        let [before, after] = rows;
        grid.row([table.table.to_string(), before, after, added, removed, kept_changed, columns]);
    }
    grid
}

/// As many of the columns as a cell shows whole, and how many more there are.
fn cut(columns: &[String]) -> String {
    let whole = |shown: usize| {
        let text = words::listed(columns, shown);
        (text.chars().count() <= LONGEST_TEXT).then_some(text)
    };
    let whole = (1..=COLUMNS_SHOWN).rev().find_map(whole);
    whole.unwrap_or_else(|| words::counted(columns.len(), "column"))
}

/// The tables that were not compared row by row, a sentence each kind.
fn others(diff: &Diff) -> String {
    let named = |change: fn(&Change) -> bool| {
        let tables = diff.tables.iter().filter(|table| change(&table.change));
        tables.map(|table| table.table.to_string()).collect::<Vec<_>>()
    };
    let kinds: [(&str, Vec<String>); 3] = [
        ("added", named(|change| matches!(change, Change::Added { .. }))),
        ("removed", named(|change| matches!(change, Change::Removed { .. }))),
        ("unchanged", named(|change| matches!(change, Change::Unchanged { .. }))),
    ];
    let line = |(kind, tables): (&str, Vec<String>)| match tables.len() {
        0 => String::new(),
        number => {
            let number = words::counted(number, "table");
            format!("{number} {kind}: {}\n", words::listed(&tables, TABLES_SHOWN))
        }
    };
    kinds.into_iter().map(line).collect()
}

/// Which days moved as a whole, and in which tables.
fn moved_days(changed: &[(&TableDiff, &TableChange)]) -> String {
    let mut moves: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    for (table, change) in changed {
        for day in &change.days {
            let moved = format!("{} moved from {} to {}", day.column, day.before, day.after);
            moves.entry(moved).or_default().push(table.table.to_string());
        }
    }
    let line = |(moved, tables): (String, Vec<String>)| {
        format!("{moved}; keys are compared without it in {}\n", words::listed(&tables, TABLES_SHOWN))
    };
    moves.into_iter().map(line).collect()
}

/// How the table's contract changed, and why its keys were not compared.
fn contract_lines(table: &TableDiff, change: &TableChange) -> String {
    let contract = &change.contract;
    let retyped =
        contract.retyped.iter().map(|it| format!("{} from {} to {}", it.column, it.before, it.after));
    let retyped: Vec<String> = retyped.collect();
    let grain =
        contract.grain.iter().map(|it| format!("{} to {}", it.before.join(", "), it.after.join(", ")));
    let grain: Vec<String> = grain.collect();
    let part = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("{what} {}", words::listed(names, TABLES_SHOWN)))
    };
    let parts = [
        part("columns added:", &contract.added),
        part("columns removed:", &contract.removed),
        part("columns retyped:", &retyped),
        part("grain changed from", &grain),
        match &change.keys {
            Keys::NotCompared(why) => Some(why.clone()),
            Keys::Compared(_) => None,
        },
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("{}: {}\n", table.table, parts.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::ident::NodeName;
    use crate::interval::Instant;
    use crate::lake::TableMovement;
    use crate::ops::{ContractChange, DayMove, Flow, Flows, Movement, Stand, Told};

    const PLAIN: Frame = Frame { width: None, colour: Colour::None };

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).expect("a name")
    }

    fn side(version: u64, looks_from: &str) -> Compared {
        Compared {
            version,
            run_id: "r".to_owned(),
            as_of: Instant::from_micros(0),
            looks_from: looks_from.to_owned(),
            is_staged: false,
        }
    }

    fn tiers() -> TableChange {
        let at = |tier: &str| Stand::At(Some(tier.to_owned()));
        let flow = |before, after, keys| Flow { per: Vec::new(), before, after, keys };
        let columns =
            [("value", 400), ("value_rank", 300), ("tier", 5), ("value_share", 2), ("percentile", 1)];
        TableChange {
            rows_before: 1_000,
            rows_after: 1_010,
            contract: ContractChange { added: vec!["note".to_owned()], ..ContractChange::default() },
            days: vec![DayMove {
                column: "as_of".to_owned(),
                before: "2026-01-01".to_owned(),
                after: "2026-02-01".to_owned(),
            }],
            keys: Keys::Compared(KeyCounts {
                key: vec!["customer_id".to_owned()],
                added: 12,
                removed: 2,
                kept: 998,
                changed: 401,
                columns: columns.map(|(column, keys)| (column.to_owned(), keys)).to_vec(),
            }),
            movement: Some(Movement {
                question: TableMovement {
                    column: Some("tier".to_owned()),
                    key: vec!["customer_id".to_owned()],
                    ..TableMovement::default()
                },
                day_before: None,
                day_after: None,
                told: Told::Keys(Flows {
                    stayed: 993,
                    moved: 5,
                    came: 12,
                    left: 2,
                    moves: vec![
                        flow(Stand::Absent, at("D"), 12),
                        flow(at("A"), at("B"), 5),
                        flow(Stand::At(None), Stand::Absent, 2),
                    ],
                }),
            }),
        }
    }

    #[test]
    fn what_moved_is_told_table_by_table_and_then_in_the_words_of_the_business() {
        let diff = Diff {
            root: "file:///out/".to_owned(),
            before: side(1, "2026-01-01 (UTC)"),
            after: side(2, "2026-02-01 (UTC)"),
            tables: vec![
                TableDiff { table: name("dates"), change: Change::Unchanged { rows: 365 } },
                TableDiff { table: name("rfm"), change: Change::Added { rows: 9 } },
                TableDiff { table: name("value_tiers"), change: Change::Changed(Box::new(tiers())) },
            ],
        };
        let expected = "\
from version 1, as of 2026-01-01 (UTC)
to version 2, as of 2026-02-01 (UTC)

 table       │ rows before │ after │ keys added │ removed │ changed │ columns that changed
─────────────┼─────────────┼───────┼────────────┼─────────┼─────────┼──────────────────────────────────────────────────
 value_tiers │       1,000 │ 1,010 │         12 │       2 │     401 │ value 400, value_rank 300, tier 5 and 2 more

1 table added: rfm
1 table unchanged: dates
as_of moved from 2026-01-01 to 2026-02-01; keys are compared without it in value_tiers
value_tiers: columns added: note

value_tiers: 5 of 998 customer_id moved between values of tier, 12 came, 2 left
 tier before │ after │ customer_id
─────────────┼───────┼─────────────
 —           │ D     │          12
 A           │ B     │           5
 ∅           │ —     │           2
";
        let told = text(&diff, PLAIN);
        let squeezed = |text: &str| text.replace('─', "");
        assert_eq!(squeezed(&told), squeezed(expected));
    }

    #[test]
    fn columns_that_do_not_fit_in_their_cell_are_counted() {
        let columns =
            ["revenue 1,000", "margin 1,000", "revenue_above_last 900", "roas 1"].map(str::to_owned);
        assert_eq!(cut(&columns), "revenue 1,000, margin 1,000 and 2 more");
        assert_eq!(cut(&["x".repeat(50)]), "1 column");
        assert_eq!(cut(&[]), "");
    }

    #[test]
    fn programs_get_every_count_and_every_reason() {
        let document = change_document(&tiers());
        assert_eq!(document["keys"]["columns_changed"][2], json!({"column": "tier", "keys": 5}));
        assert_eq!(document["movement"]["flows"][0]["before"], json!({"is_there": false, "value": null}));
        assert_eq!(document["days_moved"][0]["after"], "2026-02-01");
        let silent =
            TableChange { keys: Keys::NotCompared("no grain".to_owned()), movement: None, ..tiers() };
        let document = change_document(&silent);
        assert_eq!((&document["keys"], &document["keys_not_compared"]), (&Json::Null, &json!("no grain")));
    }
}
