use super::super::end::{End, Kind};
use super::super::tests::{attempt, intent, name, next, publish, root};
use super::*;
use crate::lake::{FORMAT, Lake};

/// When the tests' first commit is made: an hour after this (`publish` commits one an hour).
const START: i64 = super::super::tests::START;
const HOUR: i64 = 3_600_000_000;

fn hours(hours: i64) -> Instant {
    Instant::from_micros(START + hours * HOUR)
}

fn keep(versions: u64, days: u64) -> Retention {
    Retention::try_new(versions, days).unwrap()
}

/// What was seen of a root with these commits, all their files and nothing else.
async fn seen(lake: &Lake, count: u64) -> Seen {
    publish(lake, count).await;
    lake.roll_forward().await.unwrap();
    lake.look().await.unwrap()
}

fn removed(cleanup: &Cleanup) -> Vec<(&str, &Reason)> {
    cleanup.removals.iter().map(|removal| (removal.key.as_str(), &removal.reason)).collect()
}

fn superseded(table: &str, version: u64) -> Reason {
    Reason::Superseded { table: name(table), version }
}

#[test]
fn less_than_three_versions_or_seven_days_is_no_retention() {
    assert!(Retention::try_new(2, 7).is_none() && Retention::try_new(3, 6).is_none());
    assert_eq!(Retention::try_new(3, 7), Some(Retention::LEAST));
}

#[tokio::test]
async fn superseded_files_go_after_both_the_versions_and_the_days() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    // Commits 1 to 6, made at hours 1 to 6; `a` changes in each, `b` in 1 and 4.
    let seen = seen(&lake, 6).await;
    // At hour 171, seven days and three hours: the files superseded by commits 2 and 3 are a week
    // old, those of version 3 (superseded at hour 4) are not.
    let cleanup = seen.plan(keep(3, 7), hours(7 * 24 + 3)).unwrap();
    assert_eq!(
        removed(&cleanup),
        [
            ("tables/a/data/t1/part-00000.parquet", &superseded("a", 1)),
            ("tables/a/data/t2/part-00000.parquet", &superseded("a", 2)),
        ]
    );
    assert_eq!((cleanup.last, cleanup.oldest_kept), (Some(6), 3));
    assert_eq!(cleanup.unknown, []);
    // A microsecond earlier version 2 was superseded less than seven days ago.
    let early = Instant::from_micros(hours(7 * 24 + 3).micros() - 1);
    assert_eq!(seen.plan(keep(3, 7), early).unwrap().oldest_kept, 2);
    // In a year the last three versions stay: 4, 5 and 6. `b` of version 1 is named up to 3.
    let late = seen.plan(keep(3, 7), hours(365 * 24)).unwrap();
    let keys: Vec<&str> = late.removals.iter().map(|removal| removal.key.as_str()).collect();
    let part = |table: &str, by: &str| format!("tables/{table}/data/{by}/part-00000.parquet");
    assert_eq!(keys, [part("a", "t1"), part("a", "t2"), part("a", "t3"), part("b", "t1")]);
    assert_eq!(late.oldest_kept, 4);
    assert!(late.removals.contains(&Removal {
        key: Key::parse(&part("b", "t1")).unwrap(),
        bytes: late.removals[3].bytes,
        reason: superseded("b", 3),
    }));
    // Nobody has to be content with the least.
    assert_eq!(seen.plan(keep(5, 7), hours(365 * 24)).unwrap().oldest_kept, 2);
    assert!(seen.plan(keep(3, 366), hours(365 * 24)).unwrap().is_empty());
    assert!(seen.plan(keep(u64::MAX, u64::MAX), hours(365 * 24)).unwrap().is_empty());
}

#[tokio::test]
async fn a_file_carried_over_stays_however_old_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let mut last = next(&lake, None, &["a", "b"], "t1").await;
    lake.try_commit(&last).await.unwrap();
    for by in ["t2", "t3", "t4", "t5", "t6"] {
        last = next(&lake, Some(&last), &["a"], by).await;
        lake.try_commit(&last).await.unwrap();
    }
    let cleanup = lake.plan_cleanup(keep(3, 7), hours(1000 * 24)).await.unwrap();
    let tables: Vec<bool> =
        cleanup.removals.iter().map(|removal| removal.key.as_str().starts_with("tables/a/")).collect();
    assert_eq!(tables, [true, true, true], "versions 1 to 3 of `a`, and never the file of `b`");
}

#[tokio::test]
async fn clocks_that_go_backwards_keep_more_and_never_less() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let mut seen = seen(&lake, 8).await;
    // Commit 3 was made by a machine whose clock was three weeks ahead: what it superseded
    // seems young, and all after it stay with it.
    seen.history.versions.get_mut(&3).unwrap().1 = hours(21 * 24);
    assert_eq!(seen.plan(keep(3, 7), hours(20 * 24)).unwrap().oldest_kept, 2);
    assert_eq!(seen.plan(keep(3, 7), hours(28 * 24)).unwrap().oldest_kept, 6);
}

fn named(by: &str, started_at: Instant) -> Intent {
    Intent { started_at, parent: Some(3), ..intent(by) }
}

