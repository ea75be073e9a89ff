//! Findings as people read them, and as programs do.
//!
//! **Invariant:** text from files and data is never taken for control sequences of a terminal.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};
use serde_json::{Value as Json, json};

use super::words;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, Severity, masked};
use crate::ident::NodeName;

/// Models named in an `affects` line before "and 4 more".
const AFFECTED_SHOWN: usize = 2;

/// Whether text carries colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// Escape sequences for a terminal.
    Ansi,
    /// Text only.
    None,
}

/// All findings, by file and place, each followed by an empty line, and how many there are.
pub(super) fn text(found: &Diagnostics, colour: Colour) -> String {
    let sorted = found.clone().sorted();
    let mut text: String = sorted.iter().map(|found| one(found, colour) + "\n").collect();
    let errors = sorted.iter().filter(|found| found.severity == Severity::Error).count();
    if errors > 1 {
        text.push_str(&format!("{} found\n", words::counted(errors, "error")));
    }
    text
}

/// One finding, ending in a line break:
///
/// ```text
/// error[GW0203]: column `custmer_id` not found
///   --> sql/value/value_tiers.sql:14:8
///    |
/// 14 |        o.custmer_id,
///    |        ^^^^^^^^^^^^ did you mean `o.customer_id`?
///    = affects: customer_value, segment_membership and 4 more
/// ```
pub(super) fn one(found: &Diagnostic, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Ansi => Renderer::styled(),
        Colour::None => Renderer::plain(),
    };
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(found.message.as_str()).id(found.code.to_string());
    let group = match &found.place {
        None => annotate_snippets::Group::with_title(title),
        Some(place) => title.element(snippet(place, found.label.as_deref())),
    };
    let indent = found.place.as_ref().map_or(0, line_digits);
    let mut text = renderer.render(&[group]);
    text.push('\n');
    for line in footer(found) {
        text.push_str(&footer_line(&line, indent, colour));
    }
    text
}

fn snippet<'a>(place: &'a Place, label: Option<&'a str>) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let file = place.file();
    let annotation = AnnotationKind::Primary.span(first_line(place)).label(label);
    Snippet::source(masked(file.text())).path(file.path()).annotation(annotation)
}

/// The part of the place on its first line: one marked line says where, more only fill the screen.
fn first_line(place: &Place) -> std::ops::Range<usize> {
    let span = place.span();
    let marked = place.text().split(['\n', '\r']).next().unwrap_or_default();
    span.start..span.start + marked.len()
}

fn line_digits(place: &Place) -> usize {
    place.line_column().0.to_string().len()
}

fn footer(found: &Diagnostic) -> Vec<String> {
    let mut lines: Vec<String> = found.help.iter().map(|help| format!("help: {help}")).collect();
    if found.place.is_none() {
        lines.extend(found.label.iter().map(|label| format!("help: {label}")));
    }
    if !found.affects.is_empty() {
        lines.push(format!("affects: {}", words::listed(&found.affects, AFFECTED_SHOWN)));
    }
    lines
}

fn footer_line(line: &str, indent: usize, colour: Colour) -> String {
    let pad = " ".repeat(indent + 1);
    // What follows the first line stands under its text.
    let under = format!("\n{pad}  ");
    let line = line.split('\n').map(normalize_untrusted_str).collect::<Vec<_>>().join(&under);
    match colour {
        Colour::None => format!("{pad}= {line}\n"),
        Colour::Ansi => {
            let style = annotate_snippets::renderer::DEFAULT_LINE_NUM_STYLE;
            format!("{pad}{style}={style:#} {line}\n")
        }
    }
}

/// The findings for programs, in the same order: a list of objects.
pub(super) fn json(found: &Diagnostics) -> Json {
    found.clone().sorted().iter().map(json_of).collect()
}

