//! The maximum of a likelihood over positive parameters: argmin's trust region on the log scale with the exact
//! Hessian, then Newton's steps as long as they make the gradient smaller.
//!
//! Near a maximum the likelihood itself changes by less than a double tells, and a method that compares its
//! values wanders; the gradient still tells. So the gradient decides when it ends, and whether it was one.

use std::cell::RefCell;

use argmin::core::{
    CostFunction, Error, Executor, Gradient, Hessian, IterState, KV, Problem, Solver, State,
    TerminationReason, TerminationStatus,
};
use argmin::solver::trustregion::{Steihaug, TrustRegion};

use super::derivatives::Derivatives;
use super::fit::Likelihood;
use super::matrix::solve;

/// The largest derivative of the mean log-likelihood by a parameter's logarithm that a maximum may have.
const GRADIENT: f64 = 1e-7;
/// Where Newton's steps end: about what sums of doubles allow.
const FINEST: f64 = 1e-12;
/// Where the trust region hands over.
const COARSE: f64 = 1e-6;
/// Iterations of the trust region.
const ITERATIONS: u64 = 200;
/// Parameters further from their scale, as a factor, are not tried: doubles no longer tell the likelihood's slope.
const FAR: f64 = 1e8;
/// Parameters further from their scale lie at the edge of the model.
const EDGE: f64 = 1e5;
/// The gradient that is left at an edge, where the likelihood rises for ever.
const EDGE_GRADIENT: f64 = 1e-5;
/// The cost of what is not tried.
const NEVER: f64 = 1e300;

/// The best point found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maximum<const N: usize> {
    pub(super) parameters: [f64; N],
    /// The log-likelihood of all customers by the parameters themselves.
    pub(super) at: Derivatives<N>,
    pub(super) gradient_norm: f64,
    /// Whether a parameter is so small or large that it stands for 0 or infinity.
    pub(super) at_edge: bool,
}

impl<const N: usize> Maximum<N> {
    /// Whether the gradient says that this is a maximum.
    pub(super) fn is_one(&self) -> bool {
        self.gradient_norm <= if self.at_edge { EDGE_GRADIENT } else { GRADIENT }
    }
}

/// Climbs from `start`; none if the likelihood cannot be computed there.
pub(super) fn maximise<const N: usize>(
    data: &impl Likelihood<N>,
    customers: f64,
    start: &[f64; N],
) -> Option<Maximum<N>> {
    let mean = Mean { data, customers, last: RefCell::new(None) };
    let logs: Vec<f64> = start.iter().map(|parameter| parameter.ln()).collect();
    let solver = UntilFlat(TrustRegion::new(Steihaug::new().with_max_iters(20)));
    let climbed = Executor::new(mean, solver)
        .configure(|state| state.param(logs.clone()).max_iters(ITERATIONS))
        .timer(false)
        .ctrlc(false)
        .run();
    let reached = climbed.ok().and_then(|result| result.state.get_best_param().cloned()).unwrap_or(logs);
    let reached: [f64; N] = reached.try_into().ok()?;
    polish(&Mean { data, customers, last: RefCell::new(None) }, reached)
}

/// Newton's steps on the log scale while they make the gradient smaller.
fn polish<const N: usize>(mean: &Mean<'_, impl Likelihood<N>, N>, from: [f64; N]) -> Option<Maximum<N>> {
    let mut logs = from;
    let mut here = mean.evaluate(&logs)?;
    for _ in 0..10 {
        if norm(&here) <= FINEST {
            break;
        }
        let information = here.hessian.map(|row| row.map(|second| -second));
        let Some(step) = solve(&information, &here.gradient) else { break };
        let mut next = logs;
        next.iter_mut().zip(step).for_each(|(log, step)| *log += step.clamp(-1.0, 1.0));
        match mean.evaluate(&next) {
            Some(there) if norm(&there) < norm(&here) => (logs, here) = (next, there),
            _ => break,
        }
    }
    let parameters = logs.map(f64::exp);
    let at = mean.data.evaluate(&parameters);
    let at_edge = mean.distance(&logs) > EDGE.ln();
    Some(Maximum { parameters, at, gradient_norm: norm(&here), at_edge })
}

