//! Snapshots: which of the published ones a run looks at, and whether they can stay beside its own.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Purpose, Step, TypedGraph, intervals};
use crate::interval::{Instant, Interval};
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

    /// The rows of `entry` as seen from here, in order: the whole table, the day's snapshot, or every
    /// interval; `None` if any of it is missing.
    #[must_use]
    pub fn current<'a>(&self, model: &Model, entry: &'a TableEntry) -> Option<Vec<&'a Part>> {
        if model.is_incremental() {
            return self.current_intervals(model, entry);
        }
        let slice = self.slice(model);
        entry.parts.iter().find(|part| part.slice == slice).map(|part| vec![part])
    }

    /// The days between the last snapshot before this run's and this run's own, if there was one each day
    /// until then: nights that were missed.
    #[must_use]
    pub fn missed(&self, model: &Model, entry: &TableEntry) -> Option<Interval> {
        let zone = &self.graph.project().pipeline.time_zone;
        let before: Vec<Date> = self
            .earlier(model, entry)
            .filter_map(|part| match part.slice {
                Slice::Snapshot { as_of } => as_of.date_in(zone),
                Slice::Whole | Slice::Interval { .. } => None,
            })
            .collect();
        let [.., last_but_one, last] = before.as_slice() else { return None };
        let (next, own) = (last.tomorrow().ok()?, self.snapshot_day());
        let was_daily = last_but_one.tomorrow().ok() == Some(*last);
        let start = Instant::start_of_day(next, zone).ok()?;
        (was_daily && start < own).then_some(Interval { start, end: own })
    }

    /// The parts of `entry` that stay beside what a step of this plan writes.
    #[must_use]
    pub fn beside<'a>(
        &self,
        model: &Model,
        entry: &'a TableEntry,
        (step, purpose): (&Step, Purpose),
    ) -> Vec<&'a Part> {
        match (step.intervals.as_deref(), purpose) {
            (Some(computed), Purpose::Run) => self.kept_intervals(model, entry, computed).collect(),
            (Some(computed), Purpose::Backfill) => intervals::beside(entry, computed).collect(),
            (None, _) => self.kept(model, entry).collect(),
        }
    }

    /// The snapshots of `entry` that stay beside this run's, by day: those that are not too old to be
    /// kept; none if their columns do not fit the contract any more.
    pub fn kept<'a>(&self, model: &Model, entry: &'a TableEntry) -> impl Iterator<Item = &'a Part> {
        let zone = &self.graph.project().pipeline.time_zone;
        let days = |part: &'a Part| match part.slice {
            Slice::Snapshot { as_of } => Some((part, as_of)),
            Slice::Whole | Slice::Interval { .. } => None,
        };
        let own = self.snapshot_day();
        let stay = model.is_snapshot() && unfit(&model.contract, entry).is_none();
        let newest = entry.parts.iter().filter_map(days).map(|(_, as_of)| as_of).fold(own, Instant::max);
        let keep_days = model.keep_days;
        let all = entry.parts.iter().filter_map(days).filter(move |(_, as_of)| stay && *as_of != own);
        all.filter(move |(_, as_of)| stays(*as_of, newest, keep_days, zone)).map(|(part, _)| part)
    }

    /// Whether the snapshot of the day looked from stays beside those of `entry` and one of `newest`.
    #[must_use]
    pub(super) fn is_kept(&self, model: &Model, entry: Option<&TableEntry>, newest: Option<Instant>) -> bool {
        let own = self.snapshot_day();
        let days = entry.into_iter().flat_map(|entry| &entry.parts).filter_map(|part| match part.slice {
            Slice::Snapshot { as_of } => Some(as_of),
            Slice::Whole | Slice::Interval { .. } => None,
        });
        let newest = days.chain(newest).fold(own, Instant::max);
        stays(own, newest, model.keep_days, &self.graph.project().pipeline.time_zone)
    }

    /// The snapshots of earlier days than this run's: what a model that reads the history sees beside
    /// this run's own.
    pub fn earlier<'a>(&self, model: &Model, entry: &'a TableEntry) -> impl Iterator<Item = &'a Part> {
        let today = self.snapshot_day();
        let is_earlier = move |part: &&Part| matches!(part.slice, Slice::Snapshot { as_of } if as_of < today);
        self.kept(model, entry).filter(is_earlier)
    }
}

/// Whether a snapshot stays beside one as new as `newest`.
fn stays(as_of: Instant, newest: Instant, keep_days: Option<u32>, zone: &TimeZone) -> bool {
    let Some(keep_days) = keep_days else { return true };
    let age = i64::from(newest.day_in(zone)) - i64::from(as_of.day_in(zone));
    age <= i64::from(keep_days) || as_of.date_in(zone).is_some_and(|day| day.day() == 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(as_of: &str, newest: &str, keep_days: Option<u32>, expected: bool) {
        let zone = crate::interval::parse_zone("Europe/Berlin").expect("a zone");
        let at = |text: &str| Instant::parse(text, &zone).expect("a day");
        assert_eq!(stays(at(as_of), at(newest), keep_days, &zone), expected, "{as_of}");
    }

    #[test]
    fn the_last_days_and_the_first_of_each_month_stay() {
        // From 15 March to 31 March 2024, when the clocks change, are 16 days.
        check("2024-03-15", "2024-03-31", Some(16), true);
        check("2024-03-15", "2024-04-01", Some(16), false);
        check("2023-03-01", "2024-04-01", Some(16), true);
        check("2023-03-02", "2024-04-01", Some(16), false);
        check("2023-03-02", "2024-04-01", None, true);
    }
}
