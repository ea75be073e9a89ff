//! From what was asked to the walk's first values: files, target, stores, time.

use std::path::Path;
use std::sync::Arc;

use super::{Common, Error, Surroundings};
use crate::diagnostic::{Diagnostic, code, nearest};
use crate::engine::{Engine, EngineOptions};
use crate::graph::{self, Graph, Selection};
use crate::interval::Instant;
use crate::plan::{self, TypedGraph};
use crate::project::{self, Location, Pipeline, Project, Target};
use crate::state::State;
use crate::store::{self, Store};

/// What is known when nobody says otherwise: everything that was ever ingested,
/// 9999-12-30T00:00:00Z, the last whole day that can be written and read again.
const EVERYTHING_KNOWN: Instant = Instant::from_micros(253_402_128_000_000_000);

/// The share of the machine's memory a run takes unless told otherwise, in percent.
const MEMORY_SHARE: u64 = 60;

/// Reads the project and resolves its names.
pub(super) fn compile(around: &Surroundings, common: &Common) -> Result<Graph, Error> {
    let location = Location {
        folder: around.folder.clone(),
        pipeline: common.pipeline.clone(),
        environment: around.environment.clone(),
    };
    let project: Project = project::load(&location)?;
    Ok(graph::resolve(project)?)
}

/// The selection asked for.
pub(super) fn selection(common: &Common) -> Result<Selection, Error> {
    Ok(Selection::parse(&common.select, &common.exclude)?)
}

/// What the run looks from and what it knows.
pub(super) fn times(
    around: &Surroundings,
    common: &Common,
    pipeline: &Pipeline,
) -> Result<(Instant, Instant), Error> {
    let zone = &pipeline.time_zone;
    let read = |text: &str, flag: &str| {
        Instant::parse(text, zone)
            .map_err(|cause| Error::from(Diagnostic::error(code::BAD_REQUEST, format!("`{flag}`: {cause}"))))
    };
    let as_of = match (&common.as_of, &pipeline.as_of) {
        (Some(text), _) => read(text, "--as-of")?,
        (None, Some(written)) => Instant::parse(&written.value, zone).map_err(|cause| {
            let found = Diagnostic::error(code::WRONG_VALUE, cause.to_string());
            Error::from(found.at(written.place.clone()))
        })?,
        (None, None) => today(around, pipeline)?,
    };
    let known_at = common.known_at.as_deref().map(|text| read(text, "--known-at")).transpose()?;
    Ok((as_of, known_at.unwrap_or(EVERYTHING_KNOWN)))
}

fn today(around: &Surroundings, pipeline: &Pipeline) -> Result<Instant, Error> {
    let now = (around.clock)();
    let day = now.date_in(&pipeline.time_zone);
    let start = day.and_then(|day| Instant::start_of_day(day, &pipeline.time_zone).ok());
    let no_day = || Diagnostic::error(code::BAD_REQUEST, "the clock shows no day of the calendar");
    Ok(start.ok_or_else(no_day)?)
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
    Ok(store::open(location, &around.folder)?)
}

/// The store tables are published in.
pub(super) fn root(around: &Surroundings, common: &Common, pipeline: &Pipeline) -> Result<Store, Error> {
    let location = match &common.root {
        Some(root) => root.as_str(),
        None => target(common, pipeline)?.root.value.as_str(),
    };
    Ok(store::open(location, &around.folder)?)
}

/// Types the graph in a pinned or locked world.
pub(super) fn analyze(
    graph: Graph,
    state: &State,
    common: &Common,
    (as_of, known_at): (Instant, Instant),
) -> Result<TypedGraph, Error> {
    let parameters = project::bind(&graph.project().pipeline, &common.vars, as_of, known_at)?;
    Ok(plan::analyze(graph, &state.schemas(), parameters, (as_of, known_at))?)
}

/// An engine within the limits asked for; `scratch` is a folder of its own.
pub(super) fn engine(
    around: &Surroundings,
    common: &Common,
    pipeline: Option<&Pipeline>,
    scratch: &Path,
) -> Result<Engine, Error> {
    let of_target = pipeline.and_then(|pipeline| target(common, pipeline).ok()?.memory_limit);
    let usual = around.machine_memory / 100 * MEMORY_SHARE;
    let options = EngineOptions {
        memory_limit: common.memory_limit.or(of_target).unwrap_or(usual),
        threads: common.threads.unwrap_or(around.machine_threads).max(1),
        scratch: scratch.to_owned(),
        values: common.values,
    };
    Ok(Engine::try_new(options)?)
}

/// A scratch folder of the run's own, removed when dropped.
pub(super) struct Scratch(Arc<Path>);

impl Scratch {
    /// A folder below the system's folder for temporary files, named after the run.
    pub(super) fn of(around: &Surroundings, word: &str) -> Self {
        let temporary = around.environment.get("TMPDIR").map_or("/tmp", String::as_str);
        Self(Path::new(temporary).join(format!("goodwill-{word}")).into())
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    #[expect(clippy::disallowed_methods, reason = "scratch files are the run's own, in no store")]
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&*self.0);
    }
}
