//! What the machine and the process bring: clock, environment, memory, chance.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sysinfo::System;

use super::process;
use super::signals::Signals;
use crate::diagnostic::{Diagnostic, code};
use crate::interval::Instant;
use crate::ops::Surroundings;
use crate::plan::Observer;

/// What this process brings to a verb.
///
/// # Errors
///
/// Returns `GW0301` if the current folder is gone.
#[expect(clippy::disallowed_methods, reason = "the command line alone looks at the process")]
pub(super) fn of_process(
    environment: BTreeMap<String, String>,
    observer: Arc<dyn Observer>,
    signals: &Signals,
) -> Result<Surroundings, Diagnostic> {
    Ok(Surroundings {
        folder: current_folder()?,
        environment,
        clock: Arc::new(|| Instant::from_micros(Timestamp::now().as_microsecond())),
        fresh_word: Arc::new(|| fresh_word(Timestamp::now(), uuid::Uuid::new_v4())),
        observer,
        stop: signals.stop(),
        holder: process::own(),
        gone: Arc::new(process::is_gone),
        machine_memory: machine_memory(),
        machine_threads: std::thread::available_parallelism().map_or(1, usize::from),
    })
}

#[expect(clippy::disallowed_methods, reason = "the command line alone looks at the process")]
fn current_folder() -> Result<PathBuf, Diagnostic> {
    std::env::current_dir().map_err(|cause| {
        Diagnostic::error(code::BAD_REQUEST, format!("the current folder cannot be read: {cause}"))
    })
}

/// The variables whose names and values are text.
#[expect(clippy::disallowed_methods, reason = "the command line alone looks at the process")]
pub(super) fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// A word that sorts by time: `20260101t101500-1a2b3c4d`.
fn fresh_word(now: Timestamp, chance: uuid::Uuid) -> String {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dt%H%M%S").to_string();
    let chance = chance.simple().to_string();
    format!("{time}-{}", chance.get(..8).unwrap_or(&chance))
}

/// The memory of the machine, or of the cgroup the process is in if that is less.
fn machine_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let machine = system.total_memory();
    let limit = system.cgroup_limits().map(|limits| limits.total_memory).filter(|limit| *limit > 0);
    limit.map_or(machine, |limit| limit.min(machine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::AttemptId;

    #[test]
    fn a_fresh_word_can_name_an_attempt_and_sorts_by_time() {
        let at: Timestamp = "2026-01-01T10:15:00Z".parse().expect("an instant");
        let word = fresh_word(at, uuid::Uuid::from_u128(0x1a2b_3c4d << 96));
        assert_eq!(word, "20260101t101500-1a2b3c4d");
        assert!(AttemptId::parse(&word).is_ok());
    }

    #[test]
    fn a_machine_has_memory() {
        assert!(machine_memory() > 1 << 20);
    }
}
