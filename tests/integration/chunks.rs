//! Tables with many parts: their chunks, read here as docs/publishing.md says they are written, and what
//! happens when a run is killed beside them, an answer is lost, or one of them is damaged.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::program::{
    Project, Running, assert_at_rest, assert_never_torn, commit, copy_folder, read_json, versions,
};

/// The parts a chunk holds, as a commit without chunks has them.
pub(crate) fn parts_of(root: &Path, table: &str, named: &Json) -> Vec<Json> {
    let sha256 = named["sha256"].as_str().unwrap();
    let content = fs::read(root.join(format!("_goodwill/parts/{table}/{sha256}.json.zst"))).unwrap();
    let found: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((found.as_str(), content.len() as u64), (sha256, named["bytes"].as_u64().unwrap()));
    let chunk: Json = serde_json::from_slice(&zstd::decode_all(&content[..]).unwrap()).unwrap();
    assert_eq!(chunk["format"], 2);
    let parts: Vec<Json> =
        chunk["parts"].as_array().unwrap().iter().map(|row| part(row, &chunk["columns"])).collect();
    assert_eq!(parts.len() as u64, named["parts"].as_u64().unwrap());
    parts
}

fn part(row: &Json, columns: &Json) -> Json {
    let slice = match row[0].as_array().unwrap().as_slice() {
        [] => json!({"kind": "whole"}),
        [as_of] => json!({"kind": "snapshot", "as_of": as_of}),
        [start, end] => json!({"kind": "interval", "start": start, "end": end}),
        more => panic!("{more:?}"),
    };
    let files = row[6].as_array().unwrap().iter().map(|row| file(row, columns)).collect::<Vec<_>>();
    let mut part = json!({
        "slice": slice,
        "fingerprint": row[1],
        "made_from": {"definition": row[2][0], "parameters": row[2][1], "inputs": row[2][2]},
        "attempt": row[3],
        "published_at": row[4],
        "rows": row[5],
        "files": files,
    });
    part.as_object_mut().unwrap().extend(row[7].as_object().unwrap().clone());
    part
}

fn file(row: &Json, columns: &Json) -> Json {
    let mut known = Map::new();
    for (name, values) in columns.as_array().unwrap().iter().zip(row[4].as_array().unwrap()) {
        if values.is_null() {
            continue;
        }
        let mut column = Map::new();
        for (word, value) in ["min", "max", "null_count"].into_iter().zip(values.as_array().unwrap()) {
            if !value.is_null() {
                column.insert(word.to_owned(), value.clone());
            }
        }
        known.insert(name.as_str().unwrap().to_owned(), column.into());
    }
    let mut file =
        json!({"path": row[0], "bytes": row[1], "rows": row[2], "sha256": row[3], "columns": known});
    file.as_object_mut().unwrap().extend(row[5].as_object().unwrap().clone());
    file
}

/// The kept project whose table `spend` has snapshots enough for chunks from version 13 on.
fn project() -> Project {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roots/format-2");
    let project = Project::empty();
    copy_folder(&kept, project.folder());
    project.goodwill(&["recover"]).ended_with(0);
    project
}

fn objects(root: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(root.join("_goodwill/parts/spend")).unwrap();
    let mut objects: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    objects.sort();
    objects
}

/// The chunks of the last version.
fn named(root: &Path) -> Vec<PathBuf> {
    let last = *versions(root).last().unwrap();
    let stored = read_json(&root.join(format!("_goodwill/commits/{last:020}.json")));
    let chunks = stored["tables"]["spend"]["chunks"].as_array().unwrap().clone();
    let name = |chunk: &Json| format!("_goodwill/parts/spend/{}.json.zst", chunk["sha256"].as_str().unwrap());
    chunks.iter().map(|chunk| root.join(name(chunk))).collect()
}

const NEXT_DAY: [&str; 2] = ["--as-of", "2024-04-02"];

