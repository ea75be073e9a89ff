//! `backfill`: snapshots of days gone by, each as a run on that day would have given it.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use super::{Common, Error, Surroundings, context, run};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::graph::{Facts, Graph};
use crate::ident::NodeName;
use crate::plan::{Ending, Event, Outcome, Purpose};

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
    /// The days asked for, in order.
    pub days: Vec<Date>,
    /// What became of each, up to the first that was not published.
    pub outcomes: Vec<Outcome>,
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

/// Publishes the selected snapshots of each day that are missing or changed, a version a day.
///
/// Tables that keep no snapshots stay as they are: what a snapshot needs of them is computed as of its
/// day and let go. Days whose snapshots are what this project and these sources give are passed over,
/// so the same request goes on where one ended.
///
/// # Errors
///
/// Returns a request that names no day or no snapshot, and what keeps a day from being run; failed
/// models and broken rules are in the last outcome.
pub async fn backfill(
    around: &Surroundings,
    common: &Common,
    request: &BackfillRequest,
) -> Result<Backfilled, Error> {
    let asked = context::asked(around, common)?;
    let days = request.days()?;
    if !asked.selection.depends_on_facts() {
        let selected = asked.selection.evaluate(&asked.graph, &Facts::default())?;
        if !selected.iter().any(|name| is_snapshot(&asked.graph, name)) {
            return Err(no_snapshot(&asked.graph).into());
        }
    }
    let mut outcomes = Vec::new();
    for (at, day) in days.iter().enumerate() {
        if *around.stop.borrow() {
            break;
        }
        let text = format!("snapshots of {day}, {} of {}", at + 1, days.len());
        around.observer.notice(Event::Note { text });
        let common = Common { as_of: Some(day.to_string()), purpose: Purpose::Backfill, ..common.clone() };
        let outcome = run(around, &common).await?.outcome;
        let goes_on = matches!(outcome.ending, Ending::Published { .. } | Ending::NothingToDo { .. });
        outcomes.push(outcome);
        if !goes_on {
            break;
        }
    }
    Ok(Backfilled { days, outcomes })
}

fn is_snapshot(graph: &Graph, name: &NodeName) -> bool {
    graph.model(name).is_some_and(crate::project::Model::is_snapshot)
}

fn no_snapshot(graph: &Graph) -> Diagnostic {
    let message = "no model selected keeps snapshots, so there is nothing to backfill";
    let found = Diagnostic::error(code::BAD_REQUEST, message);
    let snapshots: Vec<String> =
        graph.models().filter(|model| model.is_snapshot()).map(|model| model.name.to_string()).collect();
    if snapshots.is_empty() {
        return found.help("a model keeps them with `config: {materialized: snapshot}`");
    }
    found.help(format!("snapshots here: {}", snapshots.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, every: Every, expected: &[&str]) {
        let day = |text: &str| text.parse::<Date>().expect("a day");
        let request = BackfillRequest { from: day(from), to: day(to), every };
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
        let request = |from, to| BackfillRequest { from: day(from), to: day(to), every: Every::Day };
        assert!(request("2024-01-01", "2024-01-01").days().is_err());
        assert!(request("2000-01-01", "2024-01-01").days().is_err());
    }
}
