//! What rows of one source refer to in another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, SourceCheck, SourceRule};
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::ident::NodeName;

/// A row can only belong to a row of a source that has a contract, by a column of the same type.
pub(super) fn check_relationships(sources: &BTreeMap<NodeName, Source>, found: &mut Diagnostics) {
    for source in sources.values() {
        let rules = source.contract.iter().flat_map(|contract| &contract.rules);
        for rule in rules {
            if let Some(wrong) = wrong_relationship(sources, source, rule) {
                found.push(wrong);
            }
        }
    }
    if !found.has_errors() {
        refuse_circles(sources, found);
    }
}

fn wrong_relationship(
    sources: &BTreeMap<NodeName, Source>,
    source: &Source,
    rule: &SourceRule,
) -> Option<Diagnostic> {
    let SourceCheck::Orphan { column, to, field } = &rule.check else { return None };
    let wrong = |code, message: String| Some(Diagnostic::error(code, message).at(rule.place.clone()));
    let Some(parent) = sources.get(to) else {
        let unknown = wrong(code::UNKNOWN_TABLE, format!("there is no source `{to}`"))?;
        return Some(match nearest(to.as_str(), sources.keys().map(NodeName::as_str)) {
            Some(near) => unknown.label(format!("did you mean `{near}`?")),
            None => unknown,
        });
    };
    if parent.name == source.name {
        return wrong(code::CYCLE, format!("source `{to}` cannot be checked against itself"));
    }
    let Some(promised) = &parent.contract else {
        return wrong(
            code::BAD_AUDIT,
            format!("source `{to}` has no contract, so nobody knows its accepted rows"),
        );
    };
    let Some(theirs) = promised.table.column(field) else {
        return wrong(code::UNKNOWN_COLUMN, format!("source `{to}` has no column `{field}`"));
    };
    let contract = source.contract.as_ref()?;
    let ours = contract.table.column(column)?;
    if ours.data_type != theirs.data_type {
        let (ours, theirs) = (ours.data_type, theirs.data_type);
        return wrong(code::BAD_AUDIT, format!("`{column}` is {ours} and `{to}.{field}` is {theirs}"));
    }
    let dates = contract.dated_by.as_ref() == Some(column);
    if dates && parent.event_time.is_none() && parent.ingested_at.is_none() {
        let message =
            format!("`dated_by` names `{column}`, but source `{to}` has no `event_time` of its own");
        return wrong(code::BAD_AUDIT, message);
    }
    None
}

fn refuse_circles(sources: &BTreeMap<NodeName, Source>, found: &mut Diagnostics) {
    let mut judged: BTreeSet<&NodeName> = BTreeSet::new();
    loop {
        let ready = |source: &&Source| {
            !judged.contains(&source.name) && source.parents().all(|parent| judged.contains(parent))
        };
        let next: Vec<&NodeName> = sources.values().filter(ready).map(|source| &source.name).collect();
        if next.is_empty() {
            break;
        }
        judged.extend(next);
    }
    let left: Vec<&Source> = sources.values().filter(|source| !judged.contains(&source.name)).collect();
    if let Some(first) = left.first() {
        let names: Vec<String> = left.iter().map(|source| format!("`{}`", source.name)).collect();
        let message = format!("relationships of sources go round in a circle: {}", names.join(", "));
        let place =
            first.contract.as_ref().map_or_else(|| first.place.clone(), |contract| contract.place.clone());
        found.push(Diagnostic::error(code::CYCLE, message).at(place).help("take one of them out"));
    }
}
