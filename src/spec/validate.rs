//! Checks a document against a JSON Schema and says what is wrong in a person's words.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

use super::document::{Document, escape};
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};

/// How many mistakes of one kind are told in one place: whoever makes more has other worries.
const TOLD: usize = 100;

/// Finds everything in `document` that `schema` does not allow; `kind` names the file's kind.
pub(super) fn validate(document: &Document, schema: &Json, kind: &str) -> Result<(), Diagnostics> {
    let validator = jsonschema::validator_for(schema).map_err(|cause| {
        Diagnostic::error(code::BUG, format!("the schema of a {kind} is invalid: {cause}"))
    })?;
    let mut found = Diagnostics::default();
    collect(document, schema, &validator, &mut found);
    found.or_ok(())
}

fn collect(document: &Document, schema: &Json, validator: &Validator, found: &mut Diagnostics) {
    let checker = Checker { document, schema };
    for error in validator.iter_errors(document.json()).take(TOLD) {
        checker.explain(&error, found);
    }
}

struct Checker<'a> {
    document: &'a Document,
    schema: &'a Json,
}

impl Checker<'_> {
    fn explain(&self, error: &ValidationError<'_>, found: &mut Diagnostics) {
        let pointer = error.instance_path().as_str();
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                let known = self.known_keys(error.schema_path().as_str());
                for key in unexpected.iter().take(TOLD) {
                    found.push(self.unknown_key(pointer, key, &known));
                }
            }
            Kind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let message = format!("key `{key}` is missing");
                let place = self.document.place(pointer);
                found.push(Diagnostic::error(code::MISSING_KEY, message).at(first_line(&place)));
            }
            Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
                self.explain_choice(pointer, context, found);
            }
            _ => found.push(self.wrong_value(pointer, error)),
        }
    }

    /// Of several forms a value may have, explains the one the person seems to have meant.
    fn explain_choice(
        &self,
        pointer: &str,
        context: &[Vec<ValidationError<'static>>],
        found: &mut Diagnostics,
    ) {
        let here = |error: &ValidationError<'_>| error.instance_path().as_str() == pointer;
        let inner = |branch: &&Vec<ValidationError<'static>>| {
            !branch.is_empty() && branch.iter().all(|error| !here(error))
        };
        if let Some(branch) = context.iter().find(inner) {
            for error in branch {
                self.explain(error, found);
            }
            return;
        }
        let mut known: Vec<String> = Vec::new();
        collect_known(context, &mut known);
        known.sort();
        known.dedup();
        match self.document.json().pointer(pointer) {
            Some(Json::Object(map)) if map.len() == 1 && !known.is_empty() => {
                let key = map.keys().next().map_or("", String::as_str);
                found.push(self.unknown_key(pointer, key, &known));
            }
            Some(Json::String(text)) if !known.is_empty() => {
                found.push(self.not_in_list(pointer, text, &known));
            }
            _ => {
                let place = self.document.place(pointer);
                let found_here =
                    Diagnostic::error(code::WRONG_VALUE, "this value has none of the forms it may have");
                let found_here = if known.is_empty() {
                    found_here
                } else {
                    found_here.help(format!("it may be: {}", known.join(", ")))
                };
                found.push(found_here.at(first_line(&place)));
            }
        }
    }

    fn unknown_key(&self, pointer: &str, key: &str, known: &[String]) -> Diagnostic {
        let place = self.document.key_place(&format!("{pointer}/{}", escape(key)));
        let message = format!("key `{key}` is unknown here");
        let found = Diagnostic::error(code::UNKNOWN_KEY, message).at(first_line(&place));
        let near = nearest(key, known.iter().map(String::as_str));
        let found = match near {
            Some(near) => found.label(format!("did you mean `{near}`?")),
            None => found,
        };
        if known.is_empty() { found } else { found.help(format!("keys here: {}", known.join(", "))) }
    }

    fn not_in_list(&self, pointer: &str, text: &str, known: &[String]) -> Diagnostic {
        let message = format!("`{text}` is not one of: {}", known.join(", "));
        let found = Diagnostic::error(code::WRONG_VALUE, message).at(self.document.place(pointer));
        match nearest(text, known.iter().map(String::as_str)) {
            Some(near) => found.label(format!("did you mean `{near}`?")),
            None => found,
        }
    }

    fn wrong_value(&self, pointer: &str, error: &ValidationError<'_>) -> Diagnostic {
        let place = first_line(&self.document.place(pointer));
        let key = named(pointer);
        if let Kind::Enum { options } = error.kind()
            && let Some(Json::String(text)) = self.document.json().pointer(pointer)
        {
            return self.not_in_list(pointer, text, &texts(options));
        }
        let message = match error.kind() {
            Kind::Type { .. } => format!("{key} must be {}", self.expected(error)),
            Kind::Minimum { limit } => format!("{key} must be at least {limit}"),
            Kind::Maximum { limit } => format!("{key} must be at most {limit}"),
            Kind::MinItems { limit: 1 } => format!("{key} needs at least one entry"),
            Kind::MinItems { limit } => format!("{key} needs at least {limit} entries"),
            other => format!("{key} is not valid here ({})", other.keyword()),
        };
        Diagnostic::error(code::WRONG_VALUE, message).at(place)
    }

    fn expected(&self, error: &ValidationError<'_>) -> String {
        let types = self.schema.pointer(error.schema_path().as_str());
        let name = |name: &str| match name {
            "object" => "a map of keys".to_owned(),
            "array" => "a list".to_owned(),
            "string" => "a text".to_owned(),
            "integer" => "a whole number".to_owned(),
            "number" => "a number".to_owned(),
            "boolean" => "true or false".to_owned(),
            other => other.to_owned(),
        };
        match types {
            Some(Json::String(one)) => name(one),
            Some(Json::Array(many)) => {
                let named = many.iter().filter_map(Json::as_str).filter(|t| *t != "null").map(name);
                named.collect::<Vec<_>>().join(" or ")
            }
            _ => "of another type".to_owned(),
        }
    }

    /// The keys of the object whose `additionalProperties` keyword stands at `path`.
    fn known_keys(&self, path: &str) -> Vec<String> {
        let object = path.rsplit_once('/').map_or("", |(object, _)| object);
        let properties = self.schema.pointer(&format!("{object}/properties"));
        let keys = properties.and_then(Json::as_object).map(|map| map.keys().cloned().collect());
        keys.unwrap_or_default()
    }
}

