//! `plan`: what a run would do, and why.

use serde_json::Value as Json;

use super::{Common, Error, Surroundings, context, lease};
use crate::diagnostic::Diagnostics;
use crate::lake::Lake;
use crate::plan::{self, Asked, Event, MadeIn, Plan};
use crate::state;

/// A plan, for programs and for people.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The plan with what was asked and the world it was made in: what `apply` reads.
    pub document: Json,
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
    let lake = Lake::at(root);
    let (last, at_work) =
        futures::join!(lake.last_commit(), lease::told(around, &lake, &asked.pipeline().name));
    let state = state::pin(&asked.graph, &sources, last?).await?;
    if let Some(text) = at_work {
        around.observer.notice(Event::Note { text });
    }
    let typed = asked.analyze(&state)?;
    let request = asked.request(&lake, common).await?;
    let plan = plan::build(&typed, &state, &request)?;
    let document = plan::document(&plan, &as_typed(common), &MadeIn::of(&typed, &state));
    let text = plan::explain(&plan);
    Ok(Planned { plan, document, text, warnings: state.warnings().cloned().collect() })
}

/// What `apply` needs to make the plan again.
pub(super) fn as_typed(common: &Common) -> Asked {
    let common = common.clone();
    Asked {
        pipeline: common.pipeline,
        select: common.select,
        exclude: common.exclude,
        refresh: common.refresh,
        as_of: common.as_of,
        known_at: common.known_at,
        vars: common.vars,
        span: common.span,
    }
}
