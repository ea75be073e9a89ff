//! Times what reads the state of large and old roots: `cargo bench --bench state [-- NIGHTS [OLDER_PROGRAM]]`.
//!
//! 1. Planning 100 models of 1,000 intervals begins with the last commit: reading it, from chunks and as it was
//!    before there were chunks (format 1).
//! 2. Ten years of nights, each with a new snapshot of 8 tables that keep 60: bytes a night, and a run with nothing
//!    to do, on a young root and on the old one. The project and its last versions are the program's own; what lies
//!    between is made by `roots`. With an older program the same is done in format 1, and by it.
#![expect(clippy::disallowed_methods, reason = "a bench times the program from outside")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goodwill::lake::{APPLICATION, Commit, Lake, Slice};
use goodwill::store::{self, Access};

mod roots;

use roots::{DAY, Form, Kept, Result, commit_file};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The program, as built for benches: optimised.
const PROGRAM: &str = env!("CARGO_BIN_EXE_goodwill");

const TABLES: usize = 100;
const INTERVALS: usize = 1_000;
/// Ten years.
const NIGHTS: u64 = 3_650;
const SNAPSHOT_TABLES: usize = 8;
const KEPT: usize = 60;
/// How often each is run.
const RUNS: usize = 5;
/// Versions whose Delta logs the program writes: it goes back as far as the last checkpoint that is due.
const WRITTEN: u64 = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let nights = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(NIGHTS);
    println!("load {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    wide()?;
    println!(
        "| ten years of nights | bytes a night | nothing to do, young | old | recover | history --limit 10 |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    old("now", PROGRAM, Form::Chunked, nights)?;
    if let Some(older) = arguments.get(1) {
        old("before", older, Form::Whole, nights)?;
    }
    println!("load {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    Ok(())
}

/// Reads the last commit of a root of 100 tables with 1,000 intervals each.
fn wide() -> Result<()> {
    let commit = roots::wide(TABLES, INTERVALS, Kept::Intervals)?;
    println!(
        "| {TABLES} tables of {INTERVALS} intervals | objects | MB | read the last commit | processor |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for (name, form) in [("in chunks", Form::Chunked), ("format 1", Form::Whole)] {
        let folder = tempfile::tempdir()?;
        let bytes = roots::write(folder.path(), &commit, form)?;
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let (time, processor, read) = read(folder.path())?;
            if read.as_ref() != Some(&commit) {
                return Err("what was read is not what was written".into());
            }
            times.push((time, processor));
        }
        let (times, processor): (Vec<_>, Vec<_>) = times.into_iter().unzip();
        let megabytes = f64::from(u32::try_from(bytes)?) / 1e6;
        let (time, processor) = (shown(median(times)), shown(median(processor)));
        println!("| {name} | {} | {megabytes:.1} | {time} | {processor} |", files_below(folder.path())?);
    }
    Ok(())
}

/// Reads the last commit; how long it took, and how much of a processor.
fn read(root: &Path) -> Result<(Duration, Duration, Option<Commit>)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let store = store::open(".", root, &Access::to_folders())?;
    let (started, processor) = (Instant::now(), processor()?);
    let read = runtime.block_on(async { Lake::at(store).last_commit().await })?;
    Ok((started.elapsed(), self::processor()?.saturating_sub(processor), read))
}

