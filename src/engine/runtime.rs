//! The threads plans run on, apart from those of the caller.
//!
//! **Invariant:** computing never blocks the caller's runtime, so signals, progress and time-outs
//! work while a plan keeps every core busy.

use std::future::Future;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use tokio::runtime::{Builder, Handle};

/// Plans recurse over expressions; the default of 2 MiB is too little for generated SQL.
const STACK: usize = 16 * 1024 * 1024;

/// A runtime of its own for plans.
#[derive(Debug, Clone)]
pub(super) struct Runtime {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    handle: Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Waiting for threads is forbidden where this may be dropped: inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Runtime {
    #[expect(clippy::disallowed_methods, reason = "the threads of plans are started here")]
    pub(super) fn try_new(threads: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("goodwill-plan")
            .thread_stack_size(STACK)
            .enable_all()
            .build()?;
        Ok(Self { owner: Arc::new(Owner { handle: runtime.handle().clone(), runtime: Some(runtime) }) })
    }

    /// Runs `work` on the plan's threads; it is stopped when the returned future is dropped.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, DataFusionError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut task = tokio::task::JoinSet::new();
        task.spawn_on(work, &self.owner.handle);
        match task.join_next().await {
            Some(Ok(done)) => Ok(done),
            Some(Err(cause)) => Err(DataFusionError::ExecutionJoin(Box::new(cause))),
            None => Err(DataFusionError::Execution("the plan's threads have ended".to_owned())),
        }
    }
}
