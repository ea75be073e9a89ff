use super::super::tests::{START, attempt, name, next, publish, root, text};
use super::*;
use crate::diagnostic::code;
use crate::interval::Instant;
use crate::lake::{CommitOutcome, Retention, Slice};
use crate::store::Store;

const DAY: i64 = 86_400_000_000;

fn day(number: i64) -> Slice {
    Slice::Snapshot { as_of: Instant::from_micros(START + number * DAY) }
}

/// The commit after `last` that gives table `a` a snapshot of the day in addition to those it has.
async fn night(lake: &Lake, last: Option<&Commit>, number: i64) -> Commit {
    let mut commit = next(lake, last, &["a"], &format!("n{number}")).await;
    let earlier = last.map_or(vec![], |last| last.tables[&name("a")].parts.clone());
    let entry = commit.tables.get_mut("a").unwrap();
    entry.parts[0].slice = day(number);
    entry.parts.splice(0..0, earlier.into_iter().filter(|part| part.slice != day(number)));
    entry.parts.sort_by_key(|part| part.slice);
    commit.without_personal_data()
}

/// Publishes the days one after the other, days in the middle too.
async fn nights(lake: &Lake, numbers: impl IntoIterator<Item = i64>) -> Commit {
    let mut last = lake.last_commit().await.unwrap();
    for number in numbers {
        let commit = night(lake, last.as_ref(), number).await;
        assert_eq!(lake.try_commit(&commit).await.unwrap(), CommitOutcome::Committed);
        last = Some(commit);
    }
    last.unwrap()
}

/// The chunks below the root.
async fn objects(lake: &Lake) -> Vec<Key> {
    let folder = Key::parse("_goodwill/parts").unwrap();
    lake.store().list(&folder).await.unwrap().into_iter().map(|info| info.key).collect()
}

/// The same root, seen by a process that has read nothing yet.
fn anew(lake: &Lake) -> Lake {
    Lake::at(lake.store().clone())
}

async fn stored(lake: &Lake, version: u64) -> StoredCommit {
    lake.required_stored(version).await.unwrap()
}

#[tokio::test]
async fn a_table_with_few_parts_is_stored_as_the_first_program_did() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = nights(&lake, 0..12).await;
    assert_eq!(objects(&lake).await, []);
    let written = text(&lake, "_goodwill/commits/00000000000000000012.json").await;
    assert_eq!(serde_json::from_str::<Commit>(&written).unwrap(), last);
}

#[tokio::test]
async fn a_table_with_many_parts_is_read_back_from_its_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = nights(&lake, (0..40).map(|number| number * 17 % 40)).await;
    let written = text(&lake, "_goodwill/commits/00000000000000000040.json").await;
    assert!(written.starts_with("{\n  \"format\": 2,\n") && !written.contains(".parquet"), "{written}");
    assert_eq!(anew(&lake).last_commit().await.unwrap().unwrap(), last);
    let history = anew(&lake).history(usize::MAX).await.unwrap();
    assert_eq!(history[28].tables[&name("a")].parts.len(), 12);
    assert_eq!(history[27].tables[&name("a")].parts.len(), 13);
}

#[tokio::test]
async fn a_night_writes_the_chunk_of_its_day_and_names_the_others_again() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    nights(&lake, 0..60).await;
    let before = objects(&lake).await.len();
    nights(&lake, 60..61).await;
    assert!(objects(&lake).await.len() <= before + 2);
    let carried = next(&lake, lake.last_commit().await.unwrap().as_ref(), &["b"], "other").await;
    let objects_before = objects(&lake).await;
    lake.try_commit(&carried).await.unwrap();
    assert_eq!(objects(&lake).await, objects_before, "`a` is carried over");
    assert_eq!(stored(&lake, 62).await.tables["a"].chunks, stored(&lake, 61).await.tables["a"].chunks);
}

#[tokio::test]
async fn whoever_publishes_the_same_writes_the_same_bytes() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut written = Vec::new();
    for folder in &folders {
        let lake = root(folder).await;
        nights(&lake, 0..20).await;
        written.push((objects(&lake).await, stored(&lake, 20).await));
    }
    assert!(!written[0].0.is_empty() && written[0] == written[1]);
}

#[tokio::test]
async fn a_chunk_that_is_missing_or_changed_is_told_and_no_table_is_shorter() {
    for change in [|_: &[u8]| None, |content: &[u8]| Some(content[..content.len() - 1].to_vec())] {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        nights(&lake, 0..20).await;
        let (table, named) =
            stored(&lake, 20).await.chunks().map(|(t, c)| (t.clone(), c.clone())).next().unwrap();
        let key = named.key(&table).unwrap();
        let changed = change(&lake.store().get(&key).await.unwrap());
        lake.store().delete(&key).await.unwrap();
        if let Some(content) = changed {
            lake.store().put(&key, content.into()).await.unwrap();
        }
        let lake = anew(&lake);
        for error in [lake.last_commit().await.unwrap_err(), lake.recover().await.unwrap_err()] {
            let found = error.to_diagnostic();
            assert_eq!(found.code, code::CORRUPT_ROOT);
            assert!(found.message.contains(key.as_str()), "{}", found.message);
        }
        // What needs no parts is told all the same.
        assert_eq!(lake.orphans().await.unwrap(), []);
        Lake::open(lake.store().clone()).await.unwrap();
    }
}

