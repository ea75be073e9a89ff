//! DataFusion's words about SQL, said in ours: our names of types, a place, and what to do.

use arrow::datatypes::DataType;
use datafusion::common::{Diagnostic as Found, Span};
use datafusion::error::DataFusionError;

use super::coerced::{TextCast, Unreadable};
use super::errors::Explain;
use crate::count::counted;
use crate::diagnostic::{Diagnostic, code};
use crate::functions::sql_type;

impl Explain<'_> {
    /// SQL whose types, groups or numbers of columns do not fit.
    pub(super) fn type_error(&self, error: &DataFusionError) -> Diagnostic {
        let found = error.diagnostic();
        let span = found.and_then(|found| found.span);
        if let Some(found) = found
            && let Some(explained) = self.not_grouped(found).or_else(|| self.unlike(found))
        {
            return explained;
        }
        let text = found.map_or_else(|| error.find_root().strip_backtrace(), |found| found.message.clone());
        if let Some(explained) = self.wrong_arguments(&text, span) {
            return explained;
        }
        let explained = self.at(Diagnostic::error(code::TYPE_ERROR, plain(&text)), span);
        found.map_or(explained.clone(), |found| self.with_notes(explained, found))
    }

    /// A column of text that would be read as something else.
    pub(super) fn silent_cast(&self, (column, to): &TextCast) -> Diagnostic {
        let (name, to) = (&column.name, sql_type(to));
        let message = format!("`{name}` is text and would be read as {to}");
        let found = Diagnostic::error(code::TYPE_ERROR, message);
        let place = column.spans().first().map(|span| self.place(span));
        let found = self.at_place(found, place.or_else(|| self.written.identifier(name)));
        let (cast, mild) = (format!("cast({name} as {to})"), format!("try_cast({name} as {to})"));
        found.help(format!("write the cast yourself: `{cast}`, or `{mild}` where some texts are none"))
    }

    /// A text that cannot be read as what it is compared with or cast to; none of a parameter's value.
    pub(super) fn unreadable_text(&self, (text, to): &Unreadable) -> Option<Diagnostic> {
        let place = self.written.text(text)?;
        let message = format!("`'{text}'` is text and cannot be read as {}", sql_type(to));
        let found = self.at_place(Diagnostic::error(code::TYPE_ERROR, message), Some(place));
        Some(found.help("numbers stand without quotes; a day is written '2024-12-31'"))
    }

    /// A column beside an aggregate that the groups do not have.
    fn not_grouped(&self, found: &Found) -> Option<Diagnostic> {
        let rest = found
            .message
            .strip_suffix(" must appear in GROUP BY clause because it's not an aggregate expression")?;
        let column = plain(rest).replace('`', "");
        let message = format!("`{column}` is neither in GROUP BY nor aggregated");
        let explained = self.at(Diagnostic::error(code::TYPE_ERROR, message), found.span);
        Some(explained.help(format!("add it to GROUP BY, or aggregate it, for example `max({column})`")))
    }

    /// Two sides of an operator whose types do not go together.
    fn unlike(&self, found: &Found) -> Option<Diagnostic> {
        let [left, right] = found.notes.as_slice() else { return None };
        let side = |note: &datafusion::common::diagnostic::DiagnosticNote, other: &str| {
            let data_type = note.message.strip_prefix("has type ")?;
            let written = note.span.map(|span| self.place(span)).map(|place| format!("`{}`", place.text()));
            Some(format!("{} is {}", written.unwrap_or_else(|| other.to_owned()), plain_types(data_type)))
        };
        let sides = format!("{}, {}", side(left, "the left side")?, side(right, "the right side")?);
        let message = format!("these types do not go together: {sides}");
        let explained = self.at(Diagnostic::error(code::TYPE_ERROR, message), found.span);
        Some(explained.help("cast one side to a type that goes with the other"))
    }

    /// A function that does not take what it is given.
    fn wrong_arguments(&self, text: &str, span: Option<Span>) -> Option<Diagnostic> {
        let (before, rest) = text.split_once("No function matches the given name and argument types '")?;
        let (call, _) = rest.split_once('\'')?;
        let name = call.split('(').next().unwrap_or_default();
        // One of our functions says best what it needs.
        let own = before.rsplit("Error during planning: ").next().filter(|own| own.starts_with('`'));
        let message = match own {
            Some(own) => plain(own.trim_end_matches([' ', '.'])),
            None => format!("there is no `{}`", plain_types(call)),
        };
        let found = Diagnostic::error(code::TYPE_ERROR, message);
        let place = span.map(|span| self.place(span)).or_else(|| self.written.call(name, &[].into()));
        let found = self.at_place(found, place);
        Some(found.help(format!("cast the arguments; `goodwill functions {name}` tells what it takes")))
    }

    fn at(&self, found: Diagnostic, span: Option<Span>) -> Diagnostic {
        self.at_place(found, span.map(|span| self.place(span)))
    }

    fn with_notes(&self, explained: Diagnostic, found: &Found) -> Diagnostic {
        let mut explained = explained;
        for note in &found.notes {
            let place = note.span.map(|span| format!(" ({})", self.place(span))).unwrap_or_default();
            let fields =
                note.message.strip_prefix("this side has ").and_then(|it| it.strip_suffix(" fields"));
            let text = match fields.and_then(|number| number.parse().ok()) {
                Some(number) => format!("this side has {}", counted(number, "column")),
                None => plain(&note.message),
            };
            explained = explained.help(format!("{text}{place}"));
        }
        for help in &found.helps {
            explained = explained.help(plain(&help.message));
        }
        explained
    }
}

