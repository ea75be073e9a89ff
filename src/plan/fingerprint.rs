//! Fingerprints: two results with the same one have the same bytes.
//!
//! A result's fingerprint covers its SQL, contract, audits, the parameters it uses, the content
//! of its inputs and the program's version; nothing of the run itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::{MadeFrom, TypedGraph};
use crate::engine;
use crate::graph::{Graph, Input, Node};
use crate::ident::{NodeName, VariableName};
use crate::interval::Instant;
use crate::lake::Part;
use crate::project::{CURRENCY, Located, Model, Pipeline, Rule, Source, SourceContract, Window, quality};
use crate::query::{Parameters, Query};
use crate::state::State;
use crate::value::Value;

/// The SHA-256 of `content`, in hexadecimal.
#[must_use]
pub fn sha256_hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hashes parts so that no two different lists of parts give the same text.
pub(super) fn hash(parts: &[&str]) -> String {
    let mut content = String::new();
    for part in parts {
        let _ = write!(content, "{}:{part};", part.len());
    }
    sha256_hex(content.as_bytes())
}

/// The fingerprint of a model's own files: SQL, contract, audits, and the program's version.
pub(super) fn definition(model: &Model) -> String {
    let contract = serde_json::to_string(&model.contract).unwrap_or_default();
    let audits: Vec<String> = model
        .audits
        .iter()
        .map(|audit| {
            let query = audit.query().map_or("", |query| query.file.text());
            format!("{} {:?} {query}", audit.name, rule_text(&audit.rule))
        })
        .collect();
    let audits = audits.join("\n");
    let mut kept = format!("{:?}", model.materialization);
    if let Some(timing) = &model.timing {
        // How many intervals there are, and when they are built again, changes the rows of none.
        let windows = timing.inputs.iter().map(|(name, window)| {
            let Window { days_before, days_after, .. } = window.value;
            format!("{name} {days_before} {days_after}")
        });
        kept = format!("{kept} {} {}", timing.column, windows.collect::<Vec<_>>().join(", "));
    }
    hash(&[model.query.file.text(), &contract, &audits, &kept, engine::VERSION])
}

fn rule_text(rule: &Rule) -> String {
    match rule {
        Rule::NoRows { .. } | Rule::Grain => String::new(),
        Rule::NotNull { column } => column.clone(),
        Rule::AcceptedValues { column, values } => format!("{column} {values:?}"),
        Rule::Range { column, min, max } => format!("{column} {min:?} {max:?}"),
    }
}

/// The fingerprint of all files of the project.
pub(super) fn project(graph: &Graph) -> String {
    let pipeline = graph.project().pipeline.file.text();
    let definitions: Vec<String> = graph.models().map(definition).collect();
    let mut parts = vec![pipeline];
    parts.extend(definitions.iter().map(String::as_str));
    hash(&parts)
}

