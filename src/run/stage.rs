//! Staged, then audited: two types, so that nobody publishes what nobody checked.

use std::collections::BTreeMap;

use crate::ident::NodeName;
use crate::lake::{FileEntry, Slice};
use crate::plan::{AuditResult, SourceResult, SourceStatus};

/// Rows of a table that were written.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Which ones.
    pub(super) slice: Slice,
    /// Their files.
    pub(super) files: Vec<FileEntry>,
}

/// Tables that are written and not yet all checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Staged(BTreeMap<NodeName, Vec<Part>>);

/// Tables that are written and whose rules all hold.
#[derive(Debug, Clone)]
pub(super) struct Audited(BTreeMap<NodeName, Vec<Part>>);

impl Staged {
    /// Adds a written table.
    pub(super) fn add(&mut self, table: NodeName, parts: Vec<Part>) {
        self.0.insert(table, parts);
    }

    /// The tables as audited, if no rule is broken and no source has too many rejected rows.
    pub(super) fn audited(&self, audits: &[AuditResult], sources: &[SourceResult]) -> Option<Audited> {
        let sound = sources.iter().all(|source| source.status != SourceStatus::TooManyRejected);
        (sound && audits.iter().all(|audit| audit.broken == 0)).then(|| Audited(self.0.clone()))
    }
}

impl Audited {
    /// The parts of `table` that were written.
    pub(super) fn table(&self, table: &NodeName) -> Option<&[Part]> {
        self.0.get(table).map(Vec::as_slice)
    }
}
