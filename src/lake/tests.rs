use std::sync::Arc;

use arrow::array::{
    Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::diagnostic::code;
use crate::ident::PipelineName;
use crate::interval::Instant;
use crate::store::{self, StoreError};
use crate::value::Value;

/// 2026-01-01T00:00:00Z, in microseconds.
pub(super) const START: i64 = 1_767_225_600_000_000;
const HOUR: i64 = 3_600_000_000;

pub(super) fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

pub(super) fn attempt(text: &str) -> AttemptId {
    AttemptId::parse(text).unwrap()
}

pub(super) async fn root(folder: &tempfile::TempDir) -> Lake {
    let store = store::open("root", folder.path(), &store::Access::to_folders()).unwrap();
    Lake::open_to_publish(store, &attempt("probe")).await.unwrap().0
}

#[expect(clippy::fn_params_excessive_bools, reason = "a line of the table of columns below")]
fn column(name: &str, data_type: &str, nullable: bool, pii: bool) -> TableColumn {
    TableColumn {
        name: name.to_owned(),
        data_type: TableType::parse(data_type).unwrap(),
        nullable,
        pii,
        description: format!("the {name}"),
        extra: Extra::new(),
    }
}

/// The columns of the tests' tables: a key, text, text that is personal data, money, a day, an
/// instant; from commit 16 on without the day.
pub(super) fn contract(version: u64) -> TableContract {
    let mut columns = vec![
        column("id", "bigint", false, false),
        column("tier", "varchar", true, false),
        column("email", "varchar", true, true),
        column("net_sales", "decimal(18, 2)", true, false),
        column("seen_at", "timestamp", true, false),
    ];
    if version < 16 {
        columns.push(column("day", "date", true, false));
    }
    TableContract {
        description: "One row per 'thing'.".to_owned(),
        columns,
        grain: vec!["id".to_owned()],
        order_by: vec!["id".to_owned()],
        movement: None,
        extra: Extra::new(),
    }
}

fn batch(version: u64) -> RecordBatch {
    let v = i64::try_from(version).unwrap();
    let money = Decimal128Array::from(vec![Some(i128::from(v) * 100 + 25), None]);
    let seen = TimestampMicrosecondArray::from(vec![Some(START + v), None]).with_timezone("UTC");
    let mut columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![v, v + 1_000_000]))),
        ("tier", Arc::new(StringArray::from(vec![Some("gold"), None]))),
        ("email", Arc::new(StringArray::from(vec![Some("ann@example.org"), None]))),
        ("net_sales", Arc::new(money.with_precision_and_scale(18, 2).unwrap())),
        ("seen_at", Arc::new(seen)),
    ];
    if version < 16 {
        columns.push(("day", Arc::new(Date32Array::from(vec![Some(20_454), None]))));
    }
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, name != "id")),
    )
    .unwrap()
}

fn statistics(version: u64) -> std::collections::BTreeMap<String, ColumnStatistics> {
    let v = i64::try_from(version).unwrap();
    let one = |value: &Value| ColumnStatistics::new(Some(value), Some(value), 1);
    let text = |text: &str| one(&Value::String(text.to_owned()));
    let money = Value::Decimal { unscaled: i128::from(v) * 100 + 25, precision: 18, scale: 2 };
    let id = ColumnStatistics::new(Some(&Value::Int(v)), Some(&Value::Int(v + 1_000_000)), 0);
    let mut columns = vec![
        ("id", id),
        ("tier", text("gold")),
        ("email", text("ann@example.org")),
        ("net_sales", one(&money)),
        ("seen_at", one(&Value::Timestamp(Instant::from_micros(START + v)))),
    ];
    if version < 16 {
        columns.push(("day", one(&Value::Date(20_454))));
    }
    columns.into_iter().map(|(name, statistics)| (name.to_owned(), statistics)).collect()
}

