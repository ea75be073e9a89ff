//! `backfill`: snapshots of days gone by, a version a day.

use serde_json::{Value as Json, json};

use super::run::{document as run_document, findings, summary};
use super::{BackfillArgs, Exit, Output, Session, WhenIdle, exit, ops, tell, words};
use crate::cli::tables::{Frame, Grid};
use crate::ops::{Backfilled, NotKept};
use crate::plan::{Ending, Outcome, StepKind};

/// Publishes the snapshots of the days asked for.
pub(in crate::cli) async fn backfill(session: &Session, args: &BackfillArgs) -> Result<Exit, ops::Error> {
    let filled = ops::backfill(&session.around, &args.common(), &args.request()).await?;
    session.progress.finish();
    let stopped = session.signals.cause();
    let last = filled.outcomes.last().or(filled.intervals.as_ref());
    let exit = match last {
        Some(last) => exit::of_outcome(last, stopped, WhenIdle::Succeed),
        None => stopped.map_or(Exit::OK, exit::StopCause::exit),
    };
    let exit = match stopped {
        // Between two days nothing was broken off, and yet not all was done.
        Some(cause) if exit == Exit::OK && !is_done(&filled) => cause.exit(),
        _ => exit,
    };
    if let Some(last) = last {
        tell(&findings(last, stopped), session.console);
    }
    match args.output.output {
        Output::Json => session.console.document(&document(&filled, exit))?,
        Output::Text => {
            session.console.result(&text(&filled, session.console.frame()))?;
            if let Some(last) = last.filter(|last| !was_filled(last)) {
                session.console.result(&summary(last, stopped, session.console.frame()))?;
            }
            let all = || filled.intervals.iter().chain(&filled.outcomes);
            if is_done(&filled) && all().any(|day| matches!(day.ending, Ending::Published { .. })) {
                let next = format!(
                    "next: goodwill run{}   (what reads the history is built again)\n",
                    args.project.place.typed()
                );
                session.console.note(&next);
            }
            if !is_done(&filled) {
                let again =
                    format!("next: goodwill backfill{}   (it goes on where it ended)\n", args.typed());
                session.console.note(&again);
            }
        }
    }
    Ok(exit)
}

const fn was_filled(outcome: &Outcome) -> bool {
    matches!(outcome.ending, Ending::Published { .. } | Ending::NothingToDo { .. })
}

fn is_done(filled: &Backfilled) -> bool {
    let all = filled.intervals.iter().chain(&filled.outcomes);
    filled.outcomes.len() == filled.days.len() && all.into_iter().all(was_filled)
}

/// A line for each table whose intervals were asked for.
fn intervals(outcome: &Outcome, frame: Frame) -> String {
    let version = match outcome.ending {
        Ending::Published { version } => format!("published as version {version}"),
        Ending::NothingToDo { .. } => return "all intervals up to date before\n".to_owned(),
        _ => "not published".to_owned(),
    };
    let mut grid = Grid::new(&["table", ">intervals", ">rows", ">time"]);
    let mut count = 0;
    for step in snapshots(outcome) {
        let planned = outcome.plan.step(&step.model).and_then(|step| step.intervals.as_ref());
        let built = planned.map_or(0, Vec::len);
        count += built;
        let took = step.finished_at.micros() - step.started_at.micros();
        grid.row([
            step.model.to_string(),
            built.to_string(),
            words::grouped(step.rows),
            words::duration(took),
        ]);
    }
    format!("{}{} {version}\n", grid.render(frame), words::counted(count, "interval"))
}

fn snapshots(outcome: &Outcome) -> impl Iterator<Item = &crate::plan::StepResult> {
    outcome.steps.iter().filter(|step| step.kind == StepKind::Publish)
}

fn text(filled: &Backfilled, frame: Frame) -> String {
    let intervals = filled.intervals.as_ref().map(|outcome| intervals(outcome, frame)).unwrap_or_default();
    if filled.days.is_empty() { intervals } else { intervals + &days(filled, frame) }
}

