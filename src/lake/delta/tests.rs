use super::super::Lake;
use super::super::tests::{name, publish, root, text};
use super::*;
use crate::store::Key;

async fn version(lake: &Lake, version: u64) -> Vec<Json> {
    let log = text(lake, &format!("tables/a/_delta_log/{version:020}.json")).await;
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(actions: &[Json]) -> Vec<&str> {
    actions.iter().map(|action| action.as_object().unwrap().keys().next().unwrap().as_str()).collect()
}

fn action<'a>(actions: &'a [Json], kind: &str) -> &'a Json {
    actions.iter().find_map(|action| action.get(kind)).unwrap()
}

#[tokio::test]
async fn the_first_version_makes_the_table_and_the_next_ones_replace_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 2).await;
    lake.roll_forward().await.unwrap();
    let first = version(&lake, 0).await;
    assert_eq!(kinds(&first), ["commitInfo", "protocol", "metaData", "txn", "add"]);
    assert_eq!(*action(&first, "protocol"), json!({ "minReaderVersion": 1, "minWriterVersion": 2 }));
    // Commit 1 is made one hour after 2026-01-01T00:00:00Z (1,767,225,600 s).
    assert_eq!(
        *action(&first, "txn"),
        json!({ "appId": "goodwill", "version": 1, "lastUpdated": 1_767_229_200_000_i64 })
    );
    assert_eq!(action(&first, "commitInfo")["timestamp"], 1_767_229_200_000_i64);
    let second = version(&lake, 1).await;
    assert_eq!(kinds(&second), ["commitInfo", "txn", "remove", "add"]);
    assert_eq!(action(&second, "remove")["path"], action(&first, "add")["path"]);
    assert_eq!(action(&second, "add")["path"], "data/t2/part-00000.parquet");
}

#[tokio::test]
async fn statistics_keep_cents_and_say_nothing_of_personal_data() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 1).await;
    lake.roll_forward().await.unwrap();
    let first = version(&lake, 0).await;
    let statistics = action(&first, "add")["stats"].as_str().unwrap();
    assert_eq!(
        statistics,
        "{\"numRecords\":2,\
         \"minValues\":{\"id\":1,\"tier\":\"gold\",\"net_sales\":1.25,\"seen_at\":\"2026-01-01T00:00:00.000001Z\",\"day\":\"2026-01-01\"},\
         \"maxValues\":{\"id\":1000001,\"tier\":\"gold\",\"net_sales\":1.25,\"seen_at\":\"2026-01-01T00:00:00.000001Z\",\"day\":\"2026-01-01\"},\
         \"nullCount\":{\"id\":0,\"tier\":1,\"net_sales\":1,\"seen_at\":1,\"day\":1}}"
    );
    assert!(serde_json::from_str::<Json>(statistics).is_ok());
    for info in lake.store().list(&Key::root()).await.unwrap() {
        if !info.key.as_str().ends_with(".parquet") {
            assert!(!text(&lake, info.key.as_str()).await.contains("ann@"), "{}", info.key);
        }
    }
}

#[tokio::test]
async fn a_changed_contract_changes_the_schema_and_not_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 17).await;
    lake.roll_forward().await.unwrap();
    // The tests' tables lose a column with commit 16, version 15 of the log.
    let (before, changed, after) =
        (version(&lake, 0).await, version(&lake, 15).await, version(&lake, 16).await);
    assert_eq!(kinds(&changed), ["commitInfo", "metaData", "txn", "remove", "add"]);
    assert_eq!(kinds(&after), ["commitInfo", "txn", "remove", "add"]);
    let (old, new) = (action(&before, "metaData"), action(&changed, "metaData"));
    assert_eq!(old["id"], new["id"]);
    assert_eq!(old["configuration"]["delta.deletedFileRetentionDuration"], "interval 365 days");
    let fields = |meta_data: &Json| {
        let schema: Json = serde_json::from_str(meta_data["schemaString"].as_str().unwrap()).unwrap();
        schema["fields"].as_array().unwrap().clone()
    };
    assert_eq!((fields(old).len(), fields(new).len()), (6, 5));
    assert_eq!(
        fields(new)[0],
        json!({ "name": "id", "type": "long", "nullable": false, "metadata": { "comment": "the id" } })
    );
    assert_eq!(fields(new)[3]["type"], "decimal(18,2)");
}

#[tokio::test]
async fn a_checkpoint_remembers_what_was_removed_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    publish(&lake, 21).await;
    lake.roll_forward().await.unwrap();
    let hint = text(&lake, "tables/a/_delta_log/_last_checkpoint").await;
    assert_eq!(checkpoint::hinted_version(hint.as_bytes()), Some(20));
    // Protocol, metaData, txn, one file; versions 1 to 20 removed one file each.
    let hint: Json = serde_json::from_str(&hint).unwrap();
    assert_eq!((hint["size"].as_u64(), hint["numOfAddFiles"].as_u64()), (Some(24), Some(1)));
}

#[tokio::test]
async fn tombstones_are_forgotten_when_they_expire_or_the_file_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = root(&folder).await;
    let commit = Arc::new(publish(&lake, 1).await);
    let entry = commit.tables["a"].clone();
    let change = Change { commit, table: name("a"), entry, previous: None };
    // 365 days of 86,400,000 ms each.
    let year = 31_536_000_000;
    let removed = |path: &str, at: i64| {
        let remove = Remove {
            path: path.to_owned(),
            deletion_timestamp: at,
            data_change: true,
            extended_file_metadata: true,
            partition_values: BTreeMap::new(),
            size: 1,
        };
        serde_json::to_vec(&Action::Remove(remove)).unwrap()
    };
    let mut tombstones = checkpoint::Tombstones::default();
    tombstones.add_version(&removed("expired", change.millis() - year));
    tombstones.add_version(&removed("known", change.millis() - year + 1));
    tombstones.add_version(&removed("data/t1/part-00000.parquet", change.millis()));
    let checkpoint = checkpoint::encode(&change, tombstones).unwrap();
    let mut kept = checkpoint::Tombstones::default();
    kept.add_checkpoint(checkpoint.content.into()).unwrap();
    assert_eq!(kept.paths(), ["known"]);
}

#[test]
fn a_table_keeps_its_id_and_two_tables_differ() {
    let by = AttemptId::parse("t1").unwrap();
    let (a, b) = (DeltaPosition::after(None, &name("a"), &by), DeltaPosition::after(None, &name("b"), &by));
    assert_ne!(a.table_id, b.table_id);
    assert_eq!(a, DeltaPosition::after(None, &name("a"), &by));
    assert!(uuid::Uuid::parse_str(&a.table_id).is_ok_and(|id| id.get_version_num() == 8));
}

#[test]
fn only_our_own_transaction_makes_a_version_ours() {
    let line = |app: &str, version: u64| {
        json!({ "txn": { "appId": app, "version": version, "lastUpdated": 0 } }).to_string()
    };
    assert!(is_ours(line("goodwill", 7).as_bytes(), 7));
    assert!(!is_ours(line("goodwill", 8).as_bytes(), 7));
    assert!(!is_ours(line("spark", 7).as_bytes(), 7));
    assert!(!is_ours(b"", 7));
}
