//! What runs: exact sums, checked arithmetic, cuts, bad files, memory.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use arrow::util::pretty::pretty_format_batches;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;

use super::{inputs, model, parameters, shown};
use crate::diagnostic::SourceFile;
use crate::engine::{
    Binding, Bindings, Bound, Cut, DataFile, Engine, EngineOptions, Relation, Share, Typed, Values, analyze,
    read_footer,
};
use crate::interval::Instant;
use crate::query::parse;
use crate::store::{Key, ObjectInfo, Store};

pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) engine: Engine,
    pub(super) store: Store,
}

pub(super) fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let options = EngineOptions {
        memory_limit: 512 << 20,
        threads: 2,
        scratch: folder.path().join("scratch"),
        values: Values::Hidden,
    };
    let engine = Engine::try_new(options).expect("an engine");
    let store =
        crate::store::open("data", folder.path(), &crate::store::Access::to_folders()).expect("a store");
    World { folder, engine, store }
}

pub(super) fn share(threads: usize) -> Share {
    Share { memory: 256 << 20, threads }
}

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("a batch")
}

pub(super) fn memory(name: &str, batch: RecordBatch) -> (Relation, Bindings) {
    let relation = Relation { name: model(name), schema: batch.schema(), keys: Vec::new(), defined_in: None };
    let binding = Binding::Memory { schema: batch.schema(), batches: vec![batch] };
    (relation, Bindings::from([(model(name), binding)]))
}

pub(super) fn typed_over(sql: &str, inputs: &[Relation]) -> Typed {
    let query = parse(&SourceFile::new("m.sql", sql)).expect("parses");
    analyze(&query, inputs, &parameters()).unwrap_or_else(|found| panic!("{sql}: {}", shown(found)))
}

fn text(batches: &[RecordBatch]) -> String {
    let table = pretty_format_batches(batches).expect("a table").to_string();
    let rows = table.lines().skip(3).filter(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(","))
        .collect::<Vec<_>>()
        .join(" ")
}

async fn run(sql: &str, input: RecordBatch) -> Result<String, String> {
    run_over("t", sql, input).await
}

pub(super) async fn run_over(table: &str, sql: &str, input: RecordBatch) -> Result<String, String> {
    let world = world();
    let (relation, bindings) = memory(table, input);
    let query = parse(&SourceFile::new("m.sql", sql)).expect("parses");
    let typed = analyze(&query, &[relation], &parameters()).map_err(shown)?;
    match world.engine.collect(&typed, &bindings, None, share(2)).await {
        Ok(rows) => Ok(text(&rows)),
        Err(found) => Err(shown(found)),
    }
}

fn integers(values: &[i64]) -> RecordBatch {
    batch(vec![("x", Arc::new(Int64Array::from(values.to_vec())))])
}

fn decimals(values: &[i128], precision: u8, scale: i8) -> RecordBatch {
    let array = Decimal128Array::from(values.to_vec()).with_data_type(DataType::Decimal128(precision, scale));
    batch(vec![("x", Arc::new(array))])
}

fn floats(values: &[f64]) -> RecordBatch {
    batch(vec![("x", Arc::new(Float64Array::from(values.to_vec())))])
}

#[tokio::test]
async fn arithmetic_that_does_not_fit_is_an_error() {
    let max = integers(&[i64::MAX]);
    for sql in [
        "select x + 1 as y from t",
        "select x * 2 as y from t",
        "select -x - 2 as y from t",
        "select sum(x + 0) + 1 as y from t",
    ] {
        let found = run(sql, max.clone()).await.expect_err(sql);
        assert!(found.starts_with("GW0502"), "{sql}: {found}");
        assert!(!found.contains("9223372036854775807"), "{found}");
    }
    assert!(
        run("select -x as y from t", integers(&[i64::MIN]))
            .await
            .expect_err("overflows")
            .starts_with("GW0502")
    );
    let large = decimals(&[10_i128.pow(37)], 38, 0);
    assert!(
        run("select x * 10 as y from t", large.clone()).await.expect_err("overflows").starts_with("GW0502")
    );
    assert!(run("select x + x * 9 as y from t", large).await.expect_err("overflows").starts_with("GW0502"));
}

