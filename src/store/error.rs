//! What can go wrong with a store, by what the reader can do about it.

use std::error::Error;
use std::io;

use super::{InvalidKey, Key, answers};
use crate::diagnostic::{Diagnostic, code};

/// The cause of a failed request, as the storage client gave it.
pub type Cause = Box<dyn Error + Send + Sync + 'static>;

/// A request to a store that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("{location} is not there")]
    NotFound {
        /// The whole address.
        location: String,
    },
    /// The store refused access.
    #[error("the store refused access to {location}")]
    AccessDenied {
        /// The whole address.
        location: String,
        /// What the store said.
        #[source]
        cause: Cause,
    },
    /// There is no space left, or a quota or a limit of size is reached.
    #[error("no space left to write {location}")]
    DiskFull {
        /// The whole address.
        location: String,
    },
    /// The object is not the one that was seen before.
    #[error("{location} changed while it was read")]
    Changed {
        /// The whole address.
        location: String,
    },
    /// There is no such bucket or container.
    #[error("the bucket or container of {location} is not there")]
    NoBucket {
        /// The whole address.
        location: String,
    },
    /// A variable of the environment cannot be used.
    #[error("the variable `{name}` cannot be used: {reason}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What is wrong with it; never its value.
        reason: String,
    },
    /// The store did not answer, or not in a way that can be understood; whether a write
    /// happened is unknown.
    #[error("the store failed at {location}: {}", said(cause.as_ref()))]
    Unavailable {
        /// The whole address.
        location: String,
        /// What the store said.
        #[source]
        cause: Cause,
    },
    /// The text is no location this program can open.
    #[error("`{location}` cannot be opened: {reason}")]
    InvalidLocation {
        /// The location as written.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path is none inside the store.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),
}

impl StoreError {
    /// Whether the same request may succeed later without any change to the project.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Unavailable { .. })
    }

    /// Whether the very same request may succeed a moment later: the store did not answer, or was
    /// busy, and did not call the request wrong.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable { cause, .. } if !answers::is_wrong(&said(cause.as_ref())))
    }

    /// Whether the object is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// The finding a person is shown; callers who know what the object is say it better.
    #[must_use]
    pub fn to_diagnostic(&self) -> Diagnostic {
        let message = self.to_string();
        match self {
            Self::NotFound { .. } => Diagnostic::error(code::MISSING_FILE, message),
            Self::AccessDenied { cause, .. } => {
                let said = said(cause.as_ref());
                let found = Diagnostic::error(code::ACCESS_DENIED, message);
                let found = match answers::advice(&said) {
                    Some(advice) => found.help(advice),
                    None => found,
                };
                found.help(format!("the store said: {said}"))
            }
            Self::Changed { .. } => Diagnostic::error(code::INPUT_MOVED, message)
                .help("nothing was published; run again when the source is at rest"),
            Self::NoBucket { .. } => Diagnostic::error(code::MISSING_FILE, message)
                .help("make it, or mend its name in `location`, `root`, `--sources` or `--root`"),
            Self::DiskFull { .. } => Diagnostic::error(code::DISK_FULL, message).help(
                "free some space or raise the quota, then run again; nothing of this run was published",
            ),
            Self::Unavailable { .. } => Diagnostic::error(code::STORE_UNAVAILABLE, message)
                .help("run again; `goodwill check --connect` looks at the way to the store"),
            Self::InvalidLocation { .. } | Self::InvalidKey(_) | Self::Setting { .. } => {
                Diagnostic::error(code::BAD_REQUEST, message)
            }
        }
    }

    /// Sorts an error of the storage client that happened at `location`.
    pub(super) fn from_client(location: String, cause: object_store::Error) -> Self {
        use object_store::Error as Client;
        match &cause {
            _ if answers::no_bucket(&said(&cause)) => Self::NoBucket { location },
            Client::NotFound { .. } => Self::NotFound { location },
            Client::Precondition { .. } | Client::NotModified { .. } => Self::Changed { location },
            Client::PermissionDenied { .. } | Client::Unauthenticated { .. } => {
                Self::AccessDenied { location, cause: Box::new(cause) }
            }
            _ if answers::is_refusal(&said(&cause)) => {
                Self::AccessDenied { location, cause: Box::new(cause) }
            }
            _ => Self::from_cause(location, Box::new(cause)),
        }
    }

    /// Sorts an error by the operating system's error at its root.
    pub(super) fn from_cause(location: String, cause: Cause) -> Self {
        match root_kind(cause.as_ref()) {
            Some(io::ErrorKind::NotFound) => Self::NotFound { location },
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                Self::AccessDenied { location, cause }
            }
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) => {
                Self::DiskFull { location }
            }
            _ => Self::Unavailable { location, cause },
        }
    }

    pub(super) fn unlisted(key: &Key, cause: &InvalidKey) -> Self {
        Self::InvalidLocation { location: key.to_string(), reason: cause.to_string() }
    }
}

fn root_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let own = error.downcast_ref::<io::Error>().map(io::Error::kind);
    own.filter(|kind| *kind != io::ErrorKind::Other).or_else(|| error.source().and_then(root_kind))
}

/// What a store said, for people: never the whole answer, which may hold what signs requests.
pub(super) fn said(error: &(dyn Error + 'static)) -> String {
    answers::said(&error.to_string()).unwrap_or_else(|| innermost(error).to_string())
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(kind: io::ErrorKind) -> StoreError {
        let cause = object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(kind)),
        };
        StoreError::from_client("file:///x".to_owned(), cause)
    }

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_store() {
        assert_eq!(sorted(io::ErrorKind::StorageFull).to_diagnostic().code, code::DISK_FULL);
        assert_eq!(sorted(io::ErrorKind::TimedOut).to_diagnostic().code, code::STORE_UNAVAILABLE);
        assert_eq!(sorted(io::ErrorKind::PermissionDenied).to_diagnostic().code, code::ACCESS_DENIED);
        assert!(sorted(io::ErrorKind::StorageFull).is_transient());
        assert!(!sorted(io::ErrorKind::PermissionDenied).is_transient());
    }

    #[test]
    fn the_number_of_a_full_disk_is_understood() {
        let cause = Box::new(io::Error::from_raw_os_error(28));
        let error = StoreError::from_cause("file:///x".to_owned(), cause);
        assert!(matches!(error, StoreError::DiskFull { .. }));
    }
}
