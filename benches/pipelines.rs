//! Times the shipped pipelines as whole processes: seconds, rows a second, peak memory.
//!
//! `cargo bench --bench pipelines [-- COMPLETE_JOURNEY_FOLDER]` prints the rows of
//! docs/performance.md. Each pipeline is run three times from nothing; the median is printed.
#![expect(clippy::disallowed_methods, reason = "a bench times the program from outside")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program, as built for benches: optimised.
const PROGRAM: &str = env!("CARGO_BIN_EXE_goodwill");

/// How often each pipeline is run.
const RUNS: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Measured {
    seconds: f64,
    peak_megabytes: f64,
}

fn main() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    println!("| pipeline | source rows | seconds | rows a second | peak memory |");
    println!("| --- | --- | --- | --- | --- |");
    for scale in ["0.01", "0.1"] {
        let folder = scratch.path().join(format!("demo-{scale}"));
        let shown = folder.to_string_lossy().into_owned();
        measure(scratch.path(), &["demo", &shown, "--scale", scale, "-q"])?;
        let root = |run: usize| format!("out-{run}");
        bench(&format!("demo, scale {scale}"), &folder, &["run", "-q", "--sources", "demo/sources"], root)?;
    }
    let journey = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if let Some(data) = journey {
        let project = scratch.path().join("journey");
        let shown = project.to_string_lossy().into_owned();
        measure(scratch.path(), &["init", &shown, "--from", "complete_journey", "-q"])?;
        let data = std::fs::canonicalize(data)?.to_string_lossy().into_owned();
        let root = |run: usize| format!("out-{run}");
        bench("Complete Journey", &project, &["run", "-q", "--sources", &data], root)?;
    }
    Ok(())
}

fn bench(name: &str, folder: &Path, command: &[&str], root: impl Fn(usize) -> String) -> Result<()> {
    let mut runs = Vec::new();
    let mut rows = 0;
    for run in 0..RUNS {
        let root = root(run);
        let command: Vec<&str> = command.iter().copied().chain(["--root", root.as_str()]).collect();
        runs.push(measure(folder, &command)?);
        rows = source_rows(&folder.join(&root))?;
    }
    runs.sort_by(|left, right| left.seconds.total_cmp(&right.seconds));
    let Some(median) = runs.get(RUNS / 2) else { return Ok(()) };
    let peak = runs.iter().map(|run| run.peak_megabytes).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "printed without decimals")]
    let speed = rows as f64 / median.seconds;
    println!("| {name} | {rows} | {:.1} | {speed:.0} | {peak:.0} MB |", median.seconds);
    Ok(())
}

/// Runs the program and watches its resident memory, which Linux keeps the peak of.
fn measure(folder: &Path, command: &[&str]) -> Result<Measured> {
    let started = Instant::now();
    let mut child = Command::new(PROGRAM)
        .args(command)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut peak = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = peak.max(peak_of(child.id()).unwrap_or(0.0));
        std::thread::sleep(Duration::from_millis(10));
    };
    if !status.success() {
        return Err(format!("`goodwill {}` ended with {status}", command.join(" ")).into());
    }
    Ok(Measured { seconds: started.elapsed().as_secs_f64(), peak_megabytes: peak })
}

fn peak_of(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// All rows of the sources, as the run's receipt says.
fn source_rows(root: &Path) -> Result<u64> {
    let runs = std::fs::read_dir(root.join("_goodwill/runs"))?;
    let run = runs.into_iter().next().ok_or("there is no run")??;
    let receipt = std::fs::read(run.path().join("receipt.json"))?;
    let receipt: serde_json::Value = serde_json::from_slice(&receipt)?;
    let inputs = receipt["inputs"].as_object().ok_or("the receipt has no inputs")?;
    Ok(inputs.values().filter_map(|input| input["rows"].as_u64()).sum())
}
