//! Reads a pipeline and everything it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::model::{self, Folder};
use super::{Materialization, Model, Pipeline, Project, UnitTest, Visibility};
use super::{audit, files, pipeline, quality, segments, source, unit_test};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile, code};
use crate::ident::NodeName;
use crate::query;
use crate::spec::{self, Document, ModelsSpec, PipelineSpec, Spec};

/// Where a project is and what its files may ask of the surroundings.
#[derive(Debug, Clone)]
pub struct Location {
    /// The folder with `pipelines/` and `sql/`.
    pub folder: PathBuf,
    /// The pipeline's name or file; the only one there is if left out.
    pub pipeline: Option<String>,
    /// The environment, for whole values such as `${GOODWILL_SOURCES:-./sources}`.
    pub environment: BTreeMap<String, String>,
}

/// Reads the pipeline, its models' contracts and SQL, and their unit tests.
///
/// # Errors
///
/// Returns every mistake in all files at once, each at its place.
pub fn load(at: &Location) -> Result<Project, Diagnostics> {
    let file = find_pipeline(at)?;
    let mut found = Diagnostics::default();
    let spec: Spec<PipelineSpec> = spec::read(&file)?;
    let pipeline = found.keep(pipeline::check(&spec, &at.environment));
    let folders = read_folders(&at.folder, &spec, &mut found);
    let specs = folders.iter().flat_map(|folder| &folder.specs).collect();
    let written = source::Written::read(&at.folder, &spec, specs, &mut found);
    let sources = source::check(&spec, &written, &mut found);
    let files = all_files(&file, &folders, &written);
    let mut models = BTreeMap::new();
    let mut unit_tests = Vec::new();
    for folder in &folders {
        for model in model::check_folder(folder, &mut found) {
            add(&mut models, model, &mut found);
        }
        for document in &folder.specs {
            unit_tests.extend(unit_tests_of(document, &mut found));
        }
    }
    if sources.values().any(|source| source.contract.is_some()) {
        for model in model::check_folder(&quality::folder(&mut found), &mut found) {
            add(&mut models, Model { visibility: Visibility::Published, ..model }, &mut found);
        }
    }
    publish(&spec, &mut models, &mut found);
    let segments = segments::add(&folders, &mut models, &mut found);
    for model in models.values_mut().filter(|model| model.materialization == Materialization::View) {
        let audits = std::mem::take(&mut model.audits);
        model.audits = audit::as_queries(audits, &model.name, &model.contract, &mut found);
    }
    let pipeline = match pipeline {
        Some(pipeline) if !found.has_errors() => pipeline,
        _ => return Err(found),
    };
    let pipeline = Pipeline { sources, ..pipeline };
    Ok(Project { folder: at.folder.clone(), files, pipeline, models, unit_tests, segments })
}

/// The pipelines of a project: their files' names without ending, sorted.
#[must_use]
pub fn list_pipelines(folder: &Path) -> Vec<String> {
    let files = files::list(folder, "pipelines", &["yml", "yaml"]).unwrap_or_default();
    let stem = |path: String| Path::new(&path).file_stem().and_then(|s| s.to_str()).map(str::to_owned);
    files.into_iter().filter_map(stem).collect()
}

fn find_pipeline(at: &Location) -> Result<SourceFile, Diagnostics> {
    let known = list_pipelines(&at.folder);
    let name = match (&at.pipeline, known.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.clone(),
        (None, []) => {
            let found = Diagnostic::error(code::NO_PIPELINE, "there is no pipeline file here");
            let found = found
                .help("type `goodwill demo` for a project with data, or `goodwill init` for an empty one");
            return Err(found.help("or go to the folder that has `pipelines/`").into());
        }
        (None, many) => {
            let message = format!("there is more than one pipeline here: {}", many.join(", "));
            let found = Diagnostic::error(code::NO_PIPELINE, message);
            return Err(found.help(format!("name one: `-p {}`", many[0])).into());
        }
    };
    if name.contains(['/', '.']) && files::is_file(&at.folder, &name) {
        return Ok(files::read(&at.folder, &name)?);
    }
    for ending in ["yml", "yaml"] {
        let shown = format!("pipelines/{name}.{ending}");
        if known.contains(&name) && files::is_file(&at.folder, &shown) {
            return Ok(files::read(&at.folder, &shown)?);
        }
    }
    let found = Diagnostic::error(code::NO_PIPELINE, format!("there is no pipeline `{name}`"));
    let found = match crate::diagnostic::nearest(&name, known.iter().map(String::as_str)) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!("pipelines here: {}", known.join(", "))),
    };
    Err(found.into())
}

