//! What `goodwill functions` and docs/functions.md say of these functions: formula, source, an example that runs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use datafusion::logical_expr::{DocSection, Documentation};

/// The heading these functions stand under.
pub(super) const SECTION: DocSection = DocSection {
    include: true,
    label: "Customer lifetime value",
    description: Some(
        "Fits are aggregates that give a STRUCT; the other functions take it and one customer.",
    ),
};

/// The documentation of a function by its name.
pub(super) fn of(name: &str) -> Option<&'static Documentation> {
    static ALL: LazyLock<BTreeMap<String, Documentation>> = LazyLock::new(|| all().collect());
    ALL.get(name)
}

type Entry = (String, Documentation);

fn all() -> impl Iterator<Item = Entry> {
    fits().chain(answers()).chain(money()).chain(certainty()).chain([residual()]).chain(contracts())
}

const FREQUENCY: &str = "Repeat orders x: days with an order, less the first. A whole number.";
const RECENCY: &str =
    "Time t_x from the first order to the last, 0 without repeat orders. Not days since the last order.";
const AGE: &str = "Time T from the first order to the end of the observation, in the same unit.";
const FIT: &str = "A fit of this model: what its `…_fit` gave, or any STRUCT with its parameters as fields, such as \
    `named_struct('r', r, 'alpha', alpha, …)` of a row of a table.";

const CERTAIN: &str = "A fit with its standard errors and correlations: what the `…_fit` gave, or a STRUCT with the same fields.";

const FITTED: &str = "Gives a STRUCT: model, unit, the parameters, each one's standard error (`r_se` …, from the inverse \
    of the observed information; a 95 % interval is r × exp(± 1.96 × r_se ÷ r)), the correlations of the estimates \
    (`r_alpha_correlation` …), log_likelihood, gradient_norm (the largest derivative of the mean log-likelihood by a \
    parameter's logarithm), customers, converged and status: `ok`; `boundary` where a parameter is as good as 0 or \
    infinite or the data leave it open, its standard error and correlations then null (predictions hold, the parameter \
    alone says nothing); `not_converged`; and, with null parameters, `no_customers`, `no_repeat_orders`, `no_variation` \
    (one customer, or all alike), `impossible_row` (a negative, broken, infinite or NaN number, recency above age, or \
    recency without repeat orders). Rows with a null are left out. The same bits whatever the order of rows. Kept in \
    memory: the distinct rows with their counts.";

/// What differs between the three models of orders.
struct Words {
    name: &'static str,
    title: &'static str,
    likelihood: &'static str,
    alive: &'static str,
    orders: &'static str,
    source: &'static str,
}

const BGNBD: Words = Words {
    name: "bgnbd",
    title: "BG/NBD: a customer orders at a rate that is gamma(r, alpha) and leaves at a repeat order with a chance that \
        is beta(a, b)",
    likelihood: "L = B(a, b + x) ÷ B(a, b) × Γ(r + x) alpha^r ÷ (Γ(r) (alpha + T)^(r + x)) \
        + (x > 0) × B(a + 1, b + x − 1) ÷ B(a, b) × Γ(r + x) alpha^r ÷ (Γ(r) (alpha + t_x)^(r + x))",
    alive: "1 ÷ (1 + (x > 0) × a ÷ (b + x − 1) × ((alpha + T) ÷ (alpha + t_x))^(r + x)). Always 1 for a customer without \
        repeat orders: in this model he can leave only at one. That is the model, not the customer; `mbgnbd_alive` and \
        `pareto_nbd_alive` have no such rule",
    orders: "P(alive) × ∫ beta(p; a, b + x) × (1 − (1 + p t ÷ (alpha + T))^−(r + x)) ÷ p dp, which is equation 10 of the \
        paper without its hypergeometric function, so that small parameters do not give NaN",
    source: "Fader, Hardie & Lee (2005), \"Counting Your Customers the Easy Way\", Marketing Science 24(2), equations 6 to 10",
};

