use std::collections::BTreeMap;

use super::super::tests::{START, attempt, intent, name, next, publish, root, text};
use super::*;

async fn logs(lake: &Lake) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for info in lake.store().list(&Key::root()).await.unwrap() {
        if info.key.as_str().contains("_delta_log") || info.key.as_str().starts_with("views/") {
            let content = lake.store().get(&info.key).await.unwrap().to_vec();
            found.insert(info.key.to_string(), content);
        }
    }
    found
}

/// What the log of a table says is there after replaying its JSON versions in order.
async fn replay(lake: &Lake, table: &str) -> BTreeSet<String> {
    let folder = layout::delta_log(&name(table)).unwrap();
    let listed = lake.store().list(&folder).await.unwrap();
    let versions = listed.iter().filter_map(|info| layout::numbered(&info.key, ".json"));
    let mut files = BTreeSet::new();
    for (expected, version) in versions.enumerate() {
        assert_eq!(version, expected as u64, "a gap");
        let key = layout::delta_version(&name(table), version).unwrap();
        for line in text(lake, key.as_str()).await.lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            let path = |kind: &str| action[kind]["path"].as_str().map(str::to_owned);
            if let Some(path) = path("remove") {
                assert!(files.remove(&path), "{path} was not there");
            }
            if let Some(path) = path("add") {
                assert!(files.insert(path.clone()), "{path} twice");
            }
        }
    }
    files
}

async fn agrees(lake: &Lake, commit: &Commit) {
    for (table, entry) in &commit.tables {
        let files = entry.files().map(|file| file.path.to_string()).collect();
        assert_eq!(replay(lake, table.as_str()).await, files, "{table}");
    }
    for view in ["views/duckdb.sql", "views/spark.sql", "views/trino.sql", "views/powerbi.m"] {
        let first = text(lake, view).await;
        assert!(first.contains(&format!("version {} of all tables", commit.version)), "{first}");
    }
}

#[tokio::test]
async fn a_bucket_in_memory_gets_the_very_logs_a_folder_gets() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = root(&folder).await;
    let (in_memory, _) =
        Lake::open_to_publish(crate::store::Store::in_memory(), &attempt("probe")).await.unwrap();
    let mut written = Vec::new();
    for lake in [on_disk, in_memory] {
        let last = publish(&lake, 12).await;
        lake.recover().await.unwrap();
        agrees(&lake, &last).await;
        let mut logs = logs(&lake).await;
        // Views name the address.
        logs.retain(|key, _| key.contains("_delta_log"));
        written.push(logs);
    }
    assert!(written[0].len() > 12 && written[0] == written[1]);
}

#[tokio::test]
async fn a_root_far_behind_is_rolled_forward_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = publish(&lake, 25).await;
    let recovered = lake.recover().await.unwrap();
    assert_eq!(recovered.version, Some(25));
    assert_eq!(recovered.tables[&name("a")], RolledForward { from: 0, to: 24 });
    // Commits 1, 4, …, 25 change `b`: nine versions.
    assert_eq!(recovered.tables[&name("b")], RolledForward { from: 0, to: 8 });
    assert_eq!(recovered.views.len(), 4);
    agrees(&lake, &last).await;
    let again = lake.recover().await.unwrap();
    assert_eq!(again, Recovered { version: Some(25), ..Recovered::default() });
}

#[tokio::test]
async fn rolling_forward_each_time_or_all_at_once_writes_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (each, at_once) = (root(&one).await, root(&two).await);
    for _ in 0..22 {
        publish(&each, 1).await;
        each.roll_forward().await.unwrap();
    }
    publish(&at_once, 22).await;
    at_once.roll_forward().await.unwrap();
    let (mut each, mut at_once) = (logs(&each).await, logs(&at_once).await);
    each.retain(|key, _| !key.starts_with("views/"));
    at_once.retain(|key, _| !key.starts_with("views/"));
    assert!(each.contains_key("tables/a/_delta_log/00000000000000000020.checkpoint.parquet"));
    assert_eq!(each, at_once);
}

#[tokio::test]
async fn many_recoveries_at_once_agree_and_leave_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = publish(&lake, 15).await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let lake = lake.clone();
        racers.spawn(async move { lake.recover().await.unwrap() });
    }
    racers.join_all().await;
    agrees(&lake, &last).await;
}

#[tokio::test]
async fn recoveries_and_publications_at_once_end_on_the_last_commit() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let racing = lake.clone();
    let recoveries = tokio::spawn(async move {
        for _ in 0..20 {
            racing.roll_forward().await.unwrap();
        }
    });
    let last = publish(&lake, 12).await;
    recoveries.await.unwrap();
    lake.roll_forward().await.unwrap();
    agrees(&lake, &last).await;
}

#[tokio::test]
async fn a_kill_after_any_write_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = publish(&lake, 11).await;
    lake.recover().await.unwrap();
    let whole = logs(&lake).await;
    let order = |key: &str| {
        (
            key.starts_with("views/"),
            key.contains("/b/"),
            key.contains("_last"),
            key.contains("0010.c"),
            key.to_owned(),
        )
    };
    let mut written: Vec<&String> = whole.keys().collect();
    written.sort_by_key(|key| order(key));
    // The versions come before the checkpoint of version 10, the hint, table `b`, the views.
    for killed_after in 0..written.len() {
        for key in &written[killed_after..] {
            lake.store().delete(&Key::parse(key).unwrap()).await.unwrap();
        }
        lake.recover().await.unwrap();
        assert_eq!(logs(&lake).await, whole, "killed after {killed_after} writes");
    }
    agrees(&lake, &last).await;
}

