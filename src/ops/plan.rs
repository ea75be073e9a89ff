//! `plan`: what a run would do, and why.

use super::failures::last_failures;
use super::{Common, Error, Surroundings, context};
use crate::lake::Lake;
use crate::plan::{self, Plan, Request};
use crate::state;

/// A plan, for programs and for people.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The plan in words.
    pub text: String,
}

/// Decides what a run would do against the last commit; writes nothing.
///
/// # Errors
///
/// Returns every finding of the first phase that has one.
pub async fn plan(around: &Surroundings, common: &Common) -> Result<Planned, Error> {
    let graph = context::compile(around, common)?;
    let selection = context::selection(common)?;
    let times = context::times(around, common, &graph.project().pipeline)?;
    let sources = context::sources(around, common, &graph.project().pipeline)?;
    let root = context::root(around, common, &graph.project().pipeline)?;
    let lake = Lake::open(root).await?;
    let last = lake.last_commit().await?;
    let state = state::pin(&graph, &sources, last).await?;
    let typed = context::analyze(graph, &state, common, times)?;
    let failed = last_failures(&lake, common, &typed.graph.project().pipeline.name).await?;
    let request = Request { selection, refresh: common.refresh, failed };
    let plan = plan::build(&typed, &state, &request)?;
    let text = plan::explain(&plan);
    Ok(Planned { plan, text })
}
