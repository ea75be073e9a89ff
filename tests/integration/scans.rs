//! What several models read is computed once a run: each source's files are read once by each
//! model that names it, however many models stand on that one.

use std::process::Command;

#[test]
fn each_source_is_read_once_however_many_tables_stand_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("demo");
    let made = Command::new(env!("CARGO_BIN_EXE_goodwill"))
        .args(["demo", project.to_str().unwrap(), "--scale", "0.001", "-q"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let runs: Vec<_> = std::fs::read_dir(project.join("out/_goodwill/runs")).unwrap().collect();
    let receipt = runs[0].as_ref().unwrap().path().join("receipt.json");
    let receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(receipt).unwrap()).unwrap();
    let scans = receipt["scans"].as_object().unwrap();
    // sql/staging alone reads sources, each file its own; orders and lines stand under most tables.
    let of_sources: Vec<_> = scans.iter().filter(|(name, _)| name.starts_with("sources.")).collect();
    for needed in ["sources.orders", "sources.order_lines", "sources.customers"] {
        assert!(scans.contains_key(needed), "{needed} was not read: {scans:?}");
    }
    for (name, count) in of_sources {
        assert_eq!(count.as_u64(), Some(1), "{name} was read {count} times");
    }
}
