//! Times the shipped pipelines on folders and on a store that answers 50 ms late.
//!
//! `cargo bench --bench stores [-- COMPLETE_JOURNEY_FOLDER]` prints the rows of
//! docs/performance.md: the median of three runs from nothing each, and their ratio. The store is
//! an S3 server in this process; the wait is below the program's client, before each request.
#![expect(clippy::disallowed_methods, reason = "a bench times the program from outside")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::unwrap_used, reason = "the server is the tests' own")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

#[path = "../tests/integration/s3.rs"]
mod s3;

/// The program, as built for benches: optimised, and heeding faults.
const PROGRAM: &str = env!("CARGO_BIN_EXE_goodwill");

/// How often each is run.
const RUNS: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let buckets = tempfile::tempdir()?;
    std::fs::create_dir(buckets.path().join("shop"))?;
    let environment = s3::environment(s3::start(buckets.path()));
    let mut projects = vec![demo(scratch.path(), "0.01")?];
    if let Some(data) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        let folder = scratch.path().join("journey");
        run(scratch.path(), &["init", &folder.to_string_lossy(), "--from", "complete_journey", "-q"], &[])?;
        let data = std::fs::canonicalize(data)?.to_string_lossy().into_owned();
        projects.push(("Complete Journey".to_owned(), folder, data));
    }
    projects.push(demo(scratch.path(), "0.1")?);
    println!("| pipeline | folders | S3, 50 ms late | ratio |");
    println!("| --- | --- | --- | --- |");
    for (number, (name, folder, sources)) in projects.iter().enumerate() {
        let objects = format!("s3://shop/{number}/sources");
        copy(Path::new(sources), &buckets.path().join(format!("shop/{number}/sources")))?;
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for turn in 0..RUNS {
            near.push(run(
                folder,
                &["run", "-q", "--sources", sources, "--root", &format!("out-{turn}")],
                &[],
            )?);
            let root = format!("s3://shop/{number}/out-{turn}");
            let mut late = environment.clone();
            late.push(("GOODWILL_STORE_FAULTS".to_owned(), "latency=50ms".to_owned()));
            far.push(run(folder, &["run", "-q", "--sources", &objects, "--root", &root], &late)?);
        }
        let (near, far) = (median(near), median(far));
        println!("| {name} | {near:.1} s | {far:.1} s | {:.2} |", far / near);
    }
    Ok(())
}

/// The name, the folder and the sources of a demo.
fn demo(parent: &Path, scale: &str) -> Result<(String, PathBuf, String)> {
    let folder = parent.join(format!("demo-{scale}"));
    run(parent, &["demo", &folder.to_string_lossy(), "--scale", scale, "-q"], &[])?;
    let sources = folder.join("demo/sources").to_string_lossy().into_owned();
    Ok((format!("demo, scale {scale}"), folder, sources))
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Runs the program; how many seconds it took.
fn run(folder: &Path, arguments: &[&str], environment: &[(String, String)]) -> Result<f64> {
    let started = Instant::now();
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder).envs(environment.iter().cloned());
    let status = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status()?;
    if !status.success() {
        return Err(format!("`goodwill {}` ended with {status}", arguments.join(" ")).into());
    }
    Ok(started.elapsed().as_secs_f64())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
