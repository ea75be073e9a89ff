//! Half-open spans of days, and the calendar they are cut by.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Instant;

/// A span of time: its start belongs to it, its end does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// The first instant in it.
    pub start: Instant,
    /// The first instant after it.
    pub end: Instant,
}

/// How long an interval is, by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// A day: 23, 24 or 25 hours.
    Day,
    /// A week, which begins on Monday (ISO 8601).
    Week,
    /// A month of the calendar.
    Month,
}

impl Batch {
    /// The first day of the batch that `day` lies in.
    #[must_use]
    pub fn first_day(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => {
                let since_monday = day.weekday().since(Weekday::Monday);
                day.checked_sub(i64::from(since_monday).days()).unwrap_or(day)
            }
            Self::Month => day.first_of_month(),
        }
    }

    /// The day `number` batches after `first`; `None` past the end of the calendar.
    #[must_use]
    pub fn after(self, first: Date, number: u32) -> Option<Date> {
        let number = i64::from(number);
        let span = match self {
            Self::Day => number.days(),
            Self::Week => number.weeks(),
            Self::Month => number.months(),
        };
        first.checked_add(span).ok()
    }

    /// The intervals from the one that begins on `first` up to the one `until` lies in; none if `until`
    /// is not after the start of `first`. Days begin when they begin in `zone`.
    #[must_use]
    pub fn intervals(self, first: Date, until: Instant, zone: &TimeZone) -> Vec<Interval> {
        let start_of = |number| Instant::start_of_day(self.after(first, number)?, zone).ok();
        let mut intervals = Vec::new();
        let Some(mut start) = start_of(0) else { return intervals };
        for number in 1.. {
            let Some(end) = start_of(number).filter(|_| start < until) else { break };
            intervals.push(Interval { start, end });
            start = end;
        }
        intervals
    }

    /// The interval that begins on `first`; without an end if the calendar has none.
    #[must_use]
    pub fn first_interval(self, first: Date, zone: &TimeZone) -> Interval {
        let start_of = |number| Instant::start_of_day(self.after(first, number)?, zone).ok();
        let start = start_of(0).unwrap_or(Instant::from_micros(0));
        Interval { start, end: start_of(1).unwrap_or(start) }
    }

    /// The words for one of it: `day`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

impl Interval {
    /// The interval with so many days of the calendar before and after it.
    #[must_use]
    pub fn widened(self, days_before: u32, days_after: u32, zone: &TimeZone) -> Self {
        let moved = |at: Instant, days: i64| {
            let day = at.date_in(zone)?.checked_add(days.days()).ok()?;
            Instant::start_of_day(day, zone).ok()
        };
        let start = moved(self.start, -i64::from(days_before)).filter(|_| days_before > 0);
        let end = moved(self.end, i64::from(days_after)).filter(|_| days_after > 0);
        Self { start: start.unwrap_or(self.start), end: end.unwrap_or(self.end) }
    }

    /// Whether both have an instant in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_zone;
    use super::*;

    fn check(batch: Batch, first: &str, until: &str, expected: &[(&str, &str)]) {
        let zone = parse_zone("Europe/Berlin").expect("a zone");
        let until = Instant::parse(until, &zone).expect("an instant");
        let found = batch.intervals(first.parse().expect("a day"), until, &zone);
        let found: Vec<_> =
            found.iter().map(|found| (found.start.to_string(), found.end.to_string())).collect();
        let found: Vec<_> = found.iter().map(|(start, end)| (start.as_str(), end.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn days_are_as_long_as_the_clocks_say() {
        // The clocks go forward on 31 March 2024 and back on 27 October: 23 and 25 hours.
        check(
            Batch::Day,
            "2024-03-31",
            "2024-04-02",
            &[
                ("2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"),
                ("2024-03-31T22:00:00Z", "2024-04-01T22:00:00Z"),
            ],
        );
        check(Batch::Day, "2024-10-27", "2024-10-28", &[("2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z")]);
    }

    #[test]
    fn the_last_interval_holds_the_instant_before_the_end() {
        let january = ("2023-12-31T23:00:00Z", "2024-01-31T23:00:00Z");
        check(Batch::Month, "2024-01-01", "2024-02-01", &[january]);
        check(
            Batch::Month,
            "2024-01-01",
            "2024-02-02",
            &[january, ("2024-01-31T23:00:00Z", "2024-02-29T23:00:00Z")],
        );
        check(Batch::Month, "2024-01-01", "2024-01-01", &[]);
    }

    #[test]
    fn weeks_begin_on_monday() {
        let day = |text: &str| text.parse::<Date>().expect("a day");
        // 1 January 2024 was a Monday.
        assert_eq!(Batch::Week.first_day(day("2024-01-07")), day("2024-01-01"));
        assert_eq!(Batch::Week.first_day(day("2024-01-08")), day("2024-01-08"));
    }

    #[test]
    fn windows_count_days_of_the_calendar() {
        let zone = parse_zone("Europe/Berlin").expect("a zone");
        let day = |text: &str| Instant::parse(text, &zone).expect("a day");
        let april = Interval { start: day("2024-04-01"), end: day("2024-05-01") };
        // 30 days before 1 April is 2 March, although the 31st had 23 hours.
        assert_eq!(
            april.widened(30, 2, &zone),
            Interval { start: day("2024-03-02"), end: day("2024-05-03") }
        );
        assert_eq!(april.widened(0, 0, &zone), april);
    }
}
