//! Variables: the values a request gives, the defaults, and the limits both must keep.

use std::collections::BTreeMap;

use super::{History, Pipeline, Source, Variable};
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::ident::{NodeName, VariableName};
use crate::interval::Instant;
use crate::query::Parameters;
use crate::value::Value;

/// Binds every parameter a query may use: the pipeline's variables with `given` over their
/// defaults, `as_of`, `as_of_day`, `known_at` and `time_zone`, and for each source that may be
/// absent or has no history `absent_…` (false here: who looked at the sources knows) and `undated_…`.
///
/// # Errors
///
/// Returns every unknown variable, every value that breaks its limits and every variable
/// without a value.
pub fn bind(
    pipeline: &Pipeline,
    given: &BTreeMap<String, String>,
    as_of: Instant,
    known_at: Instant,
) -> Result<Parameters, Diagnostics> {
    let mut found = Diagnostics::default();
    for name in given.keys() {
        if !pipeline.variables.contains_key(name.as_str()) {
            found.push(unknown(pipeline, name));
        }
    }
    let mut parameters = Parameters::new();
    for (name, variable) in &pipeline.variables {
        let value = match (given.get(name.as_str()), &variable.default) {
            (Some(text), _) => read(name, variable, text),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) => {
                Err(Diagnostic::error(code::BAD_VARIABLE, format!("variable `{name}` has no value"))
                    .at(variable.place.clone())
                    .help(format!("give it one: `--vars {name}=…`, or write a `default`")))
            }
        };
        if let Some(value) = found.keep(value.map_err(Diagnostics::from)) {
            parameters.insert(name.clone(), value);
        }
    }
    for (name, value) in source_parameters(pipeline) {
        parameters.insert(name, value);
    }
    let built_in = [
        ("as_of", Value::Timestamp(as_of)),
        ("as_of_day", Value::Date(as_of.day_in(&pipeline.time_zone))),
        ("known_at", Value::Timestamp(known_at)),
        ("time_zone", Value::String(pipeline.time_zone_name.clone())),
    ];
    for (name, value) in built_in {
        if let Ok(name) = VariableName::parse(name) {
            parameters.insert(name, value);
        }
    }
    found.or_ok(parameters)
}

/// The parameter that says whether the source is absent.
#[must_use]
pub fn absent_parameter(source: &NodeName) -> Option<VariableName> {
    VariableName::parse(&format!("absent_{source}")).ok()
}

/// The parameter that says whether the source has no history.
#[must_use]
pub fn undated_parameter(source: &NodeName) -> Option<VariableName> {
    VariableName::parse(&format!("undated_{source}")).ok()
}

/// The parameters that tell of the sources with a contract, with what their contracts say.
pub fn source_parameters(pipeline: &Pipeline) -> BTreeMap<VariableName, Value> {
    let sources = pipeline.sources.values().filter(|source| source.contract.is_some());
    let told = |source: &Source| {
        let absent = absent_parameter(&source.name).map(|name| (name, Value::Bool(false)));
        let undated = source.history == History::Undated;
        let undated = undated_parameter(&source.name).map(|name| (name, Value::Bool(undated)));
        [absent, undated]
    };
    sources.flat_map(told).flatten().collect()
}

fn unknown(pipeline: &Pipeline, name: &str) -> Diagnostic {
    let names = pipeline.variables.keys().map(VariableName::as_str);
    let message = format!("`{}` has no variable `{name}`", pipeline.file.path());
    let found = Diagnostic::error(code::BAD_VARIABLE, message);
    match nearest(name, names.clone()) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!("variables: {}", names.collect::<Vec<_>>().join(", "))),
    }
}

/// Reads `text` as a value of `variable`, within its limits.
pub(super) fn read(name: &VariableName, variable: &Variable, text: &str) -> Result<Value, Diagnostic> {
    let wrong = |why: String| Diagnostic::error(code::BAD_VARIABLE, format!("variable `{name}`: {why}"));
    let value = variable.value_type.parse(text).map_err(|cause| wrong(cause.to_string()))?;
    if let Some(number) = value.as_number() {
        if let Some(min) = variable.min.filter(|min| number < *min) {
            return Err(wrong(format!("{value} is less than {min}")));
        }
        if let Some(max) = variable.max.filter(|max| number > *max) {
            return Err(wrong(format!("{value} is more than {max}")));
        }
    }
    match &variable.accepted_values {
        Some(accepted) if !accepted.contains(&value.to_string()) => {
            Err(wrong(format!("`{value}` is not one of: {}", accepted.join(", "))))
        }
        _ => Ok(value),
    }
}

/// The least memory a run can be given: less holds no row group of a narrow table.
const LEAST_MEMORY: u64 = 1 << 20;

/// Reads a limit of memory: a size such as `12GiB`, `512 MiB` or `1000000000`, in bytes.
///
/// # Errors
///
/// Returns a sentence that says what was expected.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if size >= LEAST_MEMORY {
        Ok(size)
    } else {
        Err(format!("`{text}` is too little memory: write 1MiB or more"))
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor: Option<u64> = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kib" => Some(1 << 10),
        "kb" => Some(1_000),
        "m" | "mib" => Some(1 << 20),
        "mb" => Some(1_000_000),
        "g" | "gib" => Some(1 << 30),
        "gb" => Some(1_000_000_000),
        _ => None,
    };
    let size = digits.parse::<u64>().ok().zip(factor).and_then(|(n, factor)| n.checked_mul(factor));
    size.filter(|size| *size > 0).ok_or_else(|| format!("`{text}` is no size: write 12GiB or 512MiB"))
}

#[cfg(test)]
mod tests {
    use super::{parse_memory, parse_size};

    #[test]
    fn too_little_memory_is_refused() {
        assert_eq!(parse_memory("1MiB"), Ok(1_048_576));
        for text in ["1KiB", "1048575", "1023 KiB"] {
            assert_eq!(parse_memory(text), Err(format!("`{text}` is too little memory: write 1MiB or more")));
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_size("12GiB"), Ok(12 * 1024 * 1024 * 1024));
        assert_eq!(parse_size("512 MB"), Ok(512_000_000));
        for text in ["", "0", "-1", "1.5GiB", "12 parsecs", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
