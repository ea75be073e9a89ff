//! Snapshots: which of the published ones a run looks at, and whether they can stay beside its own.

use super::TypedGraph;
use crate::interval::Instant;
use crate::lake::{Part, Slice, TableEntry};
use crate::project::{ColumnType, Contract, Model, Nullability};

impl TypedGraph {
    /// The day a snapshot of this run looks from: its start in the pipeline's time zone.
    #[must_use]
    pub fn snapshot_day(&self) -> Instant {
        let zone = &self.graph.project().pipeline.time_zone;
        let day = self.as_of.date_in(zone);
        day.and_then(|day| Instant::start_of_day(day, zone).ok()).unwrap_or(self.as_of)
    }

    /// What a run that looks from here publishes of `model`: a snapshot's day, else the whole table.
    #[must_use]
    pub fn slice(&self, model: &Model) -> Slice {
        if model.is_snapshot() { Slice::Snapshot { as_of: self.snapshot_day() } } else { Slice::Whole }
    }

    /// The rows of `entry` that a run that looks from here would replace; `None` if there are none.
    #[must_use]
    pub fn current<'a>(&self, model: &Model, entry: &'a TableEntry) -> Option<&'a Part> {
        let slice = self.slice(model);
        entry.parts.iter().find(|part| part.slice == slice)
    }

    /// The snapshots of `entry` that stay beside this run's, by day; none if their columns do not
    /// fit the contract any more.
    pub fn kept<'a>(&self, model: &Model, entry: &'a TableEntry) -> impl Iterator<Item = &'a Part> {
        let own = self.slice(model);
        let stay = model.is_snapshot() && unfit(&model.contract, entry).is_none();
        let is_snapshot = |part: &&Part| matches!(part.slice, Slice::Snapshot { .. });
        entry.parts.iter().filter(is_snapshot).filter(move |part| stay && part.slice != own)
    }

    /// The snapshots of earlier days than this run's: what a model that reads the history sees beside
    /// this run's own.
    pub fn earlier<'a>(&self, model: &Model, entry: &'a TableEntry) -> impl Iterator<Item = &'a Part> {
        let today = self.snapshot_day();
        let is_earlier = move |part: &&Part| matches!(part.slice, Slice::Snapshot { as_of } if as_of < today);
        self.kept(model, entry).filter(is_earlier)
    }
}

/// Why rows written by the contract in `entry` cannot be read by `contract`; `None` if they can: a
/// history gains columns that may be null, and nothing else.
pub(super) fn unfit(contract: &Contract, entry: &TableEntry) -> Option<String> {
    let then = &entry.contract;
    if then.grain != contract.grain {
        return Some(format!("its grain was {}", then.grain.join(", ")));
    }
    for old in &then.columns {
        let Some(now) = contract.column(&old.name) else {
            return Some(format!("column `{}` is gone", old.name));
        };
        if ColumnType::parse(&old.data_type.to_string()).ok() != Some(now.data_type) {
            return Some(format!("column `{}` was {}", old.name, old.data_type));
        }
        if old.nullable && now.nullable == Nullability::Required {
            return Some(format!("column `{}` could be null", old.name));
        }
    }
    let is_new = |name: &str| then.columns.iter().all(|old| old.name != name);
    let required = contract
        .columns
        .iter()
        .find(|column| column.nullable == Nullability::Required && is_new(&column.name));
    required.map(|column| format!("column `{}` is new and must not be null", column.name))
}
