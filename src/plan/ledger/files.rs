//! Which files of a source make the rows of an interval.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;

use super::super::fingerprint::{self, hash};
use super::{Ledger, Seen};
use crate::engine::Extent;
use crate::ident::NodeName;
use crate::interval::Interval;
use crate::project::{Source, SourceCheck};
use crate::state::PinnedFile;

/// A day, in microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Between which times the rows of a file lie, both included.
#[derive(Debug, Clone, Copy)]
enum Times {
    /// In microseconds since 1970.
    Instants(i64, i64),
    /// In days since 1970, in the pipeline's time zone.
    Days(i64, i64),
}

/// The interval whose files are looked for, and whether times do not move.
#[derive(Clone, Copy)]
struct Of {
    interval: Interval,
    are_fixed: bool,
}

impl<'a> Ledger<'a> {
    /// What the rows of a source in `interval` are made from.
    pub(super) fn look(
        &self,
        name: &NodeName,
        interval: Interval,
        are_fixed: bool,
        ignored: &[NodeName],
    ) -> Seen {
        let (Some(source), Some(_)) = (self.declared(name), self.state.sources.get(name)) else {
            // What the program tells of the sources depends on all of them.
            return Seen {
                fingerprint: fingerprint::source(self.typed, name, self.state),
                ..Seen::default()
            };
        };
        let mut files = self.files_in(source, interval);
        if !are_fixed {
            files = self.with_same_keys(source, files);
        }
        let mut marks = BTreeMap::from([(name.clone(), marks(&files))]);
        let is_timed = source.event_time.is_some();
        let has_key = source.contract.as_ref().is_some_and(|contract| !contract.table.grain.is_empty());
        let replaced_later = is_timed && has_key && !are_fixed && self.any_later(source, &files);
        let mut is_open = replaced_later || (is_timed && interval.end > self.typed.as_of);
        let of = Of { interval, are_fixed };
        is_open |= self.add_parents(source, &files, (of, ignored), &mut marks);
        let mut parts = vec![fingerprint::contract_of(self.typed, source)];
        for (source, marks) in &marks {
            parts.push(format!("{source} {}", marks.iter().cloned().collect::<Vec<_>>().join(" ")));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let read = marks.into_iter().map(|(source, marks)| (source, Arc::new(marks))).collect();
        Seen { fingerprint: hash(&parts), read, is_open }
    }

    fn files(&self, source: &Source) -> &'a [PinnedFile] {
        self.state.sources.get(&source.name).map(|state| state.files.as_slice()).unwrap_or_default()
    }

