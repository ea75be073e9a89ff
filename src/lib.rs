//! Goodwill: the worth of customer relationships, computed.
//!
//! Declarative pipelines run analysts' plain SQL in Apache DataFusion over Parquet sources and
//! publish Parquet tables as one atomic version. `ARCHITECTURE.md` has the floors; a module
//! names only modules on lower floors.

pub mod cli;
pub mod count;
pub mod demo;
pub mod diagnostic;
pub mod engine;
pub mod functions;
pub mod graph;
pub mod ident;
pub mod interval;
pub mod lake;
pub mod ops;
pub mod plan;
pub mod project;
pub mod query;
pub mod report;
pub mod run;
pub mod spec;
pub mod stack;
pub mod state;
pub mod stats;
pub mod store;
pub mod value;
