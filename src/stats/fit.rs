//! From data to parameters: several starts, the best maximum, standard errors, and how far to trust it.

use super::derivatives::Derivatives;
use super::matrix::inverse;
use super::maximise::{Maximum, maximise};

/// Distinct data above which the starts are tried on a part of them.
const PART: usize = 4000;
/// Information a customer below which a parameter's logarithm is left out of the others' errors.
const UNINFORMED: f64 = 1e-6;
/// A parameter whose logarithm is less certain than this is not determined by the data.
const UNDETERMINED: f64 = 5.0;

/// Counted data and their log-likelihood as a function of `N` positive parameters.
pub(super) trait Likelihood<const N: usize> {
    /// How many customers each of the distinct data stands for.
    fn counts(&self) -> impl Iterator<Item = f64>;
    /// What each parameter is measured in: 1, or a time or an amount of the data's size.
    fn scales(&self) -> [f64; N];
    /// Why there can be no maximum, if so.
    fn missing(&self) -> Option<FitStatus>;
    /// Each `step`th of the sorted data.
    fn every(&self, step: usize) -> Self;
    /// The log-likelihood with its derivatives.
    fn evaluate(&self, parameters: &[f64; N]) -> Derivatives<N>;
}

/// What became of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FitStatus {
    /// A maximum inside the parameters' domain.
    Ok,
    /// The likelihood still rises, ever less, towards an edge: a parameter is (nearly) 0 or infinite, or the
    /// data do not determine it. Predictions are as good as the model; the parameters mean nothing alone.
    Boundary,
    /// Gamma-gamma with q ≤ 1: the mean of all customers is infinite.
    InfiniteMean,
    /// The gradient did not vanish; the parameters are the best found.
    NotConverged,
    /// There were no customers.
    NoCustomers,
    /// Nobody ordered twice: nothing tells how often they order.
    NoRepeatOrders,
    /// No contract has ended: nothing tells how long they last.
    NothingEnded,
    /// A row that no customer can have, such as a NaN or a last order after the end.
    ImpossibleRow,
    /// One customer, or all alike: nothing tells how they differ.
    NoVariation,
}

impl FitStatus {
    /// As it is written in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Boundary => "boundary",
            Self::InfiniteMean => "infinite_mean",
            Self::NotConverged => "not_converged",
            Self::NoCustomers => "no_customers",
            Self::NoRepeatOrders => "no_repeat_orders",
            Self::NothingEnded => "nothing_ended",
            Self::ImpossibleRow => "impossible_row",
            Self::NoVariation => "no_variation",
        }
    }

    /// Whether the gradient vanished at the parameters.
    #[must_use]
    pub const fn has_converged(self) -> bool {
        matches!(self, Self::Ok | Self::Boundary | Self::InfiniteMean)
    }
}

/// Parameters and what is known of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit<const N: usize> {
    /// The parameters, in the model's order; none where the status says that there can be none.
    pub parameters: Option<[f64; N]>,
    /// Their standard errors, from the inverse of the observed information; none for what the data leave open.
    pub standard_errors: [Option<f64>; N],
    /// The correlations of the estimated logarithms; none with what the data leave open.
    pub correlations: [[Option<f64>; N]; N],
    /// The log-likelihood there.
    pub log_likelihood: Option<f64>,
    /// The largest derivative of the mean log-likelihood by a parameter's logarithm.
    pub gradient_norm: Option<f64>,
    /// Customers the fit is of.
    pub customers: f64,
    /// What became of it.
    pub status: FitStatus,
}

impl<const N: usize> Fit<N> {
    /// No parameters, and why.
    pub(crate) fn without(customers: f64, status: FitStatus) -> Self {
        Self {
            parameters: None,
            standard_errors: [None; N],
            correlations: [[None; N]; N],
            log_likelihood: None,
            gradient_norm: None,
            customers,
            status,
        }
    }
}

/// Maximises a likelihood from each of `starts` and keeps the best.
///
/// With many distinct data the starts are tried on an even part of them, and the best is followed on all: the
/// likelihood of a large set has the shape of its part's.
pub(super) fn fit<const N: usize>(data: &impl Likelihood<N>, starts: &[[f64; N]]) -> Fit<N> {
    let distinct = data.counts().count();
    let customers: f64 = data.counts().sum();
    if distinct == 0 {
        return Fit::without(customers, FitStatus::NoCustomers);
    }
    if let Some(status) = data.missing() {
        return Fit::without(customers, status);
    }
    if distinct == 1 {
        return Fit::without(customers, FitStatus::NoVariation);
    }
    let found = if distinct > PART {
        let part = data.every(distinct.div_ceil(PART));
        let start = best(&part, starts).map_or(starts[0], |maximum| maximum.parameters);
        best(data, &[start]).filter(Maximum::is_one).or_else(|| best(data, starts))
    } else {
        best(data, starts)
    };
    found.map_or_else(|| Fit::without(customers, FitStatus::NotConverged), |found| judged(&found, customers))
}

fn best<const N: usize>(data: &impl Likelihood<N>, starts: &[[f64; N]]) -> Option<Maximum<N>> {
    let customers: f64 = data.counts().sum();
    let found = starts.iter().filter_map(|start| maximise(data, customers, start));
    found.reduce(|kept, other| {
        let better = match (kept.is_one(), other.is_one()) {
            (true, false) => false,
            (false, true) => true,
            _ => other.at.value > kept.at.value,
        };
        if better { other } else { kept }
    })
}

fn judged<const N: usize>(found: &Maximum<N>, customers: f64) -> Fit<N> {
    let scaled = found.at.on_log_scale(&found.parameters);
    let mut information = scaled.hessian.map(|row| row.map(|second| -second));
    let mut determined = [true; N];
    for at in 0..N {
        if information[at][at] < UNINFORMED * customers {
            determined[at] = false;
            for row in &mut information {
                row[at] = 0.0;
            }
            information[at] = [0.0; N];
            information[at][at] = 1.0;
        }
    }
    let mut errors = [None; N];
    let mut correlations = [[None; N]; N];
    if let Some(covariance) = inverse(&information) {
        let log_errors: [f64; N] = std::array::from_fn(|at| covariance[at][at].sqrt());
        let known: [bool; N] = std::array::from_fn(|at| determined[at] && log_errors[at] < UNDETERMINED);
        for at in 0..N {
            errors[at] = known[at].then(|| log_errors[at] * found.parameters[at]);
            for other in 0..N {
                let correlation = covariance[at][other] / (log_errors[at] * log_errors[other]);
                correlations[at][other] = (known[at] && known[other]).then_some(correlation.clamp(-1.0, 1.0));
            }
        }
    }
    let status = if !found.is_one() {
        FitStatus::NotConverged
    } else if found.at_edge || errors.iter().any(Option::is_none) {
        FitStatus::Boundary
    } else {
        FitStatus::Ok
    };
    if status == FitStatus::NotConverged {
        errors = [None; N];
        correlations = [[None; N]; N];
    }
    Fit {
        parameters: Some(found.parameters),
        standard_errors: errors,
        correlations,
        log_likelihood: Some(found.at.value),
        gradient_norm: Some(found.gradient_norm),
        customers,
        status,
    }
}
