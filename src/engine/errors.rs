//! DataFusion's errors, sorted: each becomes one finding with a code, a place and what to do.
//!
//! **Invariant:** a message made here carries names, types and counts; the raw text of a run-time
//! error, which may quote a row, is never passed on.

use std::path::Path;

use arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::tokenizer::{Location, Span as SqlSpan};

use super::analyze::Relation;
use super::calls::Written;
use super::context::UnknownTable;
use super::scan::of_store;
use super::wording::plain;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, SourceFile, code, nearest};
use crate::functions::{Fault, sql_type};
use crate::query::place;
use crate::store::StoreError;

/// What is at hand to explain an error of planning.
pub(super) struct Explain<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) written: &'a Written,
    pub(super) inputs: &'a [Relation],
}

impl Explain<'_> {
    /// Every finding in an error of planning or of types.
    pub(super) fn planning(&self, error: &DataFusionError) -> Diagnostics {
        error.iter().map(|error| self.one(error)).collect()
    }

    fn one(&self, error: &DataFusionError) -> Diagnostic {
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let place = span.map(|span| self.place(span));
        match error.find_root() {
            DataFusionError::SchemaError(cause, _) => self.schema(cause, place),
            DataFusionError::External(cause) if cause.is::<UnknownTable>() => {
                self.at_place(Diagnostic::error(code::UNKNOWN_TABLE, cause.to_string()), place)
            }
            DataFusionError::External(cause) if cause.is::<Fault>() => {
                self.at_place(Diagnostic::error(code::TYPE_ERROR, cause.to_string()), place)
            }
            DataFusionError::NotImplemented(text) => {
                let message = format!("not supported: {}", plain(text));
                self.at_place(Diagnostic::error(code::TYPE_ERROR, message), place)
            }
            _ => self.type_error(error),
        }
    }

    fn schema(&self, cause: &SchemaError, place: Option<Place>) -> Diagnostic {
        match cause {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let place = place.or_else(|| self.written.identifier(&field.name));
                let message = format!("column `{}` not found", field.flat_name());
                let found = self.at_place(Diagnostic::error(code::UNKNOWN_COLUMN, message), place);
                match self.suggestion(field, valid_fields) {
                    Some(label) => found.label(label),
                    None => found,
                }
            }
            SchemaError::AmbiguousReference { field } => {
                let place = place.or_else(|| self.written.identifier(&field.name));
                let message = format!("column `{}` is in more than one input", field.flat_name());
                let found = self.at_place(Diagnostic::error(code::UNKNOWN_COLUMN, message), place);
                found.help("write the input's name or alias before it")
            }
            SchemaError::DuplicateQualifiedField { name, .. }
            | SchemaError::DuplicateUnqualifiedField { name } => {
                let place = place.or_else(|| self.written.identifier(name));
                let message = format!("column `{name}` is there twice");
                self.at_place(Diagnostic::error(code::TYPE_ERROR, message), place)
                    .help("give one of them another name")
            }
        }
    }

    /// "did you mean `o.customer_id` (BIGINT, from sql/staging/orders.sql)?"
    fn suggestion(&self, field: &Column, valid: &[Column]) -> Option<String> {
        let same_input = |column: &&Column| field.relation.is_none() || field.relation == column.relation;
        let mut candidates: Vec<_> = valid.iter().filter(same_input).collect();
        if candidates.is_empty() {
            candidates = valid.iter().collect();
        }
        let near = nearest(&field.name, candidates.iter().map(|column| column.name.as_str()))?;
        let column = candidates.into_iter().find(|column| column.name == near)?;
        let origin = self.origin(column).map_or_else(String::new, |origin| format!(" ({origin})"));
        Some(format!("did you mean `{}`{origin}?", column.flat_name()))
    }

    fn origin(&self, column: &Column) -> Option<String> {
        let alias = column.relation.as_ref()?.to_string();
        let table = self.written.table_of(&alias).unwrap_or(alias.as_str()).to_owned();
        let relation = self.inputs.iter().find(|relation| relation.name.to_string() == table)?;
        let field = relation.schema.field_with_name(&column.name).ok()?;
        Some(match &relation.defined_in {
            Some(path) => format!("{}, from {path}", sql_type(field.data_type())),
            None => sql_type(field.data_type()),
        })
    }

    pub(super) fn at_place(&self, found: Diagnostic, place: Option<Place>) -> Diagnostic {
        found.at(place.unwrap_or_else(|| self.file.place_at(1, 1, 1)))
    }

    pub(super) fn place(&self, span: Span) -> Place {
        let start = Location { line: span.start.line, column: span.start.column };
        let end = Location { line: span.end.line, column: span.end.column };
        place(self.file, SqlSpan { start, end })
    }
}

/// Whether a failure is that of the memory pool.
pub(super) fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(text) if !text.contains("disk"))
}

/// Whether a failure could come from a bad file.
pub(super) fn may_be_a_file(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ParquetError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ExecutionJoin(_) => true,
        DataFusionError::External(cause) => !(cause.is::<Fault>() || cause.is::<Unplanned>()),
        // Pages that decode to other bytes come back as any of Arrow's errors.
        DataFusionError::ArrowError(cause, _) => {
            !matches!(**cause, ArrowError::ArithmeticOverflow(_) | ArrowError::DivideByZero)
                && !is_full_disk(error.find_root())
        }
        DataFusionError::IoError(_) => !is_full_disk(error.find_root()),
        _ => false,
    }
}

/// A plan that cannot be run, known before any row was read: its text names no row.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Unplanned(pub(super) DataFusionError);