/// Stages a file of two rows and returns the table's next state.
pub(super) async fn stage(lake: &Lake, table: &str, previous: Option<&Commit>, by: &AttemptId) -> TableEntry {
    let table = name(table);
    let version = previous.map_or(1, |commit| commit.version + 1);
    let previous = previous.and_then(|commit| commit.tables.get(&table));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch(version).schema(), None).unwrap();
    writer.write(&batch(version)).unwrap();
    let content = writer.into_inner().unwrap();
    let file = FileEntry {
        path: Key::parse(&format!("data/{by}/part-00000.parquet")).unwrap(),
        bytes: content.len() as u64,
        rows: 2,
        sha256: String::new(),
        columns: statistics(version).into_iter().collect(),
        extra: Extra::new(),
    };
    let key = lake.file_key(&table, &file).unwrap();
    lake.store().put(&key, content.into()).await.unwrap();
    TableEntry {
        owner: PipelineName::parse("demo").unwrap(),
        built_in: version,
        fingerprint: format!("{table}@{version}"),
        contract: contract(version),
        delta: DeltaPosition::after(previous, &table, by),
        parts: vec![Part {
            slice: Slice::Whole,
            made_from: MadeFrom::default(),
            fingerprint: format!("{table}@{version}"),
            attempt: by.clone(),
            published_at: committed_at(version),
            rows: 2,
            files: vec![file],
            read: std::collections::BTreeMap::new(),
            extra: Extra::new(),
        }],
        extra: Extra::new(),
    }
}

fn committed_at(version: u64) -> Instant {
    Instant::from_micros(START + HOUR * i64::try_from(version).unwrap())
}

/// The commit after `previous` that changes `tables` and carries the others over.
pub(super) async fn next(lake: &Lake, previous: Option<&Commit>, tables: &[&str], by: &str) -> Commit {
    let by = attempt(by);
    let mut state = previous.map(|commit| commit.tables.clone()).unwrap_or_default();
    for table in tables {
        state.insert(name(table), stage(lake, table, previous, &by).await);
    }
    let version = previous.map_or(1, |commit| commit.version + 1);
    Commit {
        format: FORMAT,
        version,
        parent: previous.map(|commit| commit.version),
        pipeline: PipelineName::parse("demo").unwrap(),
        run_id: format!("run-{by}"),
        attempt: by,
        committed_at: committed_at(version),
        as_of: Instant::from_micros(START),
        known_at: Instant::from_micros(START),
        project_fingerprint: "p".to_owned(),
        parameters_fingerprint: "q".to_owned(),
        engine_version: "goodwill 0.1.0 datafusion 55.2.0".to_owned(),
        restores: None,
        tables: state,
    }
}

/// Publishes `count` commits of tables `a` and, every third time, `b`, without rolling forward.
pub(super) async fn publish(lake: &Lake, count: u64) -> Commit {
    let mut last = lake.last_commit().await.unwrap();
    for _ in 0..count {
        let version = last.as_ref().map_or(1, |commit| commit.version + 1);
        let tables: &[&str] = if version % 3 == 1 { &["a", "b"] } else { &["a"] };
        let commit = next(lake, last.as_ref(), tables, &format!("t{version}")).await;
        assert_eq!(lake.try_commit(&commit).await.unwrap(), CommitOutcome::Committed);
        last = Some(commit.without_personal_data());
    }
    last.unwrap()
}

pub(super) async fn text(lake: &Lake, key: &str) -> String {
    let content = lake.store().get(&Key::parse(key).unwrap()).await.unwrap();
    String::from_utf8(content.to_vec()).unwrap()
}

#[tokio::test]
async fn an_empty_root_has_no_commit_and_the_probe_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    assert_eq!(lake.last_commit().await.unwrap(), None);
    assert_eq!(lake.history(10).await.unwrap(), vec![]);
    assert_eq!(lake.recover().await.unwrap(), Recovered::default());
    assert_eq!(lake.store().list(&Key::root()).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_probe_left_by_a_kill_does_not_stop_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open("root", folder.path(), &store::Access::to_folders()).unwrap();
    let left = layout::probe(&attempt("probe")).unwrap();
    store.create(&left, b"1\n".as_slice().into()).await.unwrap();
    root(&folder).await;
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open("root", folder.path(), &store::Access::to_folders()).unwrap().careless();
    let error = Lake::open_to_publish(store.clone(), &attempt("probe")).await.unwrap_err();
    assert_eq!(error.to_diagnostic().code, code::STORE_IGNORES_PRECONDITIONS);
    assert_eq!(store.list(&Key::root()).await.unwrap(), vec![]);
}

