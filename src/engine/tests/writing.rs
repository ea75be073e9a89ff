//! What is written: the same bytes, the contract's columns, checks, one file at least.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::running::{World, batch, memory, share, typed_over, world};
use super::shown;
use crate::engine::{Binding, MaterializeRequest, RowCheck, WriteRequest, Written, cast_to_contract};
use crate::project::{Column, ColumnType, Contract, Nullability, Privacy};
use crate::query::Value;
use crate::store::Key;

fn column(name: &str, data_type: &str) -> Column {
    Column {
        name: name.to_owned(),
        data_type: ColumnType::parse(data_type).expect("a type"),
        nullable: Nullability::Nullable,
        privacy: Privacy::Public,
        description: String::new(),
    }
}

fn contract(columns: Vec<Column>, grain: &[&str]) -> Contract {
    let grain: Vec<String> = grain.iter().map(|name| (*name).to_owned()).collect();
    Contract { description: String::new(), columns, order_by: grain.clone(), grain }
}

/// `rows` rows in a scrambled order: key, group, amount, share, name.
fn rows(rows: i64) -> RecordBatch {
    let keys: Vec<i64> = (0..rows).map(|at| (at * 7_919) % rows).collect();
    let amounts = keys.iter().map(|key| i128::from(*key) * 37 % 100_003);
    let amounts = amounts.collect::<Decimal128Array>().with_data_type(DataType::Decimal128(12, 2));
    let names = keys.iter().map(|key| (key % 5 != 0).then(|| format!("name {}", key % 97)));
    batch(vec![
        ("k", Arc::new(Int64Array::from(keys.clone())) as ArrayRef),
        ("g", Arc::new(Int64Array::from(keys.iter().map(|key| key % 11).collect::<Vec<_>>()))),
        ("amount", Arc::new(amounts)),
        (
            "share",
            Arc::new(Float64Array::from(
                keys.iter()
                    .map(|key| f64::from(i32::try_from(*key).expect("a small key")) / 3.0)
                    .collect::<Vec<_>>(),
            )),
        ),
        ("name", Arc::new(names.collect::<StringArray>())),
    ])
}

fn all_columns() -> Vec<Column> {
    vec![
        column("k", "integer"),
        column("g", "smallint"),
        column("amount", "decimal(10, 2)"),
        column("share", "double"),
        column("name", "varchar"),
    ]
}

#[expect(clippy::too_many_arguments, reason = "a test says on one line all that is written")]
async fn write(
    world: &World,
    folder: &str,
    sql: &str,
    input: RecordBatch,
    contract: Contract,
    checks: Vec<RowCheck>,
    threads: usize,
) -> Result<Written, String> {
    let (relation, bindings) = memory("t", input);
    let typed = typed_over(sql, &[relation]);
    let typed = cast_to_contract(&typed, &contract).unwrap_or_else(|found| panic!("{}", shown(found)));
    let request = WriteRequest {
        typed: Arc::new(typed),
        bindings: Arc::new(bindings),
        contract: Arc::new(contract),
        checks,
        store: world.store.clone(),
        folder: Key::parse(folder).expect("a key"),
        first_file: 0,
        footer: BTreeMap::from([("goodwill.as_of".to_owned(), "2024-01-01T00:00:00Z".to_owned())]),
        on_progress: None,
    };
    world.engine.write(&request, share(threads)).await.map_err(shown)?.stored().await.map_err(shown)
}

#[tokio::test]
async fn the_same_rows_give_the_same_bytes_at_any_number_of_streams() {
    let world = world();
    let sql = "select k, g, amount, share, name from t";
    let grouped = "select g as k, sum(share) as share, sum(amount) as amount, max(name) as name, count(*) as g from t group by g";
    let columns = || {
        vec![
            column("k", "integer"),
            column("g", "integer"),
            column("amount", "decimal(22, 2)"),
            column("share", "double"),
            column("name", "varchar"),
        ]
    };
    for (at, (sql, columns)) in [(sql, all_columns()), (grouped, columns())].into_iter().enumerate() {
        let mut hashes = Vec::new();
        for threads in [1, 2, 8] {
            let folder = format!("w{at}/{threads}");
            let written = write(
                &world,
                &folder,
                sql,
                rows(200_003),
                contract(columns.clone(), &["k"]),
                vec![RowCheck::Grain],
                threads,
            )
            .await
            .expect("written");
            assert_eq!(written.broken, []);
            hashes.push(
                written
                    .files
                    .iter()
                    .map(|file| (file.bytes, file.rows, file.sha256.clone()))
                    .collect::<Vec<_>>(),
            );
        }
        assert_eq!(hashes[0], hashes[1]);
        assert_eq!(hashes[0], hashes[2]);
    }
}

