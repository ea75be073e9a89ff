//! The lease of a run: taken before it plans, renewed while it works, released however it ends.
//!
//! **Invariant:** it saves work and decides nothing: a lease that cannot be written is done without, and
//! two runs that both believe they hold it publish one after the other or one of them not at all.
//! Whether a lease is stale is told by what is seen of it (its process is gone, or nobody renews it, by
//! the store's clock and by ours from then on), never by comparing two machines' clocks.

use std::time::Duration;

use futures::future::{Either, select};
use jiff::SignedDuration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::{Common, Error, Publication, Surroundings};
use crate::diagnostic::{Diagnostic, code};
use crate::ident::{AttemptId, PipelineName};
use crate::lake::{self, FORMAT, FoundLease, Lake, LakeError, Lease};
use crate::plan::Event;

mod heart;

pub(super) use heart::Hold;

/// How often a lease is renewed.
const BEAT: Duration = Duration::from_secs(10);
/// For how long a lease must not have been renewed to be taken for a dead run's.
const STALE: Duration = Duration::from_mins(1);
/// How often one who waits looks.
const LOOK: Duration = Duration::from_secs(1);
/// The variable by which tests of races do without leases (`off`), and others with shorter times
/// (`stale=2s beat=200ms`); heeded in test builds only.
const VARIABLE: &str = "GOODWILL_LEASE";

/// The times of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    beat: Duration,
    stale: Duration,
}

impl Times {
    /// What the surroundings ask for; `None` for no leases at all.
    fn of(around: &Surroundings) -> Result<Option<Self>, Diagnostic> {
        let asked = around.environment.get(VARIABLE).filter(|_| fail::has_failpoints());
        Self::parse(asked.map_or("", String::as_str))
    }

    fn parse(text: &str) -> Result<Option<Self>, Diagnostic> {
        let mut times = Self { beat: BEAT, stale: STALE };
        for word in text.split_whitespace() {
            let wrong = || Diagnostic::error(code::BAD_REQUEST, format!("`{VARIABLE}`: `{word}` is unknown"));
            if word == "off" {
                return Ok(None);
            }
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            let length = value.parse::<SignedDuration>().ok();
            let length = length.and_then(|length| Duration::try_from(length).ok()).ok_or_else(wrong)?;
            match name {
                "beat" => times.beat = length,
                "stale" => times.stale = length,
                _ => return Err(wrong()),
            }
        }
        Ok(Some(times))
    }
}

/// Tells a look at the world that it may write from now on: the lease is there.
pub(super) struct Go(Option<oneshot::Receiver<()>>);

impl Go {
    /// Is over when the lease is there.
    pub(super) async fn given(self) {
        if let Some(told) = self.0 {
            // Who is never told is dropped.
            let _ = told.await;
        }
    }
}

/// Who wants a lease, and how long it waits for another's.
pub(super) struct Leasing<'a> {
    around: &'a Surroundings,
    lake: &'a Lake,
    pipeline: PipelineName,
    run_id: String,
    attempt: &'a AttemptId,
    times: Times,
    wait: Duration,
}

