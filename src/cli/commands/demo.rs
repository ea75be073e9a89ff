//! `demo`: what was made, what the tables say, and what to type next.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::run::{document, findings, summary};
use super::{DemoArgs, Exit, Output, Session, WhenIdle, exit, ops, tell, words};
use crate::cli::args::DemoPart;
use crate::cli::exit::StopCause;
use crate::cli::tables::{Frame, Grid};
use crate::demo::{Assumptions, World};
use crate::ops::{Demo, DemoEnd, DemoRequest, Extent, Headlines, Made};
use crate::plan::{Ending, Outcome, StepKind};

/// Makes a demo and runs it.
pub(in crate::cli) async fn demo(session: &Session, args: &DemoArgs) -> Result<Exit, ops::Error> {
    let request = DemoRequest {
        folder: args.folder.clone(),
        world: World {
            seed: args.seed,
            scale: args.scale,
            until: args.until,
            assumptions: assumptions(args),
        },
        extent: args.only.map_or(Extent::Run, |DemoPart::Sources| Extent::Sources),
        threads: args.resources.threads,
        memory_limit: args.resources.memory_limit,
    };
    let progress = Arc::clone(&session.progress);
    let on_progress = Arc::new(move |now| progress.demo(now));
    let ended = ops::demo(&session.around, &request, on_progress).await?;
    session.progress.finish();
    let stopped = session.signals.cause();
    let DemoEnd::Done(demo) = ended else {
        return Ok(stopped.unwrap_or(StopCause::Terminate).exit());
    };
    let run = demo.outcome.as_ref();
    let exit = run.map_or(Exit::OK, |run| exit::of_outcome(run, stopped, WhenIdle::Succeed));
    if let Some(run) = run {
        tell(&findings(run, session.signals.cause()), session.console);
    }
    match args.output.output {
        Output::Json => session.console.document(&demo_document(&demo, exit))?,
        Output::Text => session.console.result(&text(&demo, stopped, session.console.frame()))?,
    }
    Ok(exit)
}

const fn assumptions(args: &DemoArgs) -> Assumptions {
    if args.misspecified { Assumptions::Broken } else { Assumptions::Held }
}

fn demo_document(demo: &Demo, exit: Exit) -> serde_json::Value {
    let headlines = demo.headlines.as_ref().map(|headlines| {
        let tiers = headlines.tiers.iter().map(|tier| (tier.tier.clone(), json!(tier.customers)));
        json!({
            "net_sales": headlines.net_sales,
            "buyers": headlines.buyers,
            "customers_per_tier": tiers.collect::<serde_json::Map<_, _>>(),
            "best_fifth_share": headlines.best_fifth_share,
        })
    });
    json!({
        "folder": demo.folder,
        "sources": demo.sources,
        "made": demo.made == Made::Now,
        "headlines": headlines,
        "run": demo.outcome.as_ref().map(|run| document(run, &findings(run, None), exit)),
    })
}

fn text(demo: &Demo, stopped: Option<StopCause>, frame: Frame) -> String {
    let mut text = sources(demo, frame);
    let Some(outcome) = &demo.outcome else {
        text.push_str(&words_of_truth(&demo.folder));
        return text;
    };
    text.push('\n');
    text.push_str(&published(outcome, stopped, frame));
    if let Some(headlines) = &demo.headlines {
        text.push_str(&figures(headlines));
    }
    if matches!(outcome.ending, Ending::Published { .. } | Ending::NothingToDo { .. }) {
        text.push_str(&words_of_truth(&demo.folder));
        text.push_str(&next(&demo.folder));
    }
    text
}

fn words_of_truth(folder: &Path) -> String {
    format!("\nwhat is true of them, and no table can know: {}\n", folder.join("demo/truth").display())
}

fn sources(demo: &Demo, frame: Frame) -> String {
    let rows: u64 = demo.sources.iter().map(|source| source.rows).sum();
    let bytes: u64 = demo.sources.iter().map(|source| source.bytes).sum();
    let done = match demo.made {
        Made::Now => "made a company that does not exist",
        Made::Before => "found the company made before",
    };
    let size = format!("{}, {}", words::count(rows, "row"), words::bytes(bytes));
    let mut grid = Grid::new(&["source", ">rows", ">size"]);
    for source in &demo.sources {
        grid.row([source.name.clone(), words::grouped(source.rows), words::bytes(source.bytes)]);
    }
    format!("{done}: {size} in {}\n\n{}", demo.folder.join("demo/sources").display(), grid.render(frame))
}

/// The run, without what it computed on the way.
fn published(outcome: &Outcome, stopped: Option<StopCause>, frame: Frame) -> String {
    let mut outcome = outcome.clone();
    if matches!(outcome.ending, Ending::Published { .. }) {
        outcome.steps.retain(|step| step.kind == StepKind::Publish);
    }
    summary(&outcome, stopped, frame)
}

fn figures(headlines: &Headlines) -> String {
    let tiers: Vec<String> = headlines
        .tiers
        .iter()
        .map(|tier| format!("{} {}", tier.tier, words::grouped(tier.customers)))
        .collect();
    let mut text = format!(
        "\nin the last twelve months\n  net sales            {} from {}\n  customers by value   {}\n",
        words::grouped_decimal(&headlines.net_sales),
        words::count(headlines.buyers, "customer"),
        tiers.join(", ")
    );
    if let Some(share) = headlines.best_fifth_share {
        text.push_str(&format!("  best fifth           brings {:.0} % of the margin\n", share * 100.0));
    }
    text
}

fn next(folder: &Path) -> String {
    format!(
        "\nnext:\n  cd {}\n  goodwill show value_tiers\n  \
         goodwill show \"select * from kpi_monthly order by month desc\" --limit 12\n  \
         goodwill show \"select * from source_quality where failed > 0\"\n",
        words::shell_word(&folder.display().to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Colour;
    use crate::cli::samples;
    use crate::ops::{SourceSize, TierSize};

    #[test]
    fn a_demo_says_what_was_made_what_the_tables_say_and_what_to_type() {
        let tier = |tier: &str, customers| TierSize { tier: tier.to_owned(), customers };
        let demo = Demo {
            folder: "shop".into(),
            sources: vec![SourceSize { name: "orders".to_owned(), rows: 40_000, bytes: 1_200_000 }],
            made: Made::Now,
            outcome: Some(samples::outcome(Ending::NothingToDo { version: Some(1) })),
            headlines: Some(Headlines {
                net_sales: "1234567.50".to_owned(),
                buyers: 5_678,
                tiers: vec![tier("A", 1_000), tier("B", 20)],
                best_fifth_share: Some(0.876),
            }),
        };
        let expected = "\
made a company that does not exist: 40,000 rows, 1.2 MB in shop/demo/sources

 source │   rows │   size
────────┼────────┼────────
 orders │ 40,000 │ 1.2 MB

nothing to do: version 1 is what this project and these sources give, as of 1970-01-01 (UTC)

in the last twelve months
  net sales            1,234,567.50 from 5,678 customers
  customers by value   A 1,000, B 20
  best fifth           brings 88 % of the margin

what is true of them, and no table can know: shop/demo/truth

next:
  cd shop
  goodwill show value_tiers
  goodwill show \"select * from kpi_monthly order by month desc\" --limit 12
  goodwill show \"select * from source_quality where failed > 0\"
";
        let frame = Frame { width: None, colour: Colour::None };
        assert_eq!(text(&demo, None, frame), expected);
    }
}
