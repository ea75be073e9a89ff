//! Texts the program makes of what people wrote: what is found in them is shown where it was written.

use std::ops::Range;

use super::{Place, SourceFile};

/// A part of a made text that stands in a file too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The bytes of the made text.
    pub span: Range<usize>,
    /// The place in the file.
    pub place: Place,
    /// Where each of these bytes stands in the file; empty if that is not known.
    pub letters: Vec<usize>,
}

/// Where a made text comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Made {
    /// What is shown for all that stands in no file.
    pub(super) of: Place,
    pub(super) origins: Vec<Origin>,
}

impl Made {
    /// The place in a file that a span of the made text is shown at.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let origin = self.origins.iter().find(|origin| {
            origin.span.start <= span.start && span.start < origin.span.end && span.end <= origin.span.end
        });
        origin.map_or_else(|| self.of.clone(), |origin| origin.shown(span))
    }

    /// Whether `place` is one of the parts the text was made of.
    pub(super) fn has(&self, place: &Place) -> bool {
        let around = |origin: &Origin| {
            let (outer, inner) = (origin.place.span(), place.span());
            origin.place.file() == place.file()
                && outer.start <= inner.start
                && origin.letters.last().is_none_or(|last| inner.start <= *last)
        };
        self.of == *place || self.origins.iter().any(around)
    }
}

impl Origin {
    fn shown(&self, span: &Range<usize>) -> Place {
        let letter = |at: usize| self.letters.get(at - self.span.start).copied();
        match (letter(span.start), letter(span.end.saturating_sub(1).max(span.start))) {
            (Some(start), Some(last)) => {
                let end = if span.is_empty() { start } else { last + 1 };
                self.place.file().place(start..end)
            }
            _ => self.place.clone(),
        }
    }
}

impl SourceFile {
    /// A text made of parts of files: it goes by the path of `of`, and a finding in it is shown in
    /// the part's own file, or else at `of`.
    #[must_use]
    pub fn made(of: &Place, text: &str, origins: Vec<Origin>) -> Self {
        let made = Made { of: of.clone(), origins };
        Self { made: Some(std::sync::Arc::new(made)), ..Self::new(of.file().path(), text) }
    }

    /// Whether `place` lies in this file, or in one of the parts it was made of.
    #[must_use]
    pub fn has(&self, place: &Place) -> bool {
        match &self.made {
            Some(made) => made.has(place),
            None => self.path() == place.file().path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_in_a_made_text_is_shown_where_it_was_written() {
        let file = SourceFile::new("rules.yml", "rule: >-\n  orders\n  > 10\n");
        let letters = (11..17).chain([17]).chain(20..24).collect();
        let origin = Origin { span: 8..19, place: file.place(6..8), letters };
        let made = SourceFile::made(&file.place(0..4), "select (orders > 10)", vec![origin]);
        assert_eq!(made.place(8..14).to_string(), "rules.yml:2:3");
        assert_eq!(made.place(8..14).text(), "orders");
        assert_eq!(made.place_at(1, 18, 2).to_string(), "rules.yml:3:5");
        assert_eq!(made.place_at(1, 18, 2).text(), "10");
        // What no file has is shown at the whole.
        assert_eq!(made.place(0..6).text(), "rule");
        assert_eq!(made.place(0..20).text(), "rule");
        assert!(made.has(&file.place(11..17)) && made.has(&file.place(0..4)));
        assert!(!made.has(&file.place(4..5)));
    }

    #[test]
    fn a_part_whose_letters_are_not_known_is_shown_whole() {
        let file = SourceFile::new("rules.yml", "rule: \"a\\u0020> 1\"");
        let origin = Origin { span: 7..12, place: file.place(6..18), letters: Vec::new() };
        let made = SourceFile::made(&file.place(0..4), "select a > 1", vec![origin]);
        assert_eq!(made.place(7..8).text(), "\"a\\u0020> 1\"");
    }
}
