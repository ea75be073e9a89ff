//! Two versions of one table, and SQL over both.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};
use crate::engine::{self, Bindings, Engine, Relation};
use crate::ident::NodeName;
use crate::lake::{FileEntry, Lake, TableEntry};
use crate::ops::{Error, show};
use crate::query::{self, Parameters, TableName};

/// What SQL calls the rows of the first version.
pub(super) const BEFORE: &str = "rows_before";
/// What SQL calls the rows of the second version.
pub(super) const AFTER: &str = "rows_after";

/// Two versions of a table.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) engine: &'a Engine,
    /// The root of the first version, and that of the second.
    pub(super) lakes: (&'a Lake, &'a Lake),
    pub(super) table: &'a NodeName,
    pub(super) before: &'a TableEntry,
    pub(super) after: &'a TableEntry,
}

/// A question over both versions.
pub(super) struct Question<'a> {
    /// One SELECT over [`BEFORE`] and [`AFTER`].
    pub(super) sql: String,
    /// The values it names.
    pub(super) parameters: Parameters,
    /// The files of the first version that are read.
    pub(super) before: Vec<&'a FileEntry>,
    /// The files of the second version that are read.
    pub(super) after: Vec<&'a FileEntry>,
    /// The most rows of the answer.
    pub(super) limit: usize,
}

impl Pair<'_> {
    /// Asks, and returns the rows as text, `None` where a value is missing.
    ///
    /// # Errors
    ///
    /// Returns what keeps the files from being read.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Vec<Vec<Option<String>>>, Error> {
        let mut relations = Vec::new();
        let mut bindings = Bindings::new();
        let sides = [
            (BEFORE, self.lakes.0, self.before, &question.before),
            (AFTER, self.lakes.1, self.after, &question.after),
        ];
        for (name, lake, entry, files) in sides {
            let name = NodeName::parse(name).map_err(|cause| self.bug(&cause.to_string()))?;
            let table = TableName::Bare(name);
            let schema = show::schema(entry);
            relations.push(Relation {
                name: table.clone(),
                schema: Arc::clone(&schema),
                keys: vec![entry.contract.grain.clone()],
                defined_in: None,
            });
            let files = files.iter().copied();
            bindings.insert(table, show::binding(lake, self.table, entry, files, schema)?);
        }
        let query = query::parse(&SourceFile::new("diff.sql", &question.sql));
        let typed = query.and_then(|query| engine::analyze(&query, &relations, &question.parameters));
        let typed = typed.map_err(|found| self.not_planned(&found))?;
        let engine = self.engine;
        let batches = engine.collect(&typed, &bindings, Some(question.limit), engine.whole()).await?;
        texts(&batches).ok_or_else(|| self.bug("a value cannot be shown").into())
    }

    /// Our SQL, not the project's, so its findings would point nowhere.
    fn not_planned(&self, found: &Diagnostics) -> Diagnostic {
        let why = found.iter().map(|found| found.message.clone()).collect::<Vec<_>>().join("; ");
        self.bug(&why)
    }

    fn bug(&self, why: &str) -> Diagnostic {
        Diagnostic::error(code::BUG, format!("two versions of `{}` cannot be compared: {why}", self.table))
    }
}

/// All rows as text.
fn texts(batches: &[RecordBatch]) -> Option<Vec<Vec<Option<String>>>> {
    let options = FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).ok());
        let columns = columns.collect::<Option<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let values = columns.iter().zip(batch.columns()).map(|(text, column)| {
                if column.is_null(row) { Some(None) } else { text.value(row).try_to_string().ok().map(Some) }
            });
            rows.push(values.collect::<Option<Vec<_>>>()?);
        }
    }
    Some(rows)
}

/// A name as SQL takes any name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A number that a query counted.
pub(super) fn number(value: Option<&Option<String>>) -> u64 {
    value.and_then(|value| value.as_deref()).and_then(|text| text.parse().ok()).unwrap_or_default()
}
