//! `apply`: exactly the plan that was saved, or nothing.

use std::path::Path;

use super::run::{Ran, Way, conduct};
use super::{Common, Error, Surroundings};
use crate::diagnostic::{Diagnostic, SourceFile, code};
use crate::lake::Lake;
use crate::plan::Saved;

/// The most bytes a saved plan may have: that of ten thousand models.
const MAX_BYTES: u64 = 64 << 20;

/// Does what the plan in `file` says, if what it was made for is as it was.
///
/// The plan is made again, from what was asked for then and the world as it is now, and compared. Of
/// `common` counts where things lie and how to run; what to compute, and as of when, stands in the file.
///
/// # Errors
///
/// Returns `GW0308` for a file that is no plan, `GW0309` with all that moved since, `GW0704` if another
/// run published while this one was at work, and what [`run`](super::run()) returns.
pub async fn apply(around: &Surroundings, common: &Common, file: &Path) -> Result<Ran, Error> {
    let saved = Saved::read(&read(around, file)?)?;
    conduct(around, &common.as_asked(saved.asked.clone(), saved.times), Way::Saved(&saved)).await
}

/// Why the plan does not hold: `found`, unless it is done already. A plan can be applied once, since its
/// version is then there.
///
/// # Errors
///
/// Returns a root that cannot be read.
pub(super) async fn why_refused(lake: &Lake, saved: &Saved, found: Diagnostic) -> Result<Diagnostic, Error> {
    let Some(commit) = lake.commit(saved.version()).await? else { return Ok(found) };
    let intent = lake.intent(&commit.attempt).await?;
    let done = intent.and_then(|intent| saved.done(&commit.run_id, &intent.plan));
    Ok(done.unwrap_or(found))
}

#[expect(clippy::disallowed_methods, reason = "a file the person named, in no store")]
fn read(around: &Surroundings, file: &Path) -> Result<SourceFile, Diagnostic> {
    let (path, shown) = (around.folder.join(file), file.to_string_lossy());
    let missing = |cause: std::io::Error| {
        Diagnostic::error(code::BAD_REQUEST, format!("`{shown}` cannot be read: {cause}"))
            .help("write a plan: `goodwill plan -o plan.json`")
    };
    let not_a_plan = |why: &str| {
        let message = format!("`{shown}` is no plan that can be applied: {why}");
        Diagnostic::error(code::UNREADABLE_PLAN, message)
    };
    if std::fs::metadata(&path).map_err(missing)?.len() > MAX_BYTES {
        return Err(not_a_plan("it has more than 64 MiB"));
    }
    let bytes = std::fs::read(&path).map_err(missing)?;
    let text = String::from_utf8(bytes).map_err(|_| not_a_plan("it is not UTF-8 text"))?;
    Ok(SourceFile::new(&shown, &text))
}