const MBGNBD: Words = Words {
    name: "mbgnbd",
    title: "MBG/NBD: a customer orders at a rate that is gamma(r, alpha) and leaves at any order, the first too, with a \
        chance that is beta(a, b)",
    likelihood: "L = B(a, b + x + 1) ÷ B(a, b) × Γ(r + x) alpha^r ÷ (Γ(r) (alpha + T)^(r + x)) \
        + B(a + 1, b + x) ÷ B(a, b) × Γ(r + x) alpha^r ÷ (Γ(r) (alpha + t_x)^(r + x))",
    alive: "1 ÷ (1 + a ÷ (b + x) × ((alpha + T) ÷ (alpha + t_x))^(r + x))",
    orders: "P(alive) × ∫ beta(p; a, b + x + 1) × (1 − (1 + p t ÷ (alpha + T))^−(r + x)) ÷ p dp",
    source: "Batislam, Denizel & Filiztekin (2007), \"Empirical validation and comparison of models for customer base \
        analysis\", International Journal of Research in Marketing 24(3)",
};

const PARETO: Words = Words {
    name: "pareto_nbd",
    title: "Pareto/NBD: a customer orders at a rate that is gamma(r, alpha) and leaves at any time, at a rate that is \
        gamma(s, beta)",
    likelihood: "L = Γ(r + x) ÷ Γ(r) × alpha^r beta^s × ((alpha + T)^−(r + x) (beta + T)^−s \
        + s ∫ from t_x to T of (alpha + y)^−(r + x) (beta + y)^−(s + 1) dy)",
    alive: "the first of the likelihood's two terms over their sum",
    orders: "P(alive) × (r + x)(beta + T) ÷ ((alpha + T)(s − 1)) × (1 − ((beta + T) ÷ (beta + T + t))^(s − 1)), and its limit \
        at s = 1",
    source: "Schmittlein, Morrison & Colombo (1987), \"Counting Your Customers\", Management Science 33(1); Fader & Hardie \
        (2005), \"A Note on Deriving the Pareto/NBD Model and Related Expressions\"",
};

fn fits() -> impl Iterator<Item = Entry> {
    [BGNBD, MBGNBD, PARETO].into_iter().map(|model| {
        let Words { name, title, likelihood, source, .. } = model;
        let description = format!(
            "The parameters of {title}, by maximum likelihood over the group's customers. {likelihood}. {FITTED} {source}."
        );
        let call = format!("{name}_fit(frequency, recency, age [, unit])");
        let example = format!("select {name}_fit(frequency, recency, age, 'day') as fit from histories");
        let documentation = Documentation::builder(SECTION, description, call)
            .with_sql_example(example)
            .with_argument("frequency", FREQUENCY)
            .with_argument("recency", RECENCY)
            .with_argument("age", AGE)
            .with_argument("unit", "Unit of recency and age: 'day' (if left out), 'week', 'month' or 'year'.")
            .build();
        (format!("{name}_fit"), documentation)
    })
}

fn answers() -> impl Iterator<Item = Entry> {
    [BGNBD, MBGNBD, PARETO].into_iter().flat_map(|model| {
        let Words { name, alive, orders, source, .. } = model;
        let nulls = "Null where an argument or a parameter is null, and for numbers that no customer can have.";
        let with = format!(
            "with model as (select {name}_fit(frequency, recency, age, 'day') as fit from histories)\nselect customer_id, "
        );
        let chance = Documentation::builder(
            SECTION,
            format!("P(alive | x, t_x, T): the probability that a customer is still one, by the model. {alive}. {nulls} {source}."),
            format!("{name}_alive(fit, frequency, recency, age)"),
        )
        .with_sql_example(format!(
            "{with}{name}_alive(fit, frequency, recency, age) as p_alive\nfrom histories cross join model"
        ))
        .with_argument("fit", FIT)
        .with_argument("frequency", FREQUENCY)
        .with_argument("recency", RECENCY)
        .with_argument("age", AGE)
        .build();
        let expected = Documentation::builder(
            SECTION,
            format!("E(Y(t) | x, t_x, T): orders to expect in the next t, not discounted. {orders}. {nulls} {source}."),
            format!("{name}_expected_orders(fit, frequency, recency, age, horizon)"),
        )
        .with_sql_example(format!(
            "{with}{name}_expected_orders(fit, frequency, recency, age, 365) as orders_of_a_year\nfrom histories cross join model"
        ))
        .with_argument("fit", FIT)
        .with_argument("frequency", FREQUENCY)
        .with_argument("recency", RECENCY)
        .with_argument("age", AGE)
        .with_argument("horizon", "The time t ahead, in the unit of the fit; a negative one is an error (GW0501).")
        .build();
        [(format!("{name}_alive"), chance), (format!("{name}_expected_orders"), expected)]
    })
}

