use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::ident::AttemptId;
use crate::interval::Instant;
use crate::lake::{ColumnStatistics, FileEntry, MadeFrom};

const DAY: i64 = 86_400_000_000;

fn part(slice: Slice) -> Part {
    let known = |min: &str| ColumnStatistics { min: Some(min.to_owned()), max: None, null_count: 7 };
    let file = |number: u32, columns: &[&str]| FileEntry {
        path: Key::parse(&format!("data/t1/part-{number:05}.parquet")).unwrap(),
        bytes: 1234,
        rows: 2,
        sha256: "00".repeat(32),
        columns: columns.iter().map(|name| ((*name).to_owned(), known(name))).collect(),
        extra: Extra::from([("later".to_owned(), serde_json::json!([number]))]),
    };
    let inputs = [("orders".to_owned(), "dd".to_owned())];
    Part {
        slice,
        fingerprint: "ff".to_owned(),
        made_from: MadeFrom {
            definition: "aa".to_owned(),
            parameters: "bb".to_owned(),
            inputs: inputs.into_iter().collect(),
        },
        attempt: AttemptId::parse("t1").unwrap(),
        published_at: Instant::from_micros(1),
        rows: 4,
        files: vec![file(0, &["a", "b"]), file(1, &["b", "c"])],
        read: BTreeMap::from([(NodeName::parse("orders").unwrap(), vec!["01".to_owned()])]),
        extra: Extra::from([("later".to_owned(), serde_json::json!({"x": 1.5}))]),
    }
}

fn day(number: i64) -> Slice {
    Slice::Snapshot { as_of: Instant::from_micros(number * DAY) }
}

fn days(numbers: impl IntoIterator<Item = i64>) -> Vec<Part> {
    numbers.into_iter().map(|number| part(day(number))).collect()
}

/// The chunks of these parts, by their content.
fn chunks(parts: &[Part]) -> BTreeSet<Vec<u8>> {
    cut(parts).unwrap().into_iter().map(|piece| encode(piece).unwrap()).collect()
}

#[test]
fn every_kind_of_part_is_read_back_as_it_was() {
    let month = Slice::Interval { start: Instant::from_micros(-DAY), end: Instant::from_micros(DAY) };
    let mut parts: Vec<Part> = [Slice::Whole, day(20_000), month].map(part).into();
    parts[1].files.truncate(1);
    parts[2].extra.clear();
    let content = encode(&parts).unwrap();
    assert_eq!(decode(&content).unwrap(), parts);
    assert_eq!(encode(&parts).unwrap(), content, "the same parts, the same bytes");
}

#[test]
fn a_table_with_few_parts_has_no_chunks() {
    assert!(cut(&days(0..12)).is_none());
    assert!(cut(&days(0..13)).is_some());
}

#[test]
fn all_parts_are_in_chunks_in_their_order() {
    for count in [13, 60, 1_000] {
        let parts = days(0..count);
        let pieces = cut(&parts).unwrap();
        assert_eq!(pieces.concat(), parts);
        let largest = pieces.iter().map(|piece| piece.len() as u64).max().unwrap();
        assert!(largest < 8 * mean(parts.len()), "{count}: {largest}");
    }
}

#[test]
fn a_day_that_is_added_replaced_or_left_out_changes_its_own_chunk_only() {
    let before = days((0..600).filter(|day| day % 7 != 3));
    let known = chunks(&before);
    for number in [0, 3, 150, 304, 599, 600] {
        let mut after = before.clone();
        match after.binary_search_by_key(&day(number), |part| part.slice) {
            Ok(at) => drop(after.remove(at)),
            Err(at) => after.insert(at, part(day(number))),
        }
        let changed = chunks(&after).difference(&known).count();
        assert!(changed <= 2, "day {number}: {changed} chunks are new");
        let gone = known.difference(&chunks(&after)).count();
        assert!(gone <= 2, "day {number}: {gone} chunks are gone");
    }
    let mut after = before.clone();
    after[200].fingerprint = "another".to_owned();
    assert_eq!(chunks(&after).difference(&known).count(), 1);
}

#[test]
fn days_filled_in_in_any_order_lie_in_the_same_chunks() {
    let mut parts = Vec::new();
    for number in (0..100).map(|number| number * 37 % 100) {
        parts.push(part(day(number)));
        parts.sort_by_key(|part| part.slice);
    }
    assert_eq!(chunks(&parts), chunks(&days(0..100)));
}

#[test]
fn a_chunk_that_is_broken_is_refused_and_shows_no_value() {
    let compressed = |json: &str| zstd::bulk::compress(json.as_bytes(), 3).unwrap();
    let whole = encode(&days(0..3)).unwrap();
    for broken in [
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        compressed("{\"format\":2,\"columns\":[],\"parts\":[[\"ann@example.org\"]]}"),
        compressed("{\"format\":3,\"columns\":[],\"parts\":[]}"),
        compressed(
            "{\"format\":2,\"columns\":[],\"parts\":[[[\"2026-01-01\",\"2026-01-02\",\"2026-01-03\"],\"f\",[\"\",\"\",{}],\"t1\",\"2026-01-01\",0,[],{}]]}",
        ),
        compressed(
            "{\"format\":2,\"columns\":[\"a\"],\"parts\":[[[],\"f\",[\"\",\"\",{}],\"t1\",\"2026-01-01\",0,[[\"x\",1,1,\"\",[],{}]],{}]]}",
        ),
    ] {
        let reason = decode(&broken).unwrap_err();
        assert!(!reason.contains("ann@"), "{reason}");
    }
}
