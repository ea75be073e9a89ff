//! A pipeline file as written.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::sources::{DriftSpec, FreshnessSpec};
use crate::value::ValueType;

/// A pipeline: which models, over which sources, with which parameters, published where.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// The version of this file's format: 1.
    pub version: u32,
    /// The pipeline's name: lower-case letters, digits and `_`.
    pub name: String,
    /// What the pipeline is for.
    #[serde(default)]
    pub description: String,
    /// The time zone business days are cut in, such as `Europe/Berlin`; UTC if left out.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The day or instant a run looks from when the command line names none.
    #[serde(default)]
    pub as_of: Option<String>,
    /// Parameters of the SQL, written `$name` there.
    #[serde(default)]
    pub vars: IndexMap<String, VariableSpec>,
    /// The Parquet data the pipeline reads.
    pub sources: SourcesSpec,
    /// Folders or files under sql/ whose models belong to the pipeline.
    pub models: Vec<String>,
    /// Where results go: a root and limits for each environment.
    pub targets: IndexMap<String, TargetSpec>,
    /// The target used when the command line names none.
    #[serde(default)]
    pub default_target: Option<String>,
    /// Folders under sql/ or models whose tables are published; the rest is internal.
    pub publish: Vec<String>,
}

/// A typed parameter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariableSpec {
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Its value unless `--vars` gives another; without a default it must be given.
    #[serde(default)]
    pub default: Option<Json>,
    /// The least value it accepts.
    #[serde(default)]
    pub min: Option<f64>,
    /// The greatest value it accepts.
    #[serde(default)]
    pub max: Option<f64>,
    /// The only texts it accepts.
    #[serde(default)]
    pub accepted_values: Option<Vec<String>>,
    /// What it changes, with its unit.
    #[serde(default)]
    pub description: String,
}

/// Where the sources lie and what they are called.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourcesSpec {
    /// A folder or URL; `${NAME:-default}` as the whole value reads the environment.
    pub location: String,
    /// The sources by name.
    pub tables: IndexMap<String, SourceSpec>,
}

/// One source.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// A folder of Parquet files, one file, or a glob, relative to the location.
    pub path: String,
    /// The column that says when a row happened: rows at or after `as_of` are not read.
    #[serde(default)]
    pub event_time: Option<String>,
    /// The column that says when a row became known: rows after `known_at` are not read.
    #[serde(default)]
    pub ingested_at: Option<String>,
    /// What one row is.
    #[serde(default)]
    pub description: String,
    /// The YAML file whose `sources:` describe it, such as `sql/staging/sources.yml`; else it is
    /// looked for in the folders under `models:`. What stands here wins over what stands there.
    #[serde(default)]
    pub contract: Option<String>,
    /// How old the newest row may be.
    #[serde(default)]
    pub freshness: Option<FreshnessSpec>,
    /// What happens when files have other columns or types than the contract: `warn` if left out.
    #[serde(default)]
    pub drift: Option<DriftSpec>,
    /// Whether the source may be absent: it is an empty table then.
    #[serde(default)]
    pub optional: Option<bool>,
    /// The largest share of rejected rows with which a run still publishes; 0.001 if left out.
    #[serde(default)]
    pub max_rejected: Option<Json>,
    /// Whether the source tells how things are today, without their history.
    #[serde(default)]
    pub undated: Option<bool>,
}

/// One environment results go to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The folder or URL tables are published under; `${NAME:-default}` as the whole value.
    pub root: String,
    /// The most memory a run may use, such as `12GiB`; else what the machine or its cgroup has.
    #[serde(default)]
    pub memory_limit: Option<String>,
}
