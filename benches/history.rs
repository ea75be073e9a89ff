//! Times a run with nothing to do on a young root and on one with ten years of nightly versions.
//!
//! `cargo bench --bench history [-- NIGHTS]` prints the row of docs/performance.md. The demo is published
//! once by the program; the other versions are made through the lake's own types: every table anew each
//! night, with the files of the first. Their Delta logs are filled up by name, but for the last versions,
//! which the program writes itself.
#![expect(clippy::disallowed_methods, reason = "a bench times the program from outside")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goodwill::lake::{APPLICATION, Commit};

/// The program, as built for benches: optimised.
const PROGRAM: &str = env!("CARGO_BIN_EXE_goodwill");

/// Ten years.
const NIGHTS: u64 = 3_650;

/// How often each is run.
const RUNS: usize = 5;

/// Versions whose Delta logs the program writes: it goes back as far as the last checkpoint that is due.
const WRITTEN: u64 = 20;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let nights = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(NIGHTS);
    let scratch = tempfile::tempdir()?;
    run(scratch.path(), &["demo", "shop", "--scale", "0.001", "-q"])?;
    let shop = scratch.path().join("shop");
    let root = shop.join("out");
    let young = nothing_to_do(&shop)?;
    let last = age(&root, nights)?;
    let recovered = run(&shop, &["recover", "-q"])?;
    let listing = listing(&root)?;
    let old = nothing_to_do(&shop)?;
    let history = run(&shop, &["history", "-q"])?;
    println!(
        "{} tables, {} versions, {} files, {:.2} MB of JSON a commit",
        last.tables.len(),
        nights,
        files_below(&root)?,
        f64::from(size_of(&commit_file(&root, nights))?) / 1e6
    );
    println!(
        "| nothing to do after one version | after {nights} | listing the commits | recover | history |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let shown = [young, old, listing, recovered, history].map(|time| format!("{:.2} s", time.as_secs_f64()));
    println!("| {} |", shown.join(" | "));
    Ok(())
}

/// The median time of a run that finds nothing to do.
fn nothing_to_do(shop: &Path) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(run(shop, &["run", "-q"])?);
    }
    times.sort();
    Ok(times[RUNS / 2])
}

fn commit_file(root: &Path, version: u64) -> PathBuf {
    root.join(format!("_goodwill/commits/{version:020}.json"))
}

/// Makes the versions of the nights after the first; returns the last.
fn age(root: &Path, nights: u64) -> Result<Commit> {
    let mut commit: Commit = serde_json::from_slice(&std::fs::read(commit_file(root, 1))?)?;
    for version in 2..=nights {
        commit.version = version;
        commit.parent = Some(version - 1);
        for (name, table) in &mut commit.tables {
            table.built_in = version;
            table.delta.version = version - 1;
            if version + WRITTEN <= nights {
                let log = root.join(format!("tables/{name}/_delta_log"));
                let ours = format!(
                    "{{\"txn\":{{\"appId\":\"{APPLICATION}\",\"version\":{version},\"lastUpdated\":0}}}}\n"
                );
                std::fs::write(log.join(format!("{:020}.json", version - 1)), ours)?;
                if (version - 1).is_multiple_of(10) {
                    std::fs::write(log.join(format!("{:020}.checkpoint.parquet", version - 1)), "")?;
                }
            }
        }
        std::fs::write(commit_file(root, version), commit.encode()?.content)?;
    }
    Ok(commit)
}

/// How long it takes to list the commits, as a floor for what reads them.
fn listing(root: &Path) -> Result<Duration> {
    let started = Instant::now();
    for entry in std::fs::read_dir(root.join("_goodwill/commits"))? {
        entry?.metadata()?;
    }
    Ok(started.elapsed())
}

fn files_below(folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { files_below(&entry.path())? } else { 1 };
    }
    Ok(files)
}

fn size_of(file: &Path) -> Result<u32> {
    Ok(u32::try_from(std::fs::metadata(file)?.len())?)
}

/// Runs the program; how long it took.
fn run(folder: &Path, arguments: &[&str]) -> Result<Duration> {
    let started = Instant::now();
    let mut command = Command::new(PROGRAM);
    let status = command.args(arguments).current_dir(folder).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("`goodwill {}` ended with {status}", arguments.join(" ")).into());
    }
    Ok(started.elapsed())
}