#[test]
fn a_day_more_writes_the_chunk_of_that_day() {
    let project = project();
    let root = project.root();
    let (before, known) = (commit(&root, 14), objects(&root));
    project.run(&NEXT_DAY).ended_with(0);
    assert_eq!(assert_at_rest(&root), 15);
    let after = commit(&root, 15);
    let parts = |commit: &Json| commit["tables"]["spend"]["parts"].as_array().unwrap().clone();
    assert_eq!((parts(&before).len(), parts(&after).len()), (14, 15));
    assert_eq!(parts(&after)[..14], parts(&before)[..]);
    let new = objects(&root).len() - known.len();
    assert!(new == 1, "{new} chunks are new");
    project.goodwill(&["verify", "--all"]).ended_with(0);
    project.goodwill(&["diff", "14", "15"]).ended_with(0);
}

#[test]
fn killed_around_the_chunks_a_run_did_all_or_nothing() {
    for (step, published) in [("after_chunks", 15), ("before_commit", 15), ("after_commit", 15)] {
        let project = project();
        let root = project.root();
        let mut running = Running::start(project.run_command(&NEXT_DAY), Some(&format!("{step}=pause")));
        running.reach(step, 1);
        assert!(running.kill(), "the run ended before it could be killed at {step}");
        assert_never_torn(&root);
        let written = objects(&root);
        project.run(&NEXT_DAY).ended_with(0);
        assert_eq!(assert_at_rest(&root), published, "killed at {step}");
        project.goodwill(&["verify", "--all"]).ended_with(0);
        // Chunks of the dead run that nobody names stay, also when its files go.
        project.goodwill(&["gc", "--apply"]).ended_with(0);
        assert!(written.iter().all(|object| object.exists()), "killed at {step}");
    }
}

#[test]
fn a_lost_answer_to_a_chunk_is_no_lost_chunk() {
    let bucket = crate::server::server().bucket();
    let project = project();
    copy_folder(&project.root(), &bucket.folder.join("out"));
    let root = bucket.folder.join("out");
    for (seed, day) in ["2024-04-02", "2024-04-03", "2024-04-04"].into_iter().enumerate() {
        let mut command = project.run_command(&["--as-of", day, "--root", &bucket.url("out")]);
        command.envs(bucket.environment());
        command.env("GOODWILL_STORE_FAULTS", format!("seed={seed} lost=1@PUT:_goodwill/parts 503=0.1@PUT"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_at_rest(&root);
    }
    assert_eq!(versions(&root).len(), 17);
}

#[test]
fn a_damaged_or_missing_chunk_is_told_by_all_who_need_it() {
    let damages: [fn(&Path); 2] = [
        |path| fs::remove_file(path).unwrap(),
        |path| {
            let mut content = fs::read(path).unwrap();
            let middle = content.len() / 2;
            content[middle] ^= 1;
            fs::write(path, content).unwrap();
        },
    ];
    for damage in damages {
        let project = project();
        let root = project.root();
        let damaged = named(&root).pop().unwrap();
        damage(&damaged);
        let name = damaged.file_name().unwrap().to_str().unwrap();
        for arguments in
            [&["run"] as &[&str], &["plan"], &["show", "spend"], &["verify"], &["recover"], &["diff"]]
        {
            let said = project.goodwill(arguments).ended_with(4).stderr;
            assert!(said.contains("error[GW0902]: _goodwill/parts/spend/"), "{arguments:?}: {said}");
            assert!(said.contains(name), "{arguments:?}: {said}");
            assert!(said.contains("restore the file from a backup"), "{arguments:?}: {said}");
        }
        assert_eq!(versions(&root).len(), 14);
    }
}

#[test]
fn a_version_before_the_chunks_is_published_again_and_taken_back() {
    let project = project();
    let root = project.root();
    let known = objects(&root);
    project.goodwill(&["rollback", "12"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 15);
    assert_eq!(commit(&root, 15)["tables"]["spend"]["parts"], commit(&root, 12)["tables"]["spend"]["parts"]);
    assert_eq!(commit(&root, 15)["format"], 1);
    project.goodwill(&["rollback", "14"]).ended_with(0);
    assert_eq!(assert_at_rest(&root), 16);
    assert_eq!(commit(&root, 16)["tables"]["spend"]["parts"], commit(&root, 14)["tables"]["spend"]["parts"]);
    assert_eq!(objects(&root), known, "the same parts lie in the same chunks");
    project.goodwill(&["verify", "--all"]).ended_with(0);
}