#[tokio::test]
async fn what_is_committed_is_read_back_with_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = publish(&lake, 4).await;
    assert_eq!(lake.last_commit().await.unwrap().unwrap(), last);
    let versions: Vec<u64> = lake.history(3).await.unwrap().iter().map(|commit| commit.version).collect();
    assert_eq!(versions, [4, 3, 2]);
    assert_eq!(last.tables["b"].built_in, 4);
    assert_eq!(last.tables["a"].delta.version, 3, "the fourth change of `a`, from 0");
    assert_eq!(last.tables["b"].delta.version, 1, "changed by commits 1 and 4");
}

#[tokio::test]
async fn a_commit_repeated_by_its_attempt_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let commit = next(&lake, None, &["a"], "one").await;
    assert_eq!(lake.try_commit(&commit).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(lake.try_commit(&commit).await.unwrap(), CommitOutcome::AlreadyOurs);
}

#[tokio::test]
async fn a_lost_race_publishes_nothing_and_names_the_winner() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let ours = next(&lake, None, &["a"], "ours").await;
    let theirs = next(&lake, None, &["b"], "theirs").await;
    lake.try_commit(&theirs).await.unwrap();
    let outcome = lake.try_commit(&ours).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Lost { winner: Box::new(theirs.without_personal_data()) });
    assert_eq!(lake.last_commit().await.unwrap().unwrap().attempt, attempt("theirs"));
}

#[tokio::test]
async fn of_eight_commits_at_once_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let lake = lake.clone();
        racers.spawn(async move {
            let commit = next(&lake, None, &["a"], &format!("n{n}")).await;
            lake.try_commit(&commit).await.unwrap()
        });
    }
    let outcomes = racers.join_all().await;
    let won = outcomes.iter().filter(|outcome| **outcome == CommitOutcome::Committed).count();
    assert_eq!(won, 1, "{outcomes:?}");
}

#[tokio::test]
async fn a_commit_after_one_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let first = next(&lake, None, &["a"], "one").await;
    let second = next(&lake, Some(&first), &["a"], "two").await;
    let error = lake.try_commit(&second).await.unwrap_err();
    assert!(matches!(error, LakeError::Gap { missing: 1 }), "{error}");
    assert_eq!(lake.last_commit().await.unwrap(), None);
    lake.try_commit(&first).await.unwrap();
    let jump = Commit { version: 3, ..second };
    let error = lake.try_commit(&jump).await.unwrap_err();
    assert_eq!(error.to_diagnostic().code, code::BUG);
    assert_eq!(lake.last_commit().await.unwrap().unwrap().version, 1);
}

/// Checks that a commit after a first one by `demo`, changed as told, is refused.
async fn refused(change: impl Fn(&mut Commit), expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let first = publish(&lake, 1).await;
    let mut commit = next(&lake, Some(&first), &["a"], "two").await;
    change(&mut commit);
    let error = lake.try_commit(&commit).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(lake.last_commit().await.unwrap().unwrap(), first);
}

#[tokio::test]
async fn a_table_of_another_pipeline_is_not_written() {
    let other = || PipelineName::parse("other").unwrap();
    refused(|commit| commit.pipeline = other(), "table `a` belongs to pipeline `demo`").await;
}

#[tokio::test]
async fn tables_are_carried_over_unchanged_or_the_commit_is_refused() {
    let not = |reason: &str| format!("commit 2 must not be written: table {reason}");
    refused(|commit| drop(commit.tables.remove("b")), &not("`b` is missing")).await;
    refused(
        |commit| commit.tables.get_mut("b").unwrap().fingerprint.clear(),
        &not("`b` is neither changed nor carried over"),
    )
    .await;
    refused(
        |commit| commit.tables.get_mut("a").unwrap().delta.version = 7,
        &not("`a` does not go on with its Delta log"),
    )
    .await;
    refused(
        |commit| commit.tables.get_mut("a").unwrap().parts.clear(),
        &not("`a` has a part without a file"),
    )
    .await;
    refused(
        |commit| {
            let part = &mut commit.tables.get_mut("a").unwrap().parts[0];
            part.files.push(part.files[0].clone());
        },
        &not("`a` names a file twice"),
    )
    .await;
}

