//! Groups of customers in SQL: `kmeans_fit`, an aggregate, and `kmeans_assign` of one customer.
//!
//! **Invariant:** the state of a fit is its distinct rows with their counts, so it does not depend on the
//! order of rows or the number of streams. The numerics are [`crate::stats`].

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, DocSection, ScalarUDF};

mod assign;
mod fit;

/// The heading these functions stand under.
const SECTION: DocSection = DocSection {
    include: true,
    label: "Clusters",
    description: Some("Customers who behave alike, found without being told what to look for."),
};

/// The aggregate.
pub(super) fn aggregate() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(fit::KmeansFit::new()))
}

/// The function of one customer.
pub(super) fn scalar() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(assign::KmeansAssign::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::page;

    #[test]
    fn the_page_says_what_the_code_says() {
        let (fit, assign) = (aggregate(), scalar());
        page::check("clusters", [fit.documentation(), assign.documentation()].into_iter().flatten());
    }
}
