//! The one integration test binary: each file of this folder is a subject, declared below.
//!
//! A second binary would link DataFusion again (240 MB and seconds each); `modules` fails when a
//! file is not declared here, so that no test is forgotten.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests look at files and start the program from outside")]

mod apply;
mod cancelled;
mod chunks;
mod cleaning;
mod contracts;
mod cuts;
mod demo_world;
mod diff;
mod disk;
mod drift;
mod empty_sources;
mod examples;
mod faults;
mod floors;
mod freshness;
mod hostile;
mod inputs;
mod intervals;
mod invalid;
mod lifetime;
mod limits;
mod locks;
mod modules;
mod mutants;
mod old_roots;
mod pages;
mod parquet_files;
mod payloads;
mod planted_groups;
mod program;
mod publishing;
mod races;
mod references;
mod requests;
mod resume;
mod rfm_package;
mod rollback;
mod rust_source;
mod s3;
mod scans;
mod scratch;
mod secrets;
mod segments;
mod server;
mod shop;
mod snapshots;
mod stores;
mod verify_rebuild;
mod verifying;
