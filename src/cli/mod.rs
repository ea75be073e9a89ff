//! The command line: arguments, environment, rendering, progress, signals, exit codes.
//!
//! **Invariant:** only here is anything printed, a clock or the environment read, and the process
//! ended. What is asked is done by `ops`; here it is understood and told.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use serde_json::json;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::ops::{self, Surroundings};

mod args;
mod commands;
mod console;
mod exit;
mod logs;
mod panics;
mod process;
mod progress;
mod render;
#[cfg(test)]
mod samples;
mod signals;
mod surroundings;
mod tables;
mod words;

use args::{Arguments, Command, DisplayFlags, Output};
use console::{Console, Volume};
use exit::Exit;
use logs::Logs;
use progress::{Form, Progress};
use render::Colour;
use signals::{Begun, Signals};

/// Understands the command line of this process, does what it asks, and tells how it went.
#[must_use]
pub fn main() -> ExitCode {
    // Reads FAILPOINTS in test builds; in others there are no fail points and this is nothing.
    let _fail_points = fail::FailScenario::setup();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return not_understood(&usage),
    };
    let environment = surroundings::environment();
    let console = console_of(&arguments.display, &environment);
    let output = arguments.command.output();
    let ended = panics::caught(|| run(arguments, environment, console));
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => fail(&error, console, output),
        Err(bug) => fail(&bug.into(), console, output),
    };
    exit.into()
}

/// Help and version go to stdout and are no failure; the rest is told with what was expected.
fn not_understood(usage: &clap::Error) -> ExitCode {
    // There is nothing left to do if nobody listens.
    drop(usage.print());
    let code = u8::try_from(usage.exit_code()).unwrap_or(Exit::USAGE.number());
    ExitCode::from(code)
}

fn console_of(display: &DisplayFlags, environment: &BTreeMap<String, String>) -> Console {
    let refused = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty())
        || environment.get("TERM").is_some_and(|terminal| terminal == "dumb");
    let colour = if display.no_color || refused { Colour::None } else { Colour::Ansi };
    let volume = if display.quiet { Volume::Quiet } else { Volume::Normal };
    Console::of_process(colour, volume)
}

/// What a command works with.
struct Session {
    around: Surroundings,
    console: Console,
    progress: Arc<Progress>,
    signals: Signals,
}

/// Sets everything up and runs the command.
fn run(
    arguments: Arguments,
    environment: BTreeMap<String, String>,
    console: Console,
) -> Result<Exit, ops::Error> {
    let logs = logs::start(&arguments.display, environment.get(logs::VARIABLE).map(String::as_str))?;
    let begun = Begun::default();
    let signals = Signals::listen(timeout(&arguments.command), begun.clone(), console);
    let progress = Arc::new(Progress::new(form(&arguments.display, logs, console), begun, console));
    let observer = Arc::clone(&progress);
    let around = surroundings::of_process(environment, observer, &signals)?;
    let session = Session { around, console, progress, signals };
    let runtime = runtime()?;
    let ended = runtime.block_on(dispatch(&session, arguments.command));
    session.progress.finish();
    // What still runs was told to stop or does not matter; nobody waits for it.
    runtime.shutdown_background();
    ended
}

#[expect(clippy::disallowed_methods, reason = "the process has one runtime for its verbs")]
fn runtime() -> Result<tokio::runtime::Runtime, Diagnostic> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|cause| {
        let message = format!("the machine gives no threads: {cause}");
        Diagnostic::error(crate::diagnostic::code::OUT_OF_MEMORY, message)
    })
}

fn form(display: &DisplayFlags, logs: Logs, console: Console) -> Form {
    match logs {
        _ if display.quiet => Form::Silent,
        Logs::Json => Form::Json,
        Logs::Off if console.stderr_is_terminal => Form::Bars,
        Logs::Off | Logs::Text => Form::Lines,
    }
}

const fn timeout(command: &Command) -> Option<Duration> {
    match command {
        Command::Run(args) => args.conduct.timeout,
        Command::Apply(args) => args.conduct.timeout,
        Command::Resume(args) => args.conduct.timeout,
        Command::Backfill(args) => args.timeout,
        _ => None,
    }
}