    /// The files that could hold rows of `interval`: all of them where nothing tells a row's time.
    fn files_in(&self, source: &Source, interval: Interval) -> Vec<&'a PinnedFile> {
        let files = self.files(source).iter();
        if source.event_time.is_some() {
            return files.filter(|file| self.is_within(file, source, interval)).collect();
        }
        let Some((column, parent, field)) = dating(source) else { return files.collect() };
        let Some(parent) = self.declared(parent) else { return files.collect() };
        let of_parent = self.files_in(parent, interval);
        files.filter(|file| meets_any(file.extents.get(column), &of_parent, field)).collect()
    }

    /// Whether a file could hold rows of `interval`, all of them if it does not tell.
    fn is_within(&self, file: &PinnedFile, source: &Source, interval: Interval) -> bool {
        match self.times(file, source) {
            Some(Times::Instants(min, max)) => min < interval.end.micros() && max >= interval.start.micros(),
            Some(Times::Days(min, max)) => {
                let zone = &self.typed.graph.project().pipeline.time_zone;
                let (start, end) = (interval.start.day_in(zone), interval.end.day_in(zone));
                min < i64::from(end) && max >= i64::from(start)
            }
            None => true,
        }
    }

    /// Whether one of the files may hold a row that only a later day sees.
    fn any_later(&self, source: &Source, files: &[&PinnedFile]) -> bool {
        if source.event_time.is_none() {
            return false;
        }
        let zone = &self.typed.graph.project().pipeline.time_zone;
        files.iter().any(|file| match self.times(file, source) {
            Some(Times::Instants(_, max)) => max >= self.typed.as_of.micros(),
            Some(Times::Days(_, max)) => max >= i64::from(self.typed.as_of.day_in(zone)),
            None => true,
        })
    }

    /// The first and the last time of a file's rows, as its source is read; `None` if nobody can tell.
    fn times(&self, file: &PinnedFile, source: &Source) -> Option<Times> {
        let column = &source.event_time.as_ref()?.value;
        let schema = &self.state.sources.get(&source.name)?.schema;
        match (schema.field_with_name(column).ok()?.data_type(), file.extents.get(column)?) {
            (DataType::Timestamp(..), Extent::Times(min, max)) => Some(Times::Instants(*min, *max)),
            (DataType::Date32, Extent::Days(min, max)) => Some(Times::Days(*min, *max)),
            // A day that is read as an instant is its start in UTC.
            (DataType::Timestamp(..), Extent::Days(min, max)) => {
                Some(Times::Instants(min.checked_mul(DAY)?, max.checked_mul(DAY)?))
            }
            _ => None,
        }
    }

    /// The files, and those that could hold a row with the key of one of theirs.
    fn with_same_keys(&self, source: &Source, files: Vec<&'a PinnedFile>) -> Vec<&'a PinnedFile> {
        let key = source.contract.as_ref().and_then(|contract| contract.table.grain.first());
        let Some(key) = key.filter(|_| files.len() < self.files(source).len()) else { return files };
        let could = |file: &&PinnedFile| meets_any(file.extents.get(key), &files, key);
        self.files(source).iter().filter(could).collect()
    }

    /// Adds the files of what the rows of `files` refer to that could hold the keys referred to, and what
    /// those refer to; returns whether a later day could see others of their rows.
    fn add_parents(
        &self,
        source: &Source,
        files: &[&'a PinnedFile],
        (of, ignored): (Of, &[NodeName]),
        marked: &mut BTreeMap<NodeName, BTreeSet<String>>,
    ) -> bool {
        let mut is_open = false;
        let rules = source.contract.iter().flat_map(|contract| &contract.rules);
        for rule in rules {
            let SourceCheck::Orphan { column, to, field } = &rule.check else { continue };
            let Some(parent) = self.declared(to).filter(|_| !ignored.contains(to)) else { continue };
            // What dates a row, and does not move, is of the row's own time.
            let found = if of.are_fixed && dating(source).is_some_and(|(_, dated_by, _)| dated_by == to) {
                self.files_in(parent, of.interval)
            } else {
                let could = |file: &&PinnedFile| meets_any(file.extents.get(field), files, column);
                self.with_same_keys(parent, self.files(parent).iter().filter(could).collect())
            };
            is_open |= self.any_later(parent, &found);
            marked.entry(to.clone()).or_default().extend(marks(&found));
            is_open |= self.add_parents(parent, &found, (of, ignored), marked);
        }
        is_open
    }
}

fn marks(files: &[&PinnedFile]) -> BTreeSet<String> {
    files.iter().map(|file| file.mark.clone()).collect()
}

/// Whether a value between the bounds of `extent` could be in `column` of one of the files.
fn meets_any(extent: Option<&Extent>, files: &[&PinnedFile], column: &str) -> bool {
    files.iter().any(|file| match (extent, file.extents.get(column)) {
        (Some(one), Some(other)) => one.meets(other),
        _ => true,
    })
}

/// The relationship that dates the rows of a source that tells no time: its column, the source it
/// refers to, and that one's field.
pub(super) fn dating(source: &Source) -> Option<(&str, &NodeName, &str)> {
    let contract = source.contract.as_ref()?;
    let dated_by = contract.dated_by.as_ref()?;
    contract.rules.iter().find_map(|rule| match &rule.check {
        SourceCheck::Orphan { column, to, field } if column == dated_by => {
            Some((column.as_str(), to, field.as_str()))
        }
        _ => None,
    })
}
