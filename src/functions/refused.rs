//! Functions of DataFusion that SQL may not call, with what to write instead.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Why a function is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It reads a clock, chance, or the machine it runs on: two runs would differ (GW0212).
    Nondeterministic {
        /// What to write instead.
        instead: &'static str,
    },
    /// Its floating-point result depends on the order in which rows arrive (GW0214).
    Inexact {
        /// What to write instead.
        instead: &'static str,
    },
}

impl Refusal {
    /// What to write instead, one sentence.
    #[must_use]
    pub const fn instead(&self) -> &'static str {
        match self {
            Self::Nondeterministic { instead } | Self::Inexact { instead } => instead,
        }
    }
}

const INSTANT: &str = "use $as_of, the moment the pipeline looks from";
const DAY: &str = "use $as_of_day, the local day of $as_of";
const CHANCE: &str = "derive it from a key, for example with `md5(cast(customer_id as varchar))`";
const MACHINE: &str = "leave it out: the result would depend on where the files lie or what runs them";
const APPROXIMATE: &str = "use the exact function: `median`, `percentile_cont`, `count(distinct …)`";
const SPREAD: &str = "write it with exact sums: \
    `(sum(x * x) - sum(x) * sum(x) / count(x)) / (count(x) - 1)` on DECIMAL or DOUBLE";
const LINE: &str = "write it with exact sums of products, for example `sum(x * y)` and `count(*)`";

static REFUSED: LazyLock<BTreeMap<&'static str, Refusal>> = LazyLock::new(|| {
    let clock = |names: &[&'static str], instead| {
        let entry = |name: &&'static str| (*name, Refusal::Nondeterministic { instead });
        names.iter().map(entry).collect::<Vec<_>>()
    };
    let inexact = |names: &[&'static str], instead| {
        let entry = |name: &&'static str| (*name, Refusal::Inexact { instead });
        names.iter().map(entry).collect::<Vec<_>>()
    };
    let tables = [
        clock(
            &["now", "current_timestamp", "localtimestamp", "current_time", "localtime", "getdate"],
            INSTANT,
        ),
        clock(&["current_date", "today", "curdate"], DAY),
        clock(&["random", "rand", "uuid", "gen_random_uuid", "uuidv4", "uuidv7"], CHANCE),
        clock(&["version", "input_file_name", "file_row_index"], MACHINE),
        inexact(&["approx_distinct", "approx_median", "approx_percentile_cont"], APPROXIMATE),
        inexact(&["approx_percentile_cont_with_weight"], APPROXIMATE),
        inexact(&["stddev", "stddev_samp", "stddev_pop", "var", "var_samp", "var_sample"], SPREAD),
        inexact(
            &["var_pop", "var_population", "variance", "covar", "covar_samp", "covar_pop", "corr"],
            SPREAD,
        ),
        inexact(&["regr_slope", "regr_intercept", "regr_count", "regr_r2", "regr_avgx"], LINE),
        inexact(&["regr_avgy", "regr_sxx", "regr_syy", "regr_sxy"], LINE),
    ];
    tables.into_iter().flatten().collect()
});

/// Why SQL may not call `name` (lower case), if it may not.
#[must_use]
pub fn refusal(name: &str) -> Option<Refusal> {
    REFUSED.get(name).copied()
}

/// Every refused name, in order.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Refusal)> {
    REFUSED.iter().map(|(name, refusal)| (*name, *refusal))
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateDefaults;
    use datafusion::logical_expr::Volatility;

    use super::refusal;

    #[test]
    fn every_function_that_may_differ_between_two_calls_is_refused() {
        for function in SessionStateDefaults::default_scalar_functions() {
            if function.signature().volatility != Volatility::Immutable {
                assert!(refusal(function.name()).is_some(), "{}", function.name());
            }
        }
    }
}
