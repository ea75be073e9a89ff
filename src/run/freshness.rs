//! How old the newest row of each source is, seen from a moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use serde::Serialize;

use super::bindings;
use crate::diagnostic::{Diagnostics, SourceFile};
use crate::engine::{self, Bindings, Engine};
use crate::ident::{NodeName, VariableName};
use crate::interval::{Instant, day_from_epoch};
use crate::plan::{self, TypedGraph};
use crate::project::{Freshness, Source};
use crate::query::{self, Parameters, TableName, Value};
use crate::state::{Standing, State};

/// How old the newest row of a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceAge {
    /// The source.
    pub source: NodeName,
    /// The column that says when a row became known, else when it happened.
    pub column: String,
    /// The newest row's time; none without rows.
    pub newest: Option<Instant>,
    /// From the newest row to the moment looked from, in seconds.
    pub age_seconds: Option<i64>,
    /// From when on it is told, as written.
    pub warn_after: Option<String>,
    /// From when on nothing runs, as written.
    pub error_after: Option<String>,
    /// What that means.
    pub status: AgeStatus,
}

/// Whether a source is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeStatus {
    /// It is optional and has no files.
    Absent,
    /// Its newest row is recent enough.
    Fresh,
    /// Older than `warn_after`, or without any row.
    Late,
    /// Older than `error_after`, or without any row.
    TooLate,
}

/// The ages of the sources that say how old they may be, by name.
///
/// A row at or after `at` does not count: nobody knows yet that it happened.
///
/// # Errors
///
/// Returns files that cannot be read.
pub async fn ages(
    engine: &Engine,
    typed: &TypedGraph,
    state: &State,
    at: Instant,
) -> Result<Vec<SourceAge>, Diagnostics> {
    let mut ages = Vec::new();
    for source in typed.graph.sources() {
        if let Some(freshness) = &source.freshness {
            ages.push(age(engine, typed, state, (source, freshness), at).await?);
        }
    }
    Ok(ages)
}

async fn age(
    engine: &Engine,
    typed: &TypedGraph,
    state: &State,
    (source, freshness): (&Source, &Freshness),
    at: Instant,
) -> Result<SourceAge, Diagnostics> {
    let Some(column) = source.ingested_at.as_ref().or(source.event_time.as_ref()) else {
        return Err(super::bug("freshness of a source without a time").into());
    };
    let absent = state.sources.get(&source.name).is_some_and(|source| source.standing == Standing::Absent);
    let newest =
        if absent { None } else { newest(engine, typed, state, (source, &column.value), at).await? };
    let age = newest.map(|newest| at.micros() - newest.micros());
    let over = |limit: &Option<crate::project::Age>| {
        limit.as_ref().is_some_and(|limit| age.is_none_or(|age| age > limit.micros))
    };
    Ok(SourceAge {
        source: source.name.clone(),
        column: column.value.clone(),
        newest,
        age_seconds: age.map(|age| age / 1_000_000),
        warn_after: freshness.warn_after.as_ref().map(|age| age.text.clone()),
        error_after: freshness.error_after.as_ref().map(|age| age.text.clone()),
        status: match (absent, over(&freshness.error_after), over(&freshness.warn_after)) {
            (true, _, _) => AgeStatus::Absent,
            (_, true, _) => AgeStatus::TooLate,
            (_, _, true) => AgeStatus::Late,
            _ => AgeStatus::Fresh,
        },
    })
}

/// The time of the source's newest row before `at`.
async fn newest(
    engine: &Engine,
    typed: &TypedGraph,
    state: &State,
    (source, column): (&Source, &str),
    at: Instant,
) -> Result<Option<Instant>, Diagnostics> {
    let zone = &typed.graph.project().pipeline.time_zone;
    let table = TableName::Source(source.name.clone());
    let Some((relation, binding)) = plan::source_relation(typed, state, &source.name, table.clone())
        .zip(bindings::at_any_time(typed, state, source))
    else {
        return Err(super::bug("freshness of an unknown source").into());
    };
    let is_day =
        relation.schema.field_with_name(column).is_ok_and(|field| *field.data_type() == DataType::Date32);
    let (before, limit) =
        if is_day { ("<=", Value::Date(at.day_in(zone))) } else { ("<", Value::Timestamp(at)) };
    let quoted = format!("\"{}\"", column.replace('"', "\"\""));
    let sql = format!("select max({quoted}) as newest from {table} where {quoted} {before} $goodwill_at");
    let query = query::parse(&SourceFile::new(source.place.file().path(), &sql))?;
    let name = VariableName::parse("goodwill_at").map_err(|cause| super::bug(&cause.to_string()))?;
    let parameters: Parameters = BTreeMap::from([(name, limit)]);
    let typed_query = engine::analyze(&query, &[relation], &parameters)?;
    let bound = Bindings::from([(table, binding)]);
    let batches = engine.collect(&typed_query, &bound, None, engine.whole()).await?;
    Ok(batches.first().and_then(|batch| instant(batch, zone)))
}

/// The moment in the only row; a day begins at midnight of the pipeline's zone.
fn instant(batch: &RecordBatch, zone: &jiff::tz::TimeZone) -> Option<Instant> {
    let values = batch.columns().first().map(Arc::clone)?;
    if values.is_empty() || values.is_null(0) {
        return None;
    }
    if *values.data_type() == DataType::Date32 {
        let day = day_from_epoch(values.as_primitive::<Date32Type>().value(0))?;
        return Instant::start_of_day(day, zone).ok();
    }
    let micros = cast(&values, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))).ok()?;
    Some(Instant::from_micros(micros.as_primitive::<TimestampMicrosecondType>().value(0)))
}