/// A root with three commits and, besides, what one attempt left; at `now`.
async fn judged(found: Found, now: Instant) -> Cleanup {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let mut seen = seen(&lake, 3).await;
    let staged =
        |key: &str| ObjectInfo { key: Key::parse(key).unwrap(), size: 10, etag: None, modified_micros: 0 };
    seen.tables.push(staged("tables/a/data/late/part-00000.parquet"));
    seen.tables.push(staged("tables/a/data/late/part-00001.parquet"));
    seen.tables.push(staged("tables/b/data/late/part-00000.parquet"));
    seen.tables.push(staged("tables/a/data/late/notes.txt"));
    seen.attempts.insert(attempt("late"), found);
    seen.plan(keep(3, 7), now).unwrap()
}

fn end(version: u64, kind: Kind) -> End {
    End { format: FORMAT, attempt: attempt("late"), version, kind, at: hours(0) }
}

const LATE: [&str; 2] = ["tables/a/data/late/part-00000.parquet", "tables/a/data/late/part-00001.parquet"];
/// The intent names table `a` only, and attempts write no notes.
const NOT_OF_THE_INTENT: [&str; 2] =
    ["tables/b/data/late/part-00000.parquet", "tables/a/data/late/notes.txt"];

fn check(cleanup: &Cleanup, removed: &[&str], told: (usize, usize, usize)) {
    let keys: Vec<&str> = cleanup.removals.iter().map(|removal| removal.key.as_str()).collect();
    assert_eq!(keys, removed);
    assert_eq!((cleanup.dead.len(), cleanup.young.len(), cleanup.undecided.len()), told);
    let unknown: Vec<&str> = cleanup.unknown.iter().map(|stray| stray.key.as_str()).collect();
    assert_eq!(unknown, NOT_OF_THE_INTENT);
}

#[tokio::test]
async fn an_attempt_is_dead_48_hours_after_it_was_last_heard_of() {
    let found = || Found { intent: Some(named("late", hours(10))), ..Found::default() };
    check(&judged(found(), hours(58)).await, &[], (0, 1, 0));
    let after = Instant::from_micros(hours(58).micros() + 1);
    check(&judged(found(), after).await, &LATE, (1, 0, 0));
    let heard = || Found { last_step: Some(hours(20)), ..found() };
    check(&judged(heard(), after).await, &[], (0, 1, 0));
    check(&judged(heard(), hours(69)).await, &LATE, (1, 0, 0));
}

#[tokio::test]
async fn an_attempt_may_take_twice_as_long_as_the_longest_run() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let mut seen = seen(&lake, 3).await;
    // Commit 3, at hour 3, set out 30 hours before.
    let slow = Found { intent: Some(named("t3", hours(-27))), ..Found::default() };
    seen.attempts.insert(attempt("t3"), slow);
    let late = Found { intent: Some(named("late", hours(10))), ..Found::default() };
    seen.attempts.insert(attempt("late"), late);
    assert_eq!(seen.plan(keep(3, 7), hours(70)).unwrap().young.len(), 1, "60 hours old");
    assert_eq!(seen.plan(keep(3, 7), hours(71)).unwrap().dead.len(), 1, "61 hours old");
}

#[tokio::test]
async fn an_attempt_that_may_still_publish_is_left_alone_until_another_has_its_version() {
    let found = |version| Found {
        intent: Some(named("late", hours(0))),
        end: Some(end(version, Kind::Publishing)),
        ..Found::default()
    };
    let cleanup = judged(found(4), hours(1000)).await;
    check(&cleanup, &[], (0, 0, 1));
    assert_eq!(cleanup.undecided, [Undecided { attempt: attempt("late"), version: 4 }]);
    check(&judged(found(3), hours(1000)).await, &LATE, (1, 0, 0));
}

#[tokio::test]
async fn what_was_begun_to_be_removed_is_removed_whatever_its_age() {
    let found = Found {
        intent: Some(named("late", hours(0))),
        end: Some(end(4, Kind::Abandoned)),
        ..Found::default()
    };
    let cleanup = judged(found, hours(1)).await;
    check(&cleanup, &LATE, (1, 0, 0));
    assert!(cleanup.notes.ends.is_empty(), "version 4 is free: its end must stay");
}

#[tokio::test]
async fn an_end_goes_when_it_keeps_nothing_away_any_more() {
    let alone = |version| Found { end: Some(end(version, Kind::Abandoned)), ..Found::default() };
    let cleanup = judged(alone(3), hours(1)).await;
    assert_eq!(cleanup.notes.ends.len(), 1);
    assert!(judged(alone(4), hours(1000)).await.notes.ends.is_empty());
    // Whose intent is not there is nobody's: its files stay.
    assert_eq!(cleanup.removals, []);
    assert_eq!(cleanup.unknown.len(), 4);
}

#[test]
fn only_the_names_that_are_given_are_known() {
    let known = |key: &str| Place::of(&Key::parse(key).unwrap()).is_some();
    for key in [
        "tables/a/_delta_log/00000000000000000001.json",
        "tables/a/_delta_log/00000000000000000010.checkpoint.parquet",
        "tables/a/_delta_log/_last_checkpoint",
        "tables/a/data/x-1/part-00000.parquet",
    ] {
        assert!(known(key), "{key}");
    }
    for key in [
        "tables/a/_delta_log/1.json",
        "tables/a/_delta_log/a/00000000000000000001.json",
        "tables/a/part-00000.parquet",
        "tables/a/data/part-00000.parquet",
        "tables/a/data/x/part-1.parquet",
        "tables/a/data/x/part-00000.parquet.bak",
        "tables/a/data/X/part-00000.parquet",
        "tables/A b/data/x/part-00000.parquet",
        "tables/a/data/x/y/part-00000.parquet",
    ] {
        assert!(!known(key), "{key}");
    }
}