#[tokio::test]
async fn a_sum_that_does_not_fit_is_an_error_and_one_that_does_passes_through_it() {
    let found = run("select sum(x) as y from t", integers(&[i64::MAX, 1])).await.expect_err("overflows");
    assert!(found.starts_with("GW0502: m.sql:1:1: `sum` overflows BIGINT"), "{found}");
    // MAX + 1 - 2 fits although MAX + 1 does not.
    assert_eq!(
        run("select sum(x) as y from t", integers(&[i64::MAX, 1, -2])).await,
        Ok("9223372036854775806".to_owned())
    );
    assert_eq!(
        run("select x % 2 as g, sum(x) as y from t group by 1 order by 1", integers(&[1, 2, 3, 4])).await,
        Ok("0,6 1,4".to_owned())
    );
    let largest = 10_i128.pow(38) - 1;
    assert!(
        run("select sum(x) as y from t", decimals(&[largest, 1], 38, 0))
            .await
            .expect_err("overflows")
            .starts_with("GW0502")
    );
}

#[tokio::test]
async fn sums_and_averages_are_exact() {
    assert_eq!(
        run("select sum(x) as s, avg(x) as a from t", decimals(&[100, 100, 101], 5, 2)).await,
        Ok("3.01,1.003333".to_owned())
    );
    assert_eq!(
        run("select avg(x) as a, sum(x) as s from t", integers(&[1, 2])).await,
        Ok("1.5,3".to_owned())
    );
    assert_eq!(run("select sum(x) as s from t", floats(&[1e100, 1.0, -1e100])).await, Ok("1.0".to_owned()));
    assert_eq!(
        run("select sum(x) as s, avg(x) as a, count(x) as c from t where x > 5", integers(&[1])).await,
        Ok(",,0".to_owned())
    );
    assert_eq!(
        run("select sum(distinct x) as s, avg(distinct x) as a, sum(x) as t from t", integers(&[1, 1, 3]))
            .await,
        Ok("4,2.0,5".to_owned())
    );
    assert_eq!(
        run("select sum(distinct x) as s, sum(x) as t from t", decimals(&[100, 100, 300], 5, 2)).await,
        Ok("4.00,5.00".to_owned())
    );
    assert_eq!(
        run("select sum(distinct x) as s, count(distinct x) as c from t", floats(&[0.5, 0.5, -0.0, 0.0]))
            .await,
        Ok("0.5,2".to_owned())
    );
    assert_eq!(
        run("select sum(x) filter (where x > 1) as s from t", integers(&[1, 2, 3])).await,
        Ok("5".to_owned())
    );
}

