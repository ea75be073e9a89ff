//! `freshness`: how old the sources are, and the gate every run goes through.

use super::scratch::Scratch;
use super::{Common, Error, Surroundings, context};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::engine::Engine;
use crate::interval::{Instant, spoken};
use crate::plan::TypedGraph;
use crate::run::{self, AgeStatus, SourceAge};
use crate::state::{self, State};

/// How old the sources are.
#[derive(Debug, Clone)]
pub struct Freshness {
    /// The pipeline's name.
    pub pipeline: String,
    /// The moment looked from.
    pub at: Instant,
    /// The same as people of the pipeline's zone say it.
    pub spoken: String,
    /// The sources that say how old they may be.
    pub ages: Vec<SourceAge>,
    /// Those that are late, as findings.
    pub findings: Diagnostics,
}

/// Looks how old the newest row of each source is.
///
/// # Errors
///
/// Returns every finding of the project, and sources that cannot be read.
pub async fn freshness(around: &Surroundings, common: &Common) -> Result<Freshness, Error> {
    let asked = context::asked(around, common)?;
    let sources = context::sources(around, common, asked.pipeline())?;
    let state = state::pin(&asked.graph, &sources, None).await?;
    let typed = asked.analyze(&state)?;
    let scratch = Scratch::of(around, &(around.fresh_word)())?;
    let engine = context::engine(around, common, Some(asked.pipeline()), scratch.path())?;
    let at = looked_from(around, common, &typed);
    let ages = run::ages(&engine, &typed, &state, at).await?;
    Ok(Freshness {
        pipeline: asked.pipeline().name.to_string(),
        at,
        spoken: spoken(at, &asked.pipeline().time_zone_name),
        findings: findings(&typed, &ages),
        ages,
    })
}

/// The gate of a run: the sources that are late are told; one that is too late stops it.
///
/// # Errors
///
/// Returns `GW0406` for each source that is too late.
pub(super) async fn gate(
    around: &Surroundings,
    common: &Common,
    engine: &Engine,
    typed: &TypedGraph,
    state: &State,
) -> Result<Diagnostics, Error> {
    let ages = run::ages(engine, typed, state, looked_from(around, common, typed)).await?;
    let found = findings(typed, &ages);
    if found.has_errors() { Err(found.into()) } else { Ok(found) }
}

/// Now; for a run that was told to look from an earlier day, that day: what came later is not read.
fn looked_from(around: &Surroundings, common: &Common, typed: &TypedGraph) -> Instant {
    let now = (around.clock)();
    let told = common.as_of.is_some() || typed.graph.project().pipeline.as_of.is_some();
    if told { now.min(typed.as_of) } else { now }
}

fn findings(typed: &TypedGraph, ages: &[SourceAge]) -> Diagnostics {
    let late = ages.iter().filter(|age| age.status >= AgeStatus::Late);
    late.map(|age| finding(typed, age)).collect()
}

fn finding(typed: &TypedGraph, age: &SourceAge) -> Diagnostic {
    let (limit, key) = match age.status {
        AgeStatus::TooLate => (&age.error_after, "error_after"),
        _ => (&age.warn_after, "warn_after"),
    };
    let limit = limit.as_deref().unwrap_or_default();
    let source = &age.source;
    let message = match (&age.newest, age.age_seconds) {
        (Some(newest), Some(seconds)) => {
            let old = spelled(seconds);
            format!(
                "source `{source}` is late: its newest `{}` is {newest}, {old} old, more than `{key}: {limit}`",
                age.column
            )
        }
        _ => format!(
            "source `{source}` is late: it has no row with a `{}` yet, and `{key}` is {limit}",
            age.column
        ),
    };
    let found = match age.status {
        AgeStatus::TooLate => Diagnostic::error(code::LATE_SOURCE, message),
        _ => Diagnostic::warning(code::LATE_SOURCE, message),
    };
    let place = typed.graph.project().pipeline.sources.get(source).map(|source| source.path.place.clone());
    let found = match place {
        Some(place) => found.at(place),
        None => found,
    };
    found.help("load the source; type `goodwill freshness` to see all of them")
}

/// An age in words: `2 d 3 h`, `51 min`.
#[must_use]
pub fn spelled(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn ages_are_spelled_with_two_units() {
        let found = [59, 3_599, 3_600, 90_061, 864_000].map(spelled);
        assert_eq!(found, ["0 min", "59 min", "1 h 0 min", "1 d 1 h", "10 d 0 h"]);
    }
}