/// The words that stand where none of the forms of a value fits, in forms within forms too.
fn collect_known(context: &[Vec<ValidationError<'static>>], known: &mut Vec<String>) {
    for error in context.iter().flatten() {
        match error.kind() {
            Kind::Enum { options } => known.extend(texts(options)),
            Kind::Constant { expected_value } => known.extend(expected_value.as_str().map(str::to_owned)),
            Kind::Required { property } => known.extend(property.as_str().map(str::to_owned)),
            Kind::OneOfNotValid { context } | Kind::AnyOf { context } => collect_known(context, known),
            _ => {}
        }
    }
}

/// What a value is called: its key, or its number in the list of that key.
fn named(pointer: &str) -> String {
    let (list, last) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    match last.parse::<usize>() {
        Ok(at) => format!("entry {} of {}", at + 1, named(list)),
        Err(_) if pointer.is_empty() => "the file".to_owned(),
        Err(_) => format!("`{}`", last.replace("~1", "/").replace("~0", "~")),
    }
}

fn texts(options: &Json) -> Vec<String> {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// A long block is marked by its first line only.
fn first_line(place: &crate::diagnostic::Place) -> crate::diagnostic::Place {
    let start = place.span().start;
    let length = place.text().find('\n').unwrap_or(place.text().len());
    place.file().place(start..start + length)
}
