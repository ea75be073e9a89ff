//! A YAML file as a tree whose every node knows its place.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};
use serde_saphyr::{Location, Spanned};

use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code};
use crate::stack;

/// The reader of YAML recurses, 64 levels at most, with large frames.
const STACK: usize = 64 * 1024 * 1024;

/// A YAML file: its values as JSON, and the place of each by JSON pointer (`/sources/tables`).
#[derive(Debug, Clone)]
pub struct Document {
    file: SourceFile,
    json: Json,
    values: BTreeMap<String, Place>,
    keys: BTreeMap<String, Place>,
}

impl Document {
    /// Parses the text of `file`; depth, aliases and size are bounded. Truth values are `true` and
    /// `false` only: a column may be called `n`.
    ///
    /// # Errors
    ///
    /// Returns `GW0101` with the place the parser stopped at.
    pub fn parse(file: &SourceFile) -> Result<Self, Diagnostics> {
        stack::deep(STACK, || Self::parse_here(file)).unwrap_or_else(|lost| {
            Err(Diagnostic::error(code::BUG, format!("`{}` was not parsed: {lost}", file.path())).into())
        })
    }

    fn parse_here(file: &SourceFile) -> Result<Self, Diagnostics> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let root: Spanned<Node> = serde_saphyr::from_str_with_options(file.text(), options)
            .map_err(|cause| Diagnostics::from(syntax(file, &cause)))?;
        let mut document =
            Self { file: file.clone(), json: Json::Null, values: BTreeMap::new(), keys: BTreeMap::new() };
        document.json = document.add("", root);
        Ok(document)
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &SourceFile {
        &self.file
    }

    /// The values.
    #[must_use]
    pub const fn json(&self) -> &Json {
        &self.json
    }

    /// The place of the value at `pointer`, else of the nearest node around it.
    #[must_use]
    pub fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.values.get(pointer) {
                return place.clone();
            }
            match pointer.rfind('/') {
                Some(at) => pointer = &pointer[..at],
                None => return self.file.place(0..0),
            }
        }
    }

    /// The place of the key at the end of `pointer`, else of its value.
    #[must_use]
    pub fn key_place(&self, pointer: &str) -> Place {
        self.keys.get(pointer).cloned().unwrap_or_else(|| self.place(pointer))
    }

    /// The scalar at `pointer` as it was typed, so that `10.00` keeps its digits.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.values.get(pointer).map(Place::text)
    }

    /// Where each byte of the text at `pointer` stands in the file; `None` where it is not written
    /// there letter by letter, as behind an alias or an escape.
    #[must_use]
    pub fn letters(&self, pointer: &str) -> Option<Vec<usize>> {
        let text = self.json.pointer(pointer)?.as_str()?;
        let file = self.file.text();
        let mut at = self.values.get(pointer)?.span().start;
        if file.get(at..)?.starts_with(['|', '>']) {
            at += file.get(at..)?.find('\n')?;
        }
        let mut letters = Vec::with_capacity(text.len());
        for letter in text.chars() {
            // Line breaks fold to blanks, so that only what is no blank is looked for.
            if !letter.is_whitespace() {
                let is_markup =
                    |c: char| c != letter && (c.is_whitespace() || matches!(c, '\'' | '"' | '\\'));
                at += file.get(at..)?.find(|c| !is_markup(c))?;
                if !file.get(at..)?.starts_with(letter) {
                    return None;
                }
            }
            letters.extend((0..letter.len_utf8()).map(|byte| at + byte));
            at += if letter.is_whitespace() { 0 } else { letter.len_utf8() };
        }
        Some(letters)
    }

    fn add(&mut self, pointer: &str, node: Spanned<Node>) -> Json {
        let place = locate(&self.file, node.referenced);
        self.values.insert(pointer.to_owned(), place);
        match node.value {
            Node::Scalar(scalar) => scalar,
            Node::List(items) => {
                let item = |(at, item)| self.add(&format!("{pointer}/{at}"), item);
                Json::Array(items.into_iter().enumerate().map(item).collect())
            }
            Node::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let inner = format!("{pointer}/{}", escape(&key.value));
                    self.keys.insert(inner.clone(), locate(&self.file, key.referenced));
                    let value = self.add(&inner, value);
                    map.insert(key.value, value);
                }
                Json::Object(map)
            }
        }
    }
}

/// Escapes one segment of a JSON pointer (RFC 6901).
#[must_use]
pub(super) fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn locate(file: &SourceFile, location: Location) -> Place {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let line = number(location.line());
    let column = number(location.column());
    let length = number(location.span().len());
    let place = file.place_at(line, column, length);
    let text = place.text();
    let kept = text.trim_end().len();
    let start = place.span().start;
    file.place(start..start + kept)
}