/// The pipeline file and all that was read on its account.
fn all_files(pipeline: &SourceFile, folders: &[Folder], written: &source::Written<'_>) -> Vec<SourceFile> {
    let of_folders = folders.iter().flat_map(|folder| {
        let contracts = folder.specs.iter().map(|spec| spec.document.file());
        folder.files.values().chain(contracts)
    });
    std::iter::once(pipeline).chain(of_folders).chain(written.named_files()).cloned().collect()
}

/// Reads the SQL and YAML files of every folder or file under `models:`.
fn read_folders(folder: &Path, spec: &Spec<PipelineSpec>, found: &mut Diagnostics) -> Vec<Folder> {
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    for (at, entry) in spec.value.models.iter().enumerate() {
        let place = spec.document.place(&format!("/models/{at}"));
        if let Err(outside) = files::inside(entry, &place) {
            found.push(outside);
            continue;
        }
        let entry = entry.trim_end_matches('/').trim_end_matches(".sql");
        let single = format!("sql/{entry}.sql");
        let (name, queries) = if files::is_file(folder, &single) {
            (entry.rsplit_once('/').map_or("", |(name, _)| name), Some(vec![single]))
        } else {
            (entry, files::list(folder, &format!("sql/{entry}"), &["sql"]))
        };
        let Some(queries) = queries.filter(|queries| !queries.is_empty()) else {
            let message = format!("there is no SQL under `sql/{entry}`");
            found.push(Diagnostic::error(code::MISSING_FILE, message).at(place));
            continue;
        };
        let target = folders.entry(name.to_owned()).or_insert_with(|| Folder::named(name));
        read_queries(folder, &queries, target, found);
    }
    for read in folders.values_mut() {
        read_contracts(folder, read, found);
    }
    folders.into_values().collect()
}

fn read_queries(folder: &Path, queries: &[String], into: &mut Folder, found: &mut Diagnostics) {
    for shown in queries {
        let stem = Path::new(shown).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let file = files::read(folder, shown).map_err(Diagnostics::from);
        let Some(file) = found.keep(file) else {
            // It is there, although nobody can read it: its contract is not without a model.
            into.files.insert(stem.to_owned(), SourceFile::new(shown, ""));
            continue;
        };
        into.files.insert(stem.to_owned(), file.clone());
        if let Some(query) = found.keep(query::parse(&file)) {
            into.queries.insert(stem.to_owned(), query);
        }
    }
}

fn read_contracts(folder: &Path, into: &mut Folder, found: &mut Diagnostics) {
    let shown = format!("sql/{}", into.name);
    for path in files::list(folder, shown.trim_end_matches('/'), &["yml", "yaml"]).unwrap_or_default() {
        let file = files::read(folder, &path).map_err(Diagnostics::from);
        match found.keep(file.and_then(|file| spec::read::<ModelsSpec>(&file))) {
            Some(spec) => into.specs.push(spec),
            None => into.unread = true,
        }
    }
}

fn unit_tests_of(spec: &Spec<ModelsSpec>, found: &mut Diagnostics) -> Vec<UnitTest> {
    unit_test::check(spec, found)
}

fn add(models: &mut BTreeMap<NodeName, Model>, model: Model, found: &mut Diagnostics) {
    if let Some(first) = models.get(&model.name) {
        let message = format!("model `{}` exists twice", model.name);
        let place = model.query.file.place(0..0);
        let duplicate = Diagnostic::error(code::DUPLICATE_NAME, message).at(place);
        found.push(duplicate.help(format!("the other one is `{}`", first.query.file.path())));
        return;
    }
    models.insert(model.name.clone(), model);
}

/// Marks the models under `publish:` as published.
fn publish(spec: &Spec<PipelineSpec>, models: &mut BTreeMap<NodeName, Model>, found: &mut Diagnostics) {
    for (at, entry) in spec.value.publish.iter().enumerate() {
        let wanted = entry.trim_end_matches('/');
        let mut any = false;
        for model in models.values_mut() {
            let named = model.name.as_str() == wanted;
            if named || model.folder == wanted {
                model.visibility = Visibility::Published;
                any = true;
            }
            if named {
                model.named = Some(spec.document.place(&format!("/publish/{at}")));
            }
        }
        if !any && !found.has_errors() {
            let message = format!("`{entry}` is neither a folder of models nor a model");
            let names = models.values().flat_map(|model| [model.name.as_str(), model.folder.as_str()]);
            let near = crate::diagnostic::nearest(wanted, names).map(str::to_owned);
            let place = spec.document.place(&format!("/publish/{at}"));
            let wrong = Diagnostic::error(code::MISSING_FILE, message).at(place);
            found.push(match near {
                Some(near) => wrong.label(format!("did you mean `{near}`?")),
                None => wrong,
            });
        }
    }
}

/// The place of a value of `document`, for checks that follow reading.
pub(super) fn place(document: &Document, pointer: &str) -> crate::diagnostic::Place {
    document.place(pointer)
}
