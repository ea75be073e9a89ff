//! `check`: everything that can be known without data.

use super::scratch::Scratch;
use super::{Common, Error, Surroundings, context, lock, test};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::plan::TypedGraph;
use crate::project::unnamed_folders;
use crate::{run, state};

/// A project that was found sound.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The pipeline's name.
    pub pipeline: String,
    /// How many models were typed.
    pub models: usize,
    /// How many unit tests were read.
    pub unit_tests: usize,
    /// What may be wrong.
    pub warnings: Diagnostics,
    /// Where the sources' schemas came from.
    pub schemas: SchemaOrigin,
    /// Folders of SQL that no pipeline of the project names, so that nothing in them counts.
    pub unnamed_folders: Vec<String>,
}

/// Where the schemas of sources came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaOrigin {
    /// From `schema.lock`; no store was touched.
    Lock,
    /// From the footers of the sources, since there is no lock.
    Sources,
}

/// Parses, resolves and types the whole project and reads its unit tests; with `schema.lock` no store is touched.
///
/// # Errors
///
/// Returns every finding of the first phase that has one.
pub async fn check(around: &Surroundings, common: &Common) -> Result<Checked, Error> {
    let asked = context::asked(around, common)?;
    let (state, schemas) = match lock::read(around)? {
        Some(lock) => (state::locked(&asked.graph, &lock)?, SchemaOrigin::Lock),
        None => {
            let sources = context::sources(around, common, asked.pipeline())?;
            (state::pin(&asked.graph, &sources, None).await?, SchemaOrigin::Sources)
        }
    };
    let times = asked.times;
    let typed = asked.analyze(&state)?;
    let project = typed.graph.project();
    let mut found = Diagnostics::default();
    for test in &project.unit_tests {
        found.keep(test::check_unit_test(&typed, &state, test, times));
    }
    found.or_ok(())?;
    constants(around, common, &typed).await?;
    Ok(Checked {
        pipeline: project.pipeline.name.to_string(),
        models: project.models.len(),
        unit_tests: project.unit_tests.len(),
        warnings: state.warnings().cloned().collect(),
        schemas,
        unnamed_folders: unnamed_folders(&around.folder),
    })
}

/// Asks the rules of tables whose rows stand in the SQL: a map with gaps is found before any data is read.
async fn constants(around: &Surroundings, common: &Common, typed: &TypedGraph) -> Result<(), Error> {
    if !run::has_constant_rules(&typed.graph) {
        return Ok(());
    }
    let scratch = Scratch::of(around, &(around.fresh_word)())?;
    let engine = context::engine(around, common, Some(&typed.graph.project().pipeline), scratch.path())?;
    let results = run::constant_rules(&engine, typed).await?;
    let broken = results.iter().filter(|result| result.broken > 0);
    let found =
        broken.map(|result| Diagnostic { code: code::BROKEN_CONSTANT, ..test::broken(typed, result) });
    Ok(found.collect::<Diagnostics>().or_ok(())?)
}
