//! Reads which modules a Rust file names, without a compiler.
//!
//! Comments and literals are left out; `use` trees, inline paths, `super` chains and inline
//! `mod` blocks are followed. Macros that build paths from pieces are not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A path named in a file, from the crate's root, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

/// Returns all `.rs` files under `folder`, sorted, with paths relative to it.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(folder).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// Returns the files that `root` reaches by `mod name;`, each with the module it holds.
///
/// A declaration may give its file: `#[path = "commit_tests.rs"] mod tests;`.
pub(crate) fn module_files(folder: &Path, root: &str) -> BTreeMap<PathBuf, Vec<String>> {
    let mut found = BTreeMap::from([(PathBuf::from(root), Vec::new())]);
    let mut open = vec![PathBuf::from(root)];
    while let Some(file) = open.pop() {
        let module = found[&file].clone();
        let text = fs::read_to_string(folder.join(&file)).unwrap();
        for (name, given) in declared_modules(&text) {
            let Some(child) = file_of(folder, &file, &name, given) else { continue };
            open.push(child.clone());
            found.insert(child, module.iter().cloned().chain([name]).collect());
        }
    }
    found
}

/// Returns where the module `name` declared in `file` is written, if it is.
#[expect(clippy::unwrap_in_result, reason = "a path without a folder or a name is a mistake of this test")]
fn file_of(folder: &Path, file: &Path, name: &str, given: Option<String>) -> Option<PathBuf> {
    let own_folder = file.parent().unwrap();
    let is_folder_root = matches!(file.file_name().unwrap().to_str(), Some("mod.rs" | "lib.rs" | "main.rs"));
    let children = if is_folder_root { own_folder.to_path_buf() } else { file.with_extension("") };
    let candidates = match given {
        Some(given) => vec![own_folder.join(given)],
        None => vec![children.join(format!("{name}.rs")), children.join(name).join("mod.rs")],
    };
    candidates.into_iter().find(|candidate| folder.join(candidate).is_file())
}

/// Returns the modules that `text` declares with `mod name;`, and the file's name where it is given.
pub(crate) fn declared_modules(text: &str) -> Vec<(String, Option<String>)> {
    let tokens = tokens(text);
    let declared = |window: &[(usize, Token)]| match [&window[0].1, &window[1].1, &window[2].1] {
        [Token::Word(keyword), Token::Word(name), Token::Mark(';')] if keyword == "mod" => {
            Some((name.clone(), given_file(text, window[0].0)))
        }
        _ => None,
    };
    tokens.windows(3).filter_map(declared).collect()
}

/// Returns `x.rs` of a line `#[path = "x.rs"]` that stands right above `line`.
fn given_file(text: &str, line: usize) -> Option<String> {
    let above = text.lines().nth(line.checked_sub(2)?)?.trim();
    Some(above.strip_prefix("#[path = \"")?.strip_suffix("\"]")?.to_owned())
}

/// Returns every path in `text` that starts at `root` (`crate` in the library, `goodwill` in the
/// binary), `self` or `super`, made absolute; `module` is the module that `text` holds.
pub(crate) fn named_paths(text: &str, module: &[String], root: &str) -> Vec<NamedPath> {
    let mut reader = Reader { tokens: tokens(text), found: Vec::new() };
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < reader.tokens.len() {
        match &reader.tokens[at].1 {
            Token::Mark('{') => {
                depth += 1;
                if let Some(name) = reader.opens_module(at) {
                    inline.push((name, depth));
                }
            }
            Token::Mark('}') => {
                inline.retain(|(_, opened)| *opened < depth);
                depth = depth.saturating_sub(1);
            }
            Token::Word(word) if reader.starts_path(at) => {
                let here = module.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone()));
                let prefix: Option<Vec<String>> = match word.as_str() {
                    word if word == root => Some(Vec::new()),
                    "self" => Some(here.collect()),
                    "super" => Some(parent(here.collect())),
                    _ => None,
                };
                if let Some(prefix) = prefix {
                    at = reader.tree(prefix, at + 2);
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    reader.found
}

fn parent(mut segments: Vec<String>) -> Vec<String> {
    segments.pop();
    segments
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    PathSeparator,
    Mark(char),
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    found: Vec<NamedPath>,
}

impl Reader {
    fn is(&self, at: usize, token: &Token) -> bool {
        self.tokens.get(at).is_some_and(|(_, found)| found == token)
    }

    fn opens_module(&self, at: usize) -> Option<String> {
        match (self.tokens.get(at.checked_sub(2)?)?, self.tokens.get(at - 1)?) {
            ((_, Token::Word(keyword)), (_, Token::Word(name))) if keyword == "mod" => Some(name.clone()),
            _ => None,
        }
    }

    fn starts_path(&self, at: usize) -> bool {
        let follows_a_path = at > 0 && self.is(at - 1, &Token::PathSeparator);
        !follows_a_path && self.is(at + 1, &Token::PathSeparator)
    }

    /// Reads the rest of a path or use tree from `at` on; returns where it ends.
    fn tree(&mut self, mut segments: Vec<String>, mut at: usize) -> usize {
        while let Some((line, token)) = self.tokens.get(at).cloned() {
            match token {
                Token::Word(word) if word == "super" => segments = parent(segments),
                Token::Word(word) if word == "self" => {}
                Token::Word(word) => segments.push(word),
                Token::Mark('{') => return self.branches(&segments, at + 1),
                Token::Mark('*') => {
                    segments.push("*".to_owned());
                    self.found.push(NamedPath { line, segments });
                    return at + 1;
                }
                _ => break,
            }
            if !self.is(at + 1, &Token::PathSeparator) {
                self.found.push(NamedPath { line, segments });
                return at + 1;
            }
            at += 2;
        }
        let line = self.tokens.get(at.saturating_sub(1)).map_or(0, |(line, _)| *line);
        self.found.push(NamedPath { line, segments });
        at
    }

    fn branches(&mut self, segments: &[String], mut at: usize) -> usize {
        loop {
            match self.tokens.get(at).map(|(_, token)| token) {
                None => return at,
                Some(Token::Mark('}')) => return at + 1,
                Some(Token::Mark(',')) => at += 1,
                Some(Token::Word(word)) if word == "as" => at += 2,
                Some(_) => at = self.tree(segments.to_vec(), at),
            }
        }
    }
}

/// Splits Rust into words, `::` and single marks; comments, literals and white space are dropped.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < characters.len() {
        let end = skipped(&characters, at).unwrap_or(at);
        if end > at {
            line += characters[at..end].iter().filter(|c| **c == '\n').count();
            at = end;
            continue;
        }
        let c = characters[at];
        if c.is_alphanumeric() || c == '_' {
            let end = at + run(&characters[at..], |c| c.is_alphanumeric() || c == '_');
            found.push((line, Token::Word(characters[at..end].iter().collect())));
            at = end;
        } else if c == ':' && characters.get(at + 1) == Some(&':') {
            found.push((line, Token::PathSeparator));
            at += 2;
        } else {
            found.push((line, Token::Mark(c)));
            at += 1;
        }
    }
    found
}