const SPEND_SOURCE: &str = "Fader & Hardie (2013), \"The Gamma-Gamma Model of Monetary Value\", note 025; Fader, Hardie & Lee \
    (2005), \"RFM and CLV: Using Iso-Value Curves for Customer Base Analysis\", Journal of Marketing Research 42(4)";

fn money() -> impl Iterator<Item = Entry> {
    let fit = format!(
        "The parameters of gamma-gamma, by maximum likelihood over the group's customers with repeat orders: an order's \
         value is gamma(p, ν), and ν is gamma(q, gamma) among customers. L = Γ(p x + q) ÷ (Γ(p x) Γ(q)) × gamma^q m^(p x − 1) \
         x^(p x) ÷ (gamma + x m)^(p x + q). It supposes that value does not depend on how often a customer orders. Gives a \
         STRUCT as the fits of orders do, without unit, with the parameters p, q and gamma; customers counts those with \
         repeat orders; status `infinite_mean` where q ≤ 1. Rows with a null or without repeat orders are left out; a mean \
         value of 0 or less with repeat orders is an `impossible_row`. {SPEND_SOURCE}."
    );
    let fit = Documentation::builder(SECTION, fit, "gamma_gamma_fit(frequency, mean_value)")
        .with_sql_example("select gamma_gamma_fit(frequency, mean_value) as fit from histories")
        .with_argument("frequency", FREQUENCY)
        .with_argument("mean_value", "Mean value m of the repeat orders; null without any.")
        .build();
    let value = format!(
        "E(M | x, m): the value to expect of a customer's orders, p (gamma + x m) ÷ (p x + q − 1): his own mean drawn towards \
         that of all, p gamma ÷ (q − 1), which is the answer without repeat orders. Null where it would be infinite, \
         p x + q ≤ 1, and where frequency, a parameter or, with repeat orders, mean_value is null. A DOUBLE in the unit of \
         mean_value: cast it to a decimal to publish money. {SPEND_SOURCE}."
    );
    let value =
        Documentation::builder(SECTION, value, "gamma_gamma_expected_value(fit, frequency, mean_value)")
            .with_sql_example(
                "with model as (select gamma_gamma_fit(frequency, mean_value) as fit from histories)\n\
             select customer_id, gamma_gamma_expected_value(fit, frequency, mean_value) as order_value\n\
             from histories cross join model",
            )
            .with_argument("fit", FIT)
            .with_argument("frequency", FREQUENCY)
            .with_argument("mean_value", "Mean value m of the repeat orders; may be null without any.")
            .build();
    let clv = "Value of the orders to expect in the next months, discounted: expected_value × Σ over months k of \
        (E(Y(k)) − E(Y(k − 1))) ÷ (1 + annual_rate)^(k ÷ 12), each month's orders at its end. A month is 365.25 ÷ 12 days; \
        the rate is effective a year, and months are converted to the fit's unit inside. What has been earned so far is \
        not in it. Null where an argument or a parameter is null. A DOUBLE: cast it to a decimal to publish money. The \
        sum is that of the program lifetimes at the monthly rate (1 + annual_rate)^(1 ÷ 12) − 1. Fader, Hardie & Lee (2005), \
        \"RFM and CLV\", Journal of Marketing Research 42(4), in discrete months.";
    let call = "discounted_clv(fit, frequency, recency, age, expected_value, months, annual_rate)";
    let clv = Documentation::builder(SECTION, clv, call)
        .with_sql_example(
            "with models as (\n    select\n        mbgnbd_fit(frequency, recency, age, 'day') as fit,\n        \
             gamma_gamma_fit(frequency, mean_value) as spend\n    from histories\n)\n\
             select\n    customer_id,\n    discounted_clv(\n        fit, frequency, recency, age,\n        \
             gamma_gamma_expected_value(spend, frequency, mean_value), 36, 0.1\n    ) as clv\n\
             from histories cross join models",
        )
        .with_argument("fit", "A fit of orders by any of the three models, or a STRUCT with model, unit and parameters.")
        .with_argument("frequency", FREQUENCY)
        .with_argument("recency", RECENCY)
        .with_argument("age", AGE)
        .with_argument("expected_value", "Value of an order, or its margin.")
        .with_argument("months", "Months ahead, a whole number up to 1200.")
        .with_argument("annual_rate", "Rate of discount a year, effective: 0.1 for 10 %.")
        .build();
    let names = ["gamma_gamma_fit", "gamma_gamma_expected_value", "discounted_clv"];
    names.into_iter().map(str::to_owned).zip([fit, value, clv])
}

