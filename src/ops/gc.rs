//! `gc`: what no version that is kept needs, and what dead runs left.

use super::{Common, Error, Surroundings, history};
use crate::diagnostic::{Diagnostic, Diagnostics, code};
use crate::ident::AttemptId;
use crate::lake::{Cleaned, Cleanup, Lake, Retention};

/// What a clean-up is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcRequest {
    /// How many of the last versions stay, whatever their age; at least 3.
    pub keep_versions: u64,
    /// How many days superseded files stay; at least 7.
    pub keep_days: u64,
    /// Whether anything is removed.
    pub mode: GcMode,
}

impl Default for GcRequest {
    fn default() -> Self {
        let least = Retention::LEAST;
        Self { keep_versions: least.versions(), keep_days: least.days(), mode: GcMode::default() }
    }
}

/// Whether a clean-up removes anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GcMode {
    /// It tells what it would remove.
    #[default]
    DryRun,
    /// It removes it.
    Apply,
}

/// What a clean-up found and did.
#[derive(Debug)]
pub struct Gc {
    /// The root's address.
    pub root: String,
    /// What was asked.
    pub request: GcRequest,
    /// What goes, and what stays.
    pub cleanup: Cleanup,
    /// What was done; `None` for a dry run.
    pub done: Option<Cleaned>,
}

impl Gc {
    /// What could not be removed, as findings.
    #[must_use]
    pub fn failures(&self) -> Diagnostics {
        let failed = self.done.iter().flat_map(|done| &done.failed);
        failed.map(|failed| failed.cause.to_diagnostic()).collect()
    }
}

/// Tells which files no kept version needs and which dead runs left, and removes them if asked.
///
/// Safe beside running readers and writers, safe to kill and to repeat.
///
/// # Errors
///
/// Returns `GW0301` for a retention below the least, and a root that cannot be read; single files
/// that could not be removed are in the result.
pub async fn gc(around: &Surroundings, common: &Common, request: GcRequest) -> Result<Gc, Error> {
    let retention = Retention::try_new(request.keep_versions, request.keep_days).ok_or_else(|| {
        let (versions, days) = (Retention::LEAST.versions(), Retention::LEAST.days());
        let message = format!("a clean-up keeps at least {versions} versions and {days} days");
        Diagnostic::error(code::BAD_REQUEST, message)
    })?;
    let mut lake = history::published(around, common).await?;
    if request.mode == GcMode::Apply {
        let bug = |cause: crate::ident::InvalidName| Diagnostic::error(code::BUG, cause.to_string());
        let word = AttemptId::parse(&(around.fresh_word)()).map_err(bug)?;
        // A store that overwrites where it should refuse cannot decide who comes first.
        (lake, _) = Lake::open_to_publish(lake.store().clone(), &word).await?;
    }
    let cleanup = lake.plan_cleanup(retention, (around.clock)()).await?;
    let done = match request.mode {
        GcMode::Apply if !cleanup.is_empty() => Some(lake.clean(&cleanup).await?),
        GcMode::Apply => Some(Cleaned::default()),
        GcMode::DryRun => None,
    };
    Ok(Gc { root: lake.store().url().to_string(), request, cleanup, done })
}
