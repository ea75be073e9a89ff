use super::*;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn folder() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open("root with blank", folder.path(), &Access::to_folders()).unwrap();
    (folder, store)
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_an_empty_store() {
    let (_folder, store) = folder();
    assert_eq!(store.list(&Key::root()).await.unwrap(), vec![]);
    assert_eq!(store.list_folders(&key("a")).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.head(&key("a/b")).await.unwrap(), None);
    assert!(store.get(&key("a/b")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn what_is_put_is_read_listed_and_deleted() {
    let (_folder, store) = folder();
    store.put(&key("b/ä 1.txt"), Bytes::from_static(b"old")).await.unwrap();
    store.put(&key("b/ä 1.txt"), Bytes::from_static(b"hello")).await.unwrap();
    store.put(&key("a/x"), Bytes::new()).await.unwrap();
    assert_eq!(store.get(&key("b/ä 1.txt")).await.unwrap(), "hello");
    assert_eq!(store.get_range(&key("b/ä 1.txt"), 1..3, None).await.unwrap(), "el");
    let listed = store.list(&Key::root()).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|info| (info.key.as_str(), info.size)).collect();
    assert_eq!(listed, [("a/x", 0), ("b/ä 1.txt", 5)]);
    assert_eq!(store.list_folders(&Key::root()).await.unwrap(), ["a", "b"]);
    store.delete(&key("a/x")).await.unwrap();
    store.delete(&key("a/x")).await.unwrap();
    assert_eq!(store.list(&key("a")).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_prefix_is_a_whole_folder_name() {
    let (_folder, store) = folder();
    store.put(&key("orders/a"), Bytes::new()).await.unwrap();
    store.put(&key("orders_old/a"), Bytes::new()).await.unwrap();
    assert_eq!(store.list(&key("orders")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn create_never_overwrites() {
    let (_folder, store) = folder();
    let commit = key("c/1.json");
    assert_eq!(store.create(&commit, Bytes::from_static(b"1")).await.unwrap(), Created::Yes);
    assert_eq!(store.create(&commit, Bytes::from_static(b"2")).await.unwrap(), Created::AlreadyExists);
    assert_eq!(store.get(&commit).await.unwrap(), "1");
    store.sync(&[commit]).await.unwrap();
    assert!(store.sync(&[key("c/2.json")]).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_upload_is_there_whole_or_not_at_all() {
    let (_folder, store) = folder();
    let part = Bytes::from(vec![7_u8; 5 << 20]);
    let mut upload = store.upload(&key("u/big")).unwrap();
    for _ in 0..5 {
        upload.write(part.clone()).await.unwrap();
    }
    assert_eq!(store.head(&key("u/big")).await.unwrap(), None);
    upload.finish().await.unwrap();
    assert_eq!(store.head(&key("u/big")).await.unwrap().unwrap().size, 25 << 20);

    let mut upload = store.upload(&key("u/never")).unwrap();
    upload.write(part).await.unwrap();
    upload.abort().await.unwrap();
    let empty = store.upload(&key("u/empty")).unwrap();
    empty.finish().await.unwrap();
    let left = std::fs::read_dir(store.locate(&key("u"))).unwrap().count();
    assert_eq!(left, 2, "the big one and the empty one");
}

#[test]
fn a_location_is_a_path_or_a_file_url() {
    let base = std::env::temp_dir().canonicalize().unwrap();
    let by_path = open("no/such folder", &base, &Access::to_folders()).unwrap();
    assert!(by_path.url().as_str().ends_with("/no/such%20folder/"), "{}", by_path.url());
    let by_url = open(by_path.url().as_str(), FilePath::new("/"), &Access::to_folders()).unwrap();
    assert_eq!(by_url.url(), by_path.url());
    for location in ["https://x", "", "file://host/x"] {
        let error = open(location, &base, &Access::to_folders()).unwrap_err();
        assert!(matches!(error, StoreError::InvalidLocation { .. }), "{location}");
    }
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_says_so() {
    let (folder, store) = folder();
    // A file where a folder is needed: root, who ignores permissions, is refused that as well.
    std::fs::write(folder.path().join("root with blank"), b"").unwrap();
    let error = store.create(&key("a/b"), Bytes::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}

#[test]
fn plain_urls_have_no_escapes() {
    let store = open("/tmp/x y", FilePath::new("/"), &Access::to_folders()).unwrap();
    assert!(store.plain_url(&key("a b/c")).ends_with("/x y/a b/c"));
    assert!(store.plain_url(&key("a")).starts_with("file:///"));
}

#[tokio::test]
async fn in_a_bucket_one_of_many_creators_wins_and_knows_it() {
    let store = Store::in_memory();
    let commit = key("c/1.json");
    let attempts: Vec<_> = (0..8_u8)
        .map(|n| {
            let (store, commit) = (store.clone(), commit.clone());
            tokio::spawn(async move { (n, store.create(&commit, Bytes::from(vec![n; 100])).await.unwrap()) })
        })
        .collect();
    let mut winners = Vec::new();
    for attempt in attempts {
        let (n, created) = attempt.await.unwrap();
        winners.extend((created == Created::Yes).then_some(n));
    }
    let kept = store.get(&commit).await.unwrap();
    assert_eq!(winners, [kept[0]]);
    // The answer to the winner's write was lost, and it asks again.
    assert_eq!(store.create(&commit, kept).await.unwrap(), Created::Yes);
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_read_as_the_one_that_was_seen() {
    let (_folder, on_disk) = folder();
    for store in [on_disk, Store::in_memory()] {
        store.put(&key("x"), Bytes::from_static(b"before")).await.unwrap();
        let seen = store.head(&key("x")).await.unwrap().unwrap().etag;
        assert_eq!(store.get_range(&key("x"), 0..2, seen.as_deref()).await.unwrap(), "be");
        store.put(&key("x"), Bytes::from_static(b"after!!")).await.unwrap();
        let error = store.get_range(&key("x"), 0..2, seen.as_deref()).await.unwrap_err();
        assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
    }
}
