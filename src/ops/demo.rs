//! `demo`: a ready project with the data of a company that does not exist, run once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};

use super::files::{self, Mode};
use super::init::{DEFAULT_PIPELINE, project_files};
use super::{Common, Error, ShowRequest, Surroundings};
use crate::demo::{self, Assumptions, DemoError, Progress, World};
use crate::diagnostic::{Diagnostic, code};
use crate::plan::{Ending, Outcome};

/// Where the demo's world lies in its project.
const WORLD: &str = "demo";
/// Where its sources lie.
const SOURCES: &str = "demo/sources";
/// Where the truth behind them lies.
const TRUTH: &str = "demo/truth";
/// What the sources are, for the next call: written before and, with sizes, after making them.
const RECORD: &str = "demo/world.json";

/// Raised when the same request gives another world, so that an old one is made again.
const EDITION: u32 = 3;

/// Which demo to make.
#[derive(Debug, Clone)]
pub struct DemoRequest {
    /// The project's folder, seen from the surroundings' one.
    pub folder: PathBuf,
    /// The company.
    pub world: World,
    /// What of it.
    pub extent: Extent,
    /// Streams within a step.
    pub threads: Option<usize>,
    /// The most memory to use, in bytes.
    pub memory_limit: Option<u64>,
}

/// How far a demo goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Sources and a run over them.
    Run,
    /// Sources alone.
    Sources,
}

/// A demo that was made and run.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The project's folder, as requested.
    pub folder: PathBuf,
    /// The sources, in a fixed order.
    pub sources: Vec<SourceSize>,
    /// Whether they were made by this call.
    pub made: Made,
    /// What became of the run; `None` if sources alone were asked for.
    pub outcome: Option<Outcome>,
    /// What the published tables say; `None` if nothing is published or the project was changed
    /// so that they do not say it any more.
    pub headlines: Option<Headlines>,
}

/// Whether sources were made or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// By this call.
    Now,
    /// By an earlier one with the same request.
    Before,
}

/// How large a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSize {
    /// Its name.
    pub name: String,
    /// Rows of all its files.
    pub rows: u64,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// Three figures a person understands, read from the published tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Headlines {
    /// Net sales of the last twelve months, an exact decimal.
    pub net_sales: String,
    /// Customers with an order in these months.
    pub buyers: u64,
    /// Customers in each tier, the best tier first.
    pub tiers: Vec<TierSize>,
    /// The share of all contribution that the best fifth of these customers brought; may pass 1.
    pub best_fifth_share: Option<f64>,
}

/// How many customers a tier has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierSize {
    /// The tier's letter.
    pub tier: String,
    /// Its customers.
    pub customers: u64,
}

/// How a demo ended.
#[derive(Debug, Clone)]
pub enum DemoEnd {
    /// The sources are there, and the run came to its end, whatever that is.
    Done(Box<Demo>),
    /// A signal came while the sources were made; the next call starts them again.
    Stopped,
}

/// Hears how far the making of the sources is, on a thread of its own.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// Makes the project and its sources unless they are there, and runs it.
///
/// # Errors
///
/// Returns `GW0307` if files of another making are in the way, `GW0301` for a company that cannot
/// be, `GW0705` if another process makes the same sources, and what the run returns.
pub async fn demo(
    around: &Surroundings,
    request: &DemoRequest,
    on_progress: OnProgress,
) -> Result<DemoEnd, Error> {
    let folder = files::below(&around.folder, &request.folder);
    let wanted = Record::of(&request.world);
    let found = Record::read(&folder)?;
    write_project(&folder, &wanted, found.as_ref())?;
    let whole = found.filter(|found| found.is_of(&wanted) && files::has_files(&folder.join(SOURCES)));
    let (sources, made) = match whole.and_then(|found| found.sources) {
        Some(sources) => (sources, Made::Before),
        None => match make_sources(around, &folder, &request.world, wanted, on_progress).await? {
            Some(sources) => (sources, Made::Now),
            None => return Ok(DemoEnd::Stopped),
        },
    };
    let mut demo = Demo { folder: request.folder.clone(), sources, made, outcome: None, headlines: None };
    if request.extent == Extent::Run {
        let inside = Surroundings { folder, ..around.clone() };
        let common = common(request);
        let outcome = super::run(&inside, &common).await?.outcome;
        let published = matches!(outcome.ending, Ending::Published { .. } | Ending::NothingToDo { .. });
        demo.headlines = if published { headlines(&inside, &common).await } else { None };
        demo.outcome = Some(outcome);
    }
    Ok(DemoEnd::Done(Box::new(demo)))
}

fn common(request: &DemoRequest) -> Common {
    Common {
        pipeline: Some(DEFAULT_PIPELINE.to_owned()),
        // Not where $GOODWILL_SOURCES points: the demo runs on its own data.
        sources: Some(SOURCES.to_owned()),
        threads: request.threads,
        memory_limit: request.memory_limit,
        ..Common::default()
    }
}

