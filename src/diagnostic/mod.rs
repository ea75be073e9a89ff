//! Findings for a person: what is wrong, where, and what to do.
//!
//! **Invariant:** nothing here prints. `cli` renders a [`Diagnostic`]; every other module only
//! makes them. A finding never carries a customer's value, only names, places and counts, and no
//! address with a password or a signature.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::ident::NodeName;

mod codes;
mod origin;
mod secrets;

pub use codes::{ALL as ALL_CODES, Code, Kind};
pub use origin::Origin;
pub use secrets::{masked, without_secrets};
pub mod code {
    //! The stable codes, one constant each; `docs/errors.md` has a section for every one.
    pub use super::codes::constants::*;
}

/// A text file as it was read: the path people know it by and its whole text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceFile {
    path: Arc<str>,
    text: Arc<str>,
    /// Where each line but the first begins: a file has a place for each of thousands of values.
    lines: Arc<[usize]>,
    made: Option<Arc<origin::Made>>,
}

impl SourceFile {
    /// Keeps `text` under the path shown to people, relative to the project where possible.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        let lines = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { path: Arc::from(path), text: Arc::from(text), lines, made: None }
    }

    /// The path shown to people.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of the bytes `span`, moved inward to the text and to character boundaries; of a text
    /// that was made, the place it was made from.
    #[must_use]
    pub fn place(&self, span: Range<usize>) -> Place {
        let start = floor_boundary(&self.text, span.start);
        let end = floor_boundary(&self.text, span.end).max(start);
        match &self.made {
            Some(made) => made.place(&(start..end)),
            None => Place { file: self.clone(), span: start..end },
        }
    }

    /// The place that starts at `line` and `column` (both from 1, columns in characters) and
    /// has `length` characters on that line; past the end it is the end.
    #[must_use]
    pub fn place_at(&self, line: usize, column: usize, length: usize) -> Place {
        let column = column.max(1);
        self.place(self.offset(line, column)..self.offset(line, column.saturating_add(length)))
    }

    /// The byte of the text at `line` and `column` (both from 1, columns in characters); past the
    /// end of the line it is that end.
    #[must_use]
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let line_start = self.line_start(line);
        let rest = self.text.get(line_start..).unwrap_or_default();
        let this_line = rest.split('\n').next().unwrap_or_default();
        let first = this_line.char_indices().nth(column.saturating_sub(1));
        line_start + first.map_or(this_line.len(), |(at, _)| at)
    }

    fn line_start(&self, line: usize) -> usize {
        match line {
            0 | 1 => 0,
            _ => self.lines.get(line - 2).copied().unwrap_or(self.text.len()),
        }
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceFile({})", self.path)
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Where in a file something is: a half-open range of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    file: SourceFile,
    span: Range<usize>,
}

impl Place {
    /// The file the place is in.
    #[must_use]
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// The bytes of the place.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The text at the place.
    #[must_use]
    pub fn text(&self) -> &str {
        self.file.text.get(self.span.clone()).unwrap_or_default()
    }

    /// Line and column, both from 1, the column in characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.file.text.get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.file.path)
    }
}

/// Whether a finding stops the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Stops the command before anything is done.
    Error,
    /// Is told, and the command goes on.
    Warning,
}

/// One finding.
///
/// The message has no capital and no full stop, and names stand in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// Whether it stops the command.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where, if it is in a file a person wrote.
    pub place: Option<Place>,
    /// What stands under the marked text: usually the suggestion.
    pub label: Option<String>,
    /// What to do, one sentence each, below the text.
    pub help: Vec<String>,
    /// Models that cannot be computed because of it.
    pub affects: Vec<NodeName>,
}

impl Diagnostic {
    /// An error without a place.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: without_secrets(&message.into()),
            place: None,
            label: None,
            help: Vec::new(),
            affects: Vec::new(),
        }
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same finding at `place`.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same finding with `label` under the marked text.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(without_secrets(&label.into())), ..self }
    }

    /// The same finding with one more thing to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(without_secrets(&help.into()));
        self
    }

    /// The same finding with the models it keeps from being computed.
    #[must_use]
    pub fn affects(self, affects: Vec<NodeName>) -> Self {
        Self { affects, ..self }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}: {place}: {}", self.code, self.message),
            None => write!(f, "{}: {}", self.code, self.message),
        }
    }
}

/// The findings of a phase, all at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one finding.
    pub fn push(&mut self, found: Diagnostic) {
        self.0.push(found);
    }

    /// Adds the findings of another phase.
    pub fn extend(&mut self, found: Self) {
        self.0.extend(found.0);
    }

    /// Keeps the value of `result`, or its findings.
    pub fn keep<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(found) => {
                self.extend(found);
                None
            }
        }
    }

    /// Whether any finding stops the command.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|found| found.severity == Severity::Error)
    }

    /// Whether there is no finding at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The findings, by file, place and code, each once.
    #[must_use]
    pub fn sorted(mut self) -> Vec<Diagnostic> {
        let key = |found: &Diagnostic| {
            let place = found.place.as_ref();
            (
                place.map(|place| place.file.path.to_string()),
                place.map(|place| place.span.start),
                found.code,
                found.message.clone(),
            )
        };
        self.0.sort_by_cached_key(key);
        self.0.dedup();
        self.0
    }

    /// The findings in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// `value` if nothing stops the command; warnings are dropped.
    ///
    /// # Errors
    ///
    /// Returns all findings if one of them is an error.
    pub fn or_ok<T>(self, value: T) -> Result<T, Self> {
        if self.has_errors() { Err(self) } else { Ok(value) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(found: Diagnostic) -> Self {
        Self(vec![found])
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(found: I) -> Self {
        Self(found.into_iter().collect())
    }
}

/// The candidate nearest to `text`, if one is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|name| (strsim::jaro_winkler(text, name), name));
    let best = scored.max_by(|(a, left), (b, right)| a.total_cmp(b).then(right.cmp(left)));
    best.filter(|(score, _)| *score >= 0.8).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_knows_its_line_and_column_in_characters() {
        let file = SourceFile::new("a.sql", "select ä,\n  custmer_id\nfrom t\n");
        let place = file.place_at(2, 3, 10);
        assert_eq!(place.text(), "custmer_id");
        assert_eq!(place.to_string(), "a.sql:2:3");
        assert_eq!(file.place_at(1, 9, 1).text(), ",");
    }

    #[test]
    fn a_place_past_the_end_is_the_end() {
        let file = SourceFile::new("a.sql", "x");
        assert_eq!(file.place(5..9).span(), 1..1);
        assert_eq!(file.place_at(9, 9, 9).span(), 1..1);
    }

    #[test]
    fn the_nearest_name_must_be_near() {
        assert_eq!(nearest("custmer_id", ["order_id", "customer_id"]), Some("customer_id"));
        assert_eq!(nearest("zzz", ["order_id", "customer_id"]), None);
    }
}
