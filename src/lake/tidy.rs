//! What is left of removed objects on a disk and in no other store: folders, and files that a
//! killed process had not given their names.
//!
//! **Invariant:** a folder goes only if it is empty, a nameless file only from the folder of a
//! dead attempt. No failure counts: what stays is no object, so no reader sees it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Lake, LakeError, layout};
use crate::ident::{AttemptId, NodeName};
use crate::store::Key;

impl Lake {
    /// Takes away folders that are empty now.
    pub(super) async fn tidy_folders(&self, folders: Vec<Key>) {
        let Some(root) = self.folder() else { return };
        let paths: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder.as_str())).collect();
        in_background(move || paths.iter().for_each(|path| remove_if_empty(path))).await;
    }

    /// Takes away what a dead attempt had begun to write for `tables` and in its journal, and its
    /// folders there.
    ///
    /// # Errors
    ///
    /// Never: every checked name makes a key.
    pub(super) async fn tidy_attempt(
        &self,
        attempt: &AttemptId,
        tables: &[NodeName],
    ) -> Result<(), LakeError> {
        let Some(root) = self.folder() else { return Ok(()) };
        let journal = root.join(layout::journal(attempt)?.as_str());
        let mut paths = Vec::new();
        for table in tables {
            paths.push(root.join(self.data_folder(table, attempt)?.as_str()));
        }
        in_background(move || {
            remove_nameless(&journal, layout::is_journal_entry);
            for path in paths {
                remove_nameless(&path, layout::is_data_file);
                remove_if_empty(&path);
            }
        })
        .await;
        Ok(())
    }

    /// The root's folder, if it is on a disk.
    fn folder(&self) -> Option<PathBuf> {
        let url = self.store().url();
        (url.scheme() == "file").then(|| url.to_file_path().ok())?
    }
}

async fn in_background(work: impl FnOnce() + Send + 'static) {
    drop(tokio::task::spawn_blocking(work).await);
}

#[expect(clippy::disallowed_methods, reason = "folders are no objects: no store knows them")]
fn remove_if_empty(path: &Path) {
    drop(fs::remove_dir(path));
}

/// Removes `part-00000.parquet#1` and its like, named `as_ours` before the number: a listing does
/// not show them, for they were never finished.
#[expect(clippy::disallowed_methods, reason = "unfinished files are no objects: no store knows them")]
fn remove_nameless(folder: &Path, as_ours: fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let unfinished = name.to_str().and_then(|name| name.rsplit_once('#'));
        let is_ours = unfinished
            .is_some_and(|(name, number)| as_ours(name) && number.bytes().all(|byte| byte.is_ascii_digit()));
        if is_ours {
            drop(fs::remove_file(entry.path()));
        }
    }
}