/// The fingerprint of all parameters' values.
pub(super) fn parameters(parameters: &Parameters) -> String {
    let values: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    hash(&values.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a model that is computed whole is made from; `made` are the models it may read.
pub(super) fn whole(
    typed: &TypedGraph,
    state: &State,
    model: &Model,
    made: &BTreeMap<NodeName, MadeFrom>,
) -> MadeFrom {
    let inputs = typed.graph.inputs(&model.name).iter();
    let inputs = inputs.map(|read| (read.table.to_string(), input(typed, read, state, made)));
    MadeFrom {
        definition: definition(model),
        parameters: used_parameters(typed, model),
        inputs: inputs.collect(),
    }
}

/// The fingerprint of an input that is read whole.
pub(super) fn input(
    typed: &TypedGraph,
    input: &Input,
    state: &State,
    made: &BTreeMap<NodeName, MadeFrom>,
) -> String {
    match &input.node {
        Node::Source(name) => source(typed, name, state),
        Node::Model(name) => {
            let current = made.get(name).map(fingerprint).unwrap_or_default();
            if input.is_latest() { current } else { with_history(typed, name, current, state) }
        }
    }
}

/// The fingerprint of a model's rows where its history is read: the snapshots of earlier days too.
fn with_history(typed: &TypedGraph, name: &NodeName, current: String, state: &State) -> String {
    let Some(model) = typed.graph.model(name).filter(|model| model.is_snapshot()) else {
        return current;
    };
    let entry = state.last.as_ref().and_then(|commit| commit.tables.get(name));
    let earlier = entry.into_iter().flat_map(|entry| typed.earlier(model, entry));
    let mut parts: Vec<&str> = earlier.map(|part| part.fingerprint.as_str()).collect();
    parts.push(&current);
    hash(&parts)
}

/// The fingerprint of a source as SQL reads it: its files; with a contract, its rules and what
/// its rows refer to as well.
pub(super) fn source(typed: &TypedGraph, name: &NodeName, state: &State) -> String {
    if quality::relation(name.as_str()).is_some() {
        return quality_of_sources(typed, state);
    }
    let pinned = state.sources.get(name).map(|source| source.fingerprint.clone()).unwrap_or_default();
    let declared = typed.graph.project().pipeline.sources.get(name);
    let Some((declared, contract)) = declared.and_then(|source| Some((source, source.contract.as_ref()?)))
    else {
        return pinned;
    };
    let [table, checks, rest] = promises(typed, declared, contract);
    let mut parts = vec![pinned, table, checks, rest];
    parts.extend(declared.parents().map(|parent| source(typed, parent, state)));
    hash(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The fingerprint of what a source promises: of how its files are read.
pub(super) fn contract_of(typed: &TypedGraph, source: &Source) -> String {
    let column = |column: &Option<Located<String>>| column.as_ref().map(|column| column.value.clone());
    match &source.contract {
        None => format!("{:?}", (column(&source.event_time), column(&source.ingested_at))),
        Some(contract) => hash(&promises(typed, source, contract).each_ref().map(String::as_str)),
    }
}

/// Columns, rules, and what else decides how rows are read.
fn promises(typed: &TypedGraph, declared: &Source, contract: &SourceContract) -> [String; 3] {
    let table = serde_json::to_string(&contract.table).unwrap_or_default();
    let checks: Vec<String> = contract.rules.iter().map(|rule| format!("{:?}", rule.check)).collect();
    let currency = VariableName::parse(CURRENCY).ok().and_then(|name| typed.parameters.get(&name));
    let column = |column: &Option<Located<String>>| column.as_ref().map(|column| column.value.clone());
    let times = (column(&declared.event_time), column(&declared.ingested_at), &contract.dated_by);
    let rest = format!("{times:?} {:?} {currency:?} {:?}", contract.totals, contract.optional_columns);
    [table, checks.join("\n"), rest]
}

/// The fingerprint of what is told of the sources.
fn quality_of_sources(typed: &TypedGraph, state: &State) -> String {
    let sources = typed.graph.sources().filter(|source| source.contract.is_some());
    let told = sources.map(|declared| {
        let rows = source(typed, &declared.name, state);
        format!("{} {rows} {:?} {}", declared.name, declared.history, state.is_absent(&declared.name))
    });
    hash(&told.collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>())
}

/// The fingerprint of a table: its only part's, else that of all its parts.
#[must_use]
pub fn fingerprint_of_parts(parts: &[Part]) -> String {
    match parts {
        [only] => only.fingerprint.clone(),
        parts => hash(&parts.iter().map(|part| part.fingerprint.as_str()).collect::<Vec<_>>()),
    }
}

/// The fingerprint of a result made from `made_from`.
pub(super) fn fingerprint(made_from: &MadeFrom) -> String {
    let mut parts = vec![made_from.definition.as_str(), made_from.parameters.as_str()];
    for (name, fingerprint) in &made_from.inputs {
        parts.extend([name.as_str(), fingerprint.as_str()]);
    }
    hash(&parts)
}

/// The fingerprint of the parameters a model uses.
fn used_parameters(typed: &TypedGraph, model: &Model) -> String {
    parameters(&used(typed, model))
}

/// The same parameters, looking from `as_of`.
pub(super) fn looking_from(used: &Parameters, as_of: Instant, zone: &TimeZone) -> Parameters {
    let value = |name: &VariableName, value: &Value| match name.as_str() {
        "as_of" => Value::Timestamp(as_of),
        "as_of_day" => Value::Date(as_of.day_in(zone)),
        _ => value.clone(),
    };
    used.iter().map(|(name, now)| (name.clone(), value(name, now))).collect()
}

/// The same parameters, those that are variables with their defaults.
pub(super) fn with_defaults(used: &Parameters, pipeline: &Pipeline) -> Parameters {
    let default = |name: &VariableName| pipeline.variables.get(name.as_str())?.default.clone();
    let value = |name: &VariableName, value: &Value| default(name).unwrap_or_else(|| value.clone());
    used.iter().map(|(name, now)| (name.clone(), value(name, now))).collect()
}

/// The values of the parameters a model's SQL names, and of those that cut its sources.
pub(super) fn used(typed: &TypedGraph, model: &Model) -> Parameters {
    let mut names = named_parameters(model);
    for source in sources(&typed.graph, &model.name) {
        names.extend(source.event_time.as_ref().map(|_| "as_of"));
        names.extend(source.ingested_at.as_ref().map(|_| "known_at"));
    }
    let used = typed.parameters.iter().filter(|(name, _)| names.contains(name.as_str()));
    used.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The parameters that a model's SQL and its audits name.
pub(super) fn named_parameters(model: &Model) -> BTreeSet<&str> {
    let audits = model.audits.iter().filter_map(|audit| audit.query());
    std::iter::once(&model.query).chain(audits).flat_map(named).collect()
}

/// Whether a source that a model reads, or one that its rows refer to, has rows that were not known
/// from the beginning.
pub(super) fn is_cut_by_known_at(typed: &TypedGraph, model: &Model) -> bool {
    sources(&typed.graph, &model.name).iter().any(|source| source.ingested_at.is_some())
}

fn named(query: &Query) -> impl Iterator<Item = &str> {
    query.parameters.iter().map(|parameter| parameter.name.as_str())
}

/// The sources a model reads, and those that their rows refer to.
fn sources<'a>(graph: &'a Graph, model: &NodeName) -> Vec<&'a Source> {
    let mut open: Vec<NodeName> = graph.sources_read(model).into_iter().collect();
    if open.iter().any(|name| quality::relation(name.as_str()).is_some()) {
        open.extend(graph.sources().map(|source| source.name.clone()));
    }
    let mut all: BTreeMap<NodeName, &Source> = BTreeMap::new();
    while let Some(name) = open.pop() {
        let Some(source) = graph.project().pipeline.sources.get(&name) else { continue };
        // What is rejected depends on what its rows refer to, and that on time.
        open.extend(source.parents().filter(|parent| !all.contains_key(*parent)).cloned());
        all.insert(name, source);
    }
    all.into_values().collect()
}