/// DataFusion's text without its prefixes, backtrace and capital, names in backticks, our types.
pub(super) fn plain(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    let prefixes =
        ["Error during planning: ", "Execution error: ", "Internal error: ", "type_coercion", "caused by"];
    let mut text = text.trim();
    while let Some(rest) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest.trim_start_matches([':', ' ']);
    }
    let text = plain_types(&in_backticks(text.trim_end_matches('.')));
    let mut letters = text.chars();
    let first_word = text.split(' ').next().unwrap_or_default();
    // NOT, UNION and their kin are words of SQL.
    if first_word.len() > 1 && first_word.chars().all(|letter| letter.is_ascii_uppercase()) {
        return text;
    }
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Quotes become backticks; an apostrophe within a word stays.
fn in_backticks(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let is_letter =
        |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric());
    let quoted = |(at, letter): (usize, &char)| match letter {
        '\'' if is_letter(at.checked_sub(1)) && is_letter(Some(at + 1)) => '\'',
        '\'' | '"' => '`',
        other => *other,
    };
    letters.iter().enumerate().map(quoted).collect()
}

/// Arrow's names of types become those of SQL.
fn plain_types(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let length = with_brackets(rest, word);
        let candidates = [length, word];
        let known = candidates.iter().find_map(|end| {
            let name = rest.get(..*end)?;
            let is_arrow = name == "Boolean" || name.contains(|c: char| c.is_ascii_digit()) || *end > word;
            let data_type = name.parse::<DataType>().ok().filter(|_| is_arrow)?;
            Some((*end, sql_type(&data_type)))
        });
        let (taken, replaced) = match known {
            Some((end, name)) => (end, name),
            None if word == 0 => (letter.len_utf8(), letter.to_string()),
            None => (word, rest.get(..word).unwrap_or_default().to_owned()),
        };
        plain.push_str(&replaced);
        rest = rest.get(taken..).unwrap_or_default();
    }
    plain
}

/// The end of `word(…)`, if a bracket follows the word.
fn with_brackets(text: &str, word: usize) -> usize {
    let mut open = 0_usize;
    for (at, letter) in text.char_indices().skip_while(|(at, _)| *at < word) {
        match letter {
            '(' => open += 1,
            ')' if open == 1 => return at + 1,
            ')' => open = open.saturating_sub(1),
            _ if open == 0 => return word,
            _ => {}
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn words_of_the_engine_become_ours() {
        for (raw, ours) in [
            ("Error during planning: Column 'a' isn't there.", "column `a` isn't there"),
            ("NOT cannot be used with Utf8", "NOT cannot be used with VARCHAR"),
            ("has type Decimal128(18, 2)", "has type DECIMAL(18, 2)"),
            ("'f(Int64, Boolean)' is no function", "`f(BIGINT, BOOLEAN)` is no function"),
            ("A sum of (a, b) dates", "a sum of (a, b) dates"),
        ] {
            assert_eq!(plain(raw), ours);
        }
    }
}
