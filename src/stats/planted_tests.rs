//! Planted parameters are found again: 40 seeds a model or more, and how often the 95 % intervals hold them.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, Exp, Gamma, StandardUniform};

use super::*;

fn customer(frequency: f64, recency: f64, age: f64) -> History {
    History::try_new(frequency, recency, age).expect("possible")
}

/// Whoever orders at `rate` for `life`, watched for `age`, orders after `rate`-exponential gaps.
fn observed(
    rng: &mut ChaCha8Rng,
    rate: f64,
    age: f64,
    mut leaves: impl FnMut(&mut ChaCha8Rng, f64) -> bool,
) -> History {
    let gaps = Exp::new(rate.max(1e-12)).expect("a rate");
    let (mut frequency, mut recency) = (0.0, 0.0);
    loop {
        let next = recency + gaps.sample(rng);
        if next > age || leaves(rng, next) {
            return customer(frequency, recency, age);
        }
        (frequency, recency) = (frequency + 1.0, next);
    }
}

fn chance(rng: &mut ChaCha8Rng) -> f64 {
    StandardUniform.sample(rng)
}

fn simulate_beta_geometric(
    dropout: Dropout,
    [r, alpha, a, b]: [f64; 4],
    seed: u64,
    size: usize,
) -> Histories {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rates = Gamma::new(r, 1.0 / alpha).expect("parameters");
    let leaving = Beta::new(a, b).expect("parameters");
    let one = |_| {
        let (rate, p) = (rates.sample(&mut rng), leaving.sample(&mut rng));
        let age = 26.0 + 26.0 * chance(&mut rng);
        let mut gone = dropout == Dropout::AfterEveryOrder && chance(&mut rng) < p;
        let one = observed(&mut rng, rate, age, |rng, _| {
            let before = gone;
            gone = gone || chance(rng) < p;
            before
        });
        (one, 1)
    };
    Histories::new((0..size).map(one).collect::<Vec<_>>())
}

fn simulate_pareto([r, alpha, s, beta]: [f64; 4], seed: u64, size: usize) -> Histories {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rates = Gamma::new(r, 1.0 / alpha).expect("parameters");
    let deaths = Gamma::new(s, 1.0 / beta).expect("parameters");
    let one = |_| {
        let rate = rates.sample(&mut rng);
        let life = Exp::new(deaths.sample(&mut rng).max(1e-12)).expect("a rate").sample(&mut rng);
        let age = 26.0 + 26.0 * chance(&mut rng);
        (observed(&mut rng, rate, age, |_, at| at > life), 1)
    };
    Histories::new((0..size).map(one).collect::<Vec<_>>())
}

fn simulate_spend([p, q, gamma]: [f64; 3], seed: u64, size: usize) -> SpendCounts {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rates = Gamma::new(q, 1.0 / gamma).expect("parameters");
    let one = |at: usize| {
        let frequency = [1.0, 2.0, 3.0, 5.0, 8.0][at % 5];
        let total =
            Gamma::new(p * frequency, 1.0 / rates.sample(&mut rng)).expect("parameters").sample(&mut rng);
        (Spend::try_new(frequency, total / frequency).expect("possible").expect("with orders"), 1)
    };
    SpendCounts::new((0..size).map(one).collect::<Vec<_>>())
}

fn simulate_contracts([a, b]: [f64; 2], seed: u64, size: usize) -> ContractLives {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ending = Beta::new(a, b).expect("parameters");
    let one = |_| {
        let (p, watched) = (ending.sample(&mut rng), (36.0 * chance(&mut rng)).floor());
        let mut age = 0.0;
        let mut is_ended = false;
        while age < watched && !is_ended {
            (age, is_ended) = (age + 1.0, chance(&mut rng) < p);
        }
        (ContractLife::try_new(age, is_ended).expect("possible"), 1)
    };
    ContractLives::new((0..size).map(one).collect::<Vec<_>>())
}

/// 95 of 100 are expected inside: fewer than 85 % of one figure, or a share of all beyond these bounds, has a chance of
/// about 1 in 100 at 40 seeds.
#[track_caller]
fn check_shares<const N: usize>(inside: [i32; N], seeds: u32) {
    let shares = inside.map(|inside| f64::from(inside) / f64::from(seeds));
    let all = shares.iter().sum::<f64>() / shares.iter().map(|_| 1.0).sum::<f64>();
    assert!(
        shares.iter().all(|share| *share >= 0.85) && (0.91..=0.99).contains(&all),
        "{inside:?} of {seeds}"
    );
}

