//! Takes in a source with a contract: one pass over its files parts accepted rows from rejected ones.
//!
//! What one row shows is judged while the pass reads it; keys and what rows refer to are judged
//! afterwards among the rows that were left. Rows are kept while they fit; else readers read the
//! files again and leave out the same rows.
//!
//! **Invariant:** of rows with one key the one that is kept depends on their values alone, never on
//! the order they were read in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::binding::Binding;
use super::execute::Engine;
use super::memory::Share;
use super::source::SourceScan;
use crate::diagnostic::Diagnostics;
use crate::ident::NodeName;
use crate::project::SourceCheck;

mod pass;
mod repeated;
mod taking;

use taking::Taking;

/// How many keys of rejected rows are listed: more is no list that anybody reads.
const MOST_LISTED: usize = 1_000_000;

/// A source to be taken in.
#[derive(Debug, Clone)]
pub struct IntakeRequest {
    /// Its rows.
    pub scan: Arc<SourceScan>,
    /// The columns that say when a row was known and when it happened: the later row of a key wins.
    pub newest_by: Vec<String>,
    /// The source whose rows date its rows.
    pub dated_by: Option<Dating>,
    /// The accepted rows of the sources its rows refer to, by name; one that is absent is not there.
    pub parents: BTreeMap<NodeName, Binding>,
    /// Bytes of Arrow that may be kept in memory; beyond them the files are read again.
    pub keep: u64,
}

/// How rows of one source are dated by those of another.
#[derive(Debug, Clone)]
pub struct Dating {
    /// The column that refers to the other source.
    pub column: String,
    /// The other source's rows.
    pub scan: Arc<SourceScan>,
    /// Its column.
    pub field: String,
}

/// What became of a source.
#[derive(Debug, Clone)]
pub struct Intake {
    /// How models read its accepted rows.
    pub accepted: Binding,
    /// All visible rows.
    pub rows: u64,
    /// Those that broke a rule.
    pub rejected: u64,
    /// How many rows broke each rule, in the order they are judged.
    pub counts: Vec<RuleCount>,
    /// The rejected rows, by key.
    pub keys: BTreeMap<RejectedKey, u64>,
    /// The sums that must add up.
    pub totals: Vec<Total>,
}

/// How many rows broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule's name.
    pub rule: &'static str,
    /// Its column; empty for the key.
    pub column: String,
    /// The rows that broke it; none if it could not be judged.
    pub failed: Option<u64>,
}

/// A rejected row, as far as it may be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedKey {
    /// Its key as text, such as `order_id = 17`; personal values are hidden.
    pub key: String,
    /// The rule it broke.
    pub rule: &'static str,
    /// The column; empty for the key.
    pub column: String,
}

/// A sum over all rows, and over both parts of them; none if a value was unknown everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The column; empty for the number of rows.
    pub column: String,
    /// Digits after the point of the sums.
    pub scale: u8,
    /// Over all visible rows.
    pub raw: i128,
    /// Over those that models read.
    pub accepted: i128,
    /// Over the others.
    pub rejected: i128,
}

impl Engine {
    /// Parts the rows of a source.
    ///
    /// Memory: at most `keep` bytes stay held, and up to a million keys of rejected rows.
    ///
    /// # Errors
    ///
    /// Returns what failed while it ran, and `GW0512` for more rejected rows than anybody could list.
    pub async fn intake(&self, request: &IntakeRequest, share: Share) -> Result<Intake, Diagnostics> {
        let mut intake = Taking::new(request);
        intake.pass(self, share).await?;
        intake.duplicates(self, share).await?;
        for (at, rule) in request.scan.contract.rules.iter().enumerate() {
            if let SourceCheck::Orphan { column, to, field } = &rule.check {
                intake.orphans(self, share, at, (column, to, field)).await?;
            }
        }
        intake.finish(self, share).await
    }
}
