//! Folders of SQL that no pipeline reads: a rule or a model written there would do nothing, and nobody would say so.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use super::files;
use super::load::list_pipelines;
use crate::spec::Document;

/// The folders under `sql/` with SQL or contracts that no pipeline of the project names, sorted; none where a pipeline
/// cannot be read, for nobody knows what it names.
#[must_use]
pub fn unnamed_folders(folder: &Path) -> Vec<String> {
    let mut named = BTreeSet::new();
    for pipeline in list_pipelines(folder) {
        let Some(models) = models_of(folder, &pipeline) else { return Vec::new() };
        for entry in models {
            let entry = entry.trim_end_matches('/').trim_end_matches(".sql").to_owned();
            // One model of a folder names the folder, for its contract is there.
            match entry.rsplit_once('/') {
                Some((parent, _)) if files::is_file(folder, &format!("sql/{entry}.sql")) => {
                    named.insert(parent.to_owned());
                }
                _ => {
                    named.insert(entry);
                }
            }
        }
    }
    let has_files = |name: &String| {
        files::list(folder, &format!("sql/{name}"), &["sql", "yml", "yaml"])
            .is_some_and(|files| !files.is_empty())
    };
    let all = files::folders(folder, "sql").into_iter();
    all.filter(|name| !named.contains(name) && has_files(name)).collect()
}

/// What the pipeline's `models:` names.
fn models_of(folder: &Path, pipeline: &str) -> Option<Vec<String>> {
    let file = ["yml", "yaml"].iter().map(|ending| format!("pipelines/{pipeline}.{ending}"));
    let file = file.into_iter().find(|file| files::is_file(folder, file))?;
    let document = Document::parse(&files::read(folder, &file).ok()?).ok()?;
    let models = document.json().get("models")?.as_array()?;
    Some(models.iter().filter_map(Json::as_str).map(str::to_owned).collect())
}