impl<'a> Leasing<'a> {
    /// What a run of `pipeline` wants; `None` if it publishes nothing.
    ///
    /// # Errors
    ///
    /// Returns `GW0301` for a variable of tests that cannot be understood.
    pub(super) fn of(
        around: &'a Surroundings,
        common: &Common,
        lake: &'a Lake,
        pipeline: &PipelineName,
        (run_id, attempt): (&str, &'a AttemptId),
    ) -> Result<Option<Self>, Error> {
        let Some(times) = Times::of(around)?.filter(|_| common.publication == Publication::Publish) else {
            return Ok(None);
        };
        let (pipeline, run_id) = (pipeline.clone(), run_id.to_owned());
        Ok(Some(Self { around, lake, pipeline, run_id, attempt, times, wait: common.lock_wait }))
    }

    /// The lease as it is taken now.
    fn lease(&self) -> Lease {
        let now = (self.around.clock)();
        Lease {
            format: FORMAT,
            pipeline: self.pipeline.clone(),
            run_id: self.run_id.clone(),
            holder: self.around.holder.clone(),
            started_at: now,
            renewed_at: now,
        }
    }

    /// Takes the lease for `hold`, waiting for another's if asked to.
    ///
    /// # Errors
    ///
    /// Returns `GW0705` if another run holds it.
    pub(super) async fn take(&self, hold: &Hold) -> Result<(), Error> {
        let tried = self.try_once().await;
        self.settle(tried, hold).await.map(drop)
    }

    /// Takes the lease if it is free.
    async fn try_once(&self) -> Result<Next, LakeError> {
        let lease = self.lease();
        let found = self.lake.take_lease(&lease).await?;
        Ok(self.next(found, lease))
    }

    /// The same on a root at which nobody has looked yet.
    async fn try_unseen(&self) -> Result<Next, LakeError> {
        let lease = self.lease();
        let found = self.lake.take_lease_unseen(&lease).await?;
        Ok(self.next(found, lease))
    }

    /// Makes the outcome of a first try final; tells whether another's lease was in the way.
    async fn settle(&self, tried: Result<Next, LakeError>, hold: &Hold) -> Result<Way, Error> {
        let (way, lease) = match tried {
            Ok(Next::Ours(lease)) => (Way::Free, Some(lease)),
            Ok(Next::Others(found)) => (Way::Blocked, self.wait(found).await?),
            Err(cause) => (Way::Free, without(&cause)),
        };
        if let Some(lease) = lease {
            hold.begin(self.lake, lease, self.times, self.around);
            lake::step("after_lease");
        }
        Ok(way)
    }

    /// Waits until the lease is this run's; `None` if the store does not let it.
    #[expect(clippy::disallowed_methods, reason = "no result depends on how long somebody waits")]
    async fn wait(&self, first: FoundLease) -> Result<Option<Lease>, Error> {
        let begun = Instant::now();
        let mut seen = Seen { unwritten: self.age(&first).await, since: begun, found: first };
        let mut told = false;
        loop {
            let next = if let Some(why) = self.stale(&seen) {
                self.note(format!("the lease of {} is taken over: {why}", seen.who()));
                match self.replace(&seen.found).await {
                    Ok(next) => next,
                    Err(cause) => return Ok(without(&cause)),
                }
            } else {
                let left = self.wait.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    return Err(held(&self.pipeline, &seen.found, self.wait).into());
                }
                if !told {
                    self.note(format!("{}: waiting for it", at_work(&self.pipeline, &seen.found)));
                    told = true;
                }
                sleep(LOOK.min(self.times.beat).min(left)).await;
                // Whatever a store says that fails now, it may say better at the next look.
                self.look().await.unwrap_or_else(|_| Next::Others(seen.found.clone()))
            };
            match next {
                Next::Ours(lease) => return Ok(Some(lease)),
                Next::Others(found) if found == seen.found => {}
                // Written since: its age is no more than a look's.
                Next::Others(found) => {
                    seen = Seen { unwritten: Duration::ZERO, since: Instant::now(), found }
                }
            }
        }
    }

    /// The lease that is there, or none: then this run has it now.
    async fn look(&self) -> Result<Next, LakeError> {
        match self.lake.lease(&self.pipeline).await? {
            Some(found) => Ok(self.next(Some(found), self.lease())),
            None => self.try_once().await,
        }
    }

    /// Takes the lease in the place of a stale one.
    async fn replace(&self, stale: &FoundLease) -> Result<Next, LakeError> {
        let lease = self.lease();
        let found = self.lake.replace_lease(stale, &lease).await?;
        Ok(self.next(found, lease))
    }

    /// What `found` means for one who asked for `lease`.
    fn next(&self, found: Option<FoundLease>, lease: Lease) -> Next {
        match found {
            Some(found) if !found.is_of(&self.run_id) => Next::Others(found),
            _ => Next::Ours(lease),
        }
    }

    /// For how long the lease was not written, as far as the store tells; not asked of a dead run's.
    async fn age(&self, found: &FoundLease) -> Duration {
        if self.is_gone(found) {
            return Duration::ZERO;
        }
        let age = self.lake.lease_age(&self.pipeline, self.attempt).await.unwrap_or(0);
        // Nobody writes in the future: the store's clock was set back since.
        Duration::from_micros(age.unsigned_abs())
    }

    fn is_gone(&self, found: &FoundLease) -> bool {
        found.lease.as_ref().is_some_and(|lease| (self.around.gone)(&lease.holder))
    }

