//! From what was asked to the walk's first values: files, target, stores, time.

use std::path::Path;

use super::facts::last_failures;
use super::{Common, Error, Surroundings};
use crate::diagnostic::{Diagnostic, Diagnostics, code, nearest};
use crate::engine::{Engine, EngineOptions};
use crate::graph::{self, Graph, Selection};
use crate::interval::Instant;
use crate::lake::Lake;
use crate::plan::{self, Request, TypedGraph};
use crate::project::{self, Location, Pipeline, Project, Target};
use crate::query::Parameters;
use crate::state::State;
use crate::store::{self, Store};

/// What is known when nobody says otherwise: everything that was ever ingested,
/// 9999-12-30T00:00:00Z, the last whole day that can be written and read again.
const EVERYTHING_KNOWN: Instant = Instant::from_micros(253_402_128_000_000_000);

/// The share of the machine's memory a run takes unless told otherwise, in percent.
const MEMORY_SHARE: u64 = 60;

/// A request that was judged whole before anything of the world was looked at.
pub(super) struct Asked {
    /// The project, its names resolved.
    pub(super) graph: Graph,
    /// The models meant; every name in it means something.
    pub(super) selection: Selection,
    /// What the request looks from and what it knows.
    pub(super) times: (Instant, Instant),
    /// The value of every parameter.
    pub(super) parameters: Parameters,
}

impl Asked {
    /// The pipeline.
    pub(super) const fn pipeline(&self) -> &Pipeline {
        &self.graph.project().pipeline
    }

    /// What is looked for: the selection, and what failed last where it asks for that.
    pub(super) async fn request(&self, lake: &Lake, common: &Common) -> Result<Request, Error> {
        let failed = last_failures(lake, common, &self.pipeline().name).await?;
        let (selection, refresh, purpose) = (self.selection.clone(), common.refresh, common.purpose);
        Ok(Request { selection, refresh, purpose, failed, span: common.span, newest: None })
    }

    /// The same, looking from another day.
    ///
    /// # Errors
    ///
    /// Returns a time that is none.
    pub(super) fn looking_from(&self, around: &Surroundings, common: &Common) -> Result<Self, Error> {
        let times = times(around, common, self.pipeline())?;
        let parameters = project::bind(self.pipeline(), &common.vars, times.0, times.1)?;
        Ok(Self { graph: self.graph.clone(), selection: self.selection.clone(), times, parameters })
    }

    /// Types the project in a pinned or locked world.
    pub(super) fn analyze(&self, state: &State) -> Result<TypedGraph, Error> {
        let parameters = self.parameters.clone();
        Ok(plan::analyze(self.graph.clone(), state, parameters, self.times)?)
    }
}

/// Reads the project and judges everything that is asked of it.
///
/// # Errors
///
/// Returns every mistake of the project, else every mistake of the request.
pub(super) fn asked(around: &Surroundings, common: &Common) -> Result<Asked, Error> {
    let graph = compile(around, common)?;
    let pipeline = &graph.project().pipeline;
    let mut found = Diagnostics::default();
    let selection = Selection::parse(&common.select, &common.exclude)
        .and_then(|selection| selection.check(&graph).map(|()| selection));
    let selection = found.keep(selection);
    let times = found.keep(times(around, common, pipeline));
    // Variables are judged although a time is wrong: their values do not depend on it.
    let (as_of, known_at) = times.unwrap_or((EVERYTHING_KNOWN, EVERYTHING_KNOWN));
    let parameters = found.keep(project::bind(pipeline, &common.vars, as_of, known_at));
    match (selection, times, parameters) {
        (Some(selection), Some(times), Some(parameters)) => Ok(Asked { graph, selection, times, parameters }),
        _ => Err(found.into()),
    }
}

/// Reads the project and resolves its names, a target that was named among them.
pub(super) fn compile(around: &Surroundings, common: &Common) -> Result<Graph, Error> {
    let location = Location {
        folder: around.folder.clone(),
        pipeline: common.pipeline.clone(),
        environment: around.environment.clone(),
    };
    let project: Project = project::load(&location)?;
    let graph = graph::resolve(project)?;
    if common.target.is_some() {
        target(common, &graph.project().pipeline)?;
    }
    Ok(graph)
}

