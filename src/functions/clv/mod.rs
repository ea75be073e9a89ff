//! Customer lifetime value in SQL: fits as aggregates, and what they say about one customer as scalars.
//!
//! A fit is a STRUCT; the scalars read its fields by name, so that a row of a table of parameters serves as well:
//! `named_struct('model', model, 'unit', unit, 'r', r, …)`.
//!
//! **Invariant:** the state of a fit is its distinct rows with their counts, so it does not depend on the order of
//! rows or the number of streams. The numerics are [`crate::stats`].

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

mod arguments;
mod documentation;
mod fit;
mod fitted;
mod model;
mod per_customer;

/// The aggregates.
pub(super) fn aggregates() -> impl Iterator<Item = Arc<AggregateUDF>> {
    let all = [fit::ModelFit::orders(model::Orders::Bgnbd), fit::ModelFit::orders(model::Orders::Mbgnbd)];
    let all = all.into_iter().chain([
        fit::ModelFit::orders(model::Orders::Pareto),
        fit::ModelFit::spend(),
        fit::ModelFit::lives(),
    ]);
    all.map(|function| Arc::new(AggregateUDF::from(function)))
}

/// The functions of one customer.
pub(super) fn scalars() -> impl Iterator<Item = Arc<ScalarUDF>> {
    per_customer::Asked::ALL
        .into_iter()
        .map(|asked| Arc::new(ScalarUDF::from(per_customer::PerCustomer::new(asked))))
}
