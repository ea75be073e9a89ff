//! Exit codes, all of them: schedulers and scripts rely on these numbers.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | published, nothing to do, or the question was answered |
//! | 1 | a model failed |
//! | 2 | the project or the request is wrong |
//! | 3 | an audit or a test failed, nothing was published |
//! | 4 | an input is missing, corrupt, or changed under the run |
//! | 70 | a bug of ours |
//! | 75 | temporary: storage, lock, lost race, disk full, out of memory, `--timeout` |
//! | 99 | nothing to do, with `--skip-exit-code` |
//! | 130, 143 | stopped by SIGINT, by SIGTERM |

use std::process::ExitCode;

use crate::diagnostic::{Diagnostic, Diagnostics, Kind, code};
use crate::ops;
use crate::plan::{Ending, Outcome};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit(u8);

impl Exit {
    /// The question was answered.
    pub(super) const OK: Self = Self(0);
    /// The command line cannot be understood.
    pub(super) const USAGE: Self = Self(2);
    /// A test or an audit failed.
    pub(super) const AUDIT: Self = Self(3);
    /// A bug of ours.
    pub(super) const BUG: Self = Self(70);
    /// It may work later.
    pub(super) const TEMPORARY: Self = Self(75);
    /// There was nothing to do, and the caller wants to know.
    pub(super) const SKIPPED: Self = Self(99);

    /// The number a caller sees.
    pub(super) const fn number(self) -> u8 {
        self.0
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Why a run was asked to stop before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopCause {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: a scheduler or the machine stops.
    Terminate,
    /// `--timeout` is over.
    Timeout,
}

impl StopCause {
    /// How the program ends once it has stopped.
    pub(super) const fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit(130),
            Self::Terminate => Exit(143),
            Self::Timeout => Exit::TEMPORARY,
        }
    }

    /// The finding a person is told; a signal somebody sent is none.
    pub(super) fn finding(self) -> Option<Diagnostic> {
        let over = || Diagnostic::error(code::TIMED_OUT, "the time of `--timeout` was over");
        (self == Self::Timeout).then(|| over().help("run again with more time, or with fewer models: `-s`"))
    }
}

/// What "nothing to do" is told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenIdle {
    /// As success.
    Succeed,
    /// As [`Exit::SKIPPED`].
    Skip,
}

/// How the program ends after a finding of this kind.
pub(super) const fn of_kind(kind: Kind) -> Exit {
    match kind {
        Kind::Project => Exit::USAGE,
        Kind::Model => Exit(1),
        Kind::Audit => Exit::AUDIT,
        Kind::Input => Exit(4),
        Kind::Temporary => Exit::TEMPORARY,
        Kind::Bug => Exit::BUG,
    }
}

/// How the program ends after a run; `stopped` is why it was asked to stop, if it was.
pub(super) fn of_outcome(outcome: &Outcome, stopped: Option<StopCause>, idle: WhenIdle) -> Exit {
    match outcome.ending {
        Ending::NothingToDo { .. } if idle == WhenIdle::Skip => Exit::SKIPPED,
        Ending::Published { .. } | Ending::Staged | Ending::NothingToDo { .. } => Exit::OK,
        Ending::AuditsFailed => Exit::AUDIT,
        Ending::Failed => {
            let found: Diagnostics = outcome.failures.iter().cloned().collect();
            if found.is_empty() { of_kind(Kind::Model) } else { of_kind(ops::Error::from(found).kind()) }
        }
        Ending::Stopped => stopped.unwrap_or(StopCause::Terminate).exit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;
    use crate::diagnostic::{ALL_CODES, Diagnostic, code};

    #[test]
    fn every_kind_of_finding_has_its_documented_number() {
        let numbers = [
            (Kind::Project, 2),
            (Kind::Model, 1),
            (Kind::Audit, 3),
            (Kind::Input, 4),
            (Kind::Temporary, 75),
            (Kind::Bug, 70),
        ];
        for (kind, number) in numbers {
            assert_eq!(of_kind(kind).number(), number, "{kind:?}");
        }
        assert!(ALL_CODES.iter().all(|code| numbers.iter().any(|(kind, _)| *kind == code.kind)));
    }

    #[test]
    fn every_ending_of_a_run_has_its_documented_number() {
        let check = |ending: Ending, number: u8| {
            let outcome = samples::outcome(ending);
            assert_eq!(of_outcome(&outcome, None, WhenIdle::Succeed).number(), number);
        };
        check(Ending::Published { version: 1 }, 0);
        check(Ending::NothingToDo { version: Some(1) }, 0);
        check(Ending::Staged, 0);
        check(Ending::AuditsFailed, 3);
        check(Ending::Failed, 1);
    }

    #[test]
    fn nothing_to_do_is_99_only_when_asked_for() {
        let outcome = samples::outcome(Ending::NothingToDo { version: None });
        assert_eq!(of_outcome(&outcome, None, WhenIdle::Skip).number(), 99);
        assert_eq!(of_outcome(&outcome, None, WhenIdle::Succeed).number(), 0);
    }

    #[test]
    fn a_stopped_run_ends_as_its_signal_says() {
        let outcome = samples::outcome(Ending::Stopped);
        for (cause, number) in
            [(StopCause::Interrupt, 130), (StopCause::Terminate, 143), (StopCause::Timeout, 75)]
        {
            assert_eq!(of_outcome(&outcome, Some(cause), WhenIdle::Skip).number(), number);
        }
    }

    #[test]
    fn a_failed_run_ends_as_its_gravest_failure_says() {
        let mut outcome = samples::outcome(Ending::Failed);
        outcome.failures =
            vec![Diagnostic::error(code::OVERFLOW, "a"), Diagnostic::error(code::UNREADABLE_FILE, "b")];
        assert_eq!(of_outcome(&outcome, None, WhenIdle::Succeed).number(), 4);
        outcome.failures = vec![Diagnostic::error(code::OUT_OF_MEMORY, "a")];
        assert_eq!(of_outcome(&outcome, None, WhenIdle::Succeed).number(), 75);
    }
}
