//! The days the demo company has behind it, and how busy they were.

use jiff::ToSpan;
use jiff::civil::Date;
use rand::Rng;

use super::constants::{
    ARRIVAL_MONTH_WEIGHTS, HISTORY_YEARS, HOUR_WEIGHTS, OPENING_DAYS, OPENING_SHARE, WEEKDAY_WEIGHTS,
};
use super::streams::{Stream, float, place, running_sums, whole};

/// Microseconds of an hour.
pub(super) const HOUR: i64 = 3_600_000_000;
/// Microseconds of a day.
pub(super) const DAY: i64 = 24 * HOUR;

/// A half-open span of whole UTC days, with a clock that runs faster on busy days.
#[derive(Debug, Clone)]
pub(super) struct History {
    first_day: Date,
    until_day: Date,
    /// Days since 1970-01-01 of the first day.
    first_number: i64,
    days: i64,
    /// First day of each year of the history, as days since 1970-01-01.
    years: Vec<i64>,
    /// Trade up to the end of each day, in average days.
    trade: Vec<f64>,
    /// Arrivals up to the end of each day after the opening, as running sums.
    arrivals: Vec<f64>,
    hours: Vec<f64>,
}

impl History {
    /// The years that end where `until` begins; `None` outside the years 1975 to 2200.
    pub(super) fn before(until: Date) -> Option<Self> {
        if !(1975..=2200).contains(&until.year()) {
            return None;
        }
        let first_day = until.checked_sub(HISTORY_YEARS.years()).ok()?;
        let first_number = day_number(first_day)?;
        let days = day_number(until)? - first_number;
        let start_of = |year: i64| day_number(first_day.checked_add(year.years()).ok()?);
        let years = (0..HISTORY_YEARS).map(start_of).collect::<Option<Vec<_>>>()?;
        let dates = || first_day.series(1.day()).take(usize::try_from(days).unwrap_or_default());
        let trade = trade_of(dates().map(weekday_weight), days);
        let arrivals = running_sums(dates().skip(usize::try_from(OPENING_DAYS).ok()?).map(arrival_weight));
        let hours = running_sums(HOUR_WEIGHTS);
        Some(Self { first_day, until_day: until, first_number, days, years, trade, arrivals, hours })
    }

    /// The first day.
    pub(super) const fn first_day(&self) -> Date {
        self.first_day
    }

    /// The day that is no longer part of it.
    pub(super) const fn until_day(&self) -> Date {
        self.until_day
    }

    /// How many days it has.
    pub(super) const fn days(&self) -> i64 {
        self.days
    }

    /// The first instant.
    pub(super) const fn start(&self) -> i64 {
        self.first_number * DAY
    }

    /// The first instant that is no longer part of it.
    pub(super) const fn until(&self) -> i64 {
        (self.first_number + self.days) * DAY
    }

    /// The first day of each year of the history, as days since 1970-01-01.
    pub(super) fn years(&self) -> &[i64] {
        &self.years
    }

    /// The first day of each month that begins in the history, as days since 1970-01-01.
    pub(super) fn months(&self) -> Vec<i64> {
        let first = self.first_day.first_of_month();
        let months = (0..=HISTORY_YEARS * 12).filter_map(|month| first.checked_add(month.months()).ok());
        let numbers = months.filter(|day| *day >= self.first_day && *day < self.until_day);
        numbers.filter_map(day_number).collect()
    }

    /// The first day of each half-year of the history, as days since 1970-01-01.
    pub(super) fn half_years(&self) -> Vec<i64> {
        self.months().into_iter().step_by(6).collect()
    }

    /// The year of the history, from 0, in which `instant` lies.
    pub(super) fn year_of(&self, instant: i64) -> usize {
        let day = instant.div_euclid(DAY);
        self.years.partition_point(|first| *first <= day).saturating_sub(1)
    }

