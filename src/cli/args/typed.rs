//! Flags as a person would type them again, for the next command they are told.

use std::fmt::Display;

use super::{
    ApplyArgs, ConductFlags, PlaceFlags, ProjectFlags, ResourceFlags, ResumeArgs, RunArgs, SelectFlags,
    TimeFlags, WalkFlags,
};
use crate::cli::words::shell_word;

/// ` --flag value`, if there is a value.
fn flag(name: &str, value: Option<&impl Display>) -> String {
    value.map_or_else(String::new, |value| format!(" {name} {}", shell_word(&value.to_string())))
}

/// ` --flag value` for each value.
fn flags(name: &str, values: &[String]) -> String {
    values.iter().map(|value| flag(name, Some(value))).collect()
}

/// ` --flag`, if it was given.
const fn switch(name: &'static str, given: bool) -> &'static str {
    if given { name } else { "" }
}

impl PlaceFlags {
    /// Which pipeline, over which data, published where.
    pub(in crate::cli) fn typed(&self) -> String {
        [
            flag("-p", self.pipeline.as_ref()),
            flag("-t", self.target.as_ref()),
            flag("--sources", self.sources.as_ref()),
            flag("--root", self.root.as_ref()),
        ]
        .concat()
    }
}

impl ProjectFlags {
    /// The values of variables.
    pub(in crate::cli) fn typed_variables(&self) -> String {
        self.vars.iter().map(|(name, value)| flag("--vars", Some(&format!("{name}={value}")))).collect()
    }
}

impl SelectFlags {
    /// Which models.
    pub(in crate::cli) fn typed(&self) -> String {
        flags("-s", &self.select) + &flags("--exclude", &self.exclude)
    }
}

impl TimeFlags {
    fn typed(&self) -> String {
        flag("--as-of", self.as_of.as_ref()) + &flag("--known-at", self.known_at.as_ref())
    }
}

impl ResourceFlags {
    /// How much of the machine.
    pub(in crate::cli) fn typed(&self) -> String {
        flag("--threads", self.threads.as_ref()) + &flag("--memory-limit", self.memory_limit.as_ref())
    }
}

impl WalkFlags {
    /// All that a plan depends on.
    pub(in crate::cli) fn typed(&self) -> String {
        let project = self.project.place.typed() + &self.project.typed_variables();
        [project, self.select.typed(), self.time.typed(), self.resources.typed()].concat()
    }
}

impl ConductFlags {
    fn typed(&self) -> String {
        let seconds = |time: Option<std::time::Duration>| time.map(|time| format!("{}s", time.as_secs()));
        let switches = [switch(" --fail-fast", self.fail_fast), switch(" --no-publish", self.no_publish)];
        let waits = [
            flag("--timeout", seconds(self.timeout).as_ref()),
            flag("--lock-wait", seconds(self.lock.lock_wait).as_ref()),
        ];
        switches.concat() + &waits.concat()
    }
}

impl RunArgs {
    /// What makes the same run again.
    pub(in crate::cli) fn typed(&self) -> String {
        let refresh = switch(" --full-refresh", self.full_refresh);
        ["goodwill run", &self.walk.typed(), refresh, &self.conduct.typed()].concat()
    }
}

impl ResumeArgs {
    /// What goes on with the same run again.
    pub(in crate::cli) fn typed(&self) -> String {
        let (run, place) = (shell_word(&self.run), self.place.typed());
        ["goodwill resume ", &run, &place, &self.resources.typed(), &self.conduct.typed()].concat()
    }
}

impl ApplyArgs {
    /// What applies the same plan again.
    pub(in crate::cli) fn typed(&self) -> String {
        let file = shell_word(&self.plan.to_string_lossy());
        let place = self.place.typed();
        ["goodwill apply ", &file, &place, &self.resources.typed(), &self.conduct.typed()].concat()
    }
}