/// The processor time of this process so far, by hundredths of a second.
fn processor() -> Result<Duration> {
    let told = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = told.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Times a project whose tables have kept a snapshot a night for `nights`.
fn old(name: &str, program: &str, form: Form, nights: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shop = folder.path();
    project(shop)?;
    run(program, shop, &["run", "-q"])?;
    let young = nothing_to_do(program, shop)?;
    let bytes = age(&shop.join("out"), nights, form)?;
    run(program, shop, &["recover", "-q"])?;
    let old = nothing_to_do(program, shop)?;
    let recover = run(program, shop, &["recover", "-q"])?;
    let history = run(program, shop, &["history", "-q", "--limit", "10"])?;
    let times = [young, old, recover, history].map(shown).join(" | ");
    println!("| {name} | {} | {times} |", bytes / nights);
    Ok(())
}

/// A project of eight tables that keep snapshots.
fn project(shop: &Path) -> Result<()> {
    let source = "tests/fixtures/roots/format-1/sources/orders/a.parquet";
    for path in ["pipelines", "sql/m", "sources/orders"] {
        fs::create_dir_all(shop.join(path))?;
    }
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(source), shop.join("sources/orders/a.parquet"))?;
    fs::write(
        shop.join("pipelines/wide.yml"),
        "version: 1\nname: wide\nas_of: 2026-01-01\nsources:\n  location: ./sources\n  tables:\n    \
         orders: {path: orders/}\nmodels: [m]\ntargets:\n  dev: {root: ./out}\npublish: [m]\n",
    )?;
    let mut contracts = "models:\n".to_owned();
    for table in 0..SNAPSHOT_TABLES {
        contracts += &format!(
            "  - name: table_{table:03}\n    description: One row per customer and day.\n    config: \
             {{materialized: snapshot}}\n    grain: [as_of, customer_id]\n    columns:\n      \
             - {{name: as_of, data_type: date, description: The day looked from.}}\n      \
             - {{name: customer_id, data_type: bigint, description: Who.}}\n"
        );
        let mut sql = "select $as_of_day as as_of, customer_id".to_owned();
        for column in 2..10 {
            contracts += &format!("      - {{name: c{column}, data_type: bigint, description: A number.}}\n");
            sql += &format!(", count(*) + {column} as c{column}");
        }
        sql += "\nfrom sources.orders\ngroup by customer_id\n";
        fs::write(shop.join(format!("sql/m/table_{table:03}.sql")), sql)?;
    }
    Ok(fs::write(shop.join("sql/m/m.yml"), contracts)?)
}

/// Makes the versions of the nights before: the last one has the snapshots the program published. Returns the
/// bytes of commits and chunks.
fn age(root: &Path, nights: u64, form: Form) -> Result<u64> {
    let published: Commit = serde_json::from_slice(&fs::read(commit_file(root, 1))?)?;
    let Slice::Snapshot { as_of } = published.tables.values().next().ok_or("no table")?.parts[0].slice else {
        return Err("no snapshot".into());
    };
    let today = (as_of.micros() - roots::START) / DAY;
    let mut commit = published.clone();
    commit.tables.values_mut().for_each(|table| table.parts.clear());
    let mut bytes = 0;
    for version in 1..=nights {
        commit.version = version;
        commit.parent = version.checked_sub(1).filter(|parent| *parent > 0);
        let day = today - i64::try_from(nights - version)?;
        for (name, table) in &mut commit.tables {
            table.built_in = version;
            table.delta.version = version - 1;
            if table.parts.len() == KEPT {
                table.parts.remove(0);
            }
            let own = &published.tables[name].parts[0];
            table.parts.push(if version == nights {
                own.clone()
            } else {
                roots::part(name.as_str(), day, Kept::Days)?
            });
            if version + WRITTEN <= nights && version > 1 {
                fill_log(root, name.as_str(), version)?;
            }
        }
        bytes += roots::write(root, &commit, form)?;
    }
    Ok(bytes)
}

/// Writes a version of a Delta log that names nothing, and the checkpoint that is due.
fn fill_log(root: &Path, table: &str, version: u64) -> Result<()> {
    let log = root.join(format!("tables/{table}/_delta_log"));
    let ours =
        format!("{{\"txn\":{{\"appId\":\"{APPLICATION}\",\"version\":{version},\"lastUpdated\":0}}}}\n");
    fs::write(log.join(format!("{:020}.json", version - 1)), ours)?;
    if (version - 1).is_multiple_of(10) {
        fs::write(log.join(format!("{:020}.checkpoint.parquet", version - 1)), "")?;
    }
    Ok(())
}

/// The median time of a run that finds nothing to do.
fn nothing_to_do(program: &str, shop: &Path) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(run(program, shop, &["run", "-q", "--skip-exit-code"])?);
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn shown(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

fn files_below(folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        files += if path.is_dir() { files_below(&path)? } else { 1 };
    }
    Ok(files)
}

/// Runs the program; how long it took. 99 says that there was nothing to do.
fn run(program: &str, folder: &Path, arguments: &[&str]) -> Result<Duration> {
    let started = Instant::now();
    let mut command = Command::new(program);
    let status = command.args(arguments).current_dir(folder).stdout(Stdio::null()).status()?;
    let is_no_op = arguments.contains(&"--skip-exit-code");
    if status.code() == Some(if is_no_op { 99 } else { 0 }) {
        return Ok(started.elapsed());
    }
    Err(format!("`goodwill {}` ended with {status}", arguments.join(" ")).into())
}
