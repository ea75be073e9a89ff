//! `local_date` and `local_timestamp`: the calendar of a time zone, right when clocks change.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::fault::Fault;

/// What is asked of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Day,
    WallClock,
}

/// The scalar function `local_date` or `local_timestamp`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LocalTime {
    part: Part,
    signature: Signature,
}

impl LocalTime {
    pub(super) fn date() -> Self {
        Self { part: Part::Day, signature: Signature::user_defined(Volatility::Immutable) }
    }

    pub(super) fn timestamp() -> Self {
        Self { part: Part::WallClock, ..Self::date() }
    }
}

impl ScalarUDFImpl for LocalTime {
    fn name(&self) -> &str {
        match self.part {
            Part::Day => "local_date",
            Part::WallClock => "local_timestamp",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.part {
            Part::Day => DataType::Date32,
            Part::WallClock => DataType::Timestamp(TimeUnit::Microsecond, None),
        })
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [instant, zone] = arguments else {
            return plan_err!("`{}` takes an instant and a time zone", self.name());
        };
        if !matches!(instant, DataType::Timestamp(_, _) | DataType::Null) {
            return plan_err!("`{}` needs a TIMESTAMP first, not {instant}", self.name());
        }
        if !zone.is_string() && !zone.is_null() {
            return plan_err!("`{}` needs the name of a time zone second, not {zone}", self.name());
        }
        Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), DataType::Utf8])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [instant, zone] = args.args.as_slice() else {
            return exec_err!("`{}` takes an instant and a time zone", self.name());
        };
        let instants = instant.to_array(args.number_rows)?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        let locals: Vec<Option<DateTime>> = match zone {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(zone))) => {
                let zone = known_zone(zone)?;
                instants.iter().map(|at| at.and_then(|at| local(at, &zone))).collect()
            }
            ColumnarValue::Scalar(_) => vec![None; args.number_rows],
            ColumnarValue::Array(zones) => by_row(instants, zones)?,
        };
        let array = self.array(&locals);
        match (instant, zone) {
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            _ => Ok(ColumnarValue::Array(array)),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(match self.part {
            Part::Day => &DATE_DOCUMENTATION,
            Part::WallClock => &TIMESTAMP_DOCUMENTATION,
        })
    }
}

impl LocalTime {
    fn array(&self, locals: &[Option<DateTime>]) -> ArrayRef {
        match self.part {
            Part::Day => {
                let days = locals.iter().map(|local| local.map(|local| days_since_1970(local.date())));
                Arc::new(days.collect::<Date32Array>())
            }
            Part::WallClock => {
                let micros = locals.iter().map(|local| local.and_then(wall_clock_micros));
                Arc::new(micros.collect::<TimestampMicrosecondArray>())
            }
        }
    }
}

fn by_row(instants: &TimestampMicrosecondArray, zones: &ArrayRef) -> Result<Vec<Option<DateTime>>> {
    let zones = cast(zones, &DataType::Utf8)?;
    let mut last: Option<(String, TimeZone)> = None;
    let rows = instants.iter().zip(zones.as_string::<i32>());
    let row = |(at, name): (Option<i64>, Option<&str>)| {
        let (Some(at), Some(name)) = (at, name) else {
            return Ok(None);
        };
        let zone = match &last {
            Some((known, zone)) if known == name => zone.clone(),
            _ => known_zone(name)?,
        };
        let found = local(at, &zone);
        last = Some((name.to_owned(), zone));
        Ok(found)
    };
    rows.map(row).collect()
}

fn known_zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|_| Fault::UnknownZone.into())
}

fn local(micros: i64, zone: &TimeZone) -> Option<DateTime> {
    let at = Timestamp::from_microsecond(micros).ok()?;
    Some(zone.to_datetime(at))
}

fn days_since_1970(day: Date) -> i32 {
    day.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days())
}

fn wall_clock_micros(local: DateTime) -> Option<i64> {
    let at = TimeZone::UTC.to_timestamp(local).ok()?;
    Some(at.as_microsecond())
}

static DATE_DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    let description = "The calendar day of an instant in a time zone, right on days when the clocks change. \
        A TIMESTAMP without a zone is read as UTC.";
    Documentation::builder(DOC_SECTION_DATETIME, description, "local_date(instant, time_zone)")
        .with_sql_example("select local_date(ordered_at, $time_zone) as order_day from orders")
        .with_argument("instant", "A TIMESTAMP.")
        .with_argument("time_zone", "A name of the zone database, such as 'Europe/Berlin'.")
        .build()
});

static TIMESTAMP_DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    let description =
        "What a clock on the wall shows at an instant in a time zone, as a TIMESTAMP without a zone.";
    Documentation::builder(DOC_SECTION_DATETIME, description, "local_timestamp(instant, time_zone)")
        .with_sql_example(
            "select extract(hour from local_timestamp(ordered_at, $time_zone)) as order_hour from orders",
        )
        .with_argument("instant", "A TIMESTAMP; one without a zone is read as UTC.")
        .with_argument("time_zone", "A name of the zone database, such as 'Europe/Berlin'.")
        .build()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn check(instant: &str, zone: &str, day: &str, clock: &str) {
        let at: Timestamp = instant.parse().expect("an instant");
        let zone = known_zone(zone).expect("a zone");
        let local = local(at.as_microsecond(), &zone).expect("in range");
        assert_eq!(local.date().to_string(), day);
        assert_eq!(local.to_string(), clock);
    }

    #[test]
    fn the_day_is_that_of_the_zone_when_clocks_change() {
        // Berlin: 31 March 2024 at 01:00Z the clock jumps from 02:00 to 03:00.
        check("2024-03-30T22:59:59Z", "Europe/Berlin", "2024-03-30", "2024-03-30T23:59:59");
        check("2024-03-30T23:00:00Z", "Europe/Berlin", "2024-03-31", "2024-03-31T00:00:00");
        check("2024-03-31T01:00:00Z", "Europe/Berlin", "2024-03-31", "2024-03-31T03:00:00");
        check("2024-03-31T21:59:59Z", "Europe/Berlin", "2024-03-31", "2024-03-31T23:59:59");
        check("2024-03-31T22:00:00Z", "Europe/Berlin", "2024-04-01", "2024-04-01T00:00:00");
    }

    #[test]
    fn days_before_1970_count_backwards() {
        assert_eq!(days_since_1970(Date::constant(1969, 12, 31)), -1);
        assert_eq!(days_since_1970(Date::constant(2000, 1, 1)), 10957);
    }

    #[test]
    fn an_unknown_zone_is_an_error() {
        assert!(known_zone("Mars/Olympus").is_err());
    }
}
