//! Says in words what a plan will do and why; the same value `run` executes.

use std::fmt::Write as _;

use super::{IntervalStep, Plan, Purpose, Reason, Step, StepKind, WhySkipped};
use crate::count::{count, counted};
use crate::interval::{self, Instant, Interval, spoken};

/// The plan as a table for people.
#[must_use]
pub fn explain(plan: &Plan) -> String {
    let mut text = String::new();
    let parent = plan.parent.map_or_else(|| "an empty root".to_owned(), |v| format!("version {v}"));
    let what = match plan.purpose {
        Purpose::Run => "plan",
        Purpose::Backfill => "backfill",
    };
    let _ = writeln!(text, "{what} of {} as of {}, against {parent}", plan.pipeline, plan.looks_from());
    if plan.is_empty() {
        let _ = match plan.skipped.len() {
            1 => writeln!(text, "nothing to do: the table is up to date"),
            tables => writeln!(text, "nothing to do: all {tables} tables are up to date"),
        };
    }
    if !plan.intakes.is_empty() {
        let rows = plan.intakes.iter().map(|intake| intake.rows).sum();
        let sources = counted(plan.intakes.len(), "source");
        let contracts = if plan.intakes.len() == 1 { "its contract" } else { "their contracts" };
        let _ = writeln!(text, "  take   {sources} against {contracts}; {}", count(rows, "row"));
    }
    steps(&mut text, plan);
    for skipped in &plan.skipped {
        let why = match skipped.why {
            WhySkipped::UpToDate => continue,
            WhySkipped::BehindAndNotSelected => "is behind and not selected",
            WhySkipped::MissingAndNotSelected => "is missing and not selected",
        };
        let _ = writeln!(text, "  left   {:<24} {why}", skipped.model.as_str());
    }
    for left in &plan.left_out {
        let sources: Vec<String> = left.sources.iter().map(|source| format!("sources.{source}")).collect();
        let _ =
            writeln!(text, "  out    {:<24} needs {}, which is absent", left.model.as_str(), some(&sources));
    }
    for rule in &plan.unchecked {
        let _ = writeln!(
            text,
            "  rule {} of {} is not checked: it reads a model that is left out",
            rule.audit + 1,
            rule.model
        );
    }
    if !plan.absent.is_empty() {
        let names: Vec<String> = plan.absent.iter().map(ToString::to_string).collect();
        let _ =
            writeln!(text, "optional sources that are absent, read as empty tables: {}", names.join(", "));
    }
    summary(&mut text, plan);
    text
}

fn steps(text: &mut String, plan: &Plan) {
    let width = plan.steps.iter().map(|step| step.model.as_str().len()).max().unwrap_or(0);
    for step in &plan.steps {
        let verb = match step.kind {
            StepKind::Publish => "write ",
            StepKind::Intermediate => "keep  ",
        };
        let reads = reads(step);
        let _ =
            writeln!(text, "  {verb} {:<width$}  {}{reads}", step.model.as_str(), reason(&step.reason, plan));
        if let Some(intervals) = &step.intervals {
            self::intervals(text, intervals, plan);
        }
    }
    let missed = plan.steps.iter().filter(|step| step.missed.is_some());
    let missed: Vec<&Step> = missed.filter(|_| plan.purpose == Purpose::Run).collect();
    if let Some(Interval { start, end }) = missed.first().and_then(|step| step.missed) {
        let names: Vec<String> = missed.iter().map(|step| step.model.to_string()).collect();
        let zone = interval::parse_zone(&plan.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let day = |at: Instant| at.date_in(&zone).map_or_else(|| at.to_string(), |day| day.to_string());
        let (from, to) = (day(start), day(end));
        let _ = writeln!(
            text,
            "  missed snapshots of {} from {from} to before {to}: `goodwill backfill -s \"{}\" --from {from} --to {to}`",
            some(&names),
            names.join(" ")
        );
    }
}

/// Intervals that follow each other for the same reason are told together.
fn intervals(text: &mut String, intervals: &[IntervalStep], plan: &Plan) {
    let zone = interval::parse_zone(&plan.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let day = |at: Instant| at.date_in(&zone).map_or_else(|| at.to_string(), |day| day.to_string());
    let continues = |before: &IntervalStep, next: &IntervalStep| {
        before.interval.end == next.interval.start
            && before.reason == next.reason
            && before.files == next.files
    };
    let groups: Vec<&[IntervalStep]> = intervals.chunk_by(continues).collect();
    for group in groups.iter().take(SHOWN) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (from, to) = (day(first.interval.start), day(last.interval.end));
        let why = match &first.reason {
            Reason::MissingIntervals { .. } => "never published".to_owned(),
            Reason::StillOpen => "was still open".to_owned(),
            Reason::DefinitionChanged => "SQL, contract, audits or program changed".to_owned(),
            other => reason(other, plan),
        };
        let files = if first.files.is_empty() { String::new() } else { format!(": {}", some(&first.files)) };
        let count = counted(group.len(), "interval");
        let _ = writeln!(text, "           {from} to {to}, {count}: {why}{files}");
    }
    if groups.len() > SHOWN {
        let rest: usize = groups.iter().skip(SHOWN).map(|group| group.len()).sum();
        let _ = writeln!(text, "           and {} more", counted(rest, "interval"));
    }
}

/// How many groups of intervals of one table are told.
const SHOWN: usize = 12;

fn reads(step: &Step) -> String {
    if step.source_rows == 0 {
        return String::new();
    }
    format!("; reads {}, {}", count(step.source_rows, "row"), size(step.source_bytes))
}

fn summary(text: &mut String, plan: &Plan) {
    let written = plan.steps.iter().filter(|step| step.kind == StepKind::Publish).count();
    let kept = plan.steps.len() - written;
    let same = plan.skipped.iter().filter(|skipped| skipped.why == WhySkipped::UpToDate).count();
    if !plan.is_empty() {
        let next = plan.parent.unwrap_or(0) + 1;
        let (tables, same) = (counted(written, "table"), counted(same, "table"));
        let kept = counted(kept, "intermediate");
        let _ = writeln!(text, "writes {tables}, computes {kept} on the way, leaves {same} as published");
        let _ = writeln!(text, "published together as version {next}");
    }
}

fn reason(reason: &Reason, plan: &Plan) -> String {
    match reason {
        Reason::Missing => "was never published".to_owned(),
        Reason::MissingSnapshot => "has no snapshot of this day yet".to_owned(),
        Reason::MissingIntervals { count: 1 } => "an interval was never published".to_owned(),
        Reason::MissingIntervals { count } => format!("{count} intervals were never published"),
        Reason::StillOpen => "its last intervals were still open".to_owned(),
        Reason::DefinitionChanged => "its SQL, contract or audits changed, or the program".to_owned(),
        Reason::ParametersChanged { looked_from: Some(then), .. } => {
            format!("as_of moved from {} to {}", spoken(*then, &plan.time_zone), plan.looks_from())
        }
        Reason::ParametersChanged { names, looked_from: None } => match names.as_slice() {
            [] => "a parameter it uses changed".to_owned(),
            [only] => format!("parameter {only} changed"),
            several => format!("a parameter changed: one of {}", some(several)),
        },
        Reason::InputAdvanced { inputs } => format!("changed input: {}", some(inputs)),
        Reason::Requested => "asked for".to_owned(),
        Reason::NeededBy { models } => {
            let names: Vec<String> = models.iter().map(ToString::to_string).collect();
            format!("needed by {}", some(&names))
        }
    }
}

fn some(names: &[String]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to a person with one digit")]
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
