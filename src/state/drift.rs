//! Files that differ from their source's contract: what is read in spite of it, and what is not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::FileKind;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code};
use crate::engine::{self, Difference, DifferenceKind};
use crate::project::{Drift, Source, SourceContract};

/// How many files are named with a difference.
const NAMED: usize = 2;

/// The kinds of files of a source, and which of them each file is.
pub(super) struct Compared {
    pub(super) kinds: Vec<FileKind>,
    pub(super) of_file: Vec<usize>,
    /// What differs and is read all the same.
    pub(super) warning: Option<Diagnostic>,
}

/// Compares each of `files`, by name, with the contract.
///
/// # Errors
///
/// Returns `GW0403` for each difference that keeps the source from being read: any if it says
/// `drift: fail`, else those that would lose something.
pub(super) fn compare(
    source: &Source,
    contract: &SourceContract,
    files: &[(String, SchemaRef)],
) -> Result<Compared, Diagnostics> {
    let mut kinds: Vec<FileKind> = Vec::new();
    let mut of_file = Vec::new();
    let mut differences: BTreeMap<String, (Difference, Vec<&str>)> = BTreeMap::new();
    for (name, schema) in files {
        let known = kinds.iter().position(|kind| kind.schema == *schema);
        of_file.push(known.unwrap_or(kinds.len()));
        let (readings, found) = engine::compare(contract, schema);
        for difference in found {
            let (_, names) = differences.entry(difference.to_string()).or_insert((difference, Vec::new()));
            names.push(name);
        }
        if known.is_none() {
            kinds.push(FileKind { schema: Arc::clone(schema), readings });
        }
    }
    let mut found = Diagnostics::default();
    let mut accepted = Vec::new();
    for (difference, names) in differences.into_values() {
        let text = text(&difference, &names, files.len());
        match source.drift {
            Drift::Warn if !difference.kind.is_fatal() => accepted.push((difference, text)),
            Drift::Ignore if !difference.kind.is_fatal() => {}
            _ => found.push(refused(source, &difference, &text)),
        }
    }
    found.or_ok(Compared { kinds, of_file, warning: warning(source, &accepted) })
}

/// What differs, and in which of the files.
fn text(difference: &Difference, names: &[&str], of: usize) -> String {
    let mut message = difference.to_string();
    if names.len() < of {
        let shown: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let _ = write!(message, " (in {} of {of} files: {}", names.len(), shown.join(", "));
        message.push_str(if names.len() > NAMED { ", …)" } else { ")" });
    }
    message
}

fn refused(source: &Source, difference: &Difference, text: &str) -> Diagnostic {
    let message = format!("source `{}` is not as its contract says: {text}", source.name);
    let found = Diagnostic::error(code::SOURCE_CHANGED, message).at(place(source));
    match difference.kind {
        DifferenceKind::MissingRequired | DifferenceKind::Incompatible | DifferenceKind::Ambiguous => {
            found.help("mend the files, or change the contract and the SQL that reads the source")
        }
        DifferenceKind::Renamed => {
            found.help("rename the column in the contract and in the SQL, or in the files")
        }
        _ => found.help("change the contract, or write `drift: warn` to read what can be read without loss"),
    }
}

/// All that is accepted of a source is one warning.
fn warning(source: &Source, accepted: &[(Difference, String)]) -> Option<Diagnostic> {
    let says = format!("source `{}` is not as its contract says", source.name);
    let told = match accepted {
        [] => return None,
        [(_, only)] => Diagnostic::warning(code::SOURCE_CHANGED, format!("{says}: {only}")),
        many => {
            let message = format!("{says}: {} differences", many.len());
            let told = Diagnostic::warning(code::SOURCE_CHANGED, message);
            many.iter().fold(told, |told, (_, text)| told.help(text.clone()))
        }
    };
    let told = told.at(place(source));
    let missing = accepted.iter().any(|(difference, _)| difference.kind == DifferenceKind::Missing);
    let told =
        if missing { told.help("write `optional: true` beside a column you do not have") } else { told };
    Some(told.help("change the contract, or write `drift: ignore` to hear no more of it"))
}

fn place(source: &Source) -> Place {
    source.contract.as_ref().map_or(&source.place, |contract| &contract.place).clone()
}
