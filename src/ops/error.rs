//! The one error of all verbs: findings, and what the reader can do about them.

use std::fmt;

use crate::diagnostic::{Diagnostic, Diagnostics, Kind, Severity};
use crate::lake::LakeError;
use crate::store::StoreError;

/// Why a verb could not do what was asked.
#[derive(Debug, Clone)]
pub struct Error(Diagnostics);

impl Error {
    /// Somebody asked to stop before anything was written: there is nothing to tell.
    #[must_use]
    pub fn stopped() -> Self {
        Self(Diagnostics::default())
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_empty()
    }

    /// What was found, to be shown to a person.
    #[must_use]
    pub const fn diagnostics(&self) -> &Diagnostics {
        &self.0
    }

    /// What the reader can do: the gravest kind among the findings that are errors.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let grave = |kind: &Kind| match kind {
            Kind::Temporary => 0,
            Kind::Audit => 1,
            Kind::Model => 2,
            Kind::Input => 3,
            Kind::Project => 4,
            Kind::Bug => 5,
        };
        let errors = self.0.iter().filter(|found| found.severity == Severity::Error);
        let kinds = errors.map(|found| found.code.kind);
        kinds.max_by_key(grave).unwrap_or(Kind::Bug)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, found) in self.0.iter().enumerate() {
            let line_break = if at == 0 { "" } else { "\n" };
            write!(f, "{line_break}{found}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<Diagnostics> for Error {
    fn from(found: Diagnostics) -> Self {
        Self(found)
    }
}

impl From<Diagnostic> for Error {
    fn from(found: Diagnostic) -> Self {
        Self(found.into())
    }
}

impl From<LakeError> for Error {
    fn from(cause: LakeError) -> Self {
        cause.to_diagnostic().into()
    }
}

impl From<StoreError> for Error {
    fn from(cause: StoreError) -> Self {
        cause.to_diagnostic().into()
    }
}