    /// Why the lease is a dead run's, if it is.
    fn stale(&self, seen: &Seen) -> Option<&'static str> {
        let old = seen.unwritten + seen.since.elapsed() > self.times.stale;
        match (self.is_gone(&seen.found), old) {
            (true, _) => Some("its process has ended"),
            (_, true) => Some("nobody has renewed it"),
            _ => None,
        }
    }

    fn note(&self, text: String) {
        self.around.observer.notice(Event::Note { text });
    }
}

/// Whether another's lease was in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Free,
    Blocked,
}

/// Who has the lease.
enum Next {
    Ours(Lease),
    Others(FoundLease),
}

/// No lease: what is wrong with the store, the next request tells with more right.
fn without(cause: &LakeError) -> Option<Lease> {
    tracing::debug!(%cause, "no lease was taken");
    None
}

/// A lease, and how long it was not written.
struct Seen {
    found: FoundLease,
    /// How long it had not been written when it was seen first.
    unwritten: Duration,
    since: Instant,
}

impl Seen {
    fn who(&self) -> String {
        self.found.lease.as_ref().map_or_else(|| "somebody".to_owned(), who)
    }
}

/// Begins to look at the world while the lease is asked for, so that a far store is waited for once.
///
/// `begin` may read at once and write when its [`Go`] is given. If another run holds the lease and is
/// waited for, what was looked at is forgotten and `begin` called again.
///
/// # Errors
///
/// Returns `GW0705` if another run holds the lease, and what `begin` returns.
pub(super) async fn taken_beside<T>(
    leasing: Option<&Leasing<'_>>,
    hold: &Hold,
    begin: impl AsyncFn(Go) -> Result<T, Error>,
) -> Result<T, Error> {
    let Some(leasing) = leasing else { return begin(Go(None)).await };
    let (go, told) = oneshot::channel();
    let tried = Box::pin(leasing.try_unseen());
    let (tried, beginning) = match select(tried, Box::pin(begin(Go(Some(told))))).await {
        Either::Left((tried, beginning)) => (tried, Either::Left(beginning)),
        Either::Right((begun, tried)) => (tried.await, Either::Right(begun)),
    };
    if leasing.settle(tried, hold).await? == Way::Blocked {
        drop(beginning);
        return begin(Go(None)).await;
    }
    // Whoever does not listen has ended already.
    let _ = go.send(());
    match beginning {
        Either::Left(beginning) => beginning.await,
        Either::Right(begun) => begun,
    }
}

/// Who holds the lease of the pipeline, if somebody alive does: a plan tells it.
pub(super) async fn told(around: &Surroundings, lake: &Lake, pipeline: &PipelineName) -> Option<String> {
    let lease = lake.lease(pipeline).await.ok()??.lease?;
    let alive = !(around.gone)(&lease.holder);
    alive.then(|| {
        format!("{} has the lease since {}: a run now would not start", who(&lease), lease.started_at)
    })
}

fn who(lease: &Lease) -> String {
    format!("run `{}` on host `{}`", lease.run_id, lease.holder.host)
}

fn at_work(pipeline: &PipelineName, found: &FoundLease) -> String {
    match &found.lease {
        Some(lease) => {
            format!("{} holds the lease of pipeline `{pipeline}` since {}", who(lease), lease.started_at)
        }
        None => format!("somebody holds `_goodwill/locks/{pipeline}.json`, which cannot be read"),
    }
}

fn held(pipeline: &PipelineName, found: &FoundLease, waited: Duration) -> Diagnostic {
    let found = Diagnostic::error(code::LOCKED, at_work(pipeline, found));
    found.help(if waited.is_zero() {
        "nothing was done; wait for it with `--lock-wait 30m`, or run again when it has ended"
    } else {
        "nothing was done; wait longer, or run again when it has ended"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_nonsense_is_refused() {
        let seconds = |text| Times::parse(text).unwrap().map(|times| (times.beat, times.stale));
        assert_eq!(seconds(""), Some((BEAT, STALE)));
        assert_eq!(seconds("off"), None);
        let short = (Duration::from_millis(200), Duration::from_secs(2));
        assert_eq!(seconds("stale=2s beat=200ms"), Some(short));
        assert!(Times::parse("fast").is_err() && Times::parse("beat=soon").is_err());
        assert!(STALE >= 5 * BEAT, "a renewal or two may be late");
    }
}
