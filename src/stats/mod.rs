//! Pure numerics: likelihoods, their maxima, and what follows from them for one customer.
//!
//! Customer lifetime value by "buy till you die": [`BetaGeometric`] (BG/NBD and MBG/NBD) and
//! [`Pareto`] (Pareto/NBD) say how often a customer orders and when he leaves, [`GammaSpend`]
//! (gamma-gamma) what he spends an order, [`discounted_orders`] adds them up over a horizon; [`ShiftedBetaGeometric`] (sBG)
//! says how long contracts last, [`Uncertain`] how certain a figure is. [`compare`] says whether two shares differ by more than chance.
//!
//! **Invariant:** the same numbers give the same bits: data are sorted and counted before they
//! are added, starts are fixed, nothing draws or measures time. No function panics or gives NaN
//! for finite input of its domain; everything is added on the log scale, so that nothing
//! overflows. Gradients and Hessians are exact, not differences.

mod beta_geometric;
mod clusters;
#[cfg(test)]
mod clusters_tests;
mod contract_lives;
mod derivatives;
mod fit;
mod gamma;
mod gamma_spend;
mod history;
mod horizon;
mod lasting;
mod matrix;
mod maximise;
mod pareto;
#[cfg(test)]
mod planted_tests;
mod powers;
mod proportions;
mod quadrature;
#[cfg(test)]
mod reference_tests;
mod silhouette;
mod smooth;
mod uncertain;

pub use beta_geometric::{BetaGeometric, Dropout, fit_beta_geometric};
pub use clusters::{Candidate, Cluster, Clustering, Points, Scale, nearest};
pub use contract_lives::{ContractLife, ContractLives, ShiftedBetaGeometric, fit_contract_lives};
pub use fit::{Fit, FitStatus};
pub use gamma_spend::{GammaSpend, Spend, SpendCounts, fit_gamma_spend};
pub use history::{Histories, History, Impossible};
pub use horizon::{ExpectedOrders, MONTHS_AT_MOST, TimeUnit, UnknownUnit, discounted_orders};
pub use pareto::{Pareto, fit_pareto};
pub use proportions::{Comparison, Proportion, compare};
pub use uncertain::Uncertain;
