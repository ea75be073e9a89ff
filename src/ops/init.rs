//! `init`: a new project from the files we ship.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::{self, Existing, Mode, Wanted};
use super::{Error, Surroundings};
use crate::diagnostic::{Diagnostic, SourceFile, code, nearest};
use crate::project::embedded::{self, ShippedFile};
use crate::spec::{self, PipelineSpec};

/// The shipped pipeline a project starts from unless another is named.
pub const DEFAULT_PIPELINE: &str = "customer_intelligence";

const README: &str = include_str!("init_readme.md");

/// Which project to write, and where.
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// The folder, seen from the surroundings' one.
    pub folder: PathBuf,
    /// The shipped pipeline to start from; [`DEFAULT_PIPELINE`] if left out.
    pub from: Option<String>,
}

/// A project that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialized {
    /// Its folder.
    pub folder: PathBuf,
    /// Its pipeline.
    pub pipeline: String,
    /// Paths of new files below the folder.
    pub written: Vec<String>,
    /// Paths of files that were there and stay as they are.
    pub kept: Vec<String>,
}

/// Writes a shipped pipeline with the SQL it names, a README and a `.gitignore`.
///
/// Files of the folder that have the shipped content stay, as do a README and a `.gitignore` of
/// any content.
///
/// # Errors
///
/// Returns `GW0112` for a pipeline we do not ship, `GW0307` if a file would be overwritten, and
/// what the file system says; nothing is left behind then.
pub fn init(around: &Surroundings, request: &InitRequest) -> Result<Initialized, Error> {
    let pipeline = request.from.clone().unwrap_or_else(|| DEFAULT_PIPELINE.to_owned());
    let folder = files::below(&around.folder, &request.folder);
    let files = project_files(&pipeline)?;
    let written = files::write_all(&folder, &files)?;
    Ok(Initialized { folder: request.folder.clone(), pipeline, written: written.new, kept: written.kept })
}

/// The files of a project that starts from a shipped pipeline, by path.
pub(super) fn project_files(pipeline: &str) -> Result<Vec<Wanted>, Error> {
    let shipped = embedded::files();
    let written =
        shipped.iter().find(|file| file.folder == "pipelines" && file.path == format!("{pipeline}.yml"));
    let written = written.ok_or_else(|| unknown(pipeline, &shipped))?;
    let text = String::from_utf8_lossy(written.bytes);
    let spec = spec::read::<PipelineSpec>(&SourceFile::new(&format!("pipelines/{pipeline}.yml"), &text))?;
    let script = format!("fetch-{}.sh", pipeline.replace('_', "-"));
    let belongs = |file: &&ShippedFile| match file.folder {
        "pipelines" => file.path == written.path || file.path == script,
        _ => spec.value.models.iter().any(|entry| is_below(file.path, entry)),
    };
    let mut files: Vec<Wanted> = shipped.iter().filter(belongs).map(wanted).collect();
    files.push(kept_if_there("README.md", README.replace("{pipeline}", pipeline)));
    files.push(kept_if_there(".gitignore", format!("/out/\n/demo/\n/{pipeline}/\n")));
    Ok(files)
}

/// Whether a file under `sql/` belongs to an entry of `models:`, a folder or a file with the
/// contracts beside it.
fn is_below(path: &str, entry: &str) -> bool {
    let entry = entry.trim_end_matches('/').trim_end_matches(".sql");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let beside = entry.rsplit_once('/').map_or("", |(folder, _)| folder);
    let contract = Path::new(name).extension().is_some_and(|end| end == "yml");
    folder == entry || path == format!("{entry}.sql") || (contract && folder == beside)
}

fn wanted(file: &ShippedFile) -> Wanted {
    let program = Path::new(file.path).extension().is_some_and(|end| end == "sh");
    Wanted {
        path: format!("{}/{}", file.folder, file.path),
        content: file.bytes.to_vec(),
        mode: if program { Mode::Program } else { Mode::Text },
        existing: Existing::Refuse,
    }
}

fn kept_if_there(path: &str, content: String) -> Wanted {
    Wanted {
        path: path.to_owned(),
        content: content.into_bytes(),
        mode: Mode::Text,
        existing: Existing::Keep,
    }
}