    /// When the customer at `position` (0 = the first, 1 = the last) arrived: in even steps
    /// through the opening, then in steps as small as the month is busy.
    pub(super) fn arrival(&self, position: f64) -> i64 {
        let opening = float(OPENING_DAYS);
        let day = if position < OPENING_SHARE {
            position / OPENING_SHARE * opening
        } else {
            opening + self.day_of_arrivals((position - OPENING_SHARE) / (1.0 - OPENING_SHARE))
        };
        let seconds = whole((day * 86_400.0).floor());
        (self.start() + seconds * 1_000_000).min(self.until() - 1_000_000)
    }

    /// The month in which `instant` lies, January being 0.
    pub(super) fn month_at(&self, instant: i64) -> usize {
        let day = instant.div_euclid(DAY) - self.first_number;
        self.first_day.checked_add(day.days()).map_or(0, month_of)
    }

    /// Trade from the start to `instant`, in average days.
    pub(super) fn trade_until(&self, instant: i64) -> f64 {
        let since = instant - self.start();
        let day = usize::try_from(since.div_euclid(DAY)).unwrap_or_default();
        let before = day.checked_sub(1).map_or(0.0, |day| self.trade_at(day));
        let part = float(since.rem_euclid(DAY)) / float(DAY);
        before + (self.trade_at(day) - before) * part
    }

    /// The day, as its first instant, in which trade since the start reaches `trade` average
    /// days; `None` past the end.
    pub(super) fn day_of_trade(&self, trade: f64) -> Option<i64> {
        let day = self.trade.partition_point(|sum| *sum <= trade);
        let day = i64::try_from(day).ok().filter(|day| *day < self.days)?;
        Some(self.start() + day * DAY)
    }

    /// A second of the day that begins at `day`, more often in busy hours.
    pub(super) fn moment_in(&self, day: i64, stream: &mut Stream) -> i64 {
        let hour = i64::try_from(place(stream, &self.hours)).unwrap_or_default();
        day + hour * HOUR + stream.random_range(0..3_600) * 1_000_000
    }

    /// Days after the opening by which the share `share` of those who came after it had arrived.
    fn day_of_arrivals(&self, share: f64) -> f64 {
        let reached = share * self.arrivals.last().copied().unwrap_or_default();
        let day =
            self.arrivals.partition_point(|sum| *sum <= reached).min(self.arrivals.len().saturating_sub(1));
        let sum_before =
            |day: usize| day.checked_sub(1).and_then(|before| self.arrivals.get(before)).copied();
        let before = sum_before(day).unwrap_or_default();
        let after = sum_before(day + 1).unwrap_or(before);
        float(i64::try_from(day).unwrap_or_default())
            + (reached - before) / (after - before).max(f64::MIN_POSITIVE)
    }

    fn trade_at(&self, day: usize) -> f64 {
        self.trade.get(day).or(self.trade.last()).copied().unwrap_or_default()
    }
}

/// Days since 1970-01-01.
pub(super) fn day_number(day: Date) -> Option<i64> {
    let epoch = Date::constant(1970, 1, 1);
    epoch.until(day).ok().map(|span| i64::from(span.get_days()))
}

fn trade_of(weights: impl Iterator<Item = f64>, days: i64) -> Vec<f64> {
    let raw = running_sums(weights);
    let total = raw.last().copied().unwrap_or(1.0);
    raw.into_iter().map(|sum| sum / total * float(days)).collect()
}

fn weekday_weight(day: Date) -> f64 {
    let weekday = usize::from(day.weekday().to_monday_zero_offset().unsigned_abs());
    WEEKDAY_WEIGHTS.get(weekday).copied().unwrap_or(1.0)
}

fn arrival_weight(day: Date) -> f64 {
    ARRIVAL_MONTH_WEIGHTS.get(month_of(day)).copied().unwrap_or(1.0)
}

/// The month of `day`, January being 0.
fn month_of(day: Date) -> usize {
    usize::from(day.month().unsigned_abs()).saturating_sub(1)
}
