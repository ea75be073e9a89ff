//! Instants, days and half-open spans of time.
//!
//! **Invariant:** nothing here reads a clock. An [`Instant`] comes from a file, the command
//! line or `cli`, which alone may ask what time it is.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

mod batch;

pub use batch::{Batch, Interval};

/// A moment, in microseconds since 1970-01-01T00:00:00Z: what Parquet and Delta readers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(i64);

/// A text or number that is no moment or day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidTime {
    /// The text as given.
    pub text: String,
    /// What was expected, for the message.
    pub expected: &'static str,
}

const EXPECTED_INSTANT: &str = "a day (2026-01-31) or an instant (2026-01-31T08:00:00Z)";

impl Instant {
    /// The instant `micros` microseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The start of `day` in `zone`, right on days when the clocks change.
    ///
    /// # Errors
    ///
    /// Returns an error for a day that does not fit in the calendar.
    pub fn start_of_day(day: Date, zone: &TimeZone) -> Result<Self, InvalidTime> {
        let invalid = || InvalidTime { text: day.to_string(), expected: "a day of the calendar" };
        let zoned = day.to_zoned(zone.clone()).map_err(|_| invalid())?;
        Ok(Self(zoned.timestamp().as_microsecond()))
    }

    /// Reads a day, meaning its start in `zone`, or an RFC 3339 instant.
    ///
    /// # Errors
    ///
    /// Returns the text if it is neither.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Self, InvalidTime> {
        if !text.contains(['T', 't', ':'])
            && let Ok(day) = text.parse::<Date>()
        {
            return Self::start_of_day(day, zone);
        }
        let invalid = |_| InvalidTime { text: text.to_owned(), expected: EXPECTED_INSTANT };
        text.parse::<Timestamp>().map(|at| Self(at.as_microsecond())).map_err(invalid)
    }

    /// The day in `zone` this instant lies in, as days since 1970-01-01.
    #[must_use]
    pub fn day_in(self, zone: &TimeZone) -> i32 {
        self.date_in(zone).map_or(0, days_since_epoch)
    }

    /// The calendar day in `zone`, if the instant is in the calendar's range.
    #[must_use]
    pub fn date_in(self, zone: &TimeZone) -> Option<Date> {
        let at = Timestamp::from_microsecond(self.0).ok()?;
        Some(at.to_zoned(zone.clone()).date())
    }
}

/// A moment as people of a zone say it: `2026-01-31 (Europe/Berlin)` for the start of a day
/// there, else the instant.
#[must_use]
pub fn spoken(at: Instant, zone_name: &str) -> String {
    let zone = parse_zone(zone_name).ok();
    let day = zone.and_then(|zone| {
        let day = at.date_in(&zone)?;
        (Instant::start_of_day(day, &zone) == Ok(at)).then_some(day)
    });
    day.map_or_else(|| at.to_string(), |day| format!("{day} ({zone_name})"))
}

/// Days from 1970-01-01 to `day`: Arrow's `Date32`.
#[must_use]
pub fn days_since_epoch(day: Date) -> i32 {
    day.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days())
}

/// The day `days` after 1970-01-01, if it is in the calendar's range.
#[must_use]
pub fn day_from_epoch(days: i32) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(days.days()).ok()
}

/// Reads the name of a time zone such as `Europe/Berlin` or `UTC`.
///
/// # Errors
///
/// Returns the text if the zone database has no such zone.
pub fn parse_zone(text: &str) -> Result<TimeZone, InvalidTime> {
    let invalid = |_| InvalidTime { text: text.to_owned(), expected: "a time zone (Europe/Berlin)" };
    TimeZone::get(text).map_err(invalid)
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{} us after 1970", self.0),
        }
    }
}

impl TryFrom<String> for Instant {
    type Error = InvalidTime;

    fn try_from(text: String) -> Result<Self, InvalidTime> {
        Self::parse(&text, &TimeZone::UTC)
    }
}

impl From<Instant> for String {
    fn from(at: Instant) -> Self {
        at.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, zone: &str, expected: &str) {
        let zone = parse_zone(zone).expect("a known zone");
        assert_eq!(Instant::parse(text, &zone).expect("an instant").to_string(), expected);
    }

    #[test]
    fn a_day_starts_at_midnight_of_its_zone() {
        check("2024-01-01", "UTC", "2024-01-01T00:00:00Z");
        check("2024-01-01", "Europe/Berlin", "2023-12-31T23:00:00Z");
    }

    #[test]
    fn days_on_which_the_clocks_change_start_at_their_own_midnight() {
        // 31 March 2024 has 23 hours in Berlin: midnight is still CET (+1), the next one CEST (+2).
        check("2024-03-31", "Europe/Berlin", "2024-03-30T23:00:00Z");
        check("2024-04-01", "Europe/Berlin", "2024-03-31T22:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "soon", "2024-13-01", "2024-01-01T00:00:00"] {
            assert!(Instant::parse(text, &TimeZone::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn the_start_of_a_day_is_spoken_of_as_that_day() {
        let at = Instant::parse("2025-12-31T23:00:00Z", &TimeZone::UTC).expect("an instant");
        assert_eq!(spoken(at, "Europe/Berlin"), "2026-01-01 (Europe/Berlin)");
        assert_eq!(spoken(at, "UTC"), "2025-12-31T23:00:00Z");
    }

    #[test]
    fn days_count_from_1970() {
        assert_eq!(days_since_epoch(Date::constant(1970, 1, 2)), 1);
        assert_eq!(days_since_epoch(Date::constant(2000, 1, 1)), 10957);
        assert_eq!(day_from_epoch(10957), Some(Date::constant(2000, 1, 1)));
    }
}
