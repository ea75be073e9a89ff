//! Selectors: which models a request means.
//!
//! A selection is a union of entries; the parts of one entry that commas join must all hold.
//! `m` is a model, `+m` with all it needs, `m+` with all that need it, `@m` with all that need
//! it and all those need; `tag:x`, `path:sql/value`, `state:modified`, `result:error` are sets.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};

use super::Graph;
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::ident::NodeName;
use crate::project::Model;

/// What only the world knows: which models changed, which failed last time.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Models whose definition differs from the last published one.
    pub modified: BTreeSet<NodeName>,
    /// Models that failed in the last run.
    pub failed: BTreeSet<NodeName>,
}

/// Which models a request means, read and checked but not yet asked of a graph.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    select: Vec<Entry>,
    exclude: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    text: String,
    upstream: Reach,
    downstream: Reach,
    method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    None,
    All,
    AllAndTheirInputs,
}

#[derive(Debug, Clone)]
enum Method {
    Name(GlobMatcher),
    Tag(String),
    Path(String),
    Modified,
    Failed,
}

impl Selection {
    /// Reads the entries of `--select` and `--exclude`; none selects everything.
    ///
    /// # Errors
    ///
    /// Returns every entry that cannot be read.
    pub fn parse(select: &[String], exclude: &[String]) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::default();
        let mut entries = |texts: &[String]| {
            let words = texts.iter().flat_map(|text| text.split_whitespace());
            words.filter_map(|text| found.keep(entry(text).map_err(Diagnostics::from))).collect()
        };
        let select = entries(select);
        let exclude = entries(exclude);
        found.or_ok(Self { select, exclude })
    }

    /// Checks that every name means something, as far as the project alone can tell.
    ///
    /// # Errors
    ///
    /// Returns what [`Self::evaluate`] returns whatever the facts are.
    pub fn check(&self, graph: &Graph) -> Result<(), Diagnostics> {
        if self.depends_on_facts() {
            let entries = self.select.iter().flat_map(|entry| &entry.parts);
            let unknown = entries.filter(|part| !part.depends_on_facts());
            let unknown = unknown.filter(|part| part.evaluate(graph, &Facts::default()).is_empty());
            return unknown.map(|part| nothing(graph, &part.text)).collect::<Diagnostics>().or_ok(());
        }
        self.evaluate(graph, &Facts::default()).map(|_| ())
    }

    /// Whether which models are meant depends on what was published and on the last run.
    #[must_use]
    pub fn depends_on_facts(&self) -> bool {
        self.select.iter().chain(&self.exclude).any(Entry::depends_on_facts)
    }

    /// The models meant.
    ///
    /// # Errors
    ///
    /// Returns `GW0215` for every entry that matches nothing, and if nothing is left; where it depends
    /// on what was published or failed, nothing is an answer as good as any.
    pub fn evaluate(&self, graph: &Graph, facts: &Facts) -> Result<BTreeSet<NodeName>, Diagnostics> {
        let mut found = Diagnostics::default();
        let all = || graph.models().map(|model| model.name.clone()).collect::<BTreeSet<_>>();
        let mut union = |entries: &[Entry], empty_is_fine: bool| {
            let mut union = BTreeSet::new();
            for entry in entries {
                let matched = entry.evaluate(graph, facts);
                if matched.is_empty() && !entry.depends_on_facts() && !empty_is_fine {
                    found.push(nothing(graph, &entry.text));
                }
                union.extend(matched);
            }
            union
        };
        let selected = if self.select.is_empty() { all() } else { union(&self.select, false) };
        let excluded = union(&self.exclude, true);
        let left: BTreeSet<NodeName> = selected.difference(&excluded).cloned().collect();
        if left.is_empty() && found.is_empty() && !self.depends_on_facts() {
            found.push(Diagnostic::error(code::SELECTS_NOTHING, "the selection leaves no model"));
        }
        found.or_ok(left)
    }
}

