//! Documents a run leaves: for auditors, for tools that know dbt, for whoever asks later.
//!
//! **Invariant:** pure; nothing here can change an outcome. No value of a customer stands in a
//! document: names, counts, hashes and times only.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::engine;
use crate::lake::Commit;
use crate::plan::{AuditResult, Ending, Outcome, StepKind, StepResult, StepStatus};
use crate::state::State;

/// The format of receipts.
const FORMAT: u32 = 1;

/// The schema version of dbt's `run_results.json` that is followed.
const DBT_SCHEMA: &str = "https://schemas.getdbt.com/dbt/run-results/v6.json";

/// What the run read, how it computed, what it wrote and which rules it checked.
#[must_use]
pub fn receipt(outcome: &Outcome, state: &State) -> Json {
    let plan = &outcome.plan;
    json!({
        "format": FORMAT,
        "run_id": outcome.run_id,
        "attempt": outcome.attempt,
        "pipeline": plan.pipeline,
        "ending": outcome.ending,
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "as_of": plan.as_of,
        "known_at": plan.known_at,
        "parent": plan.parent,
        "engine": engine::VERSION,
        "project_fingerprint": plan.project_fingerprint,
        "parameters_fingerprint": plan.parameters_fingerprint,
        "inputs": inputs(state),
        "scans": outcome.scans,
        "steps": outcome.steps.iter().map(|step| self::step(step, outcome)).collect::<Vec<_>>(),
        "skipped": plan.skipped,
        "left_out": plan.left_out,
        "sources": outcome.sources,
        "audits": outcome.audits.iter().map(audit).collect::<Vec<_>>(),
        "failures": outcome.failures.iter().map(|found| json!({
            "code": found.code.to_string(),
            "message": found.message,
            "place": found.place.as_ref().map(ToString::to_string),
        })).collect::<Vec<_>>(),
    })
}

/// What a rollback restored: a receipt whose steps computed nothing.
#[must_use]
pub fn rollback_receipt(commit: &Commit) -> Json {
    let changed = commit.tables.iter().filter(|(_, entry)| entry.built_in == commit.version);
    let steps = changed.map(|(table, entry)| {
        json!({
            "model": table,
            "kind": "restore",
            "status": "success",
            "fingerprint": entry.fingerprint,
            "rows": entry.rows(),
            "bytes": entry.files().map(|file| file.bytes).sum::<u64>(),
            "files": entry.files().count(),
        })
    });
    json!({
        "format": FORMAT,
        "run_id": commit.run_id,
        "attempt": commit.attempt,
        "pipeline": commit.pipeline,
        "restores": commit.restores,
        "finished_at": commit.committed_at,
        "as_of": commit.as_of,
        "known_at": commit.known_at,
        "parent": commit.parent,
        "engine": commit.engine_version,
        "project_fingerprint": commit.project_fingerprint,
        "parameters_fingerprint": commit.parameters_fingerprint,
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn inputs(state: &State) -> BTreeMap<String, Json> {
    let inputs = state.sources.iter().map(|(name, source)| {
        let files = source.files.iter().map(|file| {
            json!({
                "key": file.info.key,
                "bytes": file.info.size,
                "rows": file.rows,
                "etag": file.info.etag,
            })
        });
        let input = json!({
            "rows": source.rows,
            "bytes": source.bytes,
            "fingerprint": source.fingerprint,
            "files": files.collect::<Vec<_>>(),
        });
        (name.to_string(), input)
    });
    inputs.collect()
}

fn step(step: &StepResult, outcome: &Outcome) -> Json {
    let planned = outcome.plan.step(&step.model);
    json!({
        "model": step.model,
        "kind": step.kind,
        "status": step.status,
        "reason": planned.map(|planned| &planned.reason),
        "fingerprint": planned.map(|planned| &planned.fingerprint),
        "rows": step.rows,
        "bytes": step.bytes,
        "files": step.files,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
    })
}

/// A rule with the count of rows that break it; their keys stay out of documents that travel.
fn audit(audit: &AuditResult) -> Json {
    json!({"model": audit.model, "audit": audit.audit, "broken": audit.broken})
}

/// The run in the shape of dbt's `run_results.json`, version 6.
#[must_use]
pub fn run_results(outcome: &Outcome) -> Json {
    let plan = &outcome.plan;
    let models = outcome.steps.iter().map(|step| {
        let seconds = step.finished_at.micros() - step.started_at.micros();
        json!({
            "unique_id": format!("model.{}.{}", plan.pipeline, step.model),
            "status": model_status(step.status),
            "timing": [
                {"name": "execute", "started_at": step.started_at, "completed_at": step.finished_at}
            ],
            "thread_id": "main",
            "execution_time": micros_as_seconds(seconds),
            "adapter_response": {"rows_affected": step.rows},
            "message": Json::Null,
            "failures": Json::Null,
            "compiled": true,
            "compiled_code": Json::Null,
            "relation_name": (step.kind == StepKind::Publish).then(|| step.model.to_string()),
            "batch_results": Json::Null,
        })
    });
    let tests = outcome.audits.iter().map(|audit| {
        let status = if audit.broken == 0 { "pass" } else { "fail" };
        json!({
            "unique_id": format!("test.{}.{}.{}", plan.pipeline, audit.model, audit.audit.replace([' ', ','], "_")),
            "status": status,
            "timing": [],
            "thread_id": "main",
            "execution_time": 0.0,
            "adapter_response": {},
            "message": Json::Null,
            "failures": audit.broken,
            "compiled": true,
            "compiled_code": Json::Null,
            "relation_name": Json::Null,
            "batch_results": Json::Null,
        })
    });
    let elapsed = outcome.finished_at.micros() - outcome.started_at.micros();
    json!({
        "metadata": {
            "dbt_schema_version": DBT_SCHEMA,
            "dbt_version": engine::VERSION,
            "generated_at": outcome.finished_at,
            "invocation_id": outcome.run_id,
            "env": {},
        },
        "results": models.chain(tests).collect::<Vec<_>>(),
        "elapsed_time": micros_as_seconds(elapsed),
        "args": {"which": "run", "published": matches!(outcome.ending, Ending::Published { .. })},
    })
}

const fn model_status(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Success | StepStatus::Reused => "success",
        StepStatus::Error | StepStatus::AuditFailed => "error",
        StepStatus::Skipped => "skipped",
    }
}

#[expect(clippy::cast_precision_loss, reason = "dbt writes seconds as a floating-point number")]
fn micros_as_seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
