//! Staged, then audited: two types, so that nobody publishes what nobody checked.

use std::collections::BTreeMap;

use crate::ident::NodeName;
use crate::lake::FileEntry;
use crate::plan::{AuditResult, Plan, SourceResult, SourceStatus};

/// Tables that are written and not yet all checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Staged(BTreeMap<NodeName, Vec<FileEntry>>);

/// Tables that are written and whose rules all hold.
#[derive(Debug, Clone)]
pub(super) struct Audited(BTreeMap<NodeName, Vec<FileEntry>>);

impl Staged {
    /// Adds a written table.
    pub(super) fn add(&mut self, table: NodeName, files: Vec<FileEntry>) {
        self.0.insert(table, files);
    }

    /// The tables as audited, if no rule is broken and no source has too many rejected rows.
    pub(super) fn audited(&self, audits: &[AuditResult], sources: &[SourceResult]) -> Option<Audited> {
        let sound = sources.iter().all(|source| source.status != SourceStatus::TooManyRejected);
        (sound && audits.iter().all(|audit| audit.broken == 0)).then(|| Audited(self.0.clone()))
    }
}

impl Audited {
    /// The files of `table`.
    pub(super) fn table(&self, table: &NodeName) -> Option<&[FileEntry]> {
        self.0.get(table).map(Vec::as_slice)
    }

    /// The version these tables are published as.
    #[expect(clippy::unused_self, reason = "only audited tables have a version")]
    pub(super) fn version(&self, plan: &Plan) -> u64 {
        plan.parent.unwrap_or(0) + 1
    }
}
