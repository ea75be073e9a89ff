//! Values the tests of this floor share.

use crate::ident::{AttemptId, PipelineName};
use crate::interval::Instant;
use crate::plan::{Ending, Outcome, Plan, Purpose};

/// A run without steps that ended so.
pub(super) fn outcome(ending: Ending) -> Outcome {
    Outcome {
        run_id: "20260101t000000-00000000".to_owned(),
        attempt: AttemptId::parse("20260101t000000-00000000").expect("an attempt"),
        plan: plan(),
        ending,
        steps: Vec::new(),
        warnings: Vec::new(),
        sources: Vec::new(),
        audits: Vec::new(),
        failures: Vec::new(),
        scans: std::collections::BTreeMap::new(),
        started_at: Instant::from_micros(0),
        finished_at: Instant::from_micros(1_500_000),
    }
}

fn plan() -> Plan {
    Plan {
        format: 1,
        pipeline: PipelineName::parse("sample").expect("a name"),
        purpose: Purpose::Run,
        as_of: Instant::from_micros(0),
        time_zone: "UTC".to_owned(),
        known_at: Instant::from_micros(0),
        parent: None,
        project_fingerprint: String::new(),
        parameters_fingerprint: String::new(),
        steps: Vec::new(),
        rechecks: Vec::new(),
        skipped: Vec::new(),
        not_kept: Vec::new(),
        intakes: Vec::new(),
        absent: Vec::new(),
        left_out: Vec::new(),
        unchecked: Vec::new(),
    }
}