#[tokio::test]
async fn sliding_frames_leave_nothing_behind() {
    let input = batch(vec![
        ("k", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("x", Arc::new(Float64Array::from(vec![1e100, 0.1, 0.2, 0.3]))),
    ]);
    let world = world();
    let (mut relation, bindings) = memory("t", input);
    relation.keys = vec![vec!["k".to_owned()]];
    let typed =
        typed_over("select k, sum(x) over (order by k rows 1 preceding) as s from t order by k", &[relation]);
    let rows = world.engine.collect(&typed, &bindings, None, share(2)).await.expect("runs");
    // 0.1 + 0.2 is 0.30000000000000004 and 0.2 + 0.3 is 0.5, whatever went before.
    assert_eq!(text(&rows), "1,1e100 2,1e100 3,0.30000000000000004 4,0.5");
}

#[tokio::test]
async fn local_days_are_those_of_the_zone() {
    // 2024-03-30T23:30:00Z is 00:30 on 31 March in Berlin.
    let at = TimestampMicrosecondArray::from(vec![1_711_841_400_000_000]).with_timezone("UTC");
    let sql = "select local_date(x, 'Europe/Berlin') as d, local_timestamp(x, 'Europe/Berlin') as t, local_date(x, 'America/New_York') as n from t";
    assert_eq!(
        run(sql, batch(vec![("x", Arc::new(at))])).await,
        Ok("2024-03-31,2024-03-31T00:30:00,2024-03-30".to_owned())
    );
}

#[tokio::test]
async fn keys_that_are_text_have_numbers() {
    let keys: StringArray = [Some("abc"), None].into_iter().collect();
    let sql = "select key_number(x) as k, key_number('abc') as c from t order by k";
    // 0xba7816bf8f01cfea / 2, from FIPS 180-4's SHA-256 of "abc".
    let abc = 0xba78_16bf_8f01_cfea_u64 / 2;
    assert_eq!(run(sql, batch(vec![("x", Arc::new(keys))])).await, Ok(format!("{abc},{abc} ,{abc}")));
}

#[tokio::test]
async fn parameters_mean_their_values() {
    let sql =
        "select $as_of as a, $as_of_day as b, $days + 1 as c, $rate as d, $share as e, $country as f from t";
    assert_eq!(
        run(sql, integers(&[1])).await,
        Ok("2024-01-01T00:00:00Z,2024-01-01,91,0.19,0.5,D'E".to_owned())
    );
}

#[tokio::test]
async fn series_of_days_and_numbers_are_tables_with_a_key() {
    let one = || integers(&[1]);
    assert_eq!(
        run("select row_number() over (order by value) as n from generate_series(4, 6)", one()).await,
        Ok("1 2 3".to_owned())
    );
    let days = "select cast(value as date) as day from generate_series($as_of_day - interval '2' day, $as_of_day, interval '1' day) order by 1";
    assert_eq!(run(days, one()).await, Ok("2023-12-30 2023-12-31 2024-01-01".to_owned()));
    let unnested = "select unnest(generate_series(cast('2024-02-28' as date), cast('2024-03-01' as date), interval '1' day)) as day";
    assert_eq!(run(unnested, one()).await, Ok("2024-02-28 2024-02-29 2024-03-01".to_owned()));
    let recursive = "with recursive n as (select 1 as i union all select i + 1 as i from n where i < 3) select sum(i) as s from n";
    assert_eq!(run(recursive, one()).await, Ok("6".to_owned()));
}

#[tokio::test]
async fn a_failing_cast_shows_no_value() {
    let input = batch(vec![("x", Arc::new(StringArray::from(vec!["secret"])))]);
    let found = run("select cast(x as bigint) as y from t", input).await.expect_err("fails");
    assert!(found.starts_with("GW0501") && !found.contains("secret"), "{found}");
}

fn parquet_bytes(batch: &RecordBatch) -> Bytes {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
    writer.write(batch).expect("written");
    writer.into_inner().expect("closed").into()
}

pub(super) async fn data_file(store: &Store, name: &str, batch: &RecordBatch) -> DataFile {
    let key = Key::parse(name).expect("a key");
    let bytes = parquet_bytes(batch);
    let size = bytes.len() as u64;
    store.put(&key, bytes).await.expect("stored");
    DataFile::unchanging(store.clone(), key, size, batch.num_rows() as u64)
}

fn events() -> RecordBatch {
    // Microseconds around 2024-01-01T00:00:00Z and the days around it.
    let as_of = 1_704_067_200_000_000_i64;
    let at = TimestampMicrosecondArray::from(vec![Some(as_of - 1), Some(as_of), Some(as_of + 1), None])
        .with_timezone("UTC");
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("at", Arc::new(at)),
        ("day", Arc::new(Date32Array::from(vec![19_722, 19_723, 19_724, 19_722]))),
    ])
}

#[expect(clippy::unnecessary_wraps, reason = "a cut takes an option")]
fn bound(column: &str) -> Option<Bound> {
    Some(Bound { column: column.to_owned(), at: Instant::from_micros(1_704_067_200_000_000), day: 19_723 })
}

async fn visible(cut: Cut) -> String {
    let world = world();
    let file = data_file(&world.store, "events.parquet", &events()).await;
    let relation =
        Relation { name: model("t"), schema: events().schema(), keys: Vec::new(), defined_in: None };
    let binding =
        Binding::Parquet { files: vec![file], schema: events().schema(), cut, sorted_by: Vec::new() };
    let typed = typed_over("select id from t order by id", &[relation]);
    let bindings = Bindings::from([(model("t"), binding)]);
    let rows = world.engine.collect(&typed, &bindings, None, share(2)).await.expect("runs");
    text(&rows)
}

