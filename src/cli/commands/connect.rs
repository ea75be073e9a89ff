//! `check --connect`: what sources and root allow, as a table.

use serde_json::json;

use super::{Exit, Output, Session, exit, ops, render, tell};
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::Diagnostics;
use crate::ops::{Common, Connection};

/// Looks at the way to sources and root, and tells what is wrong with it.
pub(super) async fn connect(session: &Session, common: &Common, output: Output) -> Result<Exit, ops::Error> {
    let connections = ops::connect(&session.around, common).await?;
    let found: Diagnostics = failures(&connections);
    tell(&found, session.console);
    let error = ops::Error::from(found.clone());
    let exit = if found.is_empty() { Exit::OK } else { exit::of_kind(error.kind()) };
    match output {
        Output::Json => session.console.document(&json!({
            "status": if found.is_empty() { "success" } else { "error" },
            "exit_code": exit.number(),
            "connections": connections.iter().map(|connection| json!({
                "role": connection.role,
                "url": connection.url,
                "works": connection.works,
                "fails": connection.fails.as_ref().map(|(what, _)| what),
            })).collect::<Vec<_>>(),
            "diagnostics": render::json(&found),
        }))?,
        Output::Text => session.console.result(&table(&connections, session.console.frame()))?,
    }
    Ok(exit)
}

fn failures(connections: &[Connection]) -> Diagnostics {
    let failed = connections.iter().filter_map(|connection| connection.fails.as_ref());
    failed.flat_map(|(_, found)| found.iter().cloned()).collect()
}

fn table(connections: &[Connection], frame: Frame) -> String {
    let mut grid = Grid::new(&["what", "where", "works", "fails"]);
    for connection in connections {
        grid.row([
            connection.role.to_owned(),
            connection.url.clone(),
            connection.works.join(", "),
            connection.fails.as_ref().map_or_else(String::new, |(what, _)| (*what).to_owned()),
        ]);
    }
    grid.render(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::diagnostic::{Diagnostic, code};

    #[test]
    fn what_works_and_what_fails_is_told_for_each_place() {
        let refused = Diagnostic::error(code::ACCESS_DENIED, "the store refused access to s3://acme/x");
        let connection = Connection {
            role: "root",
            url: "s3://acme/".to_owned(),
            works: vec!["list".to_owned()],
            fails: Some(("write", refused.into())),
        };
        let expected = "
 what │ where      │ works │ fails
──────┼────────────┼───────┼───────
 root │ s3://acme/ │ list  │ write
";
        let frame = Frame { width: None, colour: Colour::None };
        assert_eq!(format!("\n{}", table(std::slice::from_ref(&connection), frame)), expected);
        assert_eq!(failures(&[connection]).iter().count(), 1);
    }
}