fn unknown(pipeline: &str, shipped: &[ShippedFile]) -> Diagnostic {
    let pipelines = shipped.iter().filter(|file| file.folder == "pipelines");
    let names: BTreeSet<&str> = pipelines.filter_map(|file| file.path.strip_suffix(".yml")).collect();
    let found = Diagnostic::error(code::NO_PIPELINE, format!("no pipeline `{pipeline}` is shipped"));
    match nearest(pipeline, names.iter().copied()) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!("shipped: {}", names.into_iter().collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files themselves")]
mod tests {
    use super::*;

    fn paths(pipeline: &str) -> Vec<String> {
        project_files(pipeline).expect("shipped").into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn a_project_has_its_pipeline_and_the_sql_it_names_and_no_other() {
        let paths = paths(DEFAULT_PIPELINE);
        for expected in [
            "pipelines/customer_intelligence.yml",
            "sql/staging/orders.sql",
            "sql/value/value.yml",
            "README.md",
        ] {
            assert!(paths.iter().any(|path| path == expected), "{expected}");
        }
        assert!(!paths.iter().any(|path| path.contains("complete")), "{paths:?}");
    }

    #[test]
    fn a_real_retailers_project_brings_the_script_that_fetches_its_data() {
        let files = project_files("complete_journey").expect("shipped");
        let script = files.iter().find(|file| file.path == "pipelines/fetch-complete-journey.sh");
        assert_eq!(script.expect("a script").mode, Mode::Program);
        assert!(files.iter().any(|file| file.path == "sql/complete_journey/staging/orders.sql"));
        assert!(!files.iter().any(|file| file.path == "sql/staging/orders.sql"));
    }

    #[test]
    fn a_misspelt_pipeline_is_told_the_nearest() {
        let error = project_files("complete_jurney").expect_err("not shipped");
        assert_eq!(error.diagnostics().iter().next().map(|found| found.code), Some(code::NO_PIPELINE));
        let help = error.diagnostics().iter().flat_map(|found| found.help.clone()).collect::<Vec<_>>();
        assert_eq!(help, ["did you mean `complete_journey`?"]);
    }

    #[test]
    fn an_entry_is_a_folder_or_one_file_with_its_contracts() {
        assert!(is_below("value/value_tiers.sql", "value"));
        assert!(is_below("value/value_tiers.sql", "value/"));
        assert!(!is_below("value/deep/a.sql", "value"));
        assert!(is_below("value/value_tiers.sql", "value/value_tiers"));
        assert!(is_below("value/value.yml", "value/value_tiers.sql"));
        assert!(!is_below("value/customer_pnl.sql", "value/value_tiers"));
    }

    #[test]
    fn files_are_written_once_kept_if_the_same_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = project_files(DEFAULT_PIPELINE).expect("shipped");
        let first = files::write_all(folder.path(), &files).expect("written");
        assert_eq!((first.new.len(), first.kept.len()), (files.len(), 0));
        let second = files::write_all(folder.path(), &files).expect("kept");
        assert_eq!((second.new.len(), second.kept.len()), (0, files.len()));
        std::fs::write(folder.path().join("README.md"), "ours").expect("written");
        assert!(files::write_all(folder.path(), &files).is_ok());
        std::fs::write(folder.path().join("sql/staging/orders.sql"), "select 1").expect("written");
        std::fs::remove_file(folder.path().join("sql/staging/products.sql")).expect("removed");
        let error = files::write_all(folder.path(), &files).expect_err("refused");
        assert_eq!(error.diagnostics().iter().next().map(|found| found.code), Some(code::FOLDER_NOT_EMPTY));
        assert!(
            error.diagnostics().iter().any(|found| found.help[0] == "in the way: sql/staging/orders.sql")
        );
        assert!(!folder.path().join("sql/staging/products.sql").exists());
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        // `sql` is a file, so nothing can be written below it.
        std::fs::write(folder.path().join("sql"), "").expect("written");
        let files = project_files(DEFAULT_PIPELINE).expect("shipped");
        assert!(files::write_all(folder.path(), &files).is_err());
        assert!(!folder.path().join("pipelines/customer_intelligence.yml").exists());
    }
}
