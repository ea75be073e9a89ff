//! From a pipeline file as written to a [`Pipeline`] whose names and values are checked.

use std::collections::BTreeMap;

use super::{Located, Pipeline, Target, Variable, variables};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code};
use crate::ident::{InvalidName, PipelineName, VariableName};
use crate::interval;
use crate::spec::{Document, PipelineSpec, Spec, TargetSpec, VariableSpec};
use crate::value::Value;

/// The version of the pipeline file this program reads.
const VERSION: u32 = 1;

/// Names no variable may take: they are bound by the program.
const BUILT_IN: [&str; 4] = ["as_of", "as_of_day", "known_at", "time_zone"];

/// Checks names, values and environment references; the sources follow, with their contracts.
pub(super) fn check(
    spec: &Spec<PipelineSpec>,
    environment: &BTreeMap<String, String>,
) -> Result<Pipeline, Diagnostics> {
    let mut found = Diagnostics::default();
    let document = &spec.document;
    check_version(spec, &mut found);
    let name = named(PipelineName::parse(&spec.value.name), document.place("/name"));
    let name = found.keep(name);
    let zone_name = spec.value.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
    let zone = interval::parse_zone(&zone_name)
        .map_err(|cause| Diagnostics::from(wrong(cause.to_string(), document.place("/time_zone"))));
    let zone = found.keep(zone);
    let location = resolved(&spec.value.sources.location, document.place("/sources/location"), environment);
    let location = found.keep(location);
    let variables =
        each(&spec.value.vars, &mut found, |name, value, found| variable(document, name, value, found));
    let targets = each(&spec.value.targets, &mut found, |name, value, found| {
        target(document, name, value, environment, found)
    });
    let default_target = spec.value.default_target.clone();
    let default_target =
        default_target.map(|value| Located { value, place: document.place("/default_target") });
    check_default(default_target.as_ref(), &targets, &mut found);
    let as_of = spec.value.as_of.clone().map(|value| Located { value, place: document.place("/as_of") });
    match (name, zone, location) {
        (Some(name), Some(time_zone), Some(location)) if !found.has_errors() => Ok(Pipeline {
            file: document.file().clone(),
            name,
            description: spec.value.description.clone(),
            time_zone,
            time_zone_name: zone_name,
            as_of,
            variables,
            location,
            sources: BTreeMap::new(),
            targets,
            default_target,
        }),
        _ => Err(found),
    }
}

fn each<K: Ord, V, T>(
    entries: &indexmap::IndexMap<String, V>,
    found: &mut Diagnostics,
    check: impl Fn(&str, &V, &mut Diagnostics) -> Option<(K, T)>,
) -> BTreeMap<K, T> {
    entries.iter().filter_map(|(name, value)| check(name, value, found)).collect()
}

fn check_version(spec: &Spec<PipelineSpec>, found: &mut Diagnostics) {
    if spec.value.version != VERSION {
        let message = format!("version {} of pipeline files is unknown", spec.value.version);
        let place = spec.document.place("/version");
        let wrong = Diagnostic::error(code::UNSUPPORTED_VERSION, message).at(place);
        found.push(wrong.help(format!("this program reads version {VERSION}")));
    }
}

fn check_default(
    default_target: Option<&Located<String>>,
    targets: &BTreeMap<String, Target>,
    found: &mut Diagnostics,
) {
    if let Some(default) = default_target
        && !targets.contains_key(&default.value)
    {
        let message = format!("there is no target `{}`", default.value);
        let names = targets.keys().cloned().collect::<Vec<_>>().join(", ");
        let wrong = Diagnostic::error(code::UNKNOWN_TARGET, message).at(default.place.clone());
        found.push(wrong.help(format!("targets: {names}")));
    }
}

pub(super) fn named<T>(name: Result<T, InvalidName>, place: Place) -> Result<T, Diagnostics> {
    name.map_err(|cause| Diagnostic::error(code::INVALID_NAME, cause.to_string()).at(place).into())
}

fn wrong(message: String, place: Place) -> Diagnostic {
    Diagnostic::error(code::WRONG_VALUE, message).at(place)
}

fn variable(
    document: &Document,
    name: &str,
    spec: &VariableSpec,
    found: &mut Diagnostics,
) -> Option<(VariableName, Variable)> {
    let pointer = format!("/vars/{name}");
    let place = document.key_place(&pointer);
    if BUILT_IN.contains(&name) {
        let message = format!("`{name}` is bound by the program and cannot be a variable");
        found.push(Diagnostic::error(code::DUPLICATE_NAME, message).at(place));
        return None;
    }
    let parsed = found.keep(named(VariableName::parse(name), place.clone()))?;
    let mut variable = Variable {
        value_type: spec.value_type,
        default: None,
        min: spec.min,
        max: spec.max,
        accepted_values: spec.accepted_values.clone(),
        description: spec.description.clone(),
        place,
    };
    if let Some(default) = spec.default.as_ref().filter(|default| !default.is_null()) {
        let pointer = format!("{pointer}/default");
        let text = match default {
            serde_json::Value::String(text) => text.clone(),
            _ => document.text(&pointer).unwrap_or_default().to_owned(),
        };
        let place = document.place(&pointer);
        let value =
            variables::read(&parsed, &variable, &text).map_err(|bad| Diagnostics::from(bad.at(place)));
        variable.default = Some(found.keep::<Value>(value)?);
    }
    Some((parsed, variable))
}

fn target(
    document: &Document,
    name: &str,
    spec: &TargetSpec,
    environment: &BTreeMap<String, String>,
    found: &mut Diagnostics,
) -> Option<(String, Target)> {
    let pointer = format!("/targets/{name}");
    let root = resolved(&spec.root, document.place(&format!("{pointer}/root")), environment);
    let root = found.keep(root)?;
    let memory_limit = match &spec.memory_limit {
        None => None,
        Some(text) => {
            let place = document.place(&format!("{pointer}/memory_limit"));
            let size = variables::parse_memory(text).map_err(|message| wrong(message, place).into());
            Some(found.keep(size)?)
        }
    };
    Some((name.to_owned(), Target { root, memory_limit }))
}

/// Replaces a value that is wholly `${NAME}` or `${NAME:-default}`; anything else stays.
fn resolved(
    text: &str,
    place: Place,
    environment: &BTreeMap<String, String>,
) -> Result<Located<String>, Diagnostics> {
    let Some(inner) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        if text.contains("${") {
            let found = wrong("an environment reference must be the whole value".to_owned(), place);
            return Err(found.help("write `${NAME:-default}` and nothing else").into());
        }
        return Ok(Located { value: text.to_owned(), place });
    };
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let value = environment.get(name).filter(|value| !value.is_empty()).map(String::as_str);
    match value.or(default) {
        Some(value) => Ok(Located { value: value.to_owned(), place }),
        None => {
            let found = wrong(format!("the environment variable `{name}` is not set"), place);
            Err(found.help(format!("set it, or write a default: `${{{name}:-./sources}}`")).into())
        }
    }
}
