//! `run`: what became of a plan, for people and for programs.

use serde_json::{Value as Json, json};

use super::{
    ApplyArgs, Exit, Output, ResumeArgs, RunArgs, Session, WhenIdle, exit, moved, ops, render, tell, words,
};
use crate::cli::console::Volume;
use crate::cli::exit::StopCause;
use crate::cli::tables::{Frame, Grid};
use crate::diagnostic::Diagnostics;
use crate::ops::{Common, Comparison, Ran};
use crate::plan::{Ending, Outcome, StepKind, StepResult, StepStatus};

/// Runs a pipeline.
pub(in crate::cli) async fn run(session: &Session, args: &RunArgs) -> Result<Exit, ops::Error> {
    let ran = ops::run(&session.around, &compared(session, args.common())).await?;
    let again = Again { place: args.walk.project.place.typed(), command: args.typed(), when: When::Always };
    answer(session, &ran, (again, args.output.output, idle(args.skip_exit_code)))
}

/// Applies a saved plan.
pub(in crate::cli) async fn apply(session: &Session, args: &ApplyArgs) -> Result<Exit, ops::Error> {
    let ran = ops::apply(&session.around, &compared(session, args.common()), &args.plan).await?;
    let again = Again { place: args.place.typed(), command: args.typed(), when: When::NothingIsMended };
    answer(session, &ran, (again, args.output.output, idle(args.skip_exit_code)))
}

/// Goes on with a run that was broken off.
pub(in crate::cli) async fn resume(session: &Session, args: &ResumeArgs) -> Result<Exit, ops::Error> {
    let ran = ops::resume(&session.around, &compared(session, args.common()), &args.run).await?;
    let again = Again { place: args.place.typed(), command: args.typed(), when: When::Always };
    answer(session, &ran, (again, args.output.output, WhenIdle::Succeed))
}

/// Looks at what moved, unless nobody would be told.
fn compared(session: &Session, common: Common) -> Common {
    let comparison = match session.console.volume {
        Volume::Normal => Comparison::WithParent,
        Volume::Quiet => Comparison::None,
    };
    Common { comparison, ..common }
}

const fn idle(skip_exit_code: bool) -> WhenIdle {
    if skip_exit_code { WhenIdle::Skip } else { WhenIdle::Succeed }
}

/// The command that does the same again.
struct Again {
    /// The flags that say where things lie.
    place: String,
    /// The whole command.
    command: String,
    /// When it helps.
    when: When,
}

/// When the same command helps again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Also once the project or its sources are mended.
    Always,
    /// Only if they stay as they are.
    NothingIsMended,
}

/// Tells what became of a run.
fn answer(
    session: &Session,
    Ran { outcome, moved }: &Ran,
    (again, output, idle): (Again, Output, WhenIdle),
) -> Result<Exit, ops::Error> {
    session.progress.finish();
    let stopped = session.signals.cause();
    let exit = exit::of_outcome(outcome, stopped, idle);
    let found = findings(outcome, stopped);
    tell(&found, session.console);
    match output {
        Output::Json => {
            let mut document = document(outcome, &found, exit);
            if let Some(moved) = moved {
                document["moved"] = moved::document(moved);
            }
            session.console.document(&document)?;
        }
        Output::Text => {
            session.console.result(&summary(outcome, stopped, session.console.frame()))?;
            session.console.note(&moved.as_ref().map(moved::text).unwrap_or_default());
            session.console.note(&next(outcome, &again));
        }
    }
    Ok(exit)
}

/// Why models failed, which rules are broken, and that the time was over.
pub(super) fn findings(outcome: &Outcome, stopped: Option<StopCause>) -> Diagnostics {
    let failures = outcome.warnings.iter().chain(&outcome.failures).cloned();
    let failures = failures.chain(outcome.refused_sources().map(ops::refused_source));
    let failures = failures.chain(outcome.broken_audits().map(ops::broken_audit));
    let over = stopped.filter(|_| outcome.ending == Ending::Stopped).and_then(StopCause::finding);
    failures.chain(over).collect()
}