/// What the run looks from and what it knows.
fn times(
    around: &Surroundings,
    common: &Common,
    pipeline: &Pipeline,
) -> Result<(Instant, Instant), Diagnostics> {
    if let Some(saved) = common.saved_times {
        return Ok(saved);
    }
    let zone = &pipeline.time_zone;
    let read = |text: &str, flag: &str| {
        Instant::parse(text, zone)
            .map_err(|cause| Diagnostic::error(code::BAD_REQUEST, format!("`{flag}`: {cause}")))
    };
    let as_of = match (&common.as_of, &pipeline.as_of) {
        (Some(text), _) => read(text, "--as-of")?,
        (None, Some(written)) => Instant::parse(&written.value, zone).map_err(|cause| {
            Diagnostic::error(code::WRONG_VALUE, cause.to_string()).at(written.place.clone())
        })?,
        (None, None) => today(around, pipeline)?,
    };
    let known_at = common.known_at.as_deref().map(|text| read(text, "--known-at")).transpose()?;
    Ok((as_of, known_at.unwrap_or(EVERYTHING_KNOWN)))
}

fn today(around: &Surroundings, pipeline: &Pipeline) -> Result<Instant, Diagnostic> {
    let now = (around.clock)();
    let day = now.date_in(&pipeline.time_zone);
    let start = day.and_then(|day| Instant::start_of_day(day, &pipeline.time_zone).ok());
    start.ok_or_else(|| Diagnostic::error(code::BAD_REQUEST, "the clock shows no day of the calendar"))
}

/// The target asked for, the default one, or the only one.
pub(super) fn target<'a>(common: &Common, pipeline: &'a Pipeline) -> Result<&'a Target, Error> {
    let names = || pipeline.targets.keys().cloned().collect::<Vec<_>>().join(", ");
    let default = pipeline.default_target.as_ref().map(|name| name.value.as_str());
    let wanted = common.target.as_deref().or(default);
    let found = match wanted {
        Some(name) => pipeline.targets.get(name),
        None if pipeline.targets.len() == 1 => pipeline.targets.values().next(),
        None => None,
    };
    found.ok_or_else(|| {
        let message = match wanted {
            Some(name) => format!("there is no target `{name}`"),
            None => "the pipeline has several targets and no default".to_owned(),
        };
        let missing = Diagnostic::error(code::UNKNOWN_TARGET, message);
        let near = wanted.and_then(|name| nearest(name, pipeline.targets.keys().map(String::as_str)));
        Error::from(match near {
            Some(near) => missing.help(format!("did you mean `{near}`?")),
            None => missing.help(format!("targets: {}", names())),
        })
    })
}

/// The store the sources lie in.
pub(super) fn sources(around: &Surroundings, common: &Common, pipeline: &Pipeline) -> Result<Store, Error> {
    let location = common.sources.as_deref().unwrap_or(&pipeline.location.value);
    Ok(store::open(location, &around.folder, &around.access()?)?)
}

/// The store tables are published in.
pub(super) fn root(around: &Surroundings, common: &Common, pipeline: &Pipeline) -> Result<Store, Error> {
    let location = match &common.root {
        Some(root) => root.as_str(),
        None => target(common, pipeline)?.root.value.as_str(),
    };
    Ok(store::open(location, &around.folder, &around.access()?)?)
}

/// The most memory a run may use, in bytes.
pub(super) fn memory(around: &Surroundings, common: &Common, pipeline: Option<&Pipeline>) -> u64 {
    let of_target = pipeline.and_then(|pipeline| target(common, pipeline).ok()?.memory_limit);
    let usual = around.machine_memory / 100 * MEMORY_SHARE;
    common.memory_limit.or(of_target).unwrap_or(usual)
}

/// An engine within the limits asked for; `scratch` is a folder of its own.
pub(super) fn engine(
    around: &Surroundings,
    common: &Common,
    pipeline: Option<&Pipeline>,
    scratch: &Path,
) -> Result<Engine, Error> {
    let options = EngineOptions {
        memory_limit: memory(around, common, pipeline),
        threads: common.threads.unwrap_or(around.machine_threads).max(1),
        scratch: scratch.to_owned(),
        values: common.values,
    };
    Ok(Engine::try_new(options)?)
}
