//! `verify --rebuild`: a published version, built again and compared.

use serde_json::{Value as Json, json};

use super::keep::{of_findings, verified_document, verified_text};
use super::{Exit, Output, Session, VerifyArgs, common_of, ops, render, tell, words};
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::Diagnostics;
use crate::ops::{Days, RebuildRequest, Rebuilt, RebuiltPart, Verdict};

/// Builds a version again and compares it with what was published.
pub(in crate::cli) async fn rebuild(session: &Session, args: &VerifyArgs) -> Result<Exit, ops::Error> {
    let request = RebuildRequest {
        version: args.run.clone(),
        days: if args.every_day { Days::Every } else { Days::Own },
    };
    let common = args.resources.onto(common_of(&args.project));
    let rebuilt = ops::rebuild(&session.around, &common, &request).await?;
    session.progress.finish();
    let found = Found::of(&rebuilt);
    tell(&found.all(), session.console);
    match args.output.output {
        Output::Json => session.console.document(&document(&rebuilt, &found))?,
        Output::Text => session.console.result(&text(&rebuilt, session.console.frame()))?,
    }
    Ok(found.exit())
}

/// All that was found, the gravest first.
struct Found {
    /// Bytes that are not what they should be, in the root or built again.
    different: Diagnostics,
    /// What could not be built.
    failures: Diagnostics,
    /// What could not be compared.
    not_compared: Diagnostics,
}

impl Found {
    fn of(rebuilt: &Rebuilt) -> Self {
        let differences = rebuilt.differences();
        Self {
            different: rebuilt.verified.findings.iter().chain(differences.iter()).cloned().collect(),
            failures: rebuilt.failures.clone(),
            not_compared: rebuilt.not_compared().map(Diagnostics::from).unwrap_or_default(),
        }
    }

