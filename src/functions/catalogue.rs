//! What functions there are, for people: `goodwill functions`.

use std::collections::BTreeMap;

use datafusion::logical_expr::{Documentation, Signature};

use super::available;
use super::refused::{self, Refusal};

/// What a function is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FunctionKind {
    /// One row.
    Scalar,
    /// A group of rows.
    Aggregate,
    /// A row among its neighbours.
    Window,
}

/// One function as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The name SQL calls.
    pub name: String,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// What it is computed from; none for a refused function.
    pub kind: Option<FunctionKind>,
    /// How it is called, for example `sum(expression)`.
    pub signature: String,
    /// What it gives, in words.
    pub description: String,
    /// Its arguments by name, with what each is.
    pub arguments: Vec<(String, String)>,
    /// A query that calls it.
    pub example: Option<String>,
    /// Why it may not be called, if it may not.
    pub refused: Option<Refusal>,
}

/// All functions by name, the refused ones among them; one entry a name and kind.
#[must_use]
pub fn catalogue() -> Vec<Function> {
    let mut found = BTreeMap::new();
    let functions = available();
    for f in &functions.scalar {
        let entry = entry(f.name(), f.aliases(), FunctionKind::Scalar, f.signature(), f.documentation());
        found.insert((entry.name.clone(), entry.kind), entry);
    }
    for f in &functions.aggregate {
        let entry = entry(f.name(), f.aliases(), FunctionKind::Aggregate, f.signature(), f.documentation());
        found.insert((entry.name.clone(), entry.kind), entry);
    }
    for f in &functions.window {
        let entry = entry(f.name(), f.aliases(), FunctionKind::Window, f.signature(), f.documentation());
        found.insert((entry.name.clone(), entry.kind), entry);
    }
    for (name, refusal) in refused::all() {
        found.insert((name.to_owned(), None), refused_entry(name, refusal));
    }
    found.into_values().collect()
}

fn entry(
    name: &str,
    aliases: &[String],
    kind: FunctionKind,
    signature: &Signature,
    documentation: Option<&Documentation>,
) -> Function {
    let calls = || signature.type_signature.to_string_repr().join(" | ");
    let fallback = || format!("{name}({})", calls());
    Function {
        name: name.to_owned(),
        aliases: aliases.to_vec(),
        kind: Some(kind),
        signature: documentation.map_or_else(fallback, |doc| doc.syntax_example.clone()),
        description: documentation.map_or_else(String::new, |doc| doc.description.trim().to_owned()),
        arguments: documentation.and_then(|doc| doc.arguments.clone()).unwrap_or_default(),
        example: documentation.and_then(|doc| doc.sql_example.clone()),
        refused: None,
    }
}

fn refused_entry(name: &str, refusal: Refusal) -> Function {
    Function {
        name: name.to_owned(),
        aliases: Vec::new(),
        kind: None,
        signature: format!("{name}(…)"),
        description: refusal.instead().to_owned(),
        arguments: Vec::new(),
        example: None,
        refused: Some(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_functions_are_described_and_the_clock_is_refused() {
        let all = catalogue();
        let find = |name: &str| all.iter().find(|function| function.name == name).expect("known");
        assert_eq!(find("local_date").signature, "local_date(instant, time_zone)");
        assert!(find("sum").description.contains("GW0502"));
        assert!(find("now").refused.is_some());
    }

    #[test]
    fn no_function_is_both_available_and_refused() {
        let all = catalogue();
        for function in all.iter().filter(|function| function.refused.is_some()) {
            let twin = all.iter().find(|other| other.name == function.name && other.refused.is_none());
            assert!(twin.is_none(), "{}", function.name);
        }
    }
}