async fn reader(world: &World, key: &Key) -> SerializedFileReader<bytes::Bytes> {
    SerializedFileReader::new(world.store.get(key).await.expect("there")).expect("Parquet")
}

#[tokio::test]
async fn a_file_is_what_the_contract_says_and_nothing_of_the_run() {
    let world = world();
    let mut columns = all_columns();
    columns[4].privacy = Privacy::Personal;
    columns[0].nullable = Nullability::Required;
    let written = write(
        &world,
        "w",
        "select k, g, amount, share, name from t",
        rows(130_000),
        contract(columns, &["k"]),
        vec![RowCheck::Grain],
        2,
    )
    .await
    .expect("written");
    assert_eq!(written.files.len(), 1);
    let file = &written.files[0];
    assert_eq!(file.key.as_str(), "w/part-00000.parquet");
    let reader = reader(&world, &file.key).await;
    let metadata = reader.metadata();
    assert_eq!(metadata.file_metadata().created_by(), Some("goodwill"));
    let keys: Vec<_> = metadata
        .file_metadata()
        .key_value_metadata()
        .into_iter()
        .flatten()
        .map(|pair| pair.key.as_str())
        .collect();
    assert_eq!(keys, ["goodwill.as_of"]);
    let groups: Vec<_> =
        metadata.row_groups().iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).collect();
    assert_eq!(groups, [122_880, 130_000 - 122_880]);
    assert!(metadata.row_group(0).column(4).statistics().is_none(), "personal data has no statistics");
    let mut schema = Vec::new();
    parquet::schema::printer::print_schema(&mut schema, metadata.file_metadata().schema());
    let schema = String::from_utf8(schema).expect("text");
    assert!(schema.contains("REQUIRED INT32 k"), "{schema}");
    assert!(schema.contains("OPTIONAL INT32 g (INTEGER(16,true))"), "{schema}");
    assert!(schema.contains("OPTIONAL INT64 amount (DECIMAL(10,2))"), "{schema}");
    let stats = &file.columns;
    assert_eq!(
        (stats[0].min.clone(), stats[0].max.clone()),
        (Some(Value::Int(0)), Some(Value::Int(129_999)))
    );
    assert_eq!((stats[4].min.clone(), stats[4].nulls), (None, 26_000));
    assert_eq!(world.store.head(&file.key).await.expect("asked").expect("there").size, file.bytes);
}

#[tokio::test]
async fn no_rows_are_one_file_with_the_schema() {
    let world = world();
    let written = write(
        &world,
        "w",
        "select k, g, amount, share, name from t where k < 0",
        rows(10),
        contract(all_columns(), &["k"]),
        vec![RowCheck::Grain],
        2,
    )
    .await
    .expect("written");
    assert_eq!(written.files.len(), 1);
    assert_eq!(written.files[0].rows, 0);
    let reader = reader(&world, &written.files[0].key).await;
    assert_eq!(reader.metadata().file_metadata().schema_descr().num_columns(), 5);
}

#[tokio::test]
async fn broken_rows_are_counted_with_examples_that_hide_personal_data() {
    let world = world();
    let input = batch(vec![
        ("k", Arc::new(Int64Array::from(vec![1, 1, 2, 3, 3, 3])) as ArrayRef),
        (
            "name",
            Arc::new(StringArray::from(vec![Some("A"), Some("B"), None, Some("x"), Some("A"), Some("y")])),
        ),
        ("v", Arc::new(Float64Array::from(vec![0.0, 0.5, 1.0, 1.5, -0.5, 0.0]))),
    ]);
    let columns = vec![column("k", "bigint"), column("name", "varchar"), column("v", "double")];
    let checks = vec![
        RowCheck::Grain,
        RowCheck::NotNull("name".to_owned()),
        RowCheck::AcceptedValues("name".to_owned(), vec!["A".to_owned(), "B".to_owned()]),
        RowCheck::Range {
            column: "v".to_owned(),
            min: Some(Value::Int(0)),
            max: Some(Value::Decimal { unscaled: 10, precision: 2, scale: 1 }),
        },
        RowCheck::Range {
            column: "k".to_owned(),
            min: Some(Value::Decimal { unscaled: 15, precision: 2, scale: 1 }),
            max: None,
        },
    ];
    let sql = "select k, name, v from t";
    let written =
        write(&world, "a", sql, input.clone(), contract(columns.clone(), &["k"]), checks.clone(), 2)
            .await
            .expect("written");
    let counts: Vec<_> = written.broken.iter().map(|broken| broken.rows).collect();
    assert_eq!(counts, [3, 1, 2, 2, 2]);
    assert_eq!(written.broken[1].examples, ["k = 2"]);
    // Ordered by another column the keys are found by grouping.
    let mut by_value = contract(columns.clone(), &["k"]);
    by_value.order_by = vec!["v".to_owned()];
    by_value.columns[0].privacy = Privacy::Personal;
    let written = write(&world, "b", sql, input, by_value, vec![RowCheck::Grain], 2).await.expect("written");
    assert_eq!(written.broken[0].rows, 3);
    assert_eq!(written.broken[0].examples, ["k = (hidden)"]);
}

