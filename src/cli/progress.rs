//! What is shown while a plan runs: bars on a terminal, plain lines elsewhere, or JSON logs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::console::Console;
use super::signals::Begun;
use super::words;
use crate::demo;
use crate::ident::NodeName;
use crate::plan::{AuditResult, Event, Observer, Phase, SourceResult, StepResult, StepStatus};

/// The form of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One line a running model, on a terminal.
    Bars,
    /// One line a finished model.
    Lines,
    /// One JSON object an event.
    Json,
    /// Nothing.
    Silent,
}

/// Shows what happens.
#[derive(Debug)]
pub(super) struct Progress {
    form: Form,
    console: Console,
    begun: Begun,
    bars: MultiProgress,
    running: Mutex<Running>,
}

/// The bars there are; on any other form none.
#[derive(Debug, Default)]
struct Running {
    phase: Option<ProgressBar>,
    /// The part of the run that was told last.
    told: Option<Phase>,
    models: BTreeMap<NodeName, ProgressBar>,
    finished: usize,
    planned: usize,
}

impl Progress {
    /// Shows nothing yet.
    pub(super) fn new(form: Form, begun: Begun, console: Console) -> Self {
        Self { form, console, begun, bars: MultiProgress::new(), running: Mutex::default() }
    }

    /// Takes all bars away, so that results are not mixed with them.
    pub(super) fn finish(&self) {
        if let Ok(mut running) = self.running.lock() {
            *running = Running::default();
        }
        // The terminal may be gone; then nobody sees the bars either.
        drop(self.bars.clear());
    }

    /// Shows how far the demo's sources are.
    pub(super) fn demo(&self, now: demo::Progress) {
        self.begun.set();
        if self.form == Form::Bars {
            let text = format!(
                "making {} of {}, {}",
                words::grouped(now.customers_done),
                words::count(now.customers, "customer"),
                words::count(now.rows, "row")
            );
            self.phase_bar(text);
        }
    }

    fn phase_bar(&self, text: String) {
        let Ok(mut running) = self.running.lock() else { return };
        let bar = running.phase.get_or_insert_with(|| self.bars.add(bar()));
        bar.set_message(text);
    }

    fn phase(&self, phase: Phase) {
        if phase == Phase::Write {
            self.begun.set();
        }
        if !self.is_new(phase) {
            return;
        }
        let text = match phase {
            Phase::Recover => "looking at what is published",
            Phase::Write => "computing tables",
            Phase::Audit => "checking rules across tables",
            Phase::Publish => "publishing",
        };
        match self.form {
            Form::Bars => self.phase_bar(text.to_owned()),
            Form::Lines => self.console.note(&format!("{text}\n")),
            Form::Json => tracing::info!(phase = ?phase, "phase started"),
            Form::Silent => {}
        }
    }

    /// Whether the phase begins now: the last tables may reach the store one after another, and each says so.
    fn is_new(&self, phase: Phase) -> bool {
        let Ok(mut running) = self.running.lock() else { return true };
        running.told.replace(phase) != Some(phase)
    }

    fn started(&self, model: &NodeName) {
        match self.form {
            Form::Bars => {
                let Ok(mut running) = self.running.lock() else { return };
                let bar = self.bars.add(bar());
                bar.set_message(model.to_string());
                running.models.insert(model.clone(), bar);
            }
            Form::Json => tracing::info!(model = %model, "model started"),
            Form::Lines | Form::Silent => {}
        }
    }

    fn wrote(&self, model: &NodeName, rows: u64) {
        if self.form != Form::Bars {
            return;
        }
        if let Ok(running) = self.running.lock()
            && let Some(bar) = running.models.get(model)
        {
            bar.set_message(format!("{model}  {}", words::count(rows, "row")));
        }
    }

    fn planned(&self, steps: usize) {
        if let Ok(mut running) = self.running.lock() {
            running.finished = 0;
            running.planned = steps;
        }
    }

    /// Counts a finished model; returns how many there are, of how many.
    fn count(&self) -> (usize, usize) {
        let Ok(mut running) = self.running.lock() else { return (0, 0) };
        running.finished += 1;
        (running.finished, running.planned)
    }

