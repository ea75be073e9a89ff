//! Logs on stderr: what the program does inside, for operators and for machines.

use tracing_subscriber::EnvFilter;

use super::args::{DisplayFlags, LogFormat};
use crate::diagnostic::{Diagnostic, code};

/// The environment variable that chooses what is logged, such as `goodwill=debug,datafusion=info`.
pub(super) const VARIABLE: &str = "GOODWILL_LOG";

/// Whether the program logs as text, so that bars would be torn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logs {
    /// Nothing is logged.
    Off,
    /// Lines for people.
    Text,
    /// JSON for machines.
    Json,
}

/// Starts logging as asked by the flags and by `chosen`, the content of [`VARIABLE`].
///
/// # Errors
///
/// Returns `GW0301` if `chosen` cannot be understood.
pub(super) fn start(display: &DisplayFlags, chosen: Option<&str>) -> Result<Logs, Diagnostic> {
    let chosen = chosen.filter(|chosen| !chosen.trim().is_empty());
    let fallback = match (display.verbose, display.log_format) {
        (true, _) => "goodwill=debug",
        (false, LogFormat::Json) if display.quiet => "goodwill=error",
        (false, LogFormat::Json) => "goodwill=info",
        (false, LogFormat::Text) => "off",
    };
    let filter = EnvFilter::builder().parse(chosen.unwrap_or(fallback)).map_err(|_| {
        let message = format!("${VARIABLE} cannot be understood");
        Diagnostic::error(code::BAD_REQUEST, message)
            .help("write for example `goodwill=debug,datafusion=info`")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A test may have begun to log already; then its choice holds.
    match display.log_format {
        LogFormat::Json => {
            drop(log.json().flatten_event(true).try_init());
            Ok(Logs::Json)
        }
        LogFormat::Text if chosen.is_none() && fallback == "off" => Ok(Logs::Off),
        LogFormat::Text => {
            drop(log.with_ansi(false).try_init());
            Ok(Logs::Text)
        }
    }
}
