//! `backfill`: snapshots of days gone by, each as a run on that day would have given it.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::context::Asked;
use super::{Common, Error, Surroundings, context, run};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::graph::{Facts, Graph};
use crate::ident::NodeName;
use crate::interval::{Instant, Interval};
use crate::plan::{Ending, Outcome, Purpose};
use crate::project::Model;

mod filling;

/// The most days one request may name: ten years of them, and some more.
const MOST_DAYS: usize = 4_000;

/// Which days' snapshots are wanted.
#[derive(Debug, Clone)]
pub struct BackfillRequest {
    /// The first day.
    pub from: Date,
    /// The first day after the last.
    pub to: Date,
    /// How far the days are apart.
    pub every: Every,
    /// As how many versions their snapshots are published.
    pub versions: Versions,
}

/// As how many versions the days of a backfill are published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Versions {
    /// One for each day, as it is computed.
    #[default]
    EachDay,
    /// One for all of them, or none.
    One,
}

/// How far the days of a backfill are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Each day.
    Day,
    /// The same day of each week.
    Week,
    /// The same day of each month, or its last one.
    Month,
}

/// What became of a backfill.
#[derive(Debug, Clone)]
pub struct Backfilled {
    /// What became of the intervals of tables that are kept by them, all in one version.
    pub intervals: Option<Outcome>,
    /// The days asked for, in order.
    pub days: Vec<Date>,
    /// What became of each, up to the first that was not published.
    pub outcomes: Vec<Outcome>,
    /// The tables that would not keep some of the days, which were left out of those.
    pub not_kept: Vec<NotKept>,
}

/// Days whose snapshots of a table would be gone with the version that ends the backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotKept {
    /// The table.
    pub model: NodeName,
    /// For how many days before the newest it keeps snapshots.
    pub keep_days: u32,
    /// The days, in order.
    pub days: Vec<Date>,
}

impl NotKept {
    /// The tables of `graph` that were left out of days.
    fn of(graph: &Graph, days: &[Date], outcomes: &[Outcome]) -> Vec<Self> {
        let left_out = |model: &&Model, outcome: &Outcome| outcome.plan.not_kept.contains(&model.name);
        let tables = graph.models().filter_map(|model| {
            let of_days = days.iter().zip(outcomes);
            let days = of_days.filter(|(_, outcome)| left_out(&model, outcome)).map(|(day, _)| *day);
            Some(Self { model: model.name.clone(), keep_days: model.keep_days?, days: days.collect() })
        });
        tables.filter(|table| !table.days.is_empty()).collect()
    }
}

impl Every {
    fn times(self, number: i32) -> Span {
        match self {
            Self::Day => number.days(),
            Self::Week => number.weeks(),
            Self::Month => number.months(),
        }
    }
}

impl BackfillRequest {
    /// From the start of the first day to the end of the last.
    fn span(&self, zone: &TimeZone) -> Result<Interval, Diagnostics> {
        let start_of = |day: Date| {
            Instant::start_of_day(day, zone)
                .map_err(|cause| Diagnostics::from(Diagnostic::error(code::BAD_REQUEST, cause.to_string())))
        };
        Ok(Interval { start: start_of(self.from)?, end: start_of(self.to)? })
    }

    /// The days from `from`, each so far from the first, that lie before `to`.
    fn days(&self) -> Result<Vec<Date>, Diagnostics> {
        let wrong = |message: String| Diagnostics::from(Diagnostic::error(code::BAD_REQUEST, message));
        if self.from >= self.to {
            let message = format!("there is no day from {} to before {}", self.from, self.to);
            return Err(wrong(message));
        }
        let mut days = Vec::new();
        for number in 0.. {
            let Ok(day) = self.from.checked_add(self.every.times(number)) else { break };
            if day >= self.to {
                break;
            }
            if days.len() == MOST_DAYS {
                return Err(wrong(format!("more than {MOST_DAYS} days at once; ask for fewer")));
            }
            days.push(day);
        }
        Ok(days)
    }
}