fn json_of(found: &Diagnostic) -> Json {
    let place = found.place.as_ref();
    let line_column = place.map(Place::line_column);
    let affects: Vec<&str> = found.affects.iter().map(NodeName::as_str).collect();
    json!({
        "code": found.code.to_string(),
        "severity": severity(found.severity),
        "message": found.message,
        "file": place.map(|place| place.file().path()),
        "line": line_column.map(|(line, _)| line),
        "column": line_column.map(|(_, column)| column),
        "label": found.label,
        "help": found.help,
        "affects": affects,
    })
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{SourceFile, code};

    fn misspelt() -> Diagnostic {
        let sql = format!("{}       o.custmer_id,\n       o.profit\n", "-- a line\n".repeat(13));
        let place = SourceFile::new("sql/value/value_tiers.sql", &sql).place_at(14, 8, 12);
        let names = ["customer_value", "segment_membership", "a", "b", "c", "d"];
        let affects = names.iter().map(|name| NodeName::parse(name).expect("a name")).collect();
        Diagnostic::error(code::UNKNOWN_COLUMN, "column `custmer_id` not found")
            .at(place)
            .label("did you mean `o.customer_id` (BIGINT, from sql/staging/orders.sql)?")
            .affects(affects)
    }

    #[test]
    fn a_finding_shows_its_line_what_was_meant_and_what_it_affects() {
        let expected = "\
error[GW0203]: column `custmer_id` not found
  --> sql/value/value_tiers.sql:14:8
   |
14 |        o.custmer_id,
   |        ^^^^^^^^^^^^ did you mean `o.customer_id` (BIGINT, from sql/staging/orders.sql)?
   = affects: customer_value, segment_membership and 4 more
";
        assert_eq!(one(&misspelt(), Colour::None), expected);
    }

    #[test]
    fn a_finding_without_a_place_has_its_help_below() {
        let found = Diagnostic::error(code::NO_PIPELINE, "there is no pipeline file here")
            .help("type `goodwill demo`");
        let expected = "error[GW0112]: there is no pipeline file here\n = help: type `goodwill demo`\n";
        assert_eq!(one(&found, Colour::None), expected);
    }

    #[test]
    fn a_place_of_many_lines_is_marked_on_its_first() {
        let file = SourceFile::new("a.sql", "select a\nfrom t\nwhere b\n");
        let found = Diagnostic::warning(code::TYPE_ERROR, "no").at(file.place(7..20));
        let expected = "warning[GW0211]: no\n --> a.sql:1:8\n  |\n1 | select a\n  |        ^\n";
        assert_eq!(one(&found, Colour::None), expected);
    }

    #[test]
    fn a_place_in_an_empty_file_can_be_shown() {
        let found =
            Diagnostic::error(code::SQL_SYNTAX, "nothing here").at(SourceFile::new("a.sql", "").place(0..0));
        assert!(one(&found, Colour::None).starts_with("error[GW0108]: nothing here\n --> a.sql:1:1\n"));
    }

    #[test]
    fn control_characters_of_a_file_do_not_reach_the_terminal() {
        let file = SourceFile::new("a.sql", "select '\u{1b}[2J' as a\n");
        let found = Diagnostic::error(code::TYPE_ERROR, "bad \u{1b}[31m").at(file.place(7..14)).help("\u{7}");
        assert!(!one(&found, Colour::None).contains(['\u{1b}', '\u{7}']));
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        assert!(one(&misspelt(), Colour::Ansi).contains('\u{1b}'));
        assert!(!one(&misspelt(), Colour::None).contains('\u{1b}'));
    }

    #[test]
    fn several_findings_are_sorted_and_counted() {
        let file = SourceFile::new("a.sql", "a b");
        let at = |span| Diagnostic::error(code::TYPE_ERROR, "no").at(file.place(span));
        let found: Diagnostics = [at(2..3), at(0..1)].into_iter().collect();
        let text = text(&found, Colour::None);
        assert!(text.find("a.sql:1:1") < text.find("a.sql:1:3"));
        assert!(text.ends_with("2 errors found\n"));
    }

    #[test]
    fn programs_get_every_part_of_a_finding() {
        let expected = json!([{
            "code": "GW0203",
            "severity": "error",
            "message": "column `custmer_id` not found",
            "file": "sql/value/value_tiers.sql",
            "line": 14,
            "column": 8,
            "label": "did you mean `o.customer_id` (BIGINT, from sql/staging/orders.sql)?",
            "help": [],
            "affects": ["customer_value", "segment_membership", "a", "b", "c", "d"],
        }]);
        assert_eq!(json(&misspelt().into()), expected);
    }
}
