//! Files that somebody broke: every one is an error with its name or gives all its rows.
//!
//! `GOODWILL_MUTANTS=20000` breaks more files than the 500 of a usual test run; `GOODWILL_SEED`
//! repeats a run that failed. A file that fails its test, or ends the process, stays below the
//! target folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use goodwill::diagnostic::{Diagnostic, SourceFile, code};
use goodwill::engine::{
    Binding, Bindings, Cut, DataFile, Engine, EngineOptions, Relation, Values, analyze, read_footer,
};
use goodwill::ident::NodeName;
use goodwill::query::{TableName, parse};
use goodwill::store::{self, Key, Store};
use parquet::file::properties::WriterVersion;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::parquet_files::{ROWS, footer_of, many_types};
use crate::publishing::{number_from, seed};

/// Reads files in one folder.
pub(crate) struct Bench {
    store: Store,
    engine: Engine,
    folder: tempfile::TempDir,
}

/// What reading a file gave.
#[derive(Debug)]
pub(crate) enum Read {
    /// So many rows.
    Rows(usize),
    /// Findings, of the footer or of the rows.
    Refused(Vec<Diagnostic>),
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions {
            memory_limit: 256 << 20,
            threads: 2,
            scratch: folder.path().join("scratch"),
            values: Values::Hidden,
        };
        let store = store::open("data", folder.path(), &store::Access::to_folders()).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        Self { store, engine: Engine::try_new(options).unwrap(), folder }
    }

    /// Reads the footer of `file`, then all its rows.
    pub(crate) async fn read(&self, name: &str, file: &[u8]) -> Read {
        let key = Key::parse(name).unwrap();
        fs::write(self.folder.path().join("data").join(name), file).unwrap();
        let info = self.store.head(&key).await.unwrap().unwrap();
        let footer = match read_footer(&self.store, &info).await {
            Ok(footer) => footer,
            Err(found) => return Read::Refused(vec![found]),
        };
        let table = TableName::Bare(NodeName::parse("t").unwrap());
        let (schema, size) = (footer.schema, file.len() as u64);
        let relation =
            Relation { name: table.clone(), schema: Arc::clone(&schema), keys: Vec::new(), defined_in: None };
        let query = parse(&SourceFile::new("t.sql", "select * from t")).unwrap();
        let typed = match analyze(&query, &[relation], &BTreeMap::new()) {
            Ok(typed) => typed,
            Err(found) => return Read::Refused(found.sorted().into_iter().collect()),
        };
        let files = vec![DataFile::unchanging(self.store.clone(), key, size, footer.rows)];
        let binding = Binding::Parquet { files, schema, cut: Cut::default(), sorted_by: Vec::new() };
        let read =
            self.engine.collect(&typed, &Bindings::from([(table, binding)]), None, self.engine.whole()).await;
        match read {
            Ok(batches) => Read::Rows(batches.iter().map(arrow::array::RecordBatch::num_rows).sum()),
            Err(found) => Read::Refused(found.sorted().into_iter().collect()),
        }
    }
}

/// Breaks `file` within `part`, in one of the ways files break or are broken.
fn mutate(file: &[u8], part: std::ops::Range<usize>, chance: &mut ChaCha8Rng) -> Vec<u8> {
    let mut file = file.to_vec();
    let at = chance.random_range(part.clone());
    let length = chance.random_range(1..32).min(part.end - at);
    match chance.random_range(0..9) {
        0 => file[at] = chance.random(),
        1 => {
            for _ in 0..chance.random_range(1..8) {
                let at = chance.random_range(part.clone());
                file[at] ^= 1 << chance.random_range(0..8);
            }
        }
        2 => drop(file.drain(at..at + length)),
        3 => file.truncate(at),
        4 => file[at..at + length].fill(0xff),
        5 => file[at..at + length].fill(0),
        // The largest number, the most elements a list can have.
        6 => drop(file.splice(at..at + length.min(5), [0xff, 0xff, 0xff, 0xff, 0x07])),
        7 => {
            let from = chance.random_range(part.start..part.end - length);
            let piece = file[from..from + length].to_vec();
            file.splice(at..at, piece);
        }
        _ => file[at] ^= 1 << chance.random_range(0..8),
    }
    file
}

fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Breaks sound files `turns` times within the part that `part` says, and reads them; how many
/// were refused.
async fn check(turns: u64, part: fn(&[u8]) -> std::ops::Range<usize>) -> u64 {
    let (seed, bench) = (seed(), Bench::new());
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let sound = [many_types(WriterVersion::PARQUET_1_0), many_types(WriterVersion::PARQUET_2_0)];
    let mut refused = 0;
    for turn in 0..turns {
        let sound = &sound[chance.random_range(0..sound.len())];
        let mutant = mutate(sound, part(sound), &mut chance);
        let kept = kept(&format!("{seed}-{turn}.parquet"));
        fs::write(&kept, &mutant).unwrap();
        match bench.read("mutant.parquet", &mutant).await {
            Read::Rows(rows) => assert_eq!(rows, ROWS, "{} lost rows in silence", kept.display()),
            Read::Refused(found) => {
                refused += 1;
                let named = |found: &Diagnostic| {
                    found.code == code::UNREADABLE_FILE && found.message.contains("mutant.parquet")
                };
                assert!(found.iter().all(named) && !found.is_empty(), "{}: {found:?}", kept.display());
            }
        }
        fs::remove_file(&kept).unwrap();
    }
    println!("{refused} of {turns} were refused");
    refused
}

#[tokio::test]
async fn a_sound_file_gives_all_its_rows() {
    let bench = Bench::new();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let read = bench.read("sound.parquet", &many_types(version)).await;
        assert!(matches!(read, Read::Rows(ROWS)), "{read:?}");
    }
}

#[tokio::test]
async fn a_broken_footer_is_an_error_with_the_files_name_or_all_rows_come() {
    let turns = number_from("GOODWILL_MUTANTS", 500);
    let tail = |file: &[u8]| footer_of(file).start..file.len();
    assert!(check(turns, tail).await > turns / 4);
}

#[tokio::test]
async fn broken_pages_are_an_error_with_the_files_name_or_all_rows_come() {
    let turns = number_from("GOODWILL_MUTANTS", 500) / 2;
    let pages = |file: &[u8]| 4..footer_of(file).start;
    assert!(check(turns, pages).await > turns / 4);
}