/// How certain the money is.
fn certainty() -> impl Iterator<Item = Entry> {
    let delta = "by the delta method: √(g′ Σ g), g the slope along the parameters' logarithms and Σ their covariance, from \
        the fit's standard errors and correlations; a parameter whose standard error is null is held where it is. It says \
        how far the expectation may be off because the parameters were estimated, not how far one customer will be from it";
    let value = format!(
        "The standard error of `gamma_gamma_expected_value`, {delta}. Null where that is, and where the fit did not converge."
    );
    let value =
        Documentation::builder(SECTION, value, "gamma_gamma_expected_value_se(fit, frequency, mean_value)")
            .with_sql_example(
                "with model as (select gamma_gamma_fit(frequency, mean_value) as fit from histories)\n\
         select customer_id, gamma_gamma_expected_value_se(fit, frequency, mean_value) as order_value_se\n\
         from histories cross join model",
            )
            .with_argument("fit", CERTAIN)
            .with_argument("frequency", FREQUENCY)
            .with_argument("mean_value", "Mean value m of the repeat orders; may be null without any.")
            .build();
    let clv = format!(
        "The standard error of `discounted_clv` for an expected value that is certain, {delta}. Orders and their value are \
         fitted apart, so squares of relative errors add up: with that of the expected value, (clv_se ÷ clv)² = \
         (discounted_clv_se ÷ discounted_clv)² + (expected_value_se ÷ expected_value)². Null where discounted_clv is."
    );
    let clv = Documentation::builder(
        SECTION,
        clv,
        "discounted_clv_se(fit, frequency, recency, age, expected_value, months, annual_rate)",
    )
    .with_sql_example(
        "with model as (select mbgnbd_fit(frequency, recency, age, 'day') as fit from histories)\n\
         select customer_id, discounted_clv_se(fit, frequency, recency, age, 1, 12, 0.1) as discounted_orders_se\n\
         from histories cross join model",
    )
    .with_argument("fit", CERTAIN)
    .with_argument("frequency", FREQUENCY)
    .with_argument("recency", RECENCY)
    .with_argument("age", AGE)
    .with_argument("expected_value", "Value of an order, or its margin; 1 for the error of discounted orders.")
    .with_argument("months", "Months ahead, a whole number up to 1200.")
    .with_argument("annual_rate", "Rate of discount a year, effective: 0.1 for 10 %.")
    .build();
    let names = ["gamma_gamma_expected_value_se", "discounted_clv_se"];
    names.into_iter().map(str::to_owned).zip([value, clv])
}