/// A table of what was computed, and how it ended.
pub(super) fn summary(outcome: &Outcome, stopped: Option<StopCause>, frame: Frame) -> String {
    let mut text = String::new();
    if !outcome.steps.is_empty() {
        text.push_str(&steps(outcome, frame));
        text.push('\n');
    }
    text.push_str(&sources(outcome));
    let checked = outcome.audits.len();
    let broken = outcome.broken_audits().count();
    if checked > 0 && broken == 0 {
        text.push_str(&format!("{} checked, all hold\n", words::counted(checked, "rule")));
    }
    text.push_str(&ended(outcome, stopped));
    text
}

/// What became of the sources' rows, in a line.
fn sources(outcome: &Outcome) -> String {
    if outcome.sources.is_empty() {
        return String::new();
    }
    let rows = outcome.sources.iter().map(|source| source.rows).sum();
    let rejected: u64 = outcome.sources.iter().map(|source| source.rejected).sum();
    let of: Vec<String> = outcome
        .sources
        .iter()
        .filter(|source| source.rejected > 0)
        .map(|source| format!("{} {}", source.source, words::grouped(source.rejected)))
        .collect();
    let taken = words::counted(outcome.sources.len(), "source");
    let rows = words::count(rows, "row");
    if of.is_empty() {
        return format!("{taken} taken in: {rows}, all keep their contracts\n");
    }
    let rejected = words::grouped(rejected);
    format!("{taken} taken in: {rejected} of {rows} rejected ({})\n", words::listed(&of, 3))
}

fn steps(outcome: &Outcome, frame: Frame) -> String {
    let mut grid = Grid::new(&["model", "status", ">rows", ">size", ">time"]);
    for step in &outcome.steps {
        let done = matches!(step.status, StepStatus::Success | StepStatus::Reused | StepStatus::AuditFailed);
        let micros = step.finished_at.micros() - step.started_at.micros();
        let size = if step.files > 0 { words::bytes(step.bytes) } else { String::new() };
        grid.row([
            step.model.to_string(),
            status(step, outcome).to_owned(),
            if done { words::grouped(step.rows) } else { String::new() },
            size,
            if step.status == StepStatus::Skipped { String::new() } else { words::duration(micros) },
        ]);
    }
    grid.render(frame)
}

fn status(step: &StepResult, outcome: &Outcome) -> &'static str {
    match (step.status, step.kind) {
        (StepStatus::Success, StepKind::Intermediate) => "computed",
        (StepStatus::Success, StepKind::Publish) if matches!(outcome.ending, Ending::Published { .. }) => {
            "published"
        }
        (StepStatus::Success, StepKind::Publish) => "staged",
        (StepStatus::Reused, _) => "finished before",
        (StepStatus::Error, _) => "failed",
        (StepStatus::AuditFailed, _) => "rules broken",
        (StepStatus::Skipped, _) => "skipped",
    }
}

/// How the run ended, in a sentence or two.
fn ended(outcome: &Outcome, stopped: Option<StopCause>) -> String {
    let took = words::duration(outcome.finished_at.micros() - outcome.started_at.micros());
    let as_of = outcome.plan.looks_from();
    match outcome.ending {
        Ending::Published { version } => {
            let tables = outcome.steps.iter().filter(|step| step.kind == StepKind::Publish).count();
            let tables = words::counted(tables, "table");
            format!("published version {version}: {tables}, as of {as_of}, in {took}\n")
        }
        Ending::NothingToDo { version: Some(version) } => {
            format!(
                "nothing to do: version {version} is what this project and these sources give, as of {as_of}\n"
            )
        }
        Ending::NothingToDo { version: None } => "nothing to do\n".to_owned(),
        Ending::Staged => {
            format!("computed and checked in {took}; nothing was published, as asked (--no-publish)\n")
        }
        Ending::AuditsFailed if outcome.broken_audits().next().is_none() => {
            let sources = words::counted(outcome.refused_sources().count(), "source");
            format!(
                "nothing was published: {sources} with too many rejected rows; the staged files of {} are kept\n",
                outcome.attempt
            )
        }
        Ending::AuditsFailed => {
            let rules = words::counted(outcome.broken_audits().count(), "rule");
            let broken = if outcome.broken_audits().count() == 1 { "is" } else { "are" };
            format!(
                "nothing was published: {rules} {broken} broken; the staged files of {} are kept\n",
                outcome.attempt
            )
        }
        Ending::Failed => {
            let failed = outcome.steps.iter().filter(|step| step.status == StepStatus::Error).count();
            if failed == 0 {
                return "nothing was published: a source could not be taken in\n".to_owned();
            }
            format!("nothing was published: {} failed\n", words::counted(failed, "model"))
        }
        Ending::Stopped => format!("nothing was published: {} after {took}\n", why_stopped(stopped)),
    }
}

