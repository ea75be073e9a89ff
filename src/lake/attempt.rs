//! What an attempt set out to do, and which of its steps are done.
//!
//! Stores cannot append, so the journal is one object a step. Both are written once and never
//! changed: whoever resumes an attempt on another machine reads exactly what was decided.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Lake, LakeError, encoded, layout, step};
use crate::ident::{AttemptId, NodeName, PipelineName};
use crate::interval::Instant;
use crate::store::{Created, Key};

/// What an attempt set out to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The format, [`FORMAT`](super::FORMAT).
    pub format: u32,
    /// The attempt.
    pub attempt: AttemptId,
    /// The run it belongs to.
    pub run_id: String,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// When the attempt started.
    pub started_at: Instant,
    /// The last commit when the plan was made; `None` on an empty root.
    pub parent: Option<u64>,
    /// What the run looks from.
    pub as_of: Instant,
    /// What the run knows.
    pub known_at: Instant,
    /// The tables it will write.
    pub tables: Vec<NodeName>,
    /// The plan, in the words of the runner; opaque here.
    #[serde(default)]
    pub plan: Json,
}

/// One finished step of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The format, [`FORMAT`](super::FORMAT).
    pub format: u32,
    /// The place in the journal, from 1, given by the runner.
    pub sequence: u32,
    /// When the step ended.
    pub finished_at: Instant,
    /// What was done, in the words of the runner; opaque here.
    pub step: Json,
}

impl Lake {
    /// Writes what the attempt sets out to do, before its first file.
    ///
    /// # Errors
    ///
    /// Returns an error if the attempt's name was used before, or if the store fails.
    pub async fn write_intent(&self, intent: &Intent) -> Result<(), LakeError> {
        let key = layout::intent(&intent.attempt)?;
        self.create_once(&key, intent).await?;
        step("after_intent");
        Ok(())
    }

    /// What the attempt set out to do; `None` if there is no such attempt.
    ///
    /// # Errors
    ///
    /// Returns an error if the intent cannot be read.
    pub async fn intent(&self, attempt: &AttemptId) -> Result<Option<Intent>, LakeError> {
        self.read_document(&layout::intent(attempt)?).await
    }

    /// Writes that one step of the attempt is done; on local folders the files `written` by it
    /// are on the disk before.
    ///
    /// # Errors
    ///
    /// Returns an error if the place in the journal is taken, or if the store fails.
    pub async fn write_journal(
        &self,
        attempt: &AttemptId,
        entry: &JournalEntry,
        written: &[Key],
    ) -> Result<(), LakeError> {
        self.store().sync(written).await?;
        let key = layout::journal_entry(attempt, entry.sequence)?;
        self.create_once(&key, entry).await?;
        step("after_journal");
        Ok(())
    }

    /// The finished steps of the attempt, in order.
    ///
    /// # Errors
    ///
    /// Returns an error if an entry cannot be read.
    pub async fn journal(&self, attempt: &AttemptId) -> Result<Vec<JournalEntry>, LakeError> {
        let listed = self.store().list(&layout::journal(attempt)?).await?;
        let mut entries = Vec::with_capacity(listed.len());
        for info in listed {
            entries.extend(self.read_document(&info.key).await?);
        }
        Ok(entries)
    }

    /// The attempts there are, by name.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn attempts(&self) -> Result<Vec<AttemptId>, LakeError> {
        let names = self.store().list_folders(&layout::attempts()?).await?;
        Ok(names.iter().filter_map(|name| AttemptId::parse(name).ok()).collect())
    }

    async fn create_once(&self, key: &Key, document: &impl Serialize) -> Result<(), LakeError> {
        let content = encoded(key, document)?;
        match self.store().create(key, content.clone().into()).await? {
            Created::Yes => Ok(()),
            // A repeated request whose first answer was lost finds its own words.
            Created::AlreadyExists if self.store().get(key).await? == content => Ok(()),
            Created::AlreadyExists => {
                let reason = "it is there already, with other content".to_owned();
                Err(LakeError::Corrupt { key: key.clone(), reason })
            }
        }
    }
}
