//! Logs on stderr: what the program does inside, for operators and for machines.

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

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
            .help("write for example `goodwill=debug,datafusion=warn`")
    })?;
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let filter = filter.and(filter_fn(|about| may_be_logged(about.target(), *about.level())));
    // A test may have begun to log already; then its choice holds.
    match display.log_format {
        LogFormat::Json => {
            drop(registry().with(log.json().flatten_event(true).with_filter(filter)).try_init());
            Ok(Logs::Json)
        }
        LogFormat::Text if chosen.is_none() && fallback == "off" => Ok(Logs::Off),
        LogFormat::Text => {
            drop(registry().with(log.with_ansi(false).with_filter(filter)).try_init());
            Ok(Logs::Text)
        }
    }
}

/// Our own lines carry names and counts, whatever their level. Finer lines of the libraries quote
/// plans with values of rows in them, and requests with signatures: nobody can ask for those.
fn may_be_logged(target: &str, level: Level) -> bool {
    let own = target == "goodwill" || target.starts_with("goodwill::");
    own || level <= Level::INFO
}

#[cfg(test)]
mod tests {
    use super::{Level, may_be_logged};

    #[test]
    fn only_our_own_finer_lines_can_be_asked_for() {
        assert!(may_be_logged("goodwill", Level::TRACE));
        assert!(may_be_logged("goodwill::run", Level::DEBUG));
        assert!(may_be_logged("datafusion::physical_plan", Level::INFO));
        assert!(!may_be_logged("datafusion::physical_plan", Level::DEBUG));
        assert!(!may_be_logged("goodwill_other", Level::DEBUG));
    }
}
