//! Where everything lies below a published root.

use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::store::{InvalidKey, Key};

/// The format of commits that hold all their parts, and of all other control files: the newest of these
/// that this program reads, and the one it writes.
pub const FORMAT: u32 = 1;

/// The newest format of commits this program reads: those that name chunks. It writes it where a table
/// has many parts.
pub(super) const COMMIT_FORMAT: u32 = 2;

/// The folder of the commits.
///
/// # Errors
///
/// Never: the text is a key. So for all functions of this module that take checked names.
pub(super) fn commits() -> Result<Key, InvalidKey> {
    Key::parse("_goodwill/commits")
}

/// The commit `version`.
pub(super) fn commit(version: u64) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/commits/{version:020}.json"))
}

/// A chunk: parts of a table with many of them, named by their content.
pub(super) fn chunk(table: &NodeName, sha256: &str) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/parts/{table}/{sha256}.json.zst"))
}

/// The number in the name of a commit or of a version of a Delta log; `None` for other files.
pub(super) fn numbered(key: &Key, suffix: &str) -> Option<u64> {
    let digits = key.file_name().strip_suffix(suffix)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// The folder of the attempts.
pub(super) fn attempts() -> Result<Key, InvalidKey> {
    Key::parse("_goodwill/attempts")
}

/// What an attempt set out to do.
pub(super) fn intent(attempt: &AttemptId) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/attempts/{attempt}/intent.json"))
}

/// The folder of an attempt's finished steps.
pub(super) fn journal(attempt: &AttemptId) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/attempts/{attempt}/journal"))
}

/// One finished step of an attempt.
pub(super) fn journal_entry(attempt: &AttemptId, sequence: u32) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/attempts/{attempt}/journal/{sequence:06}.json"))
}

/// How an attempt ends.
pub(super) fn end(attempt: &AttemptId) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/attempts/{attempt}/end.json"))
}

/// The folder of the clean-ups' notes.
pub(super) fn horizons() -> Result<Key, InvalidKey> {
    Key::parse("_goodwill/gc")
}

/// The note that the files of versions before `oldest` may be gone.
pub(super) fn horizon(oldest: u64) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/gc/{oldest:020}.json"))
}

/// The folder of the leases.
pub(super) fn leases() -> Result<Key, InvalidKey> {
    Key::parse("_goodwill/locks")
}

/// Who is at work on a pipeline.
pub(super) fn lease(pipeline: &PipelineName) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/locks/{pipeline}.json"))
}

/// The folder of the runs' documents.
pub(super) fn runs() -> Result<Key, InvalidKey> {
    Key::parse("_goodwill/runs")
}

/// The folder of the tables.
pub(super) fn tables() -> Result<Key, InvalidKey> {
    Key::parse("tables")
}

/// A document of a run: receipt, report, lineage.
pub(super) fn run_document(run_id: &str, name: &str) -> Result<Key, InvalidKey> {
    runs()?.join(run_id)?.join(name)
}

/// The object of the probe for create-if-absent.
pub(super) fn probe(attempt: &AttemptId) -> Result<Key, InvalidKey> {
    Key::parse(&format!("_goodwill/probe/{attempt}.json"))
}

/// The folder of a table: the root of its Delta table.
pub(super) fn table(table: &NodeName) -> Result<Key, InvalidKey> {
    Key::parse(&format!("tables/{table}"))
}

/// The folder of the files an attempt writes for a table, seen from the table's folder.
pub(super) fn data(attempt: &AttemptId) -> Result<Key, InvalidKey> {
    Key::parse(&format!("data/{attempt}"))
}

/// The Delta log of a table.
pub(super) fn delta_log(table: &NodeName) -> Result<Key, InvalidKey> {
    Key::parse(&format!("tables/{table}/_delta_log"))
}

/// One version of the Delta log of a table.
pub(super) fn delta_version(table: &NodeName, version: u64) -> Result<Key, InvalidKey> {
    Key::parse(&format!("tables/{table}/_delta_log/{version:020}.json"))
}

/// The checkpoint of the Delta log of a table at `version`.
pub(super) fn delta_checkpoint(table: &NodeName, version: u64) -> Result<Key, InvalidKey> {
    Key::parse(&format!("tables/{table}/_delta_log/{version:020}.checkpoint.parquet"))
}

/// The hint of a Delta log to its last checkpoint.
pub(super) fn last_checkpoint(table: &NodeName) -> Result<Key, InvalidKey> {
    Key::parse(&format!("tables/{table}/_delta_log/_last_checkpoint"))
}

/// A generated file that names the files of one commit.
pub(super) fn view(name: &str) -> Result<Key, InvalidKey> {
    Key::parse("views")?.join(name)
}

/// Whether a file below an attempt's folder is named as attempts name them: `part-00000.parquet`.
pub(super) fn is_data_file(name: &str) -> bool {
    let number = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".parquet"));
    number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a file in an attempt's journal is named as a finished step is: `000001.json`.
pub(super) fn is_journal_entry(name: &str) -> bool {
    let number = name.strip_suffix(".json");
    number.is_some_and(|number| number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit()))
}