#[tokio::test]
async fn chunks_that_were_swapped_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    nights(&lake, 0..40).await;
    let keys = objects(&lake).await;
    let content = lake.store().get(&keys[0]).await.unwrap();
    for key in &keys[1..] {
        lake.store().put(key, content.clone()).await.unwrap();
    }
    assert!(matches!(anew(&lake).last_commit().await.unwrap_err(), LakeError::Corrupt { .. }));
}

#[tokio::test]
async fn a_chunk_is_read_once_whatever_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = nights(&lake, 0..20).await;
    let lake = anew(&lake);
    assert_eq!(lake.last_commit().await.unwrap().unwrap(), last);
    for key in objects(&lake).await {
        lake.store().delete(&key).await.unwrap();
    }
    assert_eq!(lake.clone().last_commit().await.unwrap().unwrap(), last, "all is known by now");
    assert!(anew(&lake).last_commit().await.is_err());
}

#[tokio::test]
async fn chunks_that_a_kill_left_are_used_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = nights(&lake, 0..20).await;
    let commit = night(&lake, Some(&last), 20).await;
    let left = commit.encode().unwrap().chunks;
    for (key, content) in &left {
        lake.store().create(key, content.clone().into()).await.unwrap();
    }
    let before = objects(&lake).await;
    assert_eq!(lake.try_commit(&commit).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(objects(&lake).await, before);
    assert_eq!(anew(&lake).last_commit().await.unwrap().unwrap(), commit);
}

#[tokio::test]
async fn a_chunk_in_whose_place_something_else_lies_is_not_named() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let last = nights(&lake, 0..20).await;
    let commit = night(&lake, Some(&last), 20).await;
    let known = objects(&lake).await;
    let new = commit.encode().unwrap().chunks.into_keys().find(|key| !known.contains(key)).unwrap();
    lake.store().put(&new, b"another".as_slice().into()).await.unwrap();
    let error = lake.try_commit(&commit).await.unwrap_err();
    assert!(matches!(&error, LakeError::Corrupt { key, .. } if *key == new), "{error}");
    assert_eq!(lake.last_commit().await.unwrap().unwrap(), last);
}

#[tokio::test]
async fn commits_of_both_formats_are_rolled_forward_on_folders_and_in_buckets() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = root(&folder).await;
    let (in_memory, _) = Lake::open_to_publish(Store::in_memory(), &attempt("probe")).await.unwrap();
    let mut logs = Vec::new();
    for lake in [on_disk, in_memory] {
        nights(&lake, 0..15).await;
        let recovered = anew(&lake).recover().await.unwrap();
        assert_eq!(recovered.tables[&name("a")].to, 14);
        let last = lake.last_commit().await.unwrap().unwrap();
        assert_eq!(lake.check_log(&last, &name("a")).await.unwrap(), []);
        logs.push(text(&lake, "tables/a/_delta_log/00000000000000000014.json").await);
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[0].matches("\"add\"").count(), 1, "one day came");
}

#[tokio::test]
async fn what_only_older_versions_have_in_their_chunks_is_superseded() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    nights(&lake, 0..20).await;
    // Day 3 is built again, by another attempt; all others stay.
    let last = lake.last_commit().await.unwrap().unwrap();
    let mut again = next(&lake, Some(&last), &["a"], "again").await;
    let entry = again.tables.get_mut("a").unwrap();
    entry.parts[0].slice = day(3);
    let others = last.tables[&name("a")].parts.iter().filter(|part| part.slice != day(3));
    entry.parts.extend(others.cloned());
    entry.parts.sort_by_key(|part| part.slice);
    lake.try_commit(&again).await.unwrap();
    publish(&lake, 3).await;
    let late = Instant::from_micros(START + 1_000 * DAY);
    let cleanup = anew(&lake).plan_cleanup(Retention::LEAST, late).await.unwrap();
    // Versions 22 to 24 have table `a` whole again, so all of 21 and before are superseded.
    assert_eq!(cleanup.removals.len(), 21);
    let chunks = objects(&lake).await;
    lake.clean(&cleanup).await.unwrap();
    assert_eq!(objects(&lake).await, chunks, "commits stay, and so do their chunks");
    assert_eq!(anew(&lake).history(usize::MAX).await.unwrap().len(), 24);
}

#[tokio::test]
async fn a_table_with_neither_parts_nor_chunks_is_no_commit() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    nights(&lake, 0..13).await;
    let key = layout::commit(13).unwrap();
    let written = text(&lake, key.as_str()).await;
    for (from, to) in [("\"chunks\"", "\"others\""), ("\"chunks\"", "\"parts\": [], \"chunks\"")] {
        lake.store().put(&key, written.replacen(from, to, 1).into()).await.unwrap();
        let error = anew(&lake).last_commit().await.unwrap_err();
        assert!(matches!(error, LakeError::Corrupt { .. }), "{error}");
    }
    let foreign = written.replacen("\"chunks\"", "\"later\": 7,\n      \"chunks\"", 1);
    lake.store().put(&key, foreign.into()).await.unwrap();
    let lake = anew(&lake);
    let last = nights(&lake, 13..14).await;
    assert_eq!(
        last.tables[&name("a")].extra,
        Extra::new(),
        "a table that was built anew tells what it knows"
    );
    let carried = next(&lake, Some(&lake.commit(13).await.unwrap().unwrap()), &["b"], "b").await;
    assert_eq!(carried.tables[&name("a")].extra["later"], 7);
}
