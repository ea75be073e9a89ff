//! `schema sync` and `schema diff`: the lock `check` works from.

use super::{Common, Error, Surroundings, context};
use crate::count::counted;
use crate::diagnostic::{Diagnostic, code};
use crate::ident::NodeName;
use crate::state::{self, SchemaLock};

/// The lock's file, in the project's folder.
const FILE: &str = "schema.lock";

/// What a look at the sources changed, or would change, in the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// The lock's file.
    pub file: String,
    /// One line a difference: `orders.ordered_at: Date32 is now Timestamp(Microsecond, None)`.
    pub differences: Vec<String>,
}

/// Reads the lock, if there is one.
#[expect(clippy::disallowed_methods, reason = "the lock is a file of the project")]
pub(super) fn read(around: &Surroundings) -> Result<Option<SchemaLock>, Error> {
    match std::fs::read_to_string(around.folder.join(FILE)) {
        Ok(text) => Ok(Some(SchemaLock::parse(&text)?)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => {
            let message = format!("`{FILE}` cannot be read: {cause}");
            Err(Diagnostic::error(code::MISSING_FILE, message).into())
        }
    }
}

/// Looks at the sources and writes their schemas to the lock.
///
/// # Errors
///
/// Returns sources that cannot be read and a lock that cannot be written.
#[expect(clippy::disallowed_methods, reason = "the lock is a file of the project")]
pub async fn schema_sync(around: &Surroundings, common: &Common) -> Result<SchemaChange, Error> {
    // A lock nobody can read is written anew: that is what its finding says to do.
    let old = read(around).unwrap_or_default();
    let (new, change) = look(around, common, old.as_ref()).await?;
    if old.as_ref() != Some(&new) {
        std::fs::write(around.folder.join(FILE), new.encode()).map_err(|cause| {
            let message = format!("`{FILE}` cannot be written: {cause}");
            Error::from(Diagnostic::error(code::MISSING_FILE, message))
        })?;
    }
    Ok(change)
}

/// Looks at the sources and compares their schemas with the lock.
///
/// # Errors
///
/// Returns a lock and sources that cannot be read.
pub async fn schema_diff(around: &Surroundings, common: &Common) -> Result<SchemaChange, Error> {
    let old = read(around)?;
    look(around, common, old.as_ref()).await.map(|(_, change)| change)
}

async fn look(
    around: &Surroundings,
    common: &Common,
    old: Option<&SchemaLock>,
) -> Result<(SchemaLock, SchemaChange), Error> {
    let graph = context::compile(around, common)?;
    let pipeline = &graph.project().pipeline;
    let sources = context::sources(around, common, pipeline)?;
    let state = state::pin(&graph, &sources, None).await?;
    let old = old.cloned().unwrap_or_default();
    let new = old.clone().with(&pipeline.name, &state);
    let mut differences = Vec::new();
    let empty = std::collections::BTreeMap::new();
    let before = old.pipelines.get(&pipeline.name).unwrap_or(&empty);
    let after = new.pipelines.get(&pipeline.name).unwrap_or(&empty);
    let names: std::collections::BTreeSet<&NodeName> = before.keys().chain(after.keys()).collect();
    for name in names {
        compare(name, before.get(name), after.get(name), &mut differences);
    }
    Ok((new, SchemaChange { file: FILE.to_owned(), differences }))
}

type Columns = Vec<state::LockedColumn>;

fn compare(name: &NodeName, before: Option<&Columns>, after: Option<&Columns>, lines: &mut Vec<String>) {
    match (before, after) {
        (None, Some(columns)) => lines.push(format!("{name}: new, {}", counted(columns.len(), "column"))),
        (Some(_), None) => lines.push(format!("{name}: is not read any more")),
        (Some(before), Some(after)) => {
            for old in before {
                match after.iter().find(|new| new.name == old.name) {
                    None => lines.push(format!("{name}.{}: is gone", old.name)),
                    Some(new) if new.data_type != old.data_type => {
                        lines
                            .push(format!("{name}.{}: {} is now {}", old.name, old.data_type, new.data_type));
                    }
                    Some(_) => {}
                }
            }
            for new in after.iter().filter(|new| before.iter().all(|old| old.name != new.name)) {
                lines.push(format!("{name}.{}: new, {}", new.name, new.data_type));
            }
        }
        (None, None) => {}
    }
}
