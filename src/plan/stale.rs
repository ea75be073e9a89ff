//! Which intervals of a table are not what this project and these inputs give, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::intervals::part_of;
use super::ledger::{self, Slot};
use super::{IntervalStep, MadeFrom, Reason, Refresh};
use crate::ident::NodeName;
use crate::interval::Interval;
use crate::lake::{Part, TableEntry};
use crate::state::State;

/// What differs between what rows were made from and what they would be made from now.
pub(super) fn difference(then: &MadeFrom, now: &MadeFrom) -> Reason {
    if then.definition != now.definition {
        return Reason::DefinitionChanged;
    }
    if then.parameters != now.parameters {
        return Reason::ParametersChanged { names: Vec::new(), looked_from: None };
    }
    let names: BTreeSet<&String> = then.inputs.keys().chain(now.inputs.keys()).collect();
    let changed = names.into_iter().filter(|name| then.inputs.get(*name) != now.inputs.get(*name));
    let changed: Vec<String> = changed.cloned().collect();
    match changed.as_slice() {
        [only] if only == ledger::AS_OF => Reason::StillOpen,
        _ => Reason::InputAdvanced {
            inputs: changed.into_iter().filter(|name| name != ledger::AS_OF).collect(),
        },
    }
}

/// Every interval of a table with what it would be made from now, and why it would be computed; `None`
/// for those that are published so.
pub(super) fn judged<'a>(
    slots: &'a [Slot],
    entry: Option<&'a TableEntry>,
    state: &'a State,
) -> impl Iterator<Item = (&'a Slot, Option<IntervalStep>)> {
    slots.iter().map(move |slot| {
        let part = entry.and_then(|entry| part_of(entry, slot.interval));
        let step = match part {
            Some(part) if part.fingerprint == slot.fingerprint => None,
            Some(part) => {
                let reason = difference(&part.made_from, &slot.made_from);
                let files = match reason {
                    Reason::InputAdvanced { .. } => moved_files(part, slot, state),
                    _ => Vec::new(),
                };
                Some(step(slot, reason, files))
            }
            None => Some(step(slot, Reason::MissingIntervals { count: 1 }, Vec::new())),
        };
        (slot, step)
    })
}

/// The intervals to compute: those that are not as they should be, or all; only those of `span`, if
/// there is one.
pub(super) fn steps(
    slots: &[Slot],
    entry: Option<&TableEntry>,
    state: &State,
    refresh: Refresh,
    span: Option<Interval>,
) -> Vec<IntervalStep> {
    let within = |slot: &Slot| span.is_none_or(|span| span.overlaps(slot.interval));
    let asked = |slot: &Slot| (refresh == Refresh::Full).then(|| step(slot, Reason::Requested, Vec::new()));
    let judged = judged(slots, entry, state).filter(|(slot, _)| within(slot));
    judged.filter_map(|(slot, step)| step.or_else(|| asked(slot))).collect()
}

/// Why a table is computed of which these intervals are.
pub(super) fn overall(intervals: &[IntervalStep]) -> Option<Reason> {
    let mut inputs = BTreeSet::new();
    let mut missing = 0;
    let mut other: Option<&Reason> = None;
    for interval in intervals {
        match &interval.reason {
            Reason::MissingIntervals { count } => missing += count,
            Reason::InputAdvanced { inputs: changed } => inputs.extend(changed.iter().cloned()),
            reason => other = other.or(Some(reason)),
        }
    }
    match (other, missing, inputs.is_empty()) {
        (Some(reason @ (Reason::DefinitionChanged | Reason::ParametersChanged { .. })), _, _) => {
            Some(reason.clone())
        }
        (_, _, false) => Some(Reason::InputAdvanced { inputs: inputs.into_iter().collect() }),
        (_, count @ 1.., true) => Some(Reason::MissingIntervals { count }),
        (other, 0, true) => other.cloned(),
    }
}

fn step(slot: &Slot, reason: Reason, files: Vec<String>) -> IntervalStep {
    IntervalStep {
        interval: slot.interval,
        reason,
        files,
        fingerprint: slot.fingerprint.clone(),
        made_from: slot.made_from.clone(),
        read: slot.read(),
    }
}

/// The files that make an interval and did not when it was built, by their keys; and how many did
/// and do not any more.
fn moved_files(part: &Part, slot: &Slot, state: &State) -> Vec<String> {
    let none: &Vec<String> = &Vec::new();
    let mut moved = Vec::new();
    for (source, marks) in &slot.read() {
        let then: BTreeSet<&String> = part.read.get(source).unwrap_or(none).iter().collect();
        let now: BTreeSet<&String> = marks.iter().collect();
        let files = state.sources.get(source).map(|state| state.files.as_slice()).unwrap_or_default();
        let by_mark: BTreeMap<&String, &str> =
            files.iter().map(|file| (&file.mark, file.info.key.as_str())).collect();
        moved
            .extend(now.difference(&then).filter_map(|mark| by_mark.get(*mark)).map(|key| (*key).to_owned()));
        let gone = then.difference(&now).count();
        if gone > 0 {
            moved.push(gone_files(source, gone));
        }
    }
    moved
}

fn gone_files(source: &NodeName, gone: usize) -> String {
    match gone {
        1 => format!("1 file of sources.{source} is gone or was written again"),
        _ => format!("{gone} files of sources.{source} are gone or were written again"),
    }
}