const fn why_stopped(stopped: Option<StopCause>) -> &'static str {
    match stopped {
        Some(StopCause::Interrupt) => "interrupted",
        Some(StopCause::Terminate) | None => "told to stop",
        Some(StopCause::Timeout) => "the time of --timeout was over",
    }
}

/// The next command to type, with the flags it needs.
fn next(outcome: &Outcome, again: &Again) -> String {
    let Again { place, command, when } = again;
    let computed = outcome.steps.iter().rev().find(|step| step.kind == StepKind::Publish);
    let command = match (&outcome.ending, computed) {
        (Ending::Published { .. }, Some(step)) => format!("goodwill show {}{place}", step.model),
        (Ending::NothingToDo { .. }, _) => format!("goodwill history{place}"),
        (Ending::AuditsFailed | Ending::Failed, _) if *when == When::Always => {
            format!("{command}   (once it is mended)")
        }
        (Ending::Stopped, _) => command.clone(),
        _ => return String::new(),
    };
    format!("next: {command}\n")
}

/// The run as one document.
pub(super) fn document(outcome: &Outcome, found: &Diagnostics, exit: Exit) -> Json {
    let mut document = json!(outcome.ending);
    let rest = json!({
        "exit_code": exit.number(),
        "run_id": outcome.run_id,
        "attempt": outcome.attempt,
        "pipeline": outcome.plan.pipeline,
        "as_of": outcome.plan.as_of,
        "known_at": outcome.plan.known_at,
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "steps": outcome.steps,
        "skipped": outcome.plan.skipped,
        "left_out": outcome.plan.left_out,
        "sources": outcome.sources,
        "audits": outcome.audits,
        "diagnostics": render::json(found),
    });
    if let (Some(document), Json::Object(rest)) = (document.as_object_mut(), rest) {
        document.extend(rest);
    }
    document
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Arguments, Command};
    use crate::cli::render::Colour;
    use crate::cli::samples;
    use crate::diagnostic::{Diagnostic, code};
    use crate::ident::NodeName;
    use crate::interval::Instant;
    use crate::plan::AuditResult;

    const PLAIN: Frame = Frame { width: None, colour: Colour::None };

    fn step(name: &str, kind: StepKind, status: StepStatus) -> StepResult {
        StepResult {
            model: NodeName::parse(name).expect("a name"),
            kind,
            status,
            rows: 12_345,
            bytes: if kind == StepKind::Publish { 312_000 } else { 0 },
            files: usize::from(kind == StepKind::Publish),
            started_at: Instant::from_micros(0),
            finished_at: Instant::from_micros(400_000),
        }
    }

    #[test]
    fn a_published_run_shows_its_tables_and_its_version() {
        let mut outcome = samples::outcome(Ending::Published { version: 3 });
        outcome.steps = vec![
            step("orders", StepKind::Intermediate, StepStatus::Success),
            step("rfm", StepKind::Publish, StepStatus::Success),
        ];
        outcome.audits = vec![audit(0)];
        let expected = "
 model  │ status    │   rows │   size │  time
────────┼───────────┼────────┼────────┼───────
 orders │ computed  │ 12,345 │        │ 0.4 s
 rfm    │ published │ 12,345 │ 312 kB │ 0.4 s

1 rule checked, all hold
published version 3: 1 table, as of 1970-01-01 (UTC), in 1.5 s
";
        assert_eq!(format!("\n{}", summary(&outcome, None, PLAIN)), expected);
        assert_eq!(next(&outcome, &typed("goodwill run -p p")), "next: goodwill show rfm -p p\n");
    }

    fn typed(line: &str) -> Again {
        let arguments = Arguments::try_parse_from(line.split(' ')).expect("a command line");
        let (place, command, when) = match arguments.command {
            Command::Run(args) => (args.walk.project.place.typed(), args.typed(), When::Always),
            Command::Apply(args) => (args.place.typed(), args.typed(), When::NothingIsMended),
            other => panic!("no run: {other:?}"),
        };
        Again { place, command, when }
    }

    #[test]
    fn the_next_command_works_as_printed() {
        let args = typed("goodwill run -p p -t prod -s +rfm --no-publish");
        let check =
            |ending: Ending, expected: &str| assert_eq!(next(&samples::outcome(ending), &args), expected);
        check(Ending::Stopped, "next: goodwill run -p p -t prod -s +rfm --no-publish\n");
        check(Ending::NothingToDo { version: None }, "next: goodwill history -p p -t prod\n");
        check(Ending::Failed, "next: goodwill run -p p -t prod -s +rfm --no-publish   (once it is mended)\n");
    }

    #[test]
    fn a_plan_is_applied_again_only_while_nothing_was_mended() {
        let args = typed("goodwill apply plan.json -t prod --threads 2 --lock-wait 5m");
        let next = |ending: Ending| next(&samples::outcome(ending), &args);
        let again = "next: goodwill apply plan.json -t prod --threads 2 --lock-wait 300s\n";
        assert_eq!(next(Ending::Stopped), again);
        assert_eq!(next(Ending::Failed), "");
    }

    fn audit(broken: u64) -> AuditResult {
        let model = NodeName::parse("rfm").expect("a name");
        AuditResult { model, audit: "not_null score".to_owned(), broken, examples: Vec::new(), help: None }
    }

    #[test]
    fn a_run_with_nothing_to_do_says_so_in_one_line() {
        let outcome = samples::outcome(Ending::NothingToDo { version: Some(2) });
        let expected =
            "nothing to do: version 2 is what this project and these sources give, as of 1970-01-01 (UTC)\n";
        assert_eq!(summary(&outcome, None, PLAIN), expected);
    }

    #[test]
    fn broken_rules_are_findings_and_nothing_is_called_published() {
        let mut outcome = samples::outcome(Ending::AuditsFailed);
        outcome.steps = vec![step("rfm", StepKind::Publish, StepStatus::AuditFailed)];
        outcome.audits = vec![audit(3)];
        let text = summary(&outcome, None, PLAIN);
        assert!(
            text.contains("rules broken") && text.contains("nothing was published: 1 rule is broken"),
            "{text}"
        );
        assert_eq!(findings(&outcome, None).iter().next().map(|found| found.code), Some(code::AUDIT_FAILED));
    }

    #[test]
    fn a_stopped_run_says_why() {
        let outcome = samples::outcome(Ending::Stopped);
        let text = summary(&outcome, Some(StopCause::Timeout), PLAIN);
        assert_eq!(text, "nothing was published: the time of --timeout was over after 1.5 s\n");
        let codes =
            |cause| findings(&outcome, Some(cause)).iter().map(|found| found.code).collect::<Vec<_>>();
        assert_eq!(codes(StopCause::Timeout), [code::TIMED_OUT]);
        assert_eq!(codes(StopCause::Terminate), []);
    }

    #[test]
    fn programs_get_the_status_first_and_every_finding() {
        let mut outcome = samples::outcome(Ending::Failed);
        outcome.failures = vec![Diagnostic::error(code::OVERFLOW, "overflow")];
        let document = document(&outcome, &findings(&outcome, None), Exit::OK);
        assert_eq!(document["status"], "failed");
        assert_eq!(document["diagnostics"][0]["code"], "GW0502");
    }
}
