//! Files that differ from their source's contract: what is read in spite of it, and what is not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::FileKind;
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::{self, Difference, DifferenceKind};
use crate::project::{Drift, Source, SourceContract};

/// How many files are named with a difference.
const NAMED: usize = 2;

/// The kinds of files of a source, and which of them each file is.
pub(super) struct Compared {
    pub(super) kinds: Vec<FileKind>,
    pub(super) of_file: Vec<usize>,
    pub(super) warnings: Vec<Diagnostic>,
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
    let mut warnings = Vec::new();
    for (difference, names) in differences.into_values() {
        let told = told(source, &difference, &names, files.len());
        match source.drift {
            Drift::Warn if !difference.kind.is_fatal() => warnings.push(told),
            Drift::Ignore if !difference.kind.is_fatal() => {}
            _ => found.push(Diagnostic { severity: crate::diagnostic::Severity::Error, ..told }),
        }
    }
    found.or_ok(Compared { kinds, of_file, warnings })
}

fn told(source: &Source, difference: &Difference, names: &[&str], of: usize) -> Diagnostic {
    let mut message = format!("source `{}` is not as its contract says: {difference}", source.name);
    if names.len() < of {
        let shown: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let _ = write!(message, " (in {} of {of} files: {}", names.len(), shown.join(", "));
        message.push_str(if names.len() > NAMED { ", …)" } else { ")" });
    }
    let place = source.contract.as_ref().map_or(&source.place, |contract| &contract.place);
    let told = Diagnostic::warning(code::SOURCE_CHANGED, message).at(place.clone());
    match difference.kind {
        DifferenceKind::MissingRequired | DifferenceKind::Incompatible | DifferenceKind::Ambiguous => {
            told.help("mend the files, or change the contract and the SQL that reads the source")
        }
        DifferenceKind::Renamed => {
            told.help("rename the column in the contract and in the SQL, or in the files")
        }
        _ if source.drift == Drift::Fail => {
            told.help("change the contract, or write `drift: warn` to read what can be read without loss")
        }
        _ => told.help("change the contract, or write `drift: ignore` to hear no more of it"),
    }
}