/// Orders without an end.
fn residual() -> Entry {
    let residual = "Orders to come for ever, discounted: the discounted expected residual transactions (DERT) of \
        Pareto/NBD, P(alive) × (r + x) ÷ (alpha + T) × ∫ from 0 to ∞ of e^(−δ t) ((beta + T) ÷ (beta + T + t))^s dt, \
        δ = ln(1 + annual_rate) ÷ units of time a year: the continuous rate that gives the effective one. \
        `discounted_clv` has an end and discounts at the ends of months; this has none and discounts at every moment. \
        Null where an argument or a parameter is null, for numbers that no customer can have, and where annual_rate is \
        not positive: the sum may then be infinite. Fader, Hardie & Lee (2005), \"RFM and CLV\", Journal of Marketing \
        Research 42(4), equation 2.";
    let residual = Documentation::builder(
        SECTION,
        residual,
        "pareto_nbd_residual_orders(fit, frequency, recency, age, annual_rate)",
    )
    .with_sql_example(
        "with model as (select pareto_nbd_fit(frequency, recency, age, 'day') as fit from histories)\n\
         select customer_id, pareto_nbd_residual_orders(fit, frequency, recency, age, 0.1) as orders_for_ever\n\
         from histories cross join model",
    )
    .with_argument("fit", "A fit of Pareto/NBD, or a STRUCT with unit and its parameters.")
    .with_argument("frequency", FREQUENCY)
    .with_argument("recency", RECENCY)
    .with_argument("age", AGE)
    .with_argument("annual_rate", "Rate of discount a year, effective: 0.1 for 10 %.")
    .build();
    ("pareto_nbd_residual_orders".to_owned(), residual)
}

const LIVES_SOURCE: &str = "Fader & Hardie (2007), \"How to Project Customer Retention\", Journal of Interactive Marketing \
    21(1); alpha and beta of the paper are a and b here, as in BG/NBD";

/// Contracts, whose end is seen.
fn contracts() -> impl Iterator<Item = Entry> {
    let fit = format!(
        "The parameters of sBG (shifted beta-geometric): at the end of each period a contract ends with a chance that is its \
         own and beta(a, b) among contracts; by maximum likelihood. L = B(a + 1, b + t − 1) ÷ B(a, b) for one that ended with \
         period t, B(a, b + t) ÷ B(a, b) for one that is open after t periods. Gives a STRUCT as the fits of orders do, without \
         unit, with the parameters a and b; customers counts contracts; status `nothing_ended` where none has. Rows with a \
         null are left out; a negative, broken, infinite or NaN age, or an end at age 0, is an `impossible_row`. \
         {LIVES_SOURCE}."
    );
    let fit = Documentation::builder(SECTION, fit, "sbg_fit(age, ended)")
        .with_sql_example(
            "select sbg_fit(age, ended) as fit\n\
             from (values (1, true), (1, true), (2, true), (3, true), (3, false), (3, false)) as contracts(age, ended)",
        )
        .with_argument("age", "Whole periods, months say, that the contract lasted or has lasted so far.")
        .with_argument("ended", "Whether it ended with the last of them; false for one that is open.")
        .build();
    let survival = format!(
        "S(t) = B(a, b + t) ÷ B(a, b): the share of contracts that last longer than so many periods. Of one that is open after \
         t, S(t + n) ÷ S(t) is the chance to be so n periods later. Null where an argument or a parameter is null. \
         {LIVES_SOURCE}."
    );
    let survival = Documentation::builder(SECTION, survival, "sbg_survival(fit, periods)")
        .with_sql_example(
            "select sbg_survival(named_struct('a', 0.668, 'b', 3.806), 12) as share_after_a_dozen",
        )
        .with_argument("fit", "A fit of sBG, or any STRUCT with its parameters a and b as fields.")
        .with_argument("periods", "A whole number from 0 on; another is an error (GW0501).")
        .build();
    let names = ["sbg_fit", "sbg_survival"];
    names.into_iter().map(str::to_owned).zip([fit, survival])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::page;

    #[test]
    fn the_page_says_what_the_code_says() {
        let all: Vec<Entry> = all().collect();
        page::check("clv/documentation.rs", all.iter().map(|(_, doc)| doc));
    }
}