    fn finished(&self, step: &StepResult) {
        let (done, of) = self.count();
        match self.form {
            Form::Bars => self.finish_bar(step),
            Form::Lines => self.console.note(&format!("{done} of {of}  {}\n", line(step))),
            Form::Json => tracing::info!(
                done,
                of,
                model = %step.model,
                status = ?step.status,
                rows = step.rows,
                bytes = step.bytes,
                files = step.files,
                micros = step.finished_at.micros() - step.started_at.micros(),
                "model finished"
            ),
            Form::Silent => {}
        }
    }

    fn finish_bar(&self, step: &StepResult) {
        let Ok(mut running) = self.running.lock() else { return };
        if let Some(bar) = running.models.remove(&step.model) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        let text = format!("computing tables, {} of {} done", running.finished, running.planned);
        if let Some(bar) = &running.phase {
            bar.set_message(text);
        }
    }

    fn taken_in(&self, source: &SourceResult) {
        match self.form {
            Form::Json => tracing::info!(
                source = %source.source,
                status = ?source.status,
                rows = source.rows,
                rejected = source.rejected,
                "source taken in"
            ),
            Form::Lines if source.rejected > 0 => {
                let rows = words::count(source.rows, "row");
                let rejected = words::grouped(source.rejected);
                self.console
                    .note(&format!("source {}: {rejected} of {rows} break its contract\n", source.source));
            }
            _ => {}
        }
    }

    fn audited(&self, audit: &AuditResult) {
        match self.form {
            Form::Json => {
                tracing::info!(model = %audit.model, audit = audit.audit, broken = audit.broken, "audit finished");
            }
            Form::Lines if audit.broken > 0 => {
                let rows = words::count(audit.broken, "row");
                self.console.note(&format!("{}: {} is broken by {rows}\n", audit.model, audit.audit));
            }
            _ => {}
        }
    }

    fn note(&self, text: &str) {
        match self.form {
            Form::Bars => {
                let note = || self.console.note(&format!("note: {text}\n"));
                self.bars.suspend(note);
            }
            Form::Lines => self.console.note(&format!("note: {text}\n")),
            Form::Json => tracing::warn!(text, "note"),
            Form::Silent => {}
        }
    }
}

impl Observer for Progress {
    fn notice(&self, event: Event) {
        match event {
            Event::Phase(phase) => self.phase(phase),
            Event::Planned { steps } => self.planned(steps),
            Event::StepStarted { model, .. } => self.started(&model),
            Event::StepProgress { model, rows } => self.wrote(&model, rows),
            Event::StepFinished(step) => self.finished(&step),
            Event::SourceFinished(source) => self.taken_in(&source),
            Event::AuditFinished(audit) => self.audited(&audit),
            Event::Note { text } => self.note(&text),
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// What became of a model, in one line.
fn line(step: &StepResult) -> String {
    let micros = step.finished_at.micros() - step.started_at.micros();
    let took = words::duration(micros);
    let rows = words::count(step.rows, "row");
    match step.status {
        StepStatus::Success if step.files == 0 => format!("{}: {rows} in {took}", step.model),
        StepStatus::Success => format!("{}: {rows}, {} in {took}", step.model, words::bytes(step.bytes)),
        StepStatus::Reused => format!("{}: {rows}, finished before", step.model),
        StepStatus::AuditFailed => format!("{}: {rows} in {took}, rules are broken", step.model),
        StepStatus::Error => format!("{}: failed after {took}", step.model),
        StepStatus::Skipped => format!("{}: skipped", step.model),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Instant;
    use crate::plan::StepKind;

    fn check(status: StepStatus, files: usize, expected: &str) {
        let step = StepResult {
            model: NodeName::parse("rfm").expect("a name"),
            kind: StepKind::Publish,
            status,
            rows: 12_345,
            bytes: 312_000,
            files,
            started_at: Instant::from_micros(0),
            finished_at: Instant::from_micros(1_500_000),
        };
        assert_eq!(line(&step), expected);
    }

    #[test]
    fn a_finished_model_is_one_line() {
        check(StepStatus::Success, 1, "rfm: 12,345 rows, 312 kB in 1.5 s");
        check(StepStatus::Success, 0, "rfm: 12,345 rows in 1.5 s");
        check(StepStatus::AuditFailed, 1, "rfm: 12,345 rows in 1.5 s, rules are broken");
        check(StepStatus::Error, 0, "rfm: failed after 1.5 s");
        check(StepStatus::Skipped, 0, "rfm: skipped");
    }
}
