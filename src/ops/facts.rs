//! What a selection may ask of the root: what changed since it was published, what failed.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Common, Error};
use crate::graph::{Facts, Graph};
use crate::ident::{NodeName, PipelineName};
use crate::lake::Lake;
use crate::plan;

/// What `state:modified` and `result:error` mean for `graph` now.
///
/// # Errors
///
/// Returns a root that cannot be read.
pub(super) async fn look(lake: &Lake, common: &Common, graph: &Graph) -> Result<Facts, Error> {
    let last = lake.last_commit().await?;
    let modified = plan::modified(graph, last.as_ref());
    let failed = last_failures(lake, common, &graph.project().pipeline.name).await?;
    Ok(Facts { modified, failed })
}

/// The models that failed, or whose rules were broken, in the pipeline's last run that left a
/// receipt; asked only if the request selects by it.
///
/// # Errors
///
/// Returns a root that cannot be read.
pub(super) async fn last_failures(
    lake: &Lake,
    common: &Common,
    pipeline: &PipelineName,
) -> Result<BTreeSet<NodeName>, Error> {
    let asked = common.select.iter().chain(&common.exclude).any(|entry| entry.contains("result:"));
    if !asked {
        return Ok(BTreeSet::new());
    }
    for run in lake.runs().await?.iter().rev() {
        let Some(receipt) = lake.run_document(run, "receipt.json").await? else { continue };
        let receipt: Json = serde_json::from_slice(&receipt).unwrap_or_default();
        // A rollback computed nothing.
        if receipt.get("restores").is_some() {
            continue;
        }
        if receipt.get("pipeline").and_then(Json::as_str) == Some(pipeline.as_str()) {
            return Ok(failed(&receipt));
        }
    }
    Ok(BTreeSet::new())
}

fn failed(receipt: &Json) -> BTreeSet<NodeName> {
    let list = |key: &str| receipt.get(key).and_then(|list| list.as_array()).cloned().unwrap_or_default();
    let steps = list("steps").into_iter().filter(|step| {
        matches!(step.get("status").and_then(|status| status.as_str()), Some("error" | "audit_failed"))
    });
    let audits = list("audits")
        .into_iter()
        .filter(|audit| audit.get("broken").and_then(Json::as_u64).is_some_and(|broken| broken > 0));
    let names = steps.chain(audits).filter_map(|entry| {
        entry.get("model").and_then(|name| name.as_str()).and_then(|name| NodeName::parse(name).ok())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::failed;

    #[test]
    fn failed_steps_and_broken_rules_count() {
        let receipt = serde_json::json!({
            "steps": [{"model": "a", "status": "error"}, {"model": "b", "status": "success"}],
            "audits": [{"model": "b", "broken": 0}, {"model": "c", "broken": 2}]
        });
        let names: Vec<String> = failed(&receipt).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "c"]);
    }
}
