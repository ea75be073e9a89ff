//! Which time a model's rows are of, what of its inputs makes the rows of a time, and the intervals a
//! model is kept by.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::contract::{ColumnType, Contract, Nullability};
use super::load::place;
use super::model::Written;
use super::{Incremental, Located, Timing, Window};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, code, nearest};
use crate::interval::Batch;
use crate::spec::{BatchSize, Changes, Materialized, ModelConfig, Times};

/// The timing a model declares, if it does, and how it is cut into intervals, if it is.
pub(super) fn of_model(
    written: Written<'_>,
    contract: &Contract,
    found: &mut Diagnostics,
) -> (Option<Timing>, Option<Incremental>) {
    let mut judge = Judge { written, contract, found: Diagnostics::default() };
    let timing = judge.timing();
    let incremental = judge.incremental(timing.as_ref());
    found.extend(judge.found);
    (timing, incremental)
}

struct Judge<'a> {
    written: Written<'a>,
    contract: &'a Contract,
    found: Diagnostics,
}

impl Judge<'_> {
    const fn config(&self) -> &ModelConfig {
        &self.written.spec.config
    }

    fn place(&self, key: &str) -> Place {
        place(self.written.document, &format!("{}/config/{key}", self.written.pointer))
    }

    fn refuse(&mut self, key: &str, message: String, help: String) {
        let found = Diagnostic::error(code::BAD_TIMING, message).at(self.place(key));
        self.found.push(found.help(help));
    }

    fn timing(&mut self) -> Option<Timing> {
        let Some(name) = self.config().event_time.clone() else {
            if !self.config().inputs.is_empty() {
                let message =
                    "`inputs` says what is read around the time of a row, and no column tells that time";
                self.refuse("inputs", message.to_owned(), "name it: `event_time: ordered_at`".to_owned());
            }
            return None;
        };
        let Some(column) = self.contract.column(&name) else {
            let message = format!("`event_time` names `{name}`, which is no column of the contract");
            let names = self.contract.columns.iter().map(|column| column.name.as_str());
            let found = Diagnostic::error(code::UNKNOWN_COLUMN, message).at(self.place("event_time"));
            self.found.push(match nearest(&name, names.clone()) {
                Some(near) => found.label(format!("did you mean `{near}`?")),
                None => found.help(format!("columns: {}", names.collect::<Vec<_>>().join(", "))),
            });
            return None;
        };
        let (data_type, nullable) = (column.data_type, column.nullable);
        if !matches!(data_type, ColumnType::Date | ColumnType::Timestamp) {
            let message = format!("`event_time` is `{name}`, of type {data_type}");
            self.refuse(
                "event_time",
                message,
                "a date or a timestamp tells which time a row is of".to_owned(),
            );
            return None;
        }
        if nullable == Nullability::Nullable {
            let message = format!("`event_time` is `{name}`, which may be null: such a row is of no time");
            self.refuse("event_time", message, format!("write `nullable: false` for `{name}`"));
        }
        let windows = self.config().inputs.iter().map(|(input, spec)| {
            let window = Window {
                days_before: spec.days_before,
                days_after: spec.days_after,
                follows_changes: spec.changes == Changes::Rebuild,
                times_are_fixed: spec.times == Times::Fixed,
            };
            let place = self.place(&format!("inputs/{}", input.replace('~', "~0").replace('/', "~1")));
            (input.clone(), Located { value: window, place })
        });
        let inputs: BTreeMap<String, Located<Window>> = windows.collect();
        Some(Timing { column: name, inputs })
    }

    fn incremental(&mut self, timing: Option<&Timing>) -> Option<Incremental> {
        let config = self.config();
        let name = &self.written.spec.name;
        if config.materialized != Materialized::Incremental {
            let given = [
                ("batch_size", config.batch_size.is_some()),
                ("begin", config.begin.is_some()),
                ("lookback", config.lookback.is_some()),
            ];
            for (key, _) in given.into_iter().filter(|(_, given)| *given) {
                let message = format!("`{name}` is not kept by intervals, so `{key}` says nothing");
                self.refuse(key, message, "take it out, or write `materialized: incremental`".to_owned());
            }
            return None;
        }
        let batch = match config.batch_size {
            None | Some(BatchSize::Day) => Batch::Day,
            Some(BatchSize::Week) => Batch::Week,
            Some(BatchSize::Month) => Batch::Month,
        };
        let (lookback, keep_days) = (config.lookback.unwrap_or(0), config.keep.map(|keep| keep.days));
        let begin = self.begin(batch);
        if self.config().event_time.is_none() {
            let message = format!("`{name}` is kept by intervals, and no column tells which one a row is of");
            self.refuse("materialized", message, "name it: `event_time: ordered_at`".to_owned());
        }
        timing?;
        Some(Incremental { batch, begin: begin?, lookback, keep_days })
    }

    fn begin(&mut self, batch: Batch) -> Option<Date> {
        let Some(text) = self.config().begin.clone() else {
            let name = &self.written.spec.name;
            let message = format!("`{name}` is kept by intervals, and nothing says when the first begins");
            self.refuse("materialized", message, "name the first day: `begin: 2024-01-01`".to_owned());
            return None;
        };
        let Ok(day) = text.parse::<Date>() else {
            let message = format!("`{text}` is not a day");
            self.refuse("begin", message, "write it like 2024-01-01".to_owned());
            return None;
        };
        let first = batch.first_day(day);
        if first != day {
            let message = format!("{day} is not the first day of a {}", batch.as_str());
            self.refuse("begin", message, format!("write {first}, or another `batch_size`"));
        }
        Some(day)
    }
}