fn norm<const N: usize>(at: &Derivatives<N>) -> f64 {
    at.gradient.iter().fold(0.0, |largest, slope| largest.max(slope.abs()))
}

/// The mean log-likelihood of a customer by the logarithms of the parameters; the last point is kept, for argmin
/// asks for value, gradient and Hessian one after the other.
struct Mean<'a, L, const N: usize> {
    data: &'a L,
    customers: f64,
    last: RefCell<Option<([f64; N], Option<Derivatives<N>>)>>,
}

impl<L: Likelihood<N>, const N: usize> Mean<'_, L, N> {
    fn evaluate(&self, logs: &[f64; N]) -> Option<Derivatives<N>> {
        if self.distance(logs).is_nan() || self.distance(logs) > FAR.ln() {
            return None;
        }
        let parameters = logs.map(f64::exp);
        let mut scaled = Derivatives::ZERO;
        scaled.add(&self.data.evaluate(&parameters).on_log_scale(&parameters), self.customers.recip());
        let finite = scaled.value.is_finite()
            && scaled.gradient.iter().all(|slope| slope.is_finite())
            && scaled.hessian.iter().flatten().all(|second| second.is_finite());
        finite.then_some(scaled)
    }

    /// How far the parameter furthest from its scale is, as a logarithm.
    fn distance(&self, logs: &[f64; N]) -> f64 {
        let scales = self.data.scales();
        logs.iter().zip(scales).fold(0.0, |furthest, (log, scale)| furthest.max((log - scale.ln()).abs()))
    }

    fn at(&self, logs: &[f64]) -> Option<Derivatives<N>> {
        let logs: [f64; N] = logs.try_into().ok()?;
        let mut last = self.last.borrow_mut();
        match *last {
            Some((known, at)) if known.map(f64::to_bits) == logs.map(f64::to_bits) => at,
            _ => {
                let at = self.evaluate(&logs);
                *last = Some((logs, at));
                at
            }
        }
    }
}

impl<L: Likelihood<N>, const N: usize> CostFunction for Mean<'_, L, N> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, logs: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.at(logs).map_or(NEVER, |at| -at.value))
    }
}

impl<L: Likelihood<N>, const N: usize> Gradient for Mean<'_, L, N> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, logs: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.at(logs).map_or(vec![0.0; N], |at| at.gradient.iter().map(|slope| -slope).collect()))
    }
}

impl<L: Likelihood<N>, const N: usize> Hessian for Mean<'_, L, N> {
    type Param = Vec<f64>;
    type Hessian = Vec<Vec<f64>>;

    fn hessian(&self, logs: &Vec<f64>) -> Result<Vec<Vec<f64>>, Error> {
        let at = self.at(logs).unwrap_or(Derivatives::ZERO);
        Ok(at.hessian.iter().map(|row| row.iter().map(|second| -second).collect()).collect())
    }
}

/// argmin's trust region, ended by the gradient: by itself it goes on to the last iteration.
struct UntilFlat(TrustRegion<Steihaug<Vec<f64>, f64>, f64>);

type At = IterState<Vec<f64>, Vec<f64>, (), Vec<Vec<f64>>, (), f64>;

impl<L: Likelihood<N>, const N: usize> Solver<Mean<'_, L, N>, At> for UntilFlat {
    fn name(&self) -> &'static str {
        "trust region until flat"
    }

    fn init(&mut self, problem: &mut Problem<Mean<'_, L, N>>, state: At) -> Result<(At, Option<KV>), Error> {
        self.0.init(problem, state)
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<Mean<'_, L, N>>,
        state: At,
    ) -> Result<(At, Option<KV>), Error> {
        self.0.next_iter(problem, state)
    }

    fn terminate(&mut self, state: &At) -> TerminationStatus {
        let largest =
            |slopes: &Vec<f64>| slopes.iter().fold(0.0_f64, |largest, slope| largest.max(slope.abs()));
        match state.get_gradient() {
            Some(slopes) if largest(slopes) <= COARSE => {
                TerminationStatus::Terminated(TerminationReason::SolverConverged)
            }
            _ => TerminationStatus::NotTerminated,
        }
    }
}