async fn dispatch(session: &Session, command: Command) -> Result<Exit, ops::Error> {
    let ended = match command {
        // These stop by themselves: they let go of their lease, and tell what became of what they had begun.
        Command::Demo(args) => commands::demo(session, &args).await,
        Command::Run(args) => commands::run(session, &args).await,
        Command::Apply(args) => commands::apply(session, &args).await,
        Command::Resume(args) => commands::resume(session, &args).await,
        Command::Rollback(args) => commands::rollback(session, &args).await,
        Command::Backfill(args) => commands::backfill(session, &args).await,
        command => {
            let mut stop = session.around.stop.clone();
            tokio::select! {
                ended = answer(session, command) => ended,
                _ = stop.wait_for(|stop| *stop) => return Ok(stopped(session)),
            }
        }
    };
    match ended {
        Err(error) if error.is_stopped() => {
            session.progress.finish();
            let found = session.signals.cause().and_then(exit::StopCause::finding);
            tell(&found.map(Diagnostics::from).unwrap_or_default(), session.console);
            session.console.error(signals::NOTHING_COMPUTED);
            Ok(stopped(session))
        }
        ended => ended,
    }
}

fn stopped(session: &Session) -> Exit {
    session.signals.cause().map_or(Exit::BUG, exit::StopCause::exit)
}

/// The commands that may end at any moment: they publish nothing.
async fn answer(session: &Session, command: Command) -> Result<Exit, ops::Error> {
    match command {
        Command::Init(args) => commands::init(session, &args),
        Command::Check(args) => commands::check(session, &args).await,
        Command::Plan(args) => commands::plan(session, &args).await,
        Command::Freshness(args) => commands::freshness(session, &args).await,
        Command::Test(args) => commands::test(session, &args).await,
        Command::Show(args) => commands::show(session, &args).await,
        Command::Ls(args) => commands::ls(session, &args).await,
        Command::History(args) => commands::history(session, &args).await,
        Command::Receipt(args) => commands::receipt(session, &args).await,
        Command::Recover(args) => commands::recover(session, &args).await,
        Command::Diff(args) => commands::diff(session, &args).await,
        Command::Verify(args) if args.rebuild => commands::rebuild(session, &args).await,
        Command::Verify(args) => commands::verify(session, &args).await,
        Command::Gc(args) => commands::gc(session, &args).await,
        Command::Schema(args) => commands::schema(session, &args).await,
        Command::Functions(args) => commands::functions(session, &args),
        Command::Completions(args) => commands::completions(session, &args),
        Command::Demo(args) => commands::demo(session, &args).await,
        Command::Run(args) => commands::run(session, &args).await,
        Command::Apply(args) => commands::apply(session, &args).await,
        Command::Resume(args) => commands::resume(session, &args).await,
        Command::Rollback(args) => commands::rollback(session, &args).await,
        Command::Backfill(args) => commands::backfill(session, &args).await,
    }
}

/// Tells findings: to people on stderr and, if a document was asked for, to programs on stdout.
fn fail(error: &ops::Error, console: Console, output: Output) -> Exit {
    let exit = exit::of_kind(error.kind());
    tell(error.diagnostics(), console);
    if output == Output::Json {
        let document = json!({
            "status": "error",
            "exit_code": exit.number(),
            "diagnostics": render::json(error.diagnostics()),
        });
        // The exit code says the same to whoever cannot read it.
        drop(console.document(&document));
    }
    exit
}

/// Tells findings on stderr; warnings only unless quiet.
fn tell(found: &Diagnostics, console: Console) {
    let loud = |found: &&Diagnostic| found.severity == Severity::Error || console.volume == Volume::Normal;
    let told: Diagnostics = found.iter().filter(loud).cloned().collect();
    for finding in told.iter() {
        let place = finding.place.as_ref().map(ToString::to_string);
        tracing::error!(code = %finding.code, message = finding.message, place, "finding");
    }
    console.error(&render::text(&told, console.stderr));
}