fn days(filled: &Backfilled, frame: Frame) -> String {
    let mut grid = Grid::new(&["day", "status", ">version", ">snapshots", ">rows", ">time"]);
    for (day, outcome) in filled.days.iter().zip(&filled.outcomes) {
        let (status, version) = match outcome.ending {
            Ending::Published { version } => ("published", version.to_string()),
            Ending::NothingToDo { .. } if !outcome.plan.not_kept.is_empty() => ("not kept", String::new()),
            Ending::NothingToDo { .. } => ("up to date", String::new()),
            _ => ("not published", String::new()),
        };
        let rows: u64 = snapshots(outcome).map(|step| step.rows).sum();
        let took = outcome.finished_at.micros() - outcome.started_at.micros();
        grid.row([
            day.to_string(),
            status.to_owned(),
            version,
            snapshots(outcome).count().to_string(),
            words::grouped(rows),
            words::duration(took),
        ]);
    }
    let published =
        filled.outcomes.iter().filter(|outcome| matches!(outcome.ending, Ending::Published { .. }));
    let published = published.count();
    let idle = filled.outcomes.iter().filter(|outcome| matches!(outcome.ending, Ending::NothingToDo { .. }));
    let (left_out, same): (Vec<&Outcome>, Vec<&Outcome>) =
        idle.partition(|outcome| !outcome.plan.not_kept.is_empty());
    let days = words::counted(filled.days.len(), "day");
    let mut text = grid.render(frame);
    text.push_str(&format!("{published} of {days} published, {} up to date before", same.len()));
    if !left_out.is_empty() {
        text.push_str(&format!(", {} not kept", left_out.len()));
    }
    text.push('\n');
    for table in &filled.not_kept {
        text.push_str(&not_kept(table));
    }
    text
}

/// Which days a table was left out of, and why.
fn not_kept(NotKept { model, keep_days, days }: &NotKept) -> String {
    let named: Vec<String> = days.iter().take(3).map(ToString::to_string).collect();
    let more = if days.len() > named.len() { ", ..." } else { "" };
    format!(
        "{model} keeps {} and the first of each month: without {} of these ({}{more})\n",
        words::counted(usize::try_from(*keep_days).unwrap_or(usize::MAX), "day"),
        words::counted(days.len(), "day"),
        named.join(", ")
    )
}

fn document(filled: &Backfilled, exit: Exit) -> Json {
    let day = |(day, outcome): (&jiff::civil::Date, &Outcome)| {
        let mut document = run_document(outcome, &findings(outcome, None), exit);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("day".to_owned(), json!(day.to_string()));
            fields.remove("exit_code");
        }
        document
    };
    json!({
        "status": if is_done(filled) { "backfilled" } else { "incomplete" },
        "exit_code": exit.number(),
        "intervals": filled.intervals.as_ref().map(|outcome| {
            let mut document = run_document(outcome, &findings(outcome, None), exit);
            document.as_object_mut().map(|fields| fields.remove("exit_code"));
            document
        }),
        "days": filled.days.iter().zip(&filled.outcomes).map(day).collect::<Vec<_>>(),
        "not_kept": filled.not_kept.iter().map(|table| json!({
            "model": table.model,
            "keep_days": table.keep_days,
            "days": table.days.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "left": filled.days.iter().skip(filled.outcomes.len()).map(ToString::to_string).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::cli::samples;

    #[test]
    fn each_day_has_a_line_and_what_is_left_is_told() {
        let frame = Frame { width: None, colour: Colour::None };
        let day = |text: &str| text.parse().expect("a day");
        let mut filled = Backfilled {
            intervals: None,
            days: vec![day("2025-01-01"), day("2025-02-01")],
            outcomes: vec![samples::outcome(Ending::Published { version: 4 })],
            not_kept: Vec::new(),
        };
        let told = text(&filled, frame);
        assert!(told.contains("2025-01-01 │ published │"), "{told}");
        assert!(told.ends_with("1 of 2 days published, 0 up to date before\n"), "{told}");
        assert_eq!(document(&filled, Exit::OK)["status"], "incomplete");
        assert_eq!(document(&filled, Exit::OK)["left"], json!(["2025-02-01"]));
        filled.outcomes.push(samples::outcome(Ending::NothingToDo { version: Some(4) }));
        assert_eq!(document(&filled, Exit::OK)["status"], "backfilled");
    }
}