fn syntax(file: &SourceFile, cause: &serde_saphyr::Error) -> Diagnostic {
    let full = cause.without_snippet().to_string();
    let first = full.lines().next().unwrap_or("the file is not YAML");
    let message = first.strip_prefix("error: ").unwrap_or(first);
    let message = message.split(" at line ").next().unwrap_or(message).to_owned();
    let place = match cause.location() {
        Some(location) => locate(file, location),
        None => file.place(0..0),
    };
    Diagnostic::error(code::YAML_SYNTAX, message).at(place)
}

#[derive(Debug)]
enum Node {
    Scalar(Json),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Json::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Json::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        Node::deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_and_key_has_its_place_and_its_text() {
        let text = "vars:\n  rate: {type: decimal, default: 10.00}\nlist: [a, 2024-01-01]\n";
        let file = SourceFile::new("p.yml", text);
        let document = Document::parse(&file).expect("YAML");
        assert_eq!(document.text("/vars/rate/default"), Some("10.00"));
        assert_eq!(document.place("/list/1").to_string(), "p.yml:3:11");
        assert_eq!(document.key_place("/vars/rate").text(), "rate");
        assert_eq!(document.key_place("/vars/rate").to_string(), "p.yml:2:3");
        assert_eq!(document.place("/vars/missing/deep").to_string(), document.place("/vars").to_string());
    }

    #[test]
    fn every_letter_of_a_text_is_found_in_the_file() {
        let check = |yaml: &str, word: &str, expected: Option<&str>| {
            let file = SourceFile::new("p.yml", yaml);
            let document = Document::parse(&file).expect("YAML");
            let text = document.json()["a"].as_str().expect("a text").to_owned();
            let start = text.find(word).expect("the word");
            let letters = document.letters("/a");
            let place =
                letters.map(|letters| file.place(letters[start]..letters[start + word.len() - 1] + 1));
            let shown = place.map(|place| format!("{place} {}", place.text()));
            assert_eq!(shown.as_deref(), expected, "{yaml}");
        };
        check("a: ä > ten\n", "ten", Some("p.yml:1:8 ten"));
        check("a: \"x = 'ten'\"\n", "ten", Some("p.yml:1:10 ten"));
        check("a: 'x = ''ten'' or ten'\n", "or ten", Some("p.yml:1:17 or ten"));
        check("a: >-\n  x > 1\n  and ten\n", "ten", Some("p.yml:3:7 ten"));
        check("a: |\n  x > 1\n\n    and ten\n", "ten", Some("p.yml:4:9 ten"));
        check("a: x\n  and\n  ten\n", "ten", Some("p.yml:3:3 ten"));
        check("b: &r x > ten\na: *r\n", "ten", None);
        check("a: \"x\\u0020= ten\"\n", "ten", None);
    }

    #[test]
    fn what_is_no_yaml_is_found_with_its_place() {
        let file = SourceFile::new("p.yml", "a: 1\nb: [1, 2\nc: 3\n");
        let found = Document::parse(&file).expect_err("not YAML").sorted();
        assert!(found[0].to_string().starts_with("GW0101: p.yml:"), "{}", found[0]);
    }

    #[test]
    fn a_key_twice_is_refused() {
        let file = SourceFile::new("p.yml", "a: 1\na: 2\n");
        let found = Document::parse(&file).expect_err("a duplicate key").sorted();
        assert!(found[0].to_string().starts_with("GW0101: p.yml:2:1: "), "{}", found[0]);
    }

    #[test]
    fn only_true_and_false_are_truth_values() {
        let text = "names: [n, y, no, yes, on, off, Y, No, TRUE]\ntruths: [true, false]\n";
        let document = Document::parse(&SourceFile::new("p.yml", text)).expect("YAML");
        let names = document.json()["names"].as_array().expect("a list");
        assert!(names[..8].iter().all(Json::is_string), "{names:?}");
        assert_eq!(document.json()["truths"], serde_json::json!([true, false]));
    }

    #[test]
    fn deep_nesting_is_refused_with_its_place() {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let text = format!("a: {}1{}\n", open.repeat(1_000), close.repeat(1_000));
            let found = Document::parse(&SourceFile::new("p.yml", &text)).expect_err("too deep").sorted();
            assert!(found[0].to_string().starts_with("GW0101: p.yml:1:"), "{}", found[0]);
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let before = format!("*a{}", i - 1);
            let list = [before.as_str(); 10].join(",");
            text.push_str(&format!("a{i}: &a{i} [{list}]\n"));
        }
        let file = SourceFile::new("bomb.yml", &text);
        assert!(Document::parse(&file).is_err());
    }
}