/// What failed while the model in `file` ran, spilling into `spill`.
pub(super) fn running(error: &DataFusionError, file: &SourceFile, spill: &Path) -> Diagnostic {
    let at = |code, message: String| Diagnostic::error(code, message).at(file.place_at(1, 1, 1));
    match error.find_root() {
        DataFusionError::External(cause) => {
            if let Some(fault) = cause.downcast_ref::<Fault>() {
                return failed_function(fault, file);
            }
            if let Some(Unplanned(cause)) = cause.downcast_ref::<Unplanned>() {
                return unplanned(cause, file);
            }
            match cause.downcast_ref::<StoreError>() {
                Some(store) => store.to_diagnostic(),
                None => at(code::MODEL_FAILED, "the model failed while it ran".to_owned()),
            }
        }
        cause if is_full_disk(cause) => {
            at(code::DISK_FULL, format!("no space left to spill in {}", spill.display()))
                .help("free some space, or choose another folder with $TMPDIR; nothing was published")
        }
        DataFusionError::ResourcesExhausted(_) => {
            at(code::OUT_OF_MEMORY, "the memory limit was reached, also with smaller steps".to_owned())
                .help("raise --memory-limit, or run on a larger machine")
        }
        DataFusionError::ArrowError(cause, _) => failed_arrow(cause, file),
        DataFusionError::ObjectStore(_) => at(code::STORE_UNAVAILABLE, "a file could not be read".to_owned()),
        DataFusionError::ParquetError(cause) => match of_store(cause) {
            Some(store) => store.to_diagnostic(),
            None => at(code::MODEL_FAILED, "the model failed while it ran".to_owned()),
        },
        DataFusionError::IoError(_) => {
            at(code::STORE_UNAVAILABLE, format!("files of the run in {} cannot be used", spill.display()))
        }
        DataFusionError::Internal(_) => at(code::BUG, "DataFusion failed inside".to_owned()),
        DataFusionError::Execution(text) if text.contains("returned more than one row") => {
            at(code::MODEL_FAILED, "a subquery that must give one row gave more".to_owned())
        }
        // Whatever else it is: the text may quote a row, also where it is about a function.
        _ => at(code::MODEL_FAILED, "the model failed while it ran".to_owned()),
    }
}

/// A plan that cannot be run.
fn unplanned(cause: &DataFusionError, file: &SourceFile) -> Diagnostic {
    let at = |code, message: String| Diagnostic::error(code, message).at(file.place_at(1, 1, 1));
    match cause.find_root() {
        DataFusionError::NotImplemented(text) => {
            at(code::MODEL_FAILED, format!("not supported: {}", plain(text)))
        }
        DataFusionError::Internal(_) => at(code::BUG, "DataFusion failed inside".to_owned()),
        other => at(code::BUG, format!("the plan cannot be run: {}", plain(&other.strip_backtrace()))),
    }
}

/// Whether there was no room for what does not fit in memory.
fn is_full_disk(cause: &DataFusionError) -> bool {
    match cause {
        DataFusionError::ResourcesExhausted(text) => text.contains("disk"),
        DataFusionError::IoError(cause) => is_full(cause),
        DataFusionError::ArrowError(cause, _) => {
            matches!(&**cause, ArrowError::IoError(text, cause) if is_full(cause) || says_full(text))
        }
        _ => false,
    }
}

fn is_full(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(cause.kind(), FileTooLarge | QuotaExceeded | StorageFull) || says_full(&cause.to_string())
}

/// The writer of spilled rows keeps the system's answer as text only: EFBIG, ENOSPC, EDQUOT.
fn says_full(text: &str) -> bool {
    [27, 28, 122].iter().any(|number| text.contains(&format!("(os error {number})")))
}

fn failed_function(fault: &Fault, file: &SourceFile) -> Diagnostic {
    let (code, help) = match fault {
        Fault::Overflow { .. } => {
            (code::OVERFLOW, "cast to a wider type before, for example to DECIMAL(38, 2)")
        }
        Fault::NotFinite { .. } => (
            code::NOT_FINITE,
            "guard the division: `case when total <> 0 then part / total end`, or `nullif(total, 0)`",
        ),
        Fault::Narrowing { .. } => (code::NARROWING_FAILED, "widen the type in the contract"),
        Fault::Impossible { .. } => (
            code::MODEL_FAILED,
            "filter such rows out before, or find out where they come from; null in place of a number is left out",
        ),
        Fault::Argument { .. } => {
            (code::MODEL_FAILED, "`goodwill functions` with its name tells what the arguments may be")
        }
        Fault::UnknownZone => (code::MODEL_FAILED, "use a name of the zone database such as 'Europe/Berlin'"),
    };
    Diagnostic::error(code, fault.to_string()).at(file.place_at(1, 1, 1)).help(help)
}

fn failed_arrow(cause: &ArrowError, file: &SourceFile) -> Diagnostic {
    let at = |code, message: &str| Diagnostic::error(code, message).at(file.place_at(1, 1, 1));
    match cause {
        ArrowError::ArithmeticOverflow(_) => at(code::OVERFLOW, "arithmetic overflow"),
        ArrowError::DivideByZero => {
            at(code::MODEL_FAILED, "division by zero").help("divide by `nullif(x, 0)`")
        }
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            at(code::MODEL_FAILED, "a value cannot be cast to the type the SQL asks for")
                .help("use `try_cast`, which gives null, and decide what null means")
        }
        ArrowError::InvalidArgumentError(text) if text.contains("too large to store in a Decimal") => {
            at(code::OVERFLOW, "a value does not fit its DECIMAL type")
        }
        _ => at(code::MODEL_FAILED, "the model failed while it ran"),
    }
}
