//! A DataFusion session for one step: its memory, its spill folder, its settings.
//!
//! **Invariant:** no tables, no catalogue, no functions by name: a plan brings all it reads, so
//! nothing but its bindings can be read.

use std::path::Path;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;

use super::context::set_options;
use super::memory::{Effort, Share};
use super::side_by_side::SideBySide;

/// Rows of a record batch.
pub(super) const BATCH_ROWS: usize = 8_192;
/// Spilled data may fill the disk; then the run says so (GW0702).
const MAX_SPILL: u64 = 1 << 50;

/// A session with `share` of the machine, spilling into `spill`.
#[expect(clippy::disallowed_methods, reason = "every session a plan runs in is made here")]
pub(super) fn session(share: Share, effort: Effort, spill: &Path) -> Result<SessionState> {
    let memory = usize::try_from(share.memory).unwrap_or(usize::MAX);
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spill.to_path_buf()]))
        .with_max_temp_directory_size(MAX_SPILL);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let state = SessionStateBuilder::new()
        .with_config(config(share, effort, memory))
        .with_runtime_env(runtime)
        // The plan was analysed when it was typed.
        .with_analyzer_rules(Vec::new());
    let state = match effort {
        Effort::Usual => state.with_physical_optimizer_rule(Arc::new(SideBySide { memory })),
        Effort::Frugal => state,
    };
    Ok(state.build())
}

fn config(share: Share, effort: Effort, memory: usize) -> SessionConfig {
    let streams = effort.streams(share);
    let mut config = SessionConfig::new()
        .with_target_partitions(streams)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(false);
    let options = config.options_mut();
    set_options(options);
    options.optimizer.prefer_hash_join = effort == Effort::Usual;
    // A merge of spilled runs needs this much beside the pool; small budgets need less of it.
    options.execution.sort_spill_reservation_bytes = (memory / streams / 8).min(10 * 1024 * 1024);
    config
}
