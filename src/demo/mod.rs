//! Makes the sources of a company that does not exist: customers, products, orders, campaigns
//! and contacts, three years of them, at any scale.
//!
//! The generating processes are those the methods assume where they assume one: gamma–Poisson
//! purchases with geometric dropout (BG/NBD), gamma–gamma spend. Every number they use stands in
//! `constants`.
//!
//! **Invariant:** the same [`World`] gives the same bytes, whatever the number of threads. Each
//! chunk of customers draws from streams of its own, and which chunks share a file depends on the
//! world alone. (Logarithms come from the platform, so another operating system may differ in a
//! last digit.)
//!
//! **Invariant:** nothing is dated at or after `until`, and no clock is read.
//!
//! **Memory:** one chunk and one row group a source for each thread, at every scale.

#[cfg(test)]
mod assumptions;
mod baskets;
mod behaviour;
mod broken;
mod campaigns;
mod catalogue;
mod chunk;
mod constants;
mod contacts;
mod customers;
mod figures;
mod generate;
mod history;
mod kinds;
mod life;
#[cfg(test)]
mod marginals;
mod people;
mod products;
mod profile;
mod purchases;
mod records;
mod rows;
mod sales;
mod service;
#[cfg(test)]
mod soundness;
mod streams;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod truth;
mod truths;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};

pub use generate::generate;

use table::Table;

/// What a demo company is a function of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// Chooses one of the companies there could be.
    pub seed: u64,
    /// How large it is: 1 is 1,000,000 customers, about 10,000,000 order lines and 20,000,000
    /// touches.
    pub scale: f64,
    /// The day on which the history ends; midnight UTC, not included.
    pub until: Date,
    /// Whether it is as the methods assume.
    pub assumptions: Assumptions,
}

/// Whether a world is as the methods assume: gamma-Poisson purchases with geometric dropout, and
/// what a customer spends independent of how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumptions {
    /// It is.
    #[default]
    Held,
    /// Gaps are more even than exponential, rates of two kinds, the first repeats the riskiest,
    /// some who left come back, and who buys often spends less.
    Broken,
}

impl Default for World {
    fn default() -> Self {
        Self { seed: 42, scale: 0.01, until: Date::constant(2026, 1, 1), assumptions: Assumptions::Held }
    }
}

/// How far the making is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Customers whose rows are written.
    pub customers_done: u64,
    /// Customers there will be.
    pub customers: u64,
    /// Rows written, of all sources.
    pub rows: u64,
}

/// What was made of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceSummary {
    /// The source, which is also its folder.
    pub name: &'static str,
    /// Rows of all its files.
    pub rows: u64,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// Why there is no demo company.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The world cannot be.
    #[error("the {what} of a demo must be {expected}")]
    Impossible {
        /// Which value.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// There is something in the folder already.
    #[error("`{}` is not empty", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process makes the same folder.
    #[error("another demo is being made for `{}`", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The file system refused.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the file system said.
        #[source]
        cause: io::Error,
    },
    /// The Parquet writer refused.
    #[error("cannot encode `{table}`")]
    Encode {
        /// The source.
        table: &'static str,
        /// What the writer said.
        #[source]
        cause: ParquetError,
    },
}

impl DemoError {
    fn no_name(folder: &Path) -> Self {
        let cause = io::Error::new(io::ErrorKind::InvalidInput, "the path names no folder");
        Self::Write { path: folder.to_owned(), cause }
    }

    fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Write { path: path.to_owned(), cause }
    }

    fn encode<E: Into<ParquetError>>(table: Table) -> impl FnOnce(E) -> Self {
        move |cause| Self::Encode { table: table.name(), cause: cause.into() }
    }
}
