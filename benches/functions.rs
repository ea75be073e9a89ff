//! Benches of functions that a run spends its time in, each on a fixed input.

#![expect(clippy::expect_used, reason = "a bench that cannot run stops")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use goodwill::demo::{World, generate};
use goodwill::diagnostic::SourceFile;
use goodwill::query;
use goodwill::spec::{self, ModelsSpec};
use goodwill::stats::{
    BetaGeometric, Dropout, ExpectedOrders, Histories, History, TimeUnit, Uncertain, discounted_orders,
    fit_beta_geometric, fit_pareto,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, Exp, Gamma, Uniform};

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

/// Customers of BG/NBD over up to two years of whole days.
fn histories(customers: usize) -> Histories {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let rates = Gamma::new(1.0, 1.0 / 60.0).expect("parameters");
    let dropout = Beta::new(1.0, 3.0).expect("parameters");
    let (ages, chance) = (Uniform::new(0.0, 730.0).expect("a span"), Uniform::new(0.0, 1.0).expect("a span"));
    let one = |_| {
        let (rate, leaves) = (rates.sample(&mut rng), dropout.sample(&mut rng));
        let gaps = Exp::new(f64::max(rate, 1e-9)).expect("a rate");
        let age = f64::floor(ages.sample(&mut rng));
        let (mut frequency, mut last, mut at) = (0.0, 0.0, gaps.sample(&mut rng));
        while at <= age {
            if f64::floor(at) > last {
                (frequency, last) = (frequency + 1.0, f64::floor(at));
            }
            if chance.sample(&mut rng) < leaves {
                break;
            }
            at += gaps.sample(&mut rng);
        }
        (History::try_new(frequency, last, age).expect("possible"), 1)
    };
    Histories::new((0..customers).map(one).collect::<Vec<_>>())
}

/// Fits of as many customers as the whole CDNOW data set has, and of a million.
fn lifetime(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lifetime");
    group.sample_size(10);
    for customers in [23_570, 1_000_000] {
        let histories = histories(customers);
        group.throughput(Throughput::Elements(customers as u64));
        group.bench_function(format!("bgnbd_fit, {customers} customers"), |bencher| {
            bencher.iter(|| fit_beta_geometric(Dropout::AfterRepeatOrders, black_box(&histories)));
        });
        group.bench_function(format!("pareto_nbd_fit, {customers} customers"), |bencher| {
            bencher.iter(|| fit_pareto(black_box(&histories)));
        });
    }
    let model = BetaGeometric { dropout: Dropout::AfterEveryOrder, r: 0.9, alpha: 85.0, a: 0.9, b: 6.0 };
    let known = Uncertain {
        parameters: [0.9, 85.0, 0.9, 6.0],
        standard_errors: [Some(0.02), Some(2.4), Some(0.06), Some(0.5)],
        correlations: [
            [1.0, 0.8, 0.3, 0.2],
            [0.8, 1.0, 0.2, 0.1],
            [0.3, 0.2, 1.0, 0.9],
            [0.2, 0.1, 0.9, 1.0],
        ],
    };
    let customers = histories(1_000).customers().collect::<Vec<_>>();
    group.throughput(Throughput::Elements(customers.len() as u64));
    group.bench_function("expected orders of a year, a customer", |bencher| {
        bencher
            .iter(|| customers.iter().map(|one| model.expected_orders(black_box(one), 365.25)).sum::<f64>());
    });
    for months in [12, 120] {
        let discounted =
            |model: &BetaGeometric, one| discounted_orders(model, one, TimeUnit::Day, months, 0.1);
        group.bench_function(format!("discounted orders of {months} months, a customer"), |bencher| {
            bencher.iter(|| customers.iter().map(|one| discounted(black_box(&model), one)).sum::<f64>());
        });
        group.bench_function(format!("their standard error, {months} months, a customer"), |bencher| {
            let of = |[r, alpha, a, b]: &[f64; 4], one| {
                discounted(&BetaGeometric { r: *r, alpha: *alpha, a: *a, b: *b, ..model }, one)
            };
            bencher.iter(|| {
                customers
                    .iter()
                    .map(|one| known.error_of(|parameters| of(black_box(parameters), one)))
                    .sum::<f64>()
            });
        });
    }
    group.finish();
}

criterion_group!(functions, demo, reading, lifetime);
criterion_main!(functions);