#[tokio::test]
async fn no_query_sees_rows_past_the_cut() {
    assert_eq!(visible(Cut::default()).await, "1 2 3 4");
    assert_eq!(visible(Cut { event_time: bound("at"), known_at: None }).await, "1");
    assert_eq!(visible(Cut { event_time: None, known_at: bound("at") }).await, "1 2");
    assert_eq!(visible(Cut { event_time: bound("day"), known_at: None }).await, "1 4");
    assert_eq!(visible(Cut { event_time: bound("day"), known_at: bound("at") }).await, "1");
}

#[tokio::test]
async fn columns_are_bound_by_name() {
    let world = world();
    let file = data_file(&world.store, "events.parquet", &events()).await;
    let columns = super::schema(&[("day", DataType::Date32), ("id", DataType::Int64)]);
    let relation = Relation { name: model("t"), schema: columns, keys: Vec::new(), defined_in: None };
    let typed =
        typed_over("select * from t where day > cast('2024-01-01' as date)", std::slice::from_ref(&relation));
    let cut = Cut { event_time: None, known_at: bound("day") };
    let files = Binding::Parquet {
        files: vec![file],
        schema: events().schema(),
        cut: Cut::default(),
        sorted_by: Vec::new(),
    };
    let bindings = Bindings::from([(model("t"), files.clone())]);
    let rows = world.engine.collect(&typed, &bindings, None, share(2)).await.expect("runs");
    assert_eq!(text(&rows), "2024-01-02,3");
    let all = Relation { schema: events().schema(), ..relation };
    let view = Binding::View(Arc::new(typed_over("select id, at, day from t", &[all])), Arc::new(bindings));
    let rows = world
        .engine
        .collect(&typed, &Bindings::from([(model("t"), view)]), None, share(2))
        .await
        .expect("runs");
    assert_eq!(text(&rows), "2024-01-02,3");
    // The cut may be on a column the query was not typed with.
    let Binding::Parquet { files, schema, sorted_by, .. } = files else { panic!("files") };
    let narrow = Relation {
        name: model("t"),
        schema: super::schema(&[("id", DataType::Int64)]),
        keys: Vec::new(),
        defined_in: None,
    };
    let typed = typed_over("select id from t order by id", &[narrow]);
    let bindings = Bindings::from([(model("t"), Binding::Parquet { files, schema, cut, sorted_by })]);
    let rows = world.engine.collect(&typed, &bindings, None, share(2)).await.expect("runs");
    assert_eq!(text(&rows), "1 2 4");
}

#[tokio::test]
async fn each_input_is_scanned_as_often_as_it_is_read() {
    let world = world();
    let file = data_file(&world.store, "events.parquet", &events()).await;
    let relation =
        Relation { name: model("t"), schema: events().schema(), keys: Vec::new(), defined_in: None };
    let binding = Binding::Parquet {
        files: vec![file],
        schema: events().schema(),
        cut: Cut::default(),
        sorted_by: Vec::new(),
    };
    let typed = typed_over("select count(*) as n from t as a join t as b on a.id = b.id", &[relation]);
    let bindings = Bindings::from([(model("t"), binding)]);
    world.engine.collect(&typed, &bindings, None, share(2)).await.expect("runs");
    assert_eq!(world.engine.scans().get(&model("t")), Some(&2));
}

#[tokio::test]
async fn a_view_is_put_in_the_place_of_its_name() {
    let world = world();
    let (relation, inner) = memory("t", integers(&[1, 2, 3]));
    let view = typed_over("select x + 1 as y from t where x > 1", &[relation]);
    let relation =
        Relation { name: model("v"), schema: Arc::clone(&view.schema), keys: Vec::new(), defined_in: None };
    let typed = typed_over("select sum(y) as s from v", &[relation]);
    let bindings = Bindings::from([(model("v"), Binding::View(Arc::new(view), Arc::new(inner)))]);
    let rows = world.engine.collect(&typed, &bindings, None, share(2)).await.expect("runs");
    assert_eq!(text(&rows), "7");
}