/// What the sources of a demo are a function of, and their sizes once they are whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    made_by: String,
    #[serde(default)]
    edition: u32,
    seed: u64,
    scale: f64,
    until: String,
    #[serde(default)]
    assumptions: Assumptions,
    sources: Option<Vec<SourceSize>>,
}

impl Record {
    fn of(world: &World) -> Self {
        Self {
            made_by: format!("goodwill {}", env!("CARGO_PKG_VERSION")),
            edition: EDITION,
            seed: world.seed,
            scale: world.scale,
            until: world.until.to_string(),
            assumptions: world.assumptions,
            sources: None,
        }
    }

    fn is_of(&self, wanted: &Self) -> bool {
        Self { sources: None, ..self.clone() } == *wanted
    }

    /// The record of an earlier call; one that cannot be read is as good as one of another world.
    fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let content = files::read(&folder.join(RECORD))?;
        let unreadable = Self { sources: None, ..Self::of(&World::default()) };
        Ok(content.map(|content| serde_json::from_slice(&content).unwrap_or(unreadable)))
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        let mut content = serde_json::to_vec_pretty(self).unwrap_or_default();
        content.push(b'\n');
        files::replace(&folder.join(RECORD), &content, Mode::Text)
    }
}

/// Writes the project if no demo was made here, else only the day it looks from, if it changed:
/// the rest is the person's.
fn write_project(folder: &Path, wanted: &Record, found: Option<&Record>) -> Result<(), Error> {
    let pipeline = format!("pipelines/{DEFAULT_PIPELINE}.yml");
    match found {
        Some(found) if found.until == wanted.until => Ok(()),
        Some(_) => {
            let path = folder.join(pipeline);
            let Some(content) = files::read(&path)? else { return Ok(()) };
            let text = with_as_of(&String::from_utf8_lossy(&content), &wanted.until);
            files::replace(&path, text.as_bytes(), Mode::Text)
        }
        None if files::has_files(&folder.join(SOURCES)) => {
            let message = format!("`{}` has files that no demo made", folder.join(SOURCES).display());
            Err(Diagnostic::error(code::FOLDER_NOT_EMPTY, message).help("choose an empty folder").into())
        }
        None => {
            let mut wanted_files = project_files(DEFAULT_PIPELINE)?;
            wanted_files.iter_mut().filter(|file| file.path == pipeline).for_each(|file| {
                let text = with_as_of(&String::from_utf8_lossy(&file.content), &wanted.until);
                file.content = with_late_rows(&text).into_bytes();
            });
            files::write_all(folder, &wanted_files)?;
            Ok(())
        }
    }
}

/// The pipeline file with the day the demo's history ends as its `as_of`.
fn with_as_of(text: &str, day: &str) -> String {
    let line = format!("as_of: {day}");
    let mut lines: Vec<&str> = text.lines().collect();
    let is = |key: &'static str| move |line: &&str| line.starts_with(key);
    if let Some(written) = lines.iter_mut().find(|line| is("as_of:")(line)) {
        *written = &line;
    } else {
        let after = ["time_zone:", "name:", "version:"];
        let at = after.iter().find_map(|key| lines.iter().position(|line| is(key)(line)));
        lines.insert(at.map_or(0, |at| at + 1), &line);
    }
    lines.join("\n") + "\n"
}

/// Sources of the demo whose rows say when they were loaded.
const LATE: [&str; 4] = ["order_status", "returns", "touches", "events"];

/// The pipeline file with the instants from which late rows are known: a company's own Parquet
/// need not tell them, the demo's does.
fn with_late_rows(text: &str) -> String {
    LATE.iter().fold(text.to_owned(), |text, name| {
        let written = format!("    {name}: {{path: {name}/}}");
        text.replace(&written, &format!("    {name}: {{path: {name}/, ingested_at: ingested_at}}"))
    })
}

/// Makes the sources; `None` if a signal came first.
async fn make_sources(
    around: &Surroundings,
    folder: &Path,
    world: &World,
    record: Record,
    on_progress: OnProgress,
) -> Result<Option<Vec<SourceSize>>, Error> {
    files::remove_folder(&folder.join(SOURCES))?;
    files::remove_folder(&folder.join(TRUTH))?;
    // Before the sources, so that a folder of sources without a record is never ours.
    record.write(folder)?;
    let (world, made_in) = (*world, folder.join(WORLD));
    let making = tokio::task::spawn_blocking(move || demo::generate(&world, &made_in, &*on_progress));
    let mut stop = around.stop.clone();
    let made = tokio::select! {
        made = making => made,
        _ = stop.wait_for(|stop| *stop) => return Ok(None),
    };
    let bug = |_| Error::from(Diagnostic::error(code::BUG, "the demo's sources could not be made"));
    let made = made.map_err(bug)?.map_err(|cause| of_demo(&cause))?;
    let size = |made: &demo::SourceSummary| SourceSize {
        name: made.name.to_owned(),
        rows: made.rows,
        bytes: made.bytes,
    };
    let sizes: Vec<SourceSize> = made.iter().map(size).collect();
    Record { sources: Some(sizes.clone()), ..record }.write(folder)?;
    Ok(Some(sizes))
}

