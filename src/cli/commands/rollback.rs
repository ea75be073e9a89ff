//! `rollback`: an old version published again.

use serde_json::{Value as Json, json};

use super::{Exit, Output, RollbackArgs, Session, common_of, ops, words};
use crate::cli::tables::{Frame, Grid};
use crate::ops::{Restored, RolledBack};

/// Publishes an old version's tables again.
pub(in crate::cli) async fn rollback(session: &Session, args: &RollbackArgs) -> Result<Exit, ops::Error> {
    let common = args.lock.onto(common_of(&args.project));
    let rolled = ops::rollback(&session.around, &common, &args.version).await?;
    match args.output.output {
        Output::Json => session.console.document(&document(&rolled))?,
        Output::Text => session.console.result(&text(&rolled, session.console.frame()))?,
    }
    Ok(Exit::OK)
}

fn document(rolled: &RolledBack) -> Json {
    let table = |restored: &Restored| json!({"table": restored.table, "rows": restored.rows, "rows_before": restored.rows_before});
    json!({
        "status": if rolled.run_id.is_some() { "rolled_back" } else { "nothing_to_do" },
        "exit_code": Exit::OK.number(),
        "root": rolled.root,
        "restores": rolled.target,
        "version": rolled.version,
        "run_id": rolled.run_id,
        "as_of": rolled.as_of,
        "tables": rolled.tables.iter().map(table).collect::<Vec<_>>(),
        "kept": rolled.kept,
    })
}

fn text(rolled: &RolledBack, frame: Frame) -> String {
    let RolledBack { target, version, .. } = rolled;
    if rolled.run_id.is_none() {
        return format!("nothing to do: the tables of version {version} are those of version {target}\n");
    }
    let mut grid = Grid::new(&["table", ">rows", ">before"]);
    for restored in &rolled.tables {
        let Restored { table, rows, rows_before } = restored;
        grid.row([table.to_string(), words::grouped(*rows), words::grouped(*rows_before)]);
    }
    let mut text = grid.render(frame);
    if !rolled.kept.is_empty() {
        let kept = words::listed(&rolled.kept, 5);
        text.push_str(&format!("not in version {target}, as they were: {kept}\n"));
    }
    let tables = words::counted(rolled.tables.len(), "table");
    text.push_str(&format!("published version {version}: {tables} as in version {target}\n"));
    text.push_str("the next `goodwill run` builds again what the project and its sources say otherwise\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::ident::NodeName;
    use crate::interval::Instant;

    const PLAIN: Frame = Frame { width: None, colour: Colour::None };

    #[test]
    fn a_rollback_says_what_changed_and_what_comes_next() {
        let name = |text: &str| NodeName::parse(text).expect("a name");
        let rolled = RolledBack {
            root: "file:///out/".to_owned(),
            target: 1,
            as_of: Instant::from_micros(0),
            version: 3,
            run_id: Some("r".to_owned()),
            tables: vec![Restored { table: name("rfm"), rows: 1000, rows_before: 900 }],
            kept: vec![name("lifecycle")],
        };
        let told = text(&rolled, PLAIN);
        assert!(told.contains("published version 3: 1 table as in version 1\n"), "{told}");
        assert!(told.contains("not in version 1, as they were: lifecycle\n"), "{told}");
        assert!(told.contains("1,000"), "{told}");
        let idle = RolledBack { run_id: None, tables: Vec::new(), ..rolled };
        assert_eq!(text(&idle, PLAIN), "nothing to do: the tables of version 3 are those of version 1\n");
    }
}