#[tokio::test]
async fn a_bad_file_is_named_and_never_panics() {
    let world = world();
    let good = data_file(&world.store, "good.parquet", &events()).await;
    let whole = parquet_bytes(&events());
    let relation =
        Relation { name: model("t"), schema: events().schema(), keys: Vec::new(), defined_in: None };
    let typed = typed_over("select sum(id) as s, max(at) as a, max(day) as d from t", &[relation]);
    let mut named = 0;
    // Truncated, then each eighth byte from the end flipped: the footer and the pages.
    let damaged = (0..whole.len() / 8).map(|at| {
        let mut bytes = whole.to_vec();
        let at = bytes.len() - 1 - at * 8;
        bytes[at] ^= 0x10;
        Bytes::from(bytes)
    });
    for bytes in std::iter::once(whole.slice(..whole.len() / 2)).chain(damaged) {
        let key = Key::parse("bad.parquet").expect("a key");
        let bad = DataFile::unchanging(world.store.clone(), key.clone(), bytes.len() as u64, 4);
        world.store.put(&key, bytes).await.expect("stored");
        let info = ObjectInfo { key, size: bad.size, etag: None, modified_micros: 0 };
        let footer = read_footer(&world.store, &info).await;
        let files = vec![good.clone(), bad];
        let binding =
            Binding::Parquet { files, schema: events().schema(), cut: Cut::default(), sorted_by: Vec::new() };
        let bindings = Bindings::from([(model("t"), binding)]);
        if let Err(found) = world.engine.collect(&typed, &bindings, None, share(2)).await {
            let found = shown(found);
            assert!(!found.contains("GW0901"), "{found}");
            if found.contains("GW0402") {
                assert!(found.contains("bad.parquet") && !found.contains("good.parquet"), "{found}");
                named += 1;
            }
        }
        drop(footer);
    }
    assert!(named > 10, "only {named} of the damaged files were named");
}

#[tokio::test]
async fn a_footer_tells_rows_and_columns() {
    let world = world();
    let file = data_file(&world.store, "events.parquet", &events()).await;
    let info = ObjectInfo { key: file.key, size: file.size, etag: None, modified_micros: 0 };
    let footer = read_footer(&world.store, &info).await.expect("a footer");
    assert_eq!((footer.rows, footer.row_groups, footer.schema.fields().len()), (4, 1, 3));
    assert!(footer.uncompressed_bytes > 0);
}

#[tokio::test]
async fn an_empty_set_of_files_has_no_rows() {
    let world = world();
    let relation =
        Relation { name: model("t"), schema: events().schema(), keys: Vec::new(), defined_in: None };
    let binding = Binding::Parquet {
        files: Vec::new(),
        schema: events().schema(),
        cut: Cut::default(),
        sorted_by: Vec::new(),
    };
    let typed = typed_over("select count(*) as n from t", &[relation]);
    let bindings = Bindings::from([(model("t"), binding)]);
    let rows = world.engine.collect(&typed, &bindings, None, share(2)).await.expect("runs");
    assert_eq!(text(&rows), "0");
    let _ = inputs();
}

#[tokio::test]
async fn what_does_not_fit_in_memory_is_a_finding() {
    let world = world();
    let (relation, bindings) = memory("t", integers(&(0..400_000).collect::<Vec<_>>()));
    let typed = typed_over(
        "select x, array_agg(y order by y) as a from (select x % 2 as x, x as y from t) as s group by x",
        &[relation],
    );
    let small = Share { memory: 1 << 20, threads: 2 };
    let found = world.engine.collect(&typed, &bindings, None, small).await.expect_err("too little memory");
    assert!(shown(found).starts_with("GW0703"));
    drop(world.folder);
}

#[tokio::test]
async fn rows_that_may_be_null_stand_in_for_rows_that_never_are() {
    let world = world();
    let never = arrow::datatypes::Schema::new(vec![
        arrow::datatypes::Field::new("k", DataType::Int64, false),
        arrow::datatypes::Field::new("v", DataType::Int64, false),
    ]);
    let (relation, bindings) = memory(
        "t",
        batch(vec![
            ("k", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("v", Arc::new(Int64Array::from(vec![10, 20])) as ArrayRef),
        ]),
    );
    let relation = Relation { schema: Arc::new(never), ..relation };
    let sql = "with u as (select k, v from t union all select k, -v as v from t where v > 10) \
               select k, sum(v) as v from u group by k order by k";
    let typed = typed_over(sql, &[relation]);
    let rows = world.engine.collect(&typed, &bindings, None, share(2)).await.map_err(shown);
    assert_eq!(rows.map(|rows| text(&rows)), Ok("1,10 2,0".to_owned()));
}