#[tokio::test]
async fn a_null_in_a_required_column_leaves_no_file() {
    let world = world();
    let input = batch(vec![("k", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef)]);
    let mut key = column("k", "bigint");
    key.nullable = Nullability::Required;
    let written =
        write(&world, "w", "select k from t", input, contract(vec![key], &["k"]), vec![RowCheck::Grain], 2)
            .await
            .expect("written");
    assert_eq!(written.files, []);
    assert_eq!(written.broken.len(), 1);
    assert_eq!(written.broken[0].check, RowCheck::NotNull("k".to_owned()));
    assert_eq!(world.store.list(&Key::root()).await.expect("listed"), []);
}

#[tokio::test]
async fn values_that_do_not_fit_and_nan_fail_the_run() {
    let world = world();
    let wide = batch(vec![("k", Arc::new(Int64Array::from(vec![1, 40_000])) as ArrayRef)]);
    let found = write(
        &world,
        "a",
        "select k from t",
        wide,
        contract(vec![column("k", "smallint")], &["k"]),
        Vec::new(),
        2,
    )
    .await;
    assert_eq!(
        found.expect_err("does not fit"),
        "GW0504: m.sql:1:1: `k` has 1 value that does not fit SMALLINT (widen the type in the contract)"
    );
    let nan =
        batch(vec![("k", Arc::new(Float64Array::from(vec![1.0, f64::NAN, f64::INFINITY])) as ArrayRef)]);
    let found = write(
        &world,
        "b",
        "select k from t",
        nan,
        contract(vec![column("k", "double")], &["k"]),
        Vec::new(),
        2,
    )
    .await;
    assert!(
        found
            .expect_err("is no number")
            .starts_with("GW0503: m.sql:1:1: `k` has 2 rows with NaN or infinity")
    );
    let wide = batch(vec![(
        "k",
        Arc::new(Decimal128Array::from(vec![12_345]).with_data_type(DataType::Decimal128(10, 2))) as ArrayRef,
    )]);
    let found = write(
        &world,
        "c",
        "select k from t",
        wide,
        contract(vec![column("k", "decimal(4, 2)")], &["k"]),
        Vec::new(),
        2,
    )
    .await;
    assert!(found.expect_err("does not fit").starts_with("GW0504"));
    assert_eq!(world.store.list(&Key::root()).await.expect("listed"), []);
}

#[tokio::test]
async fn an_intermediate_is_kept_in_memory_while_it_fits() {
    let world = world();
    let contract = contract(all_columns(), &["k"]);
    let (relation, bindings) = memory("t", rows(50_000));
    let typed = typed_over("select k, g, amount, share, name from t", &[relation]);
    let typed = Arc::new(cast_to_contract(&typed, &contract).expect("fits"));
    let mut request = MaterializeRequest {
        name: "staged".to_owned(),
        typed,
        bindings: Arc::new(bindings),
        contract: Arc::new(contract),
        checks: vec![RowCheck::Grain],
        keep: 1 << 30,
    };
    let kept = world.engine.materialize(&request, share(2)).await.expect("computed");
    assert!(
        matches!(kept.binding, Binding::Memory { .. })
            && kept.held > 0
            && kept.rows == 50_000
            && kept.broken.is_empty()
    );
    request.keep = 1 << 10;
    let spilled = world.engine.materialize(&request, share(2)).await.expect("computed");
    assert!(
        matches!(&spilled.binding, Binding::Parquet { files, sorted_by, .. } if files.len() == 1 && sorted_by == &["k"])
    );
    assert_eq!((spilled.rows, spilled.held), (50_000, 0));
}
