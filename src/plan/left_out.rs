//! Models that cannot be computed for want of an optional source, and what needs them.

use std::collections::{BTreeMap, BTreeSet};

use super::{LeftOut, Recheck, TypedGraph};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::graph::Node;
use crate::ident::NodeName;
use crate::project::Model;
use crate::state::State;

/// The models left out, with the absent sources that is due to.
///
/// # Errors
///
/// Returns `GW0405` for each table that `publish:` names itself, that does not say it may be left
/// out, and that reads one that is.
pub(super) fn left_out(typed: &TypedGraph, state: &State) -> Result<Vec<LeftOut>, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut missing: BTreeMap<NodeName, BTreeSet<NodeName>> = BTreeMap::new();
    for model in typed.graph.models() {
        let own = model.requires.iter().map(|source| &source.value).filter(|source| state.is_absent(source));
        let mut sources: BTreeSet<NodeName> = own.cloned().collect();
        let declared = !sources.is_empty();
        for input in typed.graph.models_read(&model.name) {
            sources.extend(missing.get(&input).into_iter().flatten().cloned());
        }
        if sources.is_empty() {
            continue;
        }
        if !declared && let Some(refused) = refused(model, &sources) {
            found.push(refused);
        }
        missing.insert(model.name.clone(), sources);
    }
    let left_out =
        missing.into_iter().map(|(model, sources)| LeftOut { model, sources: sources.into_iter().collect() });
    found.or_ok(left_out.collect())
}

fn refused(model: &Model, sources: &BTreeSet<NodeName>) -> Option<Diagnostic> {
    let place = model.named.clone()?;
    let names: Vec<String> = sources.iter().map(|name| format!("`{name}`")).collect();
    let message = format!(
        "`{}` cannot be published: it needs source {}, which is absent",
        model.name,
        names.join(" and ")
    );
    let refused = Diagnostic::error(code::ABSENT_SOURCE, message).at(place);
    Some(refused.help("load the source, take the table out of `publish:`, or let it say `requires`"))
}

/// The rules of other models that read one that is left out.
pub(super) fn unchecked(typed: &TypedGraph, left_out: &[LeftOut]) -> Vec<Recheck> {
    let is_out = |name: &NodeName| left_out.iter().any(|left| left.model == *name);
    let mut unchecked = Vec::new();
    for model in typed.graph.models().filter(|model| !is_out(&model.name)) {
        for (audit, inputs) in typed.graph.audit_inputs(&model.name).iter().enumerate() {
            if inputs.iter().any(|input| matches!(&input.node, Node::Model(name) if is_out(name))) {
                unchecked.push(Recheck { model: model.name.clone(), audit });
            }
        }
    }
    unchecked
}