#[test]
fn a_step_can_be_stopped_at() {
    let stopped = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&stopped);
    fail::cfg_callback("only_of_this_test", move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    })
    .unwrap();
    step("only_of_this_test");
    assert_eq!(stopped.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_commit_of_a_file_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let commit = next(&lake, None, &["a"], "one").await;
    let file = lake.file_key(&name("a"), &commit.tables["a"].parts[0].files[0]).unwrap();
    lake.store().delete(&file).await.unwrap();
    let error = lake.try_commit(&commit).await.unwrap_err();
    assert!(matches!(error, LakeError::Store(StoreError::NotFound { .. })), "{error}");
    assert_eq!(lake.last_commit().await.unwrap(), None);
}

#[tokio::test]
async fn a_missing_commit_is_told_and_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 4).await;
    lake.store().delete(&layout::commit(2).unwrap()).await.unwrap();
    let error = lake.last_commit().await.unwrap_err();
    assert!(matches!(error, LakeError::Gap { missing: 2 }), "{error}");
    lake.store().delete(&layout::commit(1).unwrap()).await.unwrap();
    assert_eq!(lake.last_commit().await.unwrap().unwrap().version, 4, "clean-up took the oldest");
}

#[tokio::test]
async fn a_newer_format_is_refused_at_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let newer = b"{\"format\": 3, \"tables\": []}".as_slice();
    lake.store().create(&layout::commit(1).unwrap(), newer.into()).await.unwrap();
    let error = Lake::open(lake.store().clone()).await.unwrap_err();
    assert_eq!(error.to_diagnostic().code, code::FORMAT_TOO_NEW);
    assert_eq!(
        error.to_string(),
        "_goodwill/commits/00000000000000000001.json has format 3, this program knows formats up to 2"
    );
}

#[tokio::test]
async fn a_damaged_commit_is_named_and_shows_no_content() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    for damaged in ["", "{\"format\": 1, \"version\": \"ann@example.org\"}", "{}", "[]"] {
        let key = layout::commit(1).unwrap();
        lake.store().put(&key, damaged.to_owned().into()).await.unwrap();
        let found = lake.last_commit().await.unwrap_err().to_diagnostic();
        assert_eq!(found.code, code::CORRUPT_ROOT, "{damaged}");
        assert!(!found.message.contains("ann@"), "{}", found.message);
    }
}

#[tokio::test]
async fn intent_and_journal_are_written_once_and_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let intent = intent("one");
    lake.write_intent(&intent).await.unwrap();
    lake.write_intent(&intent).await.unwrap();
    assert_eq!(lake.intent(&attempt("one")).await.unwrap().unwrap(), intent);
    let other = Intent { run_id: "other".to_owned(), ..intent.clone() };
    assert!(lake.write_intent(&other).await.is_err());
    for sequence in [2, 10, 1] {
        let entry = JournalEntry {
            format: FORMAT,
            sequence,
            finished_at: Instant::from_micros(START),
            step: serde_json::json!({ "table": "a" }),
        };
        lake.write_journal(&attempt("one"), &entry, &[]).await.unwrap();
    }
    let journal = lake.journal(&attempt("one")).await.unwrap();
    let sequence: Vec<u32> = journal.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequence, [1, 2, 10]);
    assert_eq!(lake.intent(&attempt("none")).await.unwrap(), None);
    assert_eq!(lake.journal(&attempt("none")).await.unwrap(), vec![]);
}

pub(super) fn intent(by: &str) -> Intent {
    Intent {
        format: FORMAT,
        attempt: attempt(by),
        run_id: format!("run-{by}"),
        pipeline: PipelineName::parse("demo").unwrap(),
        started_at: Instant::from_micros(START),
        parent: None,
        as_of: Instant::from_micros(START),
        known_at: Instant::from_micros(START),
        tables: vec![name("a")],
        plan: serde_json::Value::Null,
    }
}

#[tokio::test]
async fn documents_of_a_run_are_kept_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    lake.put_run_document("run-1", "receipt.json", b"{}".to_vec()).await.unwrap();
    assert_eq!(lake.run_document("run-1", "receipt.json").await.unwrap().unwrap(), b"{}");
    assert_eq!(lake.run_document("run-1", "report.html").await.unwrap(), None);
    assert!(lake.put_run_document("..", "receipt.json", Vec::new()).await.is_err());
}
