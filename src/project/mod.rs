//! The project's files, read once: pipelines, contracts and SQL with every value's place.

mod contract;

pub use contract::{Column, ColumnType, Contract, Nullability, Privacy, UnknownType};
