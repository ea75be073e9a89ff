//! Processes as their machine knows them: who we are, and who of this machine has ended.
//!
//! On Linux `/proc` tells a process from all others that ever had its number. Where there is none,
//! nobody is ever said to have ended.

use sysinfo::System;

use crate::lake::{Birth, Holder};

/// This process.
pub(super) fn own() -> Holder {
    let process = std::process::id();
    Holder { host: System::host_name().unwrap_or_default(), process, birth: birth(process) }
}

/// Whether `holder` is a process of this machine that has ended: its number is free, another's, or
/// that of a process that is dead and not yet buried.
pub(super) fn is_gone(holder: &Holder) -> bool {
    let Some(born) = &holder.birth else { return false };
    let Some(here) = birth(std::process::id()) else { return false };
    // Numbers of another machine, of a boot before or of another container say nothing here.
    if own().host != holder.host || (&here.boot, &here.space) != (&born.boot, &born.space) {
        return false;
    }
    birth(holder.process).is_none_or(|now| now.ticks != born.ticks)
}

/// What tells a living process from all others; `None` if there is none of that number.
fn birth(process: u32) -> Option<Birth> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let stat = read(&format!("/proc/{process}/stat"))?;
    Some(Birth { boot: boot.trim().to_owned(), space: space()?, ticks: ticks(&stat)? })
}

/// The ticks at which a process began, as its `stat` tells them; `None` for a dead one.
fn ticks(stat: &str) -> Option<u64> {
    // Its name is whatever the program says, with blanks and brackets if it likes.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    // The state is field 3 of the line, the start field 22.
    fields.nth(18)?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "the command line alone looks at processes")]
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The space the numbers of processes are counted in, such as `pid:[4026531836]`.
fn space() -> Option<String> {
    std::fs::read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_tells_when_a_living_process_began() {
        let line = |name: &str, state: &str| {
            format!("7 ({name}) {state} 1 7 7 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 3 0 4711 12345678 900")
        };
        assert_eq!(ticks(&line("goodwill", "R")), Some(4711));
        assert_eq!(ticks(&line("a) R (b", "S")), Some(4711));
        assert_eq!(ticks(&line("goodwill", "Z")), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn who_lives_is_not_gone_and_who_is_not_known_here_neither() {
        let own = own();
        assert!(own.birth.is_some() && !is_gone(&own));
        let born = |change: fn(&mut Birth)| {
            let mut holder = own.clone();
            holder.birth.as_mut().into_iter().for_each(change);
            holder
        };
        assert!(is_gone(&born(|birth| birth.ticks += 1)), "another process has its number");
        assert!(!is_gone(&born(|birth| birth.boot.push('x'))), "of a boot before");
        assert!(!is_gone(&born(|birth| birth.space.push('x'))), "of another container");
        assert!(!is_gone(&Holder { host: "elsewhere".to_owned(), ..born(|birth| birth.ticks += 1) }));
        assert!(!is_gone(&Holder { birth: None, ..own.clone() }));
        let nobody = Holder { process: u32::MAX, ..own };
        assert!(is_gone(&nobody));
    }
}
