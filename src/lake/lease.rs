//! The lease of a pipeline: says who is at work, so that a second run need not compute in vain.
//!
//! **Invariant:** advisory. Nothing that is published depends on it: whoever ignores it, loses it or
//! holds it together with another still meets the one create-if-absent of the commit. So it needs no
//! more than the store has: it is created if absent, renewed by its holder, and whoever takes a stale
//! one removes it first. Two that do so at the same moment may both come in.

use serde::{Deserialize, Serialize};

use super::{FORMAT, Lake, LakeError, decode, encoded, layout};
use crate::ident::{AttemptId, PipelineName};
use crate::interval::Instant;
use crate::store::Created;

/// How often a lease that comes and goes is asked for before it counts as somebody's.
const TRIES: usize = 3;

/// Who is at work on a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The format, [`FORMAT`](super::FORMAT).
    pub format: u32,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The run.
    pub run_id: String,
    /// Its process.
    #[serde(flatten)]
    pub holder: Holder,
    /// When the lease was taken, by the holder's clock.
    pub started_at: Instant,
    /// When it was last renewed, by the holder's clock.
    pub renewed_at: Instant,
}

/// A process, as its machine knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The process' number there.
    pub process: u32,
    /// What tells it from others of that number, where the machine says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<Birth>,
}

/// What tells a process from all others that ever had its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// The start of the machine it lives in.
    pub boot: String,
    /// The space its number is counted in: containers have their own.
    pub space: String,
    /// When it began, in the machine's ticks since its start.
    pub ticks: u64,
}

/// A lease as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLease {
    /// What it says; `None` if that cannot be read, for one of a newer program too.
    pub lease: Option<Lease>,
    /// Its bytes: another content is another moment.
    content: Vec<u8>,
}

impl Lake {
    /// Takes the lease if it is free; else returns the one that is there.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails; then it is unknown whether the lease was taken.
    pub async fn take_lease(&self, lease: &Lease) -> Result<Option<FoundLease>, LakeError> {
        let key = layout::lease(&lease.pipeline)?;
        let content = encoded(&key, lease)?;
        for _ in 0..TRIES {
            if self.store().create(&key, content.clone().into()).await? == Created::Yes {
                return Ok(None);
            }
            if let Some(found) = self.lease(&lease.pipeline).await? {
                return Ok(Some(found));
            }
        }
        Ok(Some(FoundLease { lease: None, content: Vec::new() }))
    }

    /// As [`Lake::take_lease`], on a root at which nobody has looked yet: what cannot be listed is not
    /// written to, for there are stores that make a bucket of whatever they are told to write.
    ///
    /// # Errors
    ///
    /// As [`Lake::take_lease`].
    pub async fn take_lease_unseen(&self, lease: &Lease) -> Result<Option<FoundLease>, LakeError> {
        self.store().list(&layout::leases()?).await?;
        self.take_lease(lease).await
    }