/// Publishes the selected snapshots of each day that are missing or changed, a version a day or one for
/// all, and the selected intervals between the first day and the last as one version.
///
/// Days are computed several at once, as far as there is memory. Tables that keep no snapshots stay as they
/// are: what a snapshot needs of them is computed as of its day and let go. A snapshot that its table would
/// not keep beside the newest is not built. Days whose snapshots are what this project and these sources give are passed over,
/// so the same request goes on where one ended.
///
/// # Errors
///
/// Returns a request that names no day or no snapshot, or only days that would not be kept, and what keeps a day from being run; failed
/// models and broken rules are in the last outcome.
pub async fn backfill(
    around: &Surroundings,
    common: &Common,
    request: &BackfillRequest,
) -> Result<Backfilled, Error> {
    let asked = context::asked(around, common)?;
    let days = request.days()?;
    let wanted = Wanted::of(&asked)?;
    let mut filled =
        Backfilled { intervals: None, days: Vec::new(), outcomes: Vec::new(), not_kept: Vec::new() };
    if wanted.intervals {
        let span = request.span(&asked.pipeline().time_zone)?;
        let common = Common { purpose: Purpose::Backfill, span: Some(span), ..common.clone() };
        let outcome = run(around, &common).await?.outcome;
        let goes_on = is_filled(&outcome);
        filled.intervals = Some(outcome);
        if !goes_on || wanted.snapshots.is_empty() {
            return Ok(filled);
        }
    }
    let outcomes = filling::fill(around, common, &days, request.versions).await?;
    let not_kept = NotKept::of(&asked.graph, &days, &outcomes);
    let is_idle = |table: &NotKept| table.days.len() == days.len();
    let idle: Vec<&NotKept> = not_kept.iter().filter(|table| is_idle(table)).collect();
    if !wanted.intervals && idle.len() == wanted.snapshots.len() {
        return Err(no_day_kept(&idle).into());
    }
    Ok(Backfilled { days, outcomes, not_kept, ..filled })
}

/// Whether what was asked for is published.
const fn is_filled(outcome: &Outcome) -> bool {
    matches!(outcome.ending, Ending::Published { .. } | Ending::NothingToDo { .. })
}

/// Which kinds of tables with a past are selected.
struct Wanted {
    snapshots: Vec<NodeName>,
    intervals: bool,
}

impl Wanted {
    fn of(asked: &Asked) -> Result<Self, Error> {
        let graph = &asked.graph;
        let names: BTreeSet<NodeName> = if asked.selection.depends_on_facts() {
            // Who is meant is known when the root is read: all that could be.
            graph.models().map(|model| model.name.clone()).collect()
        } else {
            asked.selection.evaluate(graph, &Facts::default())?
        };
        let models = || names.iter().filter_map(|name| graph.model(name));
        let wanted = Self {
            snapshots: models().filter(|model| model.is_snapshot()).map(|model| model.name.clone()).collect(),
            intervals: models().any(Model::is_incremental),
        };
        if wanted.snapshots.is_empty() && !wanted.intervals {
            return Err(nothing_kept(graph).into());
        }
        Ok(wanted)
    }
}

fn no_day_kept(tables: &[&NotKept]) -> Diagnostic {
    let keeps = tables.iter().map(|table| format!("`{}` {} days", table.model, table.keep_days));
    let keeps = keeps.collect::<Vec<_>>().join(", ");
    let message = format!("none of these snapshots would be kept: before the newest, {keeps}");
    let found = Diagnostic::error(code::BAD_REQUEST, message);
    found.help("the first day of a month is always kept: begin with one; or keep more with `config: {keep: {days: 400}}`")
}

fn nothing_kept(graph: &Graph) -> Diagnostic {
    let message = "no model selected keeps snapshots or intervals, so there is nothing to backfill";
    let found = Diagnostic::error(code::BAD_REQUEST, message);
    let kept = graph.models().filter(|model| model.is_snapshot() || model.is_incremental());
    let kept: Vec<String> = kept.map(|model| model.name.to_string()).collect();
    if kept.is_empty() {
        return found.help("a model keeps them with `config: {materialized: snapshot}` or `incremental`");
    }
    found.help(format!("such models here: {}", kept.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, every: Every, expected: &[&str]) {
        let day = |text: &str| text.parse::<Date>().expect("a day");
        let request = BackfillRequest { from: day(from), to: day(to), every, versions: Versions::EachDay };
        let days = request.days().expect("days");
        assert_eq!(days.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn days_are_half_open_and_counted_from_the_first() {
        check("2024-02-28", "2024-03-01", Every::Day, &["2024-02-28", "2024-02-29"]);
        check("2024-01-01", "2024-01-15", Every::Week, &["2024-01-01", "2024-01-08"]);
    }

    #[test]
    fn the_last_day_of_a_short_month_does_not_shorten_the_next() {
        let expected = ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"];
        check("2024-01-31", "2024-05-01", Every::Month, &expected);
    }

    #[test]
    fn no_day_and_too_many_are_refused() {
        let day = |text: &str| text.parse::<Date>().expect("a day");
        let request = |from, to| BackfillRequest {
            from: day(from),
            to: day(to),
            every: Every::Day,
            versions: Versions::One,
        };
        assert!(request("2024-01-01", "2024-01-01").days().is_err());
        assert!(request("2000-01-01", "2024-01-01").days().is_err());
    }
}
