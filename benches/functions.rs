//! Benches of functions that a run spends its time in, each on a fixed input.

#![expect(clippy::expect_used, reason = "a bench that cannot run stops")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use goodwill::demo::{World, generate};
use goodwill::diagnostic::SourceFile;
use goodwill::query;
use goodwill::spec::{self, ModelsSpec};

const QUERY: &str = include_str!("../sql/value/customer_pnl.sql");
const MODELS: &str = include_str!("../sql/staging/staging.yml");
const CUSTOMERS: u32 = 1_000;

/// A thousand demo customers with all their rows, into Parquet files on the local disk.
fn demo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("demo");
    group.sample_size(20).throughput(Throughput::Elements(CUSTOMERS.into()));
    let world = World { scale: f64::from(CUSTOMERS) / 1_000_000.0, ..World::default() };
    group.bench_function("1,000 customers", |bencher| {
        let make = |folder: tempfile::TempDir| {
            let made = generate(black_box(&world), folder.path(), &|_| ()).expect("the folder is new");
            (made, folder)
        };
        bencher.iter_batched(|| tempfile::tempdir().expect("a folder"), make, BatchSize::PerIteration);
    });
    group.finish();
}

/// The longest shipped query and a folder of contracts, as written, to values.
fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reading");
    let query = SourceFile::new("customer_pnl.sql", QUERY);
    group.throughput(Throughput::Bytes(QUERY.len() as u64));
    group.bench_function("query", |bencher| {
        bencher.iter(|| query::parse(black_box(&query)).expect("it parses"));
    });
    let models = SourceFile::new("staging.yml", MODELS);
    group.throughput(Throughput::Bytes(MODELS.len() as u64));
    group.bench_function("models", |bencher| {
        bencher.iter(|| spec::read::<ModelsSpec>(black_box(&models)).expect("they parse"));
    });
    group.finish();
}

criterion_group!(functions, demo, reading);
criterion_main!(functions);
