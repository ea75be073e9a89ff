//! What docs/functions.md says of our own functions: what the code says.

use datafusion::logical_expr::Documentation;

const PAGE: &str = include_str!("../../docs/functions.md");
const ENDS: &str = "<!-- end -->\n";

/// Greedy lines of at most 120 characters; paragraphs stay.
fn wrapped(text: &str, indent: &str) -> String {
    let paragraph = |text: &str| {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let last = lines.last_mut().expect("a line");
            if last.chars().count() + word.chars().count() >= 120 {
                lines.push(format!("{indent}{word}"));
            } else {
                let space = if last.trim().is_empty() { "" } else { " " };
                last.push_str(&format!("{space}{word}"));
            }
        }
        lines.join("\n")
    };
    text.split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n")
}

fn entry(doc: &Documentation) -> String {
    let arguments = doc.arguments.iter().flatten();
    let arguments = arguments.map(|(name, what)| wrapped(&format!("- `{name}`: {what}"), "  ") + "\n");
    let example = doc.sql_example.as_deref().expect("an example");
    format!(
        "#### `{}`\n\n{}\n\n{}\n```sql\n{example}\n```\n\n",
        doc.syntax_example,
        wrapped(&doc.description, ""),
        arguments.collect::<String>()
    )
}

/// Checks that the page has the entries of `all`, in order, after the line that names `file`.
pub(super) fn check<'a>(file: &str, all: impl Iterator<Item = &'a Documentation>) {
    let begins = format!("<!-- from src/functions/{file}; its test says how it must read -->\n");
    let expected: String = all.map(entry).collect();
    let found = PAGE.split_once(&begins).and_then(|(_, rest)| rest.split_once(ENDS)).map(|(part, _)| part);
    assert!(found == Some(expected.as_str()), "docs/functions.md must have:\n{begins}{expected}{ENDS}");
}
