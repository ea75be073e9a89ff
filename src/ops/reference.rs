//! `functions` and `schema print`: what can be looked up without a project.

use serde_json::Value as Json;

use super::Error;
use crate::diagnostic::{Diagnostic, code, nearest};
use crate::functions::{self, Function};
use crate::spec::{self, ModelsSpec, PipelineSpec};

/// A kind of YAML file people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `pipelines/*.yml`.
    Pipeline,
    /// `sql/**/*.yml`.
    Models,
}

/// The JSON Schema of a kind of file, the very one files are checked against.
#[must_use]
pub fn schema_print(kind: FileKind) -> Json {
    match kind {
        FileKind::Pipeline => spec::schema::<PipelineSpec>(),
        FileKind::Models => spec::schema::<ModelsSpec>(),
    }
}

/// The functions SQL may call and those it may not, by name; with `name` those called so.
///
/// # Errors
///
/// Returns `GW0221` if there is no function called `name`.
pub fn functions(name: Option<&str>) -> Result<Vec<Function>, Error> {
    let all = functions::catalogue();
    let Some(name) = name else { return Ok(all) };
    let wanted = name.to_ascii_lowercase();
    let called = |function: &&Function| function.name == wanted || function.aliases.contains(&wanted);
    let found: Vec<Function> = all.iter().filter(called).cloned().collect();
    if found.is_empty() { Err(unknown(name, &all).into()) } else { Ok(found) }
}

fn unknown(name: &str, all: &[Function]) -> Diagnostic {
    let found = Diagnostic::error(code::UNKNOWN_FUNCTION, format!("there is no function `{name}`"));
    match nearest(name, all.iter().map(|function| function.name.as_str())) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help("type `goodwill functions` to see them all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_any_of_its_names() {
        let names = |name| {
            functions(Some(name))
                .expect("known")
                .into_iter()
                .map(|function| function.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names("LOCAL_DATE"), ["local_date"]);
        assert_eq!(names("mean"), ["avg"]);
    }

    #[test]
    fn a_misspelt_function_is_told_the_nearest() {
        let error = functions(Some("local_dat")).expect_err("unknown");
        let found = error.diagnostics().iter().next().expect("a finding");
        assert_eq!(
            (found.code, found.help[0].as_str()),
            (code::UNKNOWN_FUNCTION, "did you mean `local_date`?")
        );
    }

    #[test]
    fn schemas_name_every_key_of_their_file() {
        let keys =
            |kind| schema_print(kind).pointer("/properties").and_then(Json::as_object).expect("keys").len();
        assert_eq!(keys(FileKind::Pipeline), 11);
        assert_eq!(keys(FileKind::Models), 5);
    }
}