fn of_demo(cause: &DemoError) -> Error {
    let message = cause.to_string();
    match cause {
        DemoError::Impossible { .. } => Diagnostic::error(code::BAD_REQUEST, message).into(),
        DemoError::NotEmpty { .. } => {
            Diagnostic::error(code::FOLDER_NOT_EMPTY, message).help("choose an empty folder").into()
        }
        DemoError::Busy { .. } => {
            Diagnostic::error(code::LOCKED, message).help("wait for it, or choose another folder").into()
        }
        DemoError::Write { path, cause } => files::failed(path, cause),
        DemoError::Encode { .. } => Diagnostic::error(code::BUG, message).into(),
    }
}

async fn headlines(around: &Surroundings, common: &Common) -> Option<Headlines> {
    let sales = "select sum(net_sales) as net_sales, count(*) filter (where orders > 0) as buyers \
                 from customer_pnl where period = 'trailing_12_months'";
    let tiers = "select tier, count(*) as customers from value_tiers_latest group by tier order by tier";
    let share = "select whale_share from value_concentration_latest where percentile = 20";
    let sales = rows(around, common, sales).await?;
    let tiers = rows(around, common, tiers).await?;
    let share = rows(around, common, share).await?;
    let number = |row: &Vec<String>, at: usize| row.get(at)?.parse::<u64>().ok();
    let tier = |row: &Vec<String>| Some(TierSize { tier: row.first()?.clone(), customers: number(row, 1)? });
    Some(Headlines {
        net_sales: sales.first()?.first()?.clone(),
        buyers: number(sales.first()?, 1)?,
        tiers: tiers.iter().filter_map(tier).collect(),
        best_fifth_share: share.first().and_then(|row| row.first()?.parse().ok()),
    })
}

/// The rows of a query as text; `None` if it cannot be answered.
async fn rows(around: &Surroundings, common: &Common, query: &str) -> Option<Vec<Vec<String>>> {
    let request = ShowRequest { what: query.to_owned(), limit: 10 };
    let shown = super::show(around, common, &request).await.ok()?;
    let rows = shown.batches.iter().map(texts).collect::<Option<Vec<_>>>()?;
    Some(rows.into_iter().flatten().collect())
}

fn texts(batch: &RecordBatch) -> Option<Vec<Vec<String>>> {
    let options = FormatOptions::new();
    let formatters =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref() as &dyn Array, &options));
    let formatters = formatters.collect::<Result<Vec<_>, _>>().ok()?;
    let row = |at: usize| formatters.iter().map(|column| column.value(at).to_string()).collect();
    Some((0..batch.num_rows()).map(row).collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files themselves")]
mod tests {
    use super::*;

    #[test]
    fn the_day_a_demo_looks_from_stands_in_its_pipeline_file_once() {
        let written = with_as_of("version: 1\nname: a\ntime_zone: UTC\n\nvars:\n", "2026-01-01");
        assert_eq!(written, "version: 1\nname: a\ntime_zone: UTC\nas_of: 2026-01-01\n\nvars:\n");
        let moved = with_as_of(&written, "2026-02-01");
        assert_eq!(moved, written.replace("2026-01-01", "2026-02-01"));
    }

    #[test]
    fn a_project_of_a_demo_is_written_once_and_then_belongs_to_the_person() {
        let folder = tempfile::tempdir().expect("a folder");
        let wanted = Record::of(&World::default());
        write_project(folder.path(), &wanted, None).expect("written");
        let model = folder.path().join("sql/staging/orders.sql");
        std::fs::write(&model, "select 1").expect("changed");
        let later = Record { until: "2026-02-01".to_owned(), ..wanted.clone() };
        write_project(folder.path(), &later, Some(&wanted)).expect("kept");
        assert_eq!(std::fs::read_to_string(&model).expect("read"), "select 1");
        let pipeline = folder.path().join("pipelines/customer_intelligence.yml");
        let text = std::fs::read_to_string(&pipeline).expect("read");
        assert!(text.contains("\nas_of: 2026-02-01\n"));
        assert_eq!(text.matches("/, ingested_at: ingested_at}\n").count(), LATE.len());
    }

    #[test]
    fn sources_of_another_making_are_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join(SOURCES)).expect("made");
        std::fs::write(folder.path().join(SOURCES).join("a.parquet"), "ours").expect("written");
        let error = write_project(folder.path(), &Record::of(&World::default()), None).expect_err("refused");
        assert_eq!(error.diagnostics().iter().next().map(|found| found.code), Some(code::FOLDER_NOT_EMPTY));
    }

    #[test]
    fn a_record_is_of_its_world_whatever_the_sizes() {
        let wanted = Record::of(&World::default());
        let made = Record { sources: Some(Vec::new()), ..wanted.clone() };
        assert!(made.is_of(&wanted));
        assert!(!made.is_of(&Record { seed: 7, ..wanted.clone() }));
        assert!(!made.is_of(&Record { edition: 0, ..wanted.clone() }));
        assert!(!made.is_of(&Record { assumptions: Assumptions::Broken, ..wanted }));
    }
}