    /// The lease of a pipeline; `None` if nobody has it.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn lease(&self, pipeline: &PipelineName) -> Result<Option<FoundLease>, LakeError> {
        let key = layout::lease(pipeline)?;
        let content = self.read(&key).await?;
        Ok(content.map(|content| FoundLease { lease: decode(&key, &content, FORMAT).ok(), content }))
    }

    /// For how long the lease was not written, in microseconds, by the clock of the store alone: an
    /// object that is written now is compared with it. `attempt` names that object.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn lease_age(&self, pipeline: &PipelineName, attempt: &AttemptId) -> Result<i64, LakeError> {
        let (key, now) = (layout::lease(pipeline)?, layout::probe(attempt)?);
        self.store().put(&now, b"0\n".as_slice().into()).await?;
        let looked = futures::try_join!(self.store().head(&key), self.store().head(&now));
        self.store().delete(&now).await?;
        let (written, now) = looked?;
        let age = written.zip(now).map(|(written, now)| now.modified_micros - written.modified_micros);
        Ok(age.unwrap_or(0))
    }

    /// Takes the lease in the place of a stale one, if that is still there as it was `found`.
    ///
    /// Two who do so at once may remove each other's: both go on then.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn replace_lease(
        &self,
        found: &FoundLease,
        lease: &Lease,
    ) -> Result<Option<FoundLease>, LakeError> {
        match self.lease(&lease.pipeline).await? {
            Some(other) if other != *found => return Ok(Some(other)),
            Some(_) => self.store().delete(&layout::lease(&lease.pipeline)?).await?,
            None => {}
        }
        self.take_lease(lease).await
    }

    /// Writes the lease anew if it is still the run's; `false` if another has it now.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn renew_lease(&self, lease: &Lease) -> Result<bool, LakeError> {
        match self.lease(&lease.pipeline).await? {
            Some(found) if found.is_of(&lease.run_id) => {
                let key = layout::lease(&lease.pipeline)?;
                let content = encoded(&key, lease)?;
                self.store().put(&key, content.into()).await?;
                Ok(true)
            }
            Some(_) => Ok(false),
            // Somebody removed it by hand.
            None => Ok(self.take_lease(lease).await?.is_none()),
        }
    }

    /// Lets go of the lease, unless another has it by now.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), LakeError> {
        if self.lease(&lease.pipeline).await?.is_some_and(|found| found.is_of(&lease.run_id)) {
            self.drop_lease(lease).await?;
        }
        Ok(())
    }

    /// Lets go of the lease, which the caller knows to be its own: it renewed it a moment ago.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn drop_lease(&self, lease: &Lease) -> Result<(), LakeError> {
        Ok(self.store().delete(&layout::lease(&lease.pipeline)?).await?)
    }
}

impl FoundLease {
    /// Whether the run holds it.
    #[must_use]
    pub fn is_of(&self, run_id: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.run_id == run_id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{attempt, root};
    use super::*;
    use crate::store::Store;

    fn lease(run_id: &str) -> Lease {
        Lease {
            format: FORMAT,
            pipeline: PipelineName::parse("shop").expect("a name"),
            run_id: run_id.to_owned(),
            holder: Holder { host: "h".to_owned(), process: 1, birth: None },
            started_at: Instant::from_micros(0),
            renewed_at: Instant::from_micros(0),
        }
    }

    async fn check_lease(lake: Lake) {
        let (first, second) = (lease("first"), lease("second"));
        assert_eq!(lake.take_lease(&first).await.unwrap(), None);
        let found = lake.take_lease(&second).await.unwrap().expect("it is held");
        assert_eq!(found.lease.as_ref(), Some(&first));
        let renewed = Lease { renewed_at: Instant::from_micros(5), ..first.clone() };
        assert!(lake.renew_lease(&renewed).await.unwrap());
        assert!(!lake.renew_lease(&second).await.unwrap(), "it is not the second's");
        lake.release_lease(&second).await.unwrap();

        // What was renewed since it was found is not taken.
        let now = lake.replace_lease(&found, &second).await.unwrap().expect("it was renewed");
        assert_eq!(now.lease, Some(renewed));
        assert_eq!(lake.replace_lease(&now, &second).await.unwrap(), None);
        lake.release_lease(&first).await.unwrap();
        assert!(lake.lease(&second.pipeline).await.unwrap().expect("the second's").is_of("second"));
        lake.release_lease(&second).await.unwrap();
        assert_eq!(lake.lease(&second.pipeline).await.unwrap(), None);
        assert!(lake.renew_lease(&second).await.unwrap(), "whoever removed it by hand is not obeyed");
    }

    #[tokio::test]
    async fn one_holds_it_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        check_lease(root(&folder).await).await;
        check_lease(Lake::at(Store::in_memory())).await;
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_somebodys() {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        let key = layout::lease(&lease("x").pipeline).unwrap();
        for content in ["", "{\"format\": 2}"] {
            lake.store().put(&key, content.as_bytes().to_vec().into()).await.unwrap();
            let found = lake.take_lease(&lease("x")).await.unwrap().expect("it is held");
            assert_eq!(found.lease, None);
        }
        let age = lake.lease_age(&lease("x").pipeline, &attempt("x")).await.unwrap();
        assert!((0..60_000_000).contains(&age), "{age}");
        let probe = lake.store().head(&layout::probe(&attempt("x")).unwrap()).await.unwrap();
        assert_eq!(probe, None, "nothing is left");
    }
}
