//! Apache DataFusion behind one small wall: `analyze` types a query without any I/O, [`Engine`]
//! reads, computes and writes.
//!
//! **Invariant:** the same query over the same rows gives the same bytes, whatever the number of
//! streams and the memory; arithmetic that does not fit is an error; no SQL reads rows past its
//! source's [`Cut`]. DataFusion's types do not leave this module but inside [`Typed`].

mod ahead;
mod analyze;
mod binding;
mod calls;
mod cast;
mod checked;
mod checks;
mod coerced;
mod columns;
mod compact;
mod condition;
mod conform;
mod context;
mod convert;
mod errors;
mod execute;
mod extent;
mod file;
mod footer;
mod grain;
mod hex;
mod intake;
mod intermediate;
mod kept;
mod keys;
mod lineage;
mod memory;
mod order;
mod pages;
mod parameters;
mod reader;
mod reading;
mod rules;
mod runtime;
mod scan;
mod session;
mod side_by_side;
mod source;
mod stats;
mod unknown;
mod wording;
mod write;

pub use analyze::{ColumnLineage, Relation, Typed, analyze};
pub use binding::{Binding, Bindings, Bound, Cut, DataFile};
pub use cast::cast_to_contract;
pub use checks::{Broken, RowCheck};
pub use condition::check_condition;
pub use execute::{Engine, EngineOptions, Values};
pub use extent::{Extent, extent};
pub use file::WrittenFile;
pub use intake::{Dating, Intake, IntakeRequest, RejectedKey, RuleCount, Total};
pub use intermediate::{Intermediate, MaterializeRequest};
pub use kept::Content;
pub use memory::Share;
pub use reader::FileMetadata;
pub use reading::{Difference, DifferenceKind, Reading, compare};
pub use scan::{Footer, read_footer};
pub use source::{FileSet, SourceScan, contract_schema};
pub use stats::ColumnStats;
pub use write::{Computed, OnProgress, Progress, WriteRequest, Written};

/// The program and the engine that compute: part of every fingerprint.
pub const VERSION: &str = concat!("goodwill ", env!("CARGO_PKG_VERSION"), " datafusion 55.2");

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests have a runtime and a clock of their own")]
mod tests;
