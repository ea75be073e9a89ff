//! How an attempt ends: one object, which the run that is about to commit and the clean-up that
//! is about to remove both try to create. Whoever comes first has decided.
//!
//! **Invariant:** an attempt commits one version only, the one after its plan's parent, and only
//! after it has created its end as [`Kind::Publishing`]. So its files may be removed once its end
//! is [`Kind::Abandoned`], or once another attempt has that version; and never before.

use serde::{Deserialize, Serialize};

use super::{Commit, FORMAT, Lake, LakeError, encoded, layout, step};
use crate::ident::AttemptId;
use crate::interval::Instant;
use crate::store::Created;

/// The one object that says how an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// The format, [`FORMAT`](super::FORMAT).
    pub format: u32,
    /// The attempt.
    pub attempt: AttemptId,
    /// The version it may publish.
    pub version: u64,
    /// What was decided.
    pub kind: Kind,
    /// When.
    pub at: Instant,
}

/// What was decided about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// It commits its version, or another attempt has it.
    Publishing,
    /// It publishes nothing: its files are being removed.
    Abandoned,
}

/// What a clean-up may do with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It can never publish: its files may be removed.
    Dead,
    /// It has published meanwhile.
    Published,
    /// It was about to publish this version, and nobody has it yet.
    MayPublish(u64),
}

impl Lake {
    /// Says that the commit's attempt is about to write it.
    ///
    /// # Errors
    ///
    /// Returns [`LakeError::Abandoned`] if a clean-up came first.
    pub(super) async fn claim(&self, commit: &Commit) -> Result<(), LakeError> {
        let wanted = End {
            format: FORMAT,
            attempt: commit.attempt.clone(),
            version: commit.version,
            kind: Kind::Publishing,
            at: commit.committed_at,
        };
        match self.end_once(&wanted).await? {
            Some(found) if found.kind == Kind::Publishing && found.version == commit.version => Ok(()),
            Some(found) if found.kind == Kind::Publishing => Err(LakeError::InvalidCommit {
                version: commit.version,
                reason: format!("its attempt was to publish version {}", found.version),
            }),
            _ => Err(LakeError::Abandoned { attempt: commit.attempt.clone() }),
        }
    }

    /// Keeps an attempt that was to publish `version` from doing so, unless it is too late.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails; then nothing is decided, or the same call tells.
    pub(super) async fn abandon(
        &self,
        attempt: &AttemptId,
        version: u64,
        now: Instant,
    ) -> Result<Fate, LakeError> {
        let wanted =
            End { format: FORMAT, attempt: attempt.clone(), version, kind: Kind::Abandoned, at: now };
        let found = self.end_once(&wanted).await?;
        step("after_abandon");
        match found {
            Some(found) if found.kind == Kind::Publishing => self.fate(attempt, found.version).await,
            _ => Ok(Fate::Dead),
        }
    }

    /// What became of an attempt that was about to publish `version`.
    async fn fate(&self, attempt: &AttemptId, version: u64) -> Result<Fate, LakeError> {
        Ok(match self.stored_commit(version).await? {
            Some(commit) if commit.attempt == *attempt => Fate::Published,
            Some(_) => Fate::Dead,
            None => Fate::MayPublish(version),
        })
    }

    /// Whether an attempt that was broken off may still publish `version`: no clean-up has given it up, and
    /// it was not about to publish another.
    ///
    /// # Errors
    ///
    /// Returns an error if its end cannot be read.
    pub async fn may_still_publish(&self, attempt: &AttemptId, version: u64) -> Result<bool, LakeError> {
        let end = self.end(attempt).await?;
        Ok(end.is_none_or(|end| end.kind == Kind::Publishing && end.version == version))
    }

    /// How an attempt ends, if that is decided.
    pub(super) async fn end(&self, attempt: &AttemptId) -> Result<Option<End>, LakeError> {
        self.read_document(&layout::end(attempt)?).await
    }

    /// Creates the end of an attempt; returns the one that is there afterwards, whoever made it.
    /// `None` if a clean-up has removed it again, with all the attempt had.
    async fn end_once(&self, wanted: &End) -> Result<Option<End>, LakeError> {
        let key = layout::end(&wanted.attempt)?;
        let content = encoded(&key, wanted)?;
        match self.store().create(&key, content.into()).await {
            Ok(Created::Yes) => Ok(Some(wanted.clone())),
            Ok(Created::AlreadyExists) => self.end(&wanted.attempt).await,
            // The answer was lost, perhaps not the write.
            Err(cause) => match self.end(&wanted.attempt).await {
                Ok(Some(found)) => Ok(Some(found)),
                _ => Err(cause.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{attempt, name, next, publish, root};
    use super::*;
    use crate::diagnostic::{Kind as FindingKind, code};
    use crate::lake::CommitOutcome;

    const NOW: Instant = Instant::from_micros(1);

    #[tokio::test]
    async fn what_was_abandoned_is_not_published() {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        let commit = next(&lake, None, &["a"], "late").await;
        assert_eq!(lake.abandon(&attempt("late"), 1, NOW).await.unwrap(), Fate::Dead);
        let found = lake.try_commit(&commit).await.unwrap_err().to_diagnostic();
        assert_eq!((found.code, found.code.kind), (code::ATTEMPT_ABANDONED, FindingKind::Temporary));
        assert_eq!(lake.last_commit().await.unwrap(), None);
        // A clean-up that was killed decides the same again.
        assert_eq!(lake.abandon(&attempt("late"), 1, NOW).await.unwrap(), Fate::Dead);
    }

    #[tokio::test]
    async fn what_is_about_to_be_published_is_not_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        let slow = next(&lake, None, &["a"], "slow").await;
        lake.claim(&slow).await.unwrap();
        assert_eq!(lake.abandon(&attempt("slow"), 1, NOW).await.unwrap(), Fate::MayPublish(1));
        assert_eq!(lake.try_commit(&slow).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(lake.abandon(&attempt("slow"), 1, NOW).await.unwrap(), Fate::Published);
    }

    #[tokio::test]
    async fn whose_version_another_has_is_dead_whatever_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        let slow = next(&lake, None, &["a"], "slow").await;
        lake.claim(&slow).await.unwrap();
        publish(&lake, 1).await;
        assert_eq!(lake.abandon(&attempt("slow"), 1, NOW).await.unwrap(), Fate::Dead);
        // Its files may be gone by now, and it is told what matters: another came first.
        let file = lake.file_key(&name("a"), &slow.tables["a"].parts[0].files[0]).unwrap();
        lake.store().delete(&file).await.unwrap();
        assert!(matches!(lake.try_commit(&slow).await.unwrap(), CommitOutcome::Lost { .. }));
    }

    #[tokio::test]
    async fn an_attempt_commits_the_version_it_claimed_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let lake = root(&folder).await;
        lake.claim(&next(&lake, None, &["a"], "slow").await).await.unwrap();
        let first = publish(&lake, 1).await;
        let second = next(&lake, Some(&first), &["a"], "slow").await;
        let error = lake.try_commit(&second).await.unwrap_err();
        assert_eq!(error.to_string(), "commit 2 must not be written: its attempt was to publish version 1");
    }
}