fn run(characters: &[char], belongs: impl Fn(char) -> bool) -> usize {
    characters.iter().take_while(|c| belongs(**c)).count()
}

/// Returns where the white space, comment or literal that starts at `at` ends, if one does.
fn skipped(characters: &[char], at: usize) -> Option<usize> {
    let rest = &characters[at..];
    let after_word = at > 0 && (characters[at - 1].is_alphanumeric() || characters[at - 1] == '_');
    let length = match rest {
        [c, ..] if c.is_whitespace() => run(rest, char::is_whitespace),
        ['/', '/', ..] => run(rest, |c| c != '\n'),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['b' | 'c', '"', ..] if !after_word => 1 + quoted(&rest[1..], '"'),
        ['r', '"' | '#', ..] if !after_word => raw_string(rest, 1)?,
        ['b' | 'c', 'r', '"' | '#', ..] if !after_word => raw_string(rest, 2)?,
        ['b', '\'', ..] if !after_word => 1 + quoted(&rest[1..], '\''),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        ['\'', ..] => 1 + run(&rest[1..], |c| c.is_alphanumeric() || c == '_'),
        _ => return None,
    };
    Some(at + length)
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of `r#"…"#`; none for a raw identifier such as `r#type`.
fn raw_string(rest: &[char], prefix: usize) -> Option<usize> {
    let hashes = run(&rest[prefix..], |c| c == '#');
    let open = prefix + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside = rest[open + 1..].windows(close.len()).position(|window| window == close)?;
    Some(open + 1 + inside + close.len())
}

fn check(text: &str, module: &[&str], expected: &[&str]) {
    let module: Vec<String> = module.iter().map(ToString::to_string).collect();
    let found: Vec<String> =
        named_paths(text, &module, "crate").iter().map(|named| named.segments.join("::")).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_use_tree_names_every_branch() {
    check(
        "use crate::{lake::{Commit, layout as l}, engine, store::*};",
        &["run"],
        &["lake::Commit", "lake::layout", "engine", "store::*"],
    );
}

#[test]
fn a_path_inside_a_function_counts() {
    check(
        "fn f() -> crate::lake::Commit { crate::run::Thing { a: 1 } }",
        &["plan"],
        &["lake::Commit", "run::Thing"],
    );
}

#[test]
fn super_is_followed_out_of_files_and_inline_modules() {
    check("use super::super::cli::X;", &["lake", "commit"], &["cli::X"]);
    check(
        "mod tests { use super::*; use super::super::cli; } use super::b;",
        &["lake"],
        &["lake::*", "cli", "b"],
    );
}

#[test]
fn comments_strings_and_lifetimes_name_nothing() {
    check(
        "/// [`crate::cli`]\n/* crate::cli::a /* crate::cli */ crate::cli */ fn f<'a>(c: &'a str) \
         { let _ = (\"crate::cli\", r#\"crate::\"cli\"#, '\\'', 'x', b'\"'); crate::lake::go() }",
        &["run"],
        &["lake::go"],
    );
}

#[test]
fn modules_are_found_as_they_are_declared() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("lake")).unwrap();
    write("lib.rs", "pub mod lake;\nmod spec;\nmod inline { fn f() {} }");
    write("lake/mod.rs", "mod commit;");
    write("lake/commit.rs", "#[cfg(test)]\n#[path = \"commit_tests.rs\"]\nmod tests;");
    write("lake/commit_tests.rs", "");
    write("lake/lost.rs", "");
    write("spec.rs", "// mod nothing;");
    let found: Vec<(String, String)> = module_files(folder.path(), "lib.rs")
        .into_iter()
        .map(|(file, module)| (file.to_str().unwrap().to_owned(), module.join("::")))
        .collect();
    let expected = [
        ("lake/commit.rs", "lake::commit"),
        ("lake/commit_tests.rs", "lake::commit::tests"),
        ("lake/mod.rs", "lake"),
        ("lib.rs", ""),
        ("spec.rs", "spec"),
    ];
    assert_eq!(found, expected.map(|(file, module)| (file.to_owned(), module.to_owned())));
}