fn nothing(graph: &Graph, text: &str) -> Diagnostic {
    let found = Diagnostic::error(code::SELECTS_NOTHING, format!("`{text}` matches no model"));
    let bare = text.trim_matches(['+', '@']);
    let names = graph.models().map(|model| model.name.as_str());
    match nearest(bare, names) {
        Some(near) => found.help(format!("did you mean `{}`?", text.replace(bare, near))),
        None => found.help("type `goodwill ls` to see the models"),
    }
}

fn entry(text: &str) -> Result<Entry, Diagnostic> {
    let parts = text.split(',').map(part).collect::<Result<Vec<_>, _>>()?;
    Ok(Entry { text: text.to_owned(), parts })
}

fn part(text: &str) -> Result<Part, Diagnostic> {
    let bad = |why: &str| {
        let message = format!("selector `{text}` cannot be read: {why}");
        let found = Diagnostic::error(code::BAD_SELECTOR, message);
        found.help(
            "write `m`, `+m`, `m+`, `@m`, `tag:x`, `path:sql/value`, `state:modified+` or `result:error`",
        )
    };
    let (whole, text_left) = match text.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (up, text_left) = match text_left.strip_prefix('+') {
        Some(rest) => (Reach::All, rest),
        None => (Reach::None, text_left),
    };
    let (down, name) = match text_left.strip_suffix('+') {
        Some(rest) => (Reach::All, rest),
        None => (Reach::None, text_left),
    };
    if whole && (up, down) != (Reach::None, Reach::None) {
        return Err(bad("`@` and `+` do not go together"));
    }
    let down = if whole { Reach::AllAndTheirInputs } else { down };
    let method = match name.split_once(':') {
        Some(("tag", tag)) if !tag.is_empty() => Method::Tag(tag.to_owned()),
        Some(("path", path)) if !path.is_empty() => Method::Path(path.trim_end_matches('/').to_owned()),
        Some(("state", "modified")) => Method::Modified,
        Some(("result", "error" | "fail")) => Method::Failed,
        Some((method, _)) => return Err(bad(&format!("there is no method `{method}` with this value"))),
        None if name.is_empty() => return Err(bad("a name is missing")),
        None => Method::Name(Glob::new(name).map_err(|_| bad("it is no pattern"))?.compile_matcher()),
    };
    Ok(Part { text: text.to_owned(), upstream: up, downstream: down, method })
}

impl Entry {
    fn evaluate(&self, graph: &Graph, facts: &Facts) -> BTreeSet<NodeName> {
        let mut sets = self.parts.iter().map(|part| part.evaluate(graph, facts));
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |left, right| left.intersection(&right).cloned().collect())
    }

    fn depends_on_facts(&self) -> bool {
        self.parts.iter().any(Part::depends_on_facts)
    }
}

impl Part {
    const fn depends_on_facts(&self) -> bool {
        matches!(self.method, Method::Modified | Method::Failed)
    }

    fn evaluate(&self, graph: &Graph, facts: &Facts) -> BTreeSet<NodeName> {
        let matched = graph.models().filter(|model| self.method.matches(model, facts));
        let matched: BTreeSet<NodeName> = matched.map(|model| model.name.clone()).collect();
        let mut all = matched.clone();
        for name in &matched {
            if self.upstream == Reach::All {
                all.extend(graph.all_upstream(name));
            }
            if self.downstream != Reach::None {
                all.extend(graph.all_downstream(name));
            }
        }
        if self.downstream == Reach::AllAndTheirInputs {
            let inputs: Vec<_> = all.iter().map(|name| graph.all_upstream(name)).collect();
            all.extend(inputs.into_iter().flatten());
        }
        all
    }
}

impl Method {
    fn matches(&self, model: &Model, facts: &Facts) -> bool {
        match self {
            Self::Name(pattern) => pattern.is_match(model.name.as_str()),
            Self::Tag(tag) => model.tags.contains(tag),
            Self::Path(path) => {
                let file = model.query.file.path();
                file == path || file.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            Self::Modified => facts.modified.contains(&model.name),
            Self::Failed => facts.failed.contains(&model.name),
        }
    }
}
