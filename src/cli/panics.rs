//! A bug of ours becomes a finding: a sentence, a place to report, exit code 70.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use crate::diagnostic::{Diagnostic, code};

static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; a panic in it is the finding `GW0901`.
///
/// The message of a panic is not shown, for it may hold a value of the data; its place is.
///
/// # Errors
///
/// Returns `GW0901` if `work` panicked.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Diagnostic> {
    panic::set_hook(Box::new(remember));
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let place = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        finding(place.as_deref().unwrap_or("a place unknown"))
    })
}

fn finding(place: &str) -> Diagnostic {
    let message = format!("goodwill has a bug at {place}, and what is published was left as it was");
    Diagnostic::error(code::BUG, message).help(format!(
        "please report it with this line, the command and `goodwill {}`",
        env!("CARGO_PKG_VERSION")
    ))
}

fn remember(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|location| format!("{}:{}", location.file(), location.line()));
    tracing::error!(place, "panic");
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = place;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, which puts back what tells of other tests' panics.
    #[test]
    fn a_panic_is_told_with_its_place_and_without_its_values() {
        let others = panic::take_hook();
        let (panicked, passed) = (caught(|| panic!("customer 4711")), caught(|| 7));
        panic::set_hook(others);
        let found = panicked.expect_err("a finding");
        assert_eq!(found.code, code::BUG);
        assert!(found.message.contains("panics.rs:"), "{}", found.message);
        assert!(!found.message.contains("4711"));
        assert_eq!(passed.ok(), Some(7), "what does not panic is passed on");
    }
}
