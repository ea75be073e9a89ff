//! SIGINT, SIGTERM and `--timeout`: a run is asked to stop, and stops within ten seconds; before it
//! writes, and for any other command, within one.
//!
//! **Invariant:** whatever the signal, nothing half-made becomes visible: that is the business of
//! publishing. So giving up on a run that does not stop in time does no harm either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::console::Console;
use super::exit::{Exit, StopCause};
use super::render;
use crate::diagnostic::Diagnostics;

/// How long anything may take to stop: until a table is written there is nothing to end in order.
const SHORT_GRACE: Duration = Duration::from_millis(500);
/// How much longer a run that writes may take; a little less than what people were promised.
const GRACE: Duration = Duration::from_millis(7_500);

/// What is told when there was nothing to end in order.
pub(super) const NOTHING_COMPUTED: &str = "stopped before anything was computed\n";

/// Whether there is something to end in order: a table is being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    /// From now on the program ends in order.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Tells whether the program was asked to stop, and why.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    cause: Arc<AtomicU8>,
    stop: watch::Receiver<bool>,
}

impl Signals {
    /// Listens from now on, on a thread of its own, so that busy workers cannot delay it.
    pub(super) fn listen(timeout: Option<Duration>, begun: Begun, console: Console) -> Self {
        let cause = Arc::new(AtomicU8::new(0));
        let (sender, stop) = watch::channel(false);
        let listener = Listener { cause: Arc::clone(&cause), sender, begun, console };
        // Without the thread the signals do what they do to any program: end it.
        drop(thread::Builder::new().name("signals".to_owned()).spawn(move || listener.run(timeout)));
        Self { cause, stop }
    }

    /// Becomes true when the program must stop.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Why the program was asked to stop, if it was.
    pub(super) fn cause(&self) -> Option<StopCause> {
        cause_of(self.cause.load(Ordering::SeqCst))
    }
}

const fn number_of(cause: StopCause) -> u8 {
    match cause {
        StopCause::Interrupt => 1,
        StopCause::Terminate => 2,
        StopCause::Timeout => 3,
    }
}

const fn cause_of(number: u8) -> Option<StopCause> {
    match number {
        1 => Some(StopCause::Interrupt),
        2 => Some(StopCause::Terminate),
        3 => Some(StopCause::Timeout),
        _ => None,
    }
}

struct Listener {
    cause: Arc<AtomicU8>,
    sender: watch::Sender<bool>,
    begun: Begun,
    console: Console,
}

impl Listener {
    fn run(self, timeout: Option<Duration>) {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if self.wait(timeout).await.is_some() {
                self.end().await;
            }
        });
    }

    /// Waits for the first reason to stop, and passes it on; `None` if signals cannot be heard.
    async fn wait(&self, timeout: Option<Duration>) -> Option<()> {
        let mut heard = Heard::new()?;
        let cause = tokio::select! {
            cause = heard.next() => cause?,
            () = over(timeout) => StopCause::Timeout,
        };
        self.cause.store(number_of(cause), Ordering::SeqCst);
        self.sender.send_replace(true);
        Some(())
    }

    /// Is over when the program has had the time it needs to end in order.
    async fn grace(&self) {
        tokio::time::sleep(SHORT_GRACE).await;
        if self.begun.is_set() {
            tokio::time::sleep(GRACE).await;
        }
    }

    /// Ends the program at a second signal, or when the grace is over.
    async fn end(&self) {
        let cause = cause_of(self.cause.load(Ordering::SeqCst));
        let exit = cause.map_or(Exit::BUG, StopCause::exit);
        let again = async {
            match Heard::new() {
                Some(mut heard) => heard.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = again => {}
            () = self.grace() => {}
        }
        // The run does not stop, or somebody will not wait: every write is safe to cut.
        let found = cause.and_then(StopCause::finding).map(Diagnostics::from).unwrap_or_default();
        self.console.error(&render::text(&found, self.console.stderr));
        self.console.error(if self.begun.is_set() {
            "stopped at once; the next run finishes what this one may have begun to publish\n"
        } else {
            NOTHING_COMPUTED
        });
        leave(exit);
    }
}

#[expect(clippy::exit, reason = "the run does not stop in time, and every write is safe to cut")]
fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit.number()))
}

async fn over(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

#[cfg(unix)]
struct Heard {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Heard {
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt()).ok()?;
        let terminate = signal(SignalKind::terminate()).ok()?;
        Some(Self { interrupt, terminate })
    }

    async fn next(&mut self) -> Option<StopCause> {
        tokio::select! {
            heard = self.interrupt.recv() => heard.map(|()| StopCause::Interrupt),
            heard = self.terminate.recv() => heard.map(|()| StopCause::Terminate),
        }
    }
}

#[cfg(not(unix))]
struct Heard;

#[cfg(not(unix))]
impl Heard {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere listening can fail")]
    fn new() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) -> Option<StopCause> {
        tokio::signal::ctrl_c().await.ok().map(|()| StopCause::Interrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_survives_its_number() {
        for cause in [StopCause::Interrupt, StopCause::Terminate, StopCause::Timeout] {
            assert_eq!(cause_of(number_of(cause)), Some(cause));
        }
        assert_eq!(cause_of(0), None);
    }
}