    fn by_gravity(&self) -> [(&'static str, &Diagnostics); 3] {
        [("different", &self.different), ("failed", &self.failures), ("not_compared", &self.not_compared)]
    }

    fn all(&self) -> Diagnostics {
        self.by_gravity().into_iter().flat_map(|(_, found)| found.iter().cloned()).collect()
    }

    /// What is wrong comes before what is not known.
    fn gravest(&self) -> Option<(&'static str, &Diagnostics)> {
        self.by_gravity().into_iter().find(|(_, found)| !found.is_empty())
    }

    fn exit(&self) -> Exit {
        self.gravest().map_or(Exit::OK, |(_, found)| of_findings(found))
    }
}

fn document(rebuilt: &Rebuilt, found: &Found) -> Json {
    let mut document = verified_document(&rebuilt.verified, found.exit());
    document["status"] = found.gravest().map_or("as_published", |(status, _)| status).into();
    document["diagnostics"] = render::json(&found.all());
    document["rebuilt"] = json!({
        "version": rebuilt.version,
        "parts": rebuilt.parts.iter().map(part_document).collect::<Vec<_>>(),
        "other_days": rebuilt.other_days,
        "tables_of_other_pipelines": rebuilt.elsewhere,
    });
    document
}

fn part_document(part: &RebuiltPart) -> Json {
    let mut told = json!({"table": part.table, "day": part.day, "rows": part.rows});
    match &part.verdict {
        Verdict::Same => {
            told["result"] = "same".into();
            told["rebuilt_rows"] = part.rows.into();
        }
        Verdict::Differs { rows, keys } => {
            told["result"] = "different".into();
            told["rebuilt_rows"] = (*rows).into();
            if let Some(keys) = keys {
                told["keys"] = json!({"changed": keys.changed, "only_published": keys.removed, "only_rebuilt": keys.added});
            }
        }
        Verdict::NotCompared(why) => {
            told["result"] = "not_compared".into();
            told["reason"] = why.kind().into();
            told["why"] = why.to_string().into();
        }
    }
    told
}

fn text(rebuilt: &Rebuilt, frame: Frame) -> String {
    let mut text = String::new();
    if !rebuilt.parts.is_empty() {
        text.push_str(&parts(rebuilt).render(frame));
        text.push('\n');
    }
    if rebuilt.other_days > 0 {
        let left = words::counted(rebuilt.other_days, "part");
        text.push_str(&format!("not built again: {left} of other days; --every-day builds them too\n"));
    }
    if rebuilt.elsewhere > 0 {
        let left = words::counted(rebuilt.elsewhere, "table");
        text.push_str(&format!("not built again: {left} of other pipelines\n"));
    }
    text.push_str(&verified_text(&rebuilt.verified));
    text.push_str(&summary(rebuilt));
    text
}

fn parts(rebuilt: &Rebuilt) -> Grid {
    let why = |part: &RebuiltPart| match &part.verdict {
        Verdict::NotCompared(why) => Some(why.to_string()),
        Verdict::Same | Verdict::Differs { .. } => None,
    };
    let are_all_compared = rebuilt.parts.iter().all(|part| why(part).is_none());
    let all = ["table", "part", ">rows", ">rebuilt", "result", "why"];
    let columns = if are_all_compared { all.len() - 1 } else { all.len() };
    let mut grid = Grid::new(all.get(..columns).unwrap_or_default());
    for part in &rebuilt.parts {
        let (rows, result) = match &part.verdict {
            Verdict::Same => (words::grouped(part.rows), "same bytes"),
            Verdict::Differs { rows, .. } => (words::grouped(*rows), "differs"),
            Verdict::NotCompared(_) => (String::new(), "cannot be compared"),
        };
        let day = part.day.clone().unwrap_or_else(|| "whole".to_owned());
        let cells = [part.table.to_string(), day, words::grouped(part.rows), rows, result.to_owned()];
        let cells = cells.into_iter().chain([why(part).unwrap_or_default()]);
        grid.cells(cells.take(columns).map(Some).collect());
    }
    grid
}

fn summary(rebuilt: &Rebuilt) -> String {
    let count =
        |is_meant: fn(&Verdict) -> bool| rebuilt.parts.iter().filter(|part| is_meant(&part.verdict)).count();
    let same = count(|verdict| matches!(verdict, Verdict::Same));
    let differ = count(|verdict| matches!(verdict, Verdict::Differs { .. }));
    let left = rebuilt.parts.len() - same - differ;
    let parts = words::counted(rebuilt.parts.len(), "part");
    let mut told = format!("built again: {same} of {parts} with the published bytes");
    for (number, what) in [(differ, "with others"), (left, "not compared")] {
        if number > 0 {
            told.push_str(&format!(", {number} {what}"));
        }
    }
    told + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::ident::NodeName;
    use crate::ops::{KeyCounts, Verified, WhyNot};

    fn part(table: &str, day: Option<&str>, verdict: Verdict) -> RebuiltPart {
        let table = NodeName::parse(table).expect("a name");
        RebuiltPart { table, day: day.map(str::to_owned), rows: 1200, verdict }
    }

    fn rebuilt(parts: Vec<RebuiltPart>) -> Rebuilt {
        let verified = Verified {
            root: "file:///out/".to_owned(),
            versions: vec![7],
            tables: 3,
            files: 3,
            bytes: 3_400_000,
            findings: Diagnostics::default(),
        };
        let failures = Diagnostics::default();
        Rebuilt { verified, version: 7, parts, other_days: 2, elsewhere: 0, failures }
    }

    fn check(parts: Vec<RebuiltPart>, status: &str, exit: u8) {
        let rebuilt = rebuilt(parts);
        let found = Found::of(&rebuilt);
        let document = document(&rebuilt, &found);
        assert_eq!((&document["status"], &document["exit_code"]), (&status.into(), &exit.into()));
        assert_eq!(found.exit().number(), exit);
    }

    #[test]
    fn what_is_wrong_counts_more_than_what_is_not_known() {
        let same = || part("a", None, Verdict::Same);
        let differs = || part("b", Some("2024-03-01"), Verdict::Differs { rows: 1199, keys: None });
        let left = || part("c", None, Verdict::NotCompared(WhyNot::Parameters));
        check(vec![same()], "as_published", 0);
        check(vec![same(), left()], "not_compared", 2);
        check(vec![same(), left(), differs()], "different", 4);
    }

    #[test]
    fn a_person_sees_each_part_and_what_came_of_it() {
        let keys = KeyCounts {
            key: vec!["id".to_owned()],
            added: 0,
            removed: 1,
            kept: 1199,
            changed: 3,
            columns: vec![("amount".to_owned(), 3)],
        };
        let rebuilt = rebuilt(vec![
            part("a", None, Verdict::Same),
            part("b", Some("2024-03-01"), Verdict::Differs { rows: 1199, keys: Some(keys) }),
            part("c", None, Verdict::NotCompared(WhyNot::Inputs(vec!["sources.orders".to_owned()]))),
        ]);
        let frame = Frame { width: None, colour: Colour::None };
        let squeezed = |text: String| {
            let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.filter(|line| !line.starts_with('─')).collect::<Vec<_>>().join("\n")
        };
        let expected = "\
table │ part │ rows │ rebuilt │ result │ why
a │ whole │ 1,200 │ 1,200 │ same bytes │
b │ 2024-03-01 │ 1,200 │ 1,199 │ differs │
c │ whole │ 1,200 │ │ cannot be compared │ changed since: sources.orders

not built again: 2 parts of other days; --every-day builds them too
version 7: 3 tables, 3 files, 3.4 MB, all as published
built again: 1 of 3 parts with the published bytes, 1 with others, 1 not compared";
        assert_eq!(squeezed(text(&rebuilt, frame)), expected);
        let found = Found::of(&rebuilt).all();
        let told = render::text(&found, Colour::None);
        for expected in [
            "error[GW0904]: `b` of 2024-03-01 in version 7 has other bytes than the same SQL",
            "rows by id: 3 changed in amount, 1 only published, 0 only now",
            "error[GW0312]: 1 of 3 parts of version 7 cannot be compared",
            "`c`: changed since: sources.orders",
        ] {
            assert!(told.contains(expected), "`{expected}` is not in:\n{told}");
        }
    }
}
