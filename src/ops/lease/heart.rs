//! The lease while it is held: renewed in the background, released at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{Surroundings, Times};
use crate::lake::{Lake, Lease};

/// How long the end of a run waits for a renewal under way.
const LAST_BEAT: Duration = Duration::from_millis(200);
/// How long a store that does not answer may keep a run that has ended.
const PARTING: Duration = Duration::from_secs(5);

/// The lease a run holds, or none.
#[derive(Default)]
pub(in crate::ops) struct Hold(Mutex<Option<Heart>>);

impl Hold {
    /// Holds `lease`, and renews it from now on.
    pub(super) fn begin(&self, lake: &Lake, lease: Lease, times: Times, around: &Surroundings) {
        let heart = Heart::start(lake, lease, times, around);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(heart);
    }

    /// Lets go of the lease; nothing here can change how the run ended. Again it does nothing.
    pub(in crate::ops) async fn release(&self) {
        let heart = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(heart) = heart {
            heart.stop().await;
        }
    }
}

/// Renews a lease in the background.
struct Heart {
    lake: Lake,
    lease: Lease,
    stale: Duration,
    beaten: Arc<Beaten>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// What the last renewals found.
struct Beaten {
    lost: AtomicBool,
    last: Mutex<Instant>,
}

impl Heart {
    #[expect(clippy::disallowed_methods, reason = "no result depends on when a lease is renewed")]
    fn start(lake: &Lake, lease: Lease, times: Times, around: &Surroundings) -> Self {
        let beaten = Arc::new(Beaten { lost: AtomicBool::new(false), last: Mutex::new(Instant::now()) });
        let (stop, mut stopped) = watch::channel(false);
        let (at, ours, told, clock) =
            (lake.clone(), lease.clone(), Arc::clone(&beaten), Arc::clone(&around.clock));
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = sleep(times.beat) => {}
                    _ = stopped.wait_for(|stop| *stop) => return,
                }
                let renewed = Lease { renewed_at: clock(), ..ours.clone() };
                match at.renew_lease(&renewed).await {
                    Ok(true) => *told.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now(),
                    Ok(false) => {
                        // It was taken for stale: the machine slept, or the store did not answer.
                        tracing::warn!(run_id = ours.run_id, "another run took the lease");
                        told.lost.store(true, Ordering::SeqCst);
                        return;
                    }
                    Err(cause) => tracing::debug!(%cause, "the lease was not renewed"),
                }
            }
        });
        Self { lake: lake.clone(), lease, stale: times.stale, beaten, stop, task }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if timeout(LAST_BEAT, &mut task).await.is_err() {
            task.abort();
        }
        if self.beaten.lost.load(Ordering::SeqCst) {
            return;
        }
        let last = *self.beaten.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody takes a lease for stale that was renewed a moment ago: no need to ask whose it is.
        let released = async {
            if last.elapsed() < self.stale / 2 {
                self.lake.drop_lease(&self.lease).await
            } else {
                self.lake.release_lease(&self.lease).await
            }
        };
        match timeout(PARTING, released).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => tracing::debug!(%cause, "the lease was not released"),
            Err(_) => tracing::debug!("the lease was not released in time"),
        }
    }
}