/// How many of the planted parameters lie in their 95 % interval, taken on the log scale.
#[track_caller]
fn check_coverage<const N: usize>(planted: [f64; N], seeds: u32, fit: impl Fn(u64) -> Fit<N>) {
    let mut inside = [0; N];
    for seed in (0..seeds).map(u64::from) {
        let found = fit(seed);
        assert_eq!(found.status, FitStatus::Ok, "seed {seed}: {found:?}");
        let parameters = found.parameters.expect("fitted");
        for at in 0..N {
            let error = found.standard_errors[at].expect("determined") / parameters[at];
            inside[at] += i32::from((parameters[at] / planted[at]).ln().abs() <= 1.959_964 * error);
        }
    }
    check_shares(inside, seeds);
}

#[test]
fn planted_bgnbd_parameters_lie_in_their_intervals() {
    let (dropout, planted) = (Dropout::AfterRepeatOrders, [0.8, 6.0, 0.9, 2.5]);
    check_coverage(planted, 40, |seed| {
        fit_beta_geometric(dropout, &simulate_beta_geometric(dropout, planted, seed, 1000))
    });
}

#[test]
fn planted_mbgnbd_parameters_lie_in_their_intervals() {
    let (dropout, planted) = (Dropout::AfterEveryOrder, [0.8, 6.0, 0.9, 2.5]);
    check_coverage(planted, 40, |seed| {
        fit_beta_geometric(dropout, &simulate_beta_geometric(dropout, planted, seed, 1000))
    });
}

#[test]
fn planted_pareto_parameters_lie_in_their_intervals() {
    let planted = [0.9, 6.0, 0.8, 12.0];
    check_coverage(planted, 40, |seed| fit_pareto(&simulate_pareto(planted, seed, 800)));
}

#[test]
fn planted_gamma_gamma_parameters_lie_in_their_intervals() {
    let planted = [4.0, 3.5, 20.0];
    check_coverage(planted, 100, |seed| fit_gamma_spend(&simulate_spend(planted, seed, 800)));
}

#[test]
fn planted_contracts_lie_in_their_intervals() {
    let planted = [0.9, 14.0];
    check_coverage(planted, 200, |seed| fit_contract_lives(&simulate_contracts(planted, seed, 4000)));
}

/// What the planted parameters say of a customer lies in the 95 % interval around what the fitted ones say.
#[track_caller]
fn check_figures(
    planted: [f64; 4],
    fit: impl Fn(u64) -> Fit<4>,
    orders: impl Fn(&[f64; 4], &History) -> f64,
) {
    let asked = [
        customer(0.0, 0.0, 40.0),
        customer(1.0, 3.0, 40.0),
        customer(4.0, 30.0, 35.0),
        customer(9.0, 50.0, 51.0),
    ];
    let mut inside = [0; 4];
    for seed in 0..100 {
        let found = fit(seed);
        let known = Uncertain {
            parameters: found.parameters.expect("fitted"),
            standard_errors: found.standard_errors,
            correlations: found
                .correlations
                .map(|row| row.map(|correlation| correlation.expect("determined"))),
        };
        for (inside, one) in inside.iter_mut().zip(&asked) {
            let error = known.error_of(|parameters| orders(parameters, one));
            let difference = orders(&known.parameters, one) - orders(&planted, one);
            *inside += i32::from(difference.abs() <= 1.959_964 * error);
        }
    }
    check_shares(inside, 100);
}

#[test]
fn expected_orders_of_the_planted_parameters_lie_in_their_intervals() {
    let (dropout, planted) = (Dropout::AfterEveryOrder, [0.8, 6.0, 0.9, 2.5]);
    let orders = |[r, alpha, a, b]: &[f64; 4], one: &History| {
        let model = BetaGeometric { dropout, r: *r, alpha: *alpha, a: *a, b: *b };
        discounted_orders(&model, one, TimeUnit::Week, 12, 0.1)
    };
    let fit = |seed| fit_beta_geometric(dropout, &simulate_beta_geometric(dropout, planted, seed, 1000));
    check_figures(planted, fit, orders);
}
