//! `plan`: what a run would do, and why.

use super::{Common, Error, Surroundings, context};
use crate::diagnostic::Diagnostics;
use crate::lake::Lake;
use crate::plan::{self, Plan};
use crate::state;

/// A plan, for programs and for people.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The plan in words.
    pub text: String,
    /// What may be wrong with the sources.
    pub warnings: Diagnostics,
}

/// Decides what a run would do against the last commit; writes nothing.
///
/// # Errors
///
/// Returns every finding of the first phase that has one.
pub async fn plan(around: &Surroundings, common: &Common) -> Result<Planned, Error> {
    let asked = context::asked(around, common)?;
    let sources = context::sources(around, common, asked.pipeline())?;
    let root = context::root(around, common, asked.pipeline())?;
    let lake = Lake::open(root).await?;
    let last = lake.last_commit().await?;
    let state = state::pin(&asked.graph, &sources, last).await?;
    let typed = asked.analyze(&state)?;
    let request = asked.request(&lake, common).await?;
    let plan = plan::build(&typed, &state, &request)?;
    let text = plan::explain(&plan);
    Ok(Planned { plan, text, warnings: state.warnings().cloned().collect() })
}