#[tokio::test]
async fn a_publication_in_the_middle_of_a_recovery_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 1).await;
    // Fail points are shared by all tests of the process: this one answers its own thread.
    let (this_thread, racing) = (std::thread::current().id(), lake.clone());
    let first = std::sync::Once::new();
    fail::cfg_callback("before_views", move || {
        if std::thread::current().id() == this_thread {
            first.call_once(|| publish_aside(&racing));
        }
    })
    .unwrap();
    let recovered = lake.roll_forward().await.unwrap();
    fail::remove("before_views");
    assert_eq!(recovered.version, Some(2));
    assert_eq!(recovered.tables[&name("a")], RolledForward { from: 0, to: 1 });
    agrees(&lake, &lake.last_commit().await.unwrap().unwrap()).await;
}

fn publish_aside(lake: &Lake) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(publish(lake, 1));
        });
    });
}

#[tokio::test]
async fn a_kill_before_a_later_checkpoint_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 12).await;
    lake.recover().await.unwrap();
    let hint = layout::last_checkpoint(&name("a")).unwrap();
    let earlier = lake.store().get(&hint).await.unwrap();
    publish(&lake, 10).await;
    lake.recover().await.unwrap();
    let whole = logs(&lake).await;
    lake.store().put(&hint, earlier).await.unwrap();
    lake.recover().await.unwrap();
    assert_eq!(logs(&lake).await, whole);
    let damaged = b"{".as_slice();
    lake.store().put(&hint, damaged.into()).await.unwrap();
    lake.recover().await.unwrap();
    assert_eq!(logs(&lake).await, whole);
}

#[tokio::test]
async fn a_log_that_was_moved_away_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 12).await;
    lake.recover().await.unwrap();
    let whole = logs(&lake).await;
    for key in whole.keys().filter(|key| key.starts_with("tables/a/")) {
        lake.store().delete(&Key::parse(key).unwrap()).await.unwrap();
    }
    lake.recover().await.unwrap();
    assert_eq!(logs(&lake).await, whole);
}

async fn foreign(lake: &Lake, version: u64) {
    let key = layout::delta_version(&name("a"), version).unwrap();
    let content = b"{\"commitInfo\":{\"operation\":\"OPTIMIZE\"}}\n".as_slice();
    lake.store().create(&key, content.into()).await.unwrap();
}

#[tokio::test]
async fn a_foreign_version_is_told_after_the_other_tables_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 3).await;
    lake.recover().await.unwrap();
    foreign(&lake, 3).await;
    let last = publish(&lake, 1).await;
    let check = async || {
        let error = lake.recover().await.unwrap_err();
        let found = matches!(&error, LakeError::ForeignLog { table, version: 3 } if *table == name("a"));
        assert!(found, "{error}");
    };
    check().await;
    assert_eq!(replay(&lake, "b").await.len(), 1);
    assert!(text(&lake, "views/duckdb.sql").await.contains("version 4 of all tables"));
    // A version behind the foreign one is not written either.
    publish(&lake, 1).await;
    check().await;
    let behind = layout::delta_version(&name("a"), last.tables["a"].delta.version + 1).unwrap();
    assert_eq!(lake.store().head(&behind).await.unwrap(), None);
}

#[tokio::test]
async fn stale_views_are_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = publish(&lake, 2).await;
    lake.recover().await.unwrap();
    let stale = Key::parse("views/duckdb.sql").unwrap();
    lake.store().put(&stale, b"-- version 1 of all tables".as_slice().into()).await.unwrap();
    let recovered = lake.recover().await.unwrap();
    assert_eq!(recovered.views, BTreeSet::from([stale]));
    agrees(&lake, &last).await;
}

#[tokio::test]
async fn an_attempt_that_published_nothing_is_told_and_its_files_kept() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    lake.write_intent(&intent("t1")).await.unwrap();
    lake.write_intent(&intent("killed")).await.unwrap();
    let first = publish(&lake, 1).await;
    let killed = next(&lake, Some(&first), &["a"], "killed").await;
    let orphans = lake.recover().await.unwrap().orphans;
    let started_at = Instant::from_micros(START);
    let pipeline = PipelineName::parse("demo").unwrap();
    assert_eq!(orphans, [Orphan { attempt: attempt("killed"), pipeline, started_at }]);
    let file = lake.file_key(&name("a"), &killed.tables["a"].parts[0].files[0]).unwrap();
    assert!(lake.store().head(&file).await.unwrap().is_some());
}

#[tokio::test]
async fn commits_whose_delta_versions_jump_are_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let mut commit = next(&lake, None, &["a"], "one").await;
    commit.tables.get_mut("a").unwrap().delta.version = 5;
    let content = commit.encode().unwrap().content;
    lake.store().create(&layout::commit(1).unwrap(), content.into()).await.unwrap();
    let error = lake.recover().await.unwrap_err();
    assert!(matches!(error, LakeError::Corrupt { .. }), "{error}");
}
