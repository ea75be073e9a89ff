-- One row per model of lifetime value, fitted to all customers with a paid
-- order, or all contracts. Times are in days. A column that is none of a model's
-- parameters is null, and so are the parameters of a fit that could not be: see
-- status.
with order_fits as (
    select
        bgnbd_fit(frequency, recency, age, 'day') as bgnbd,
        mbgnbd_fit(frequency, recency, age, 'day') as mbgnbd,
        pareto_nbd_fit(frequency, recency, age, 'day') as pareto_nbd,
        gamma_gamma_fit(frequency, mean_amount) as gamma_gamma
    from order_histories
),

contract_fits as (
    select sbg_fit(age_months, is_ended) as sbg from contract_lives
),

-- Gamma-gamma takes orders and amounts for independent of each other; this is
-- what the customers it is fitted to say of that.
pairs as (
    select
        cast(frequency as double) as x,
        cast(mean_amount as double) as m
    from order_histories
    where frequency > 0 and mean_amount > 0
),

moments as (
    select
        avg(x * m) - avg(x) * avg(m) as together,
        avg(x * x) - avg(x) * avg(x) as of_orders,
        avg(m * m) - avg(m) * avg(m) as of_amounts
    from pairs
),

beta_geometric as (
    select bgnbd as fit from order_fits
    union all
    select mbgnbd as fit from order_fits
),

-- Each fit has its own parameters; the others' are null.
fits as (
    select
        fit['model'] as model,
        fit['unit'] as unit,
        fit['r'] as r,
        fit['alpha'] as alpha,
        fit['a'] as a,
        fit['b'] as b,
        fit['r_se'] as r_se,
        fit['alpha_se'] as alpha_se,
        fit['a_se'] as a_se,
        fit['b_se'] as b_se,
        fit['r_alpha_correlation'] as r_alpha_correlation,
        fit['r_a_correlation'] as r_a_correlation,
        fit['r_b_correlation'] as r_b_correlation,
        fit['alpha_a_correlation'] as alpha_a_correlation,
        fit['alpha_b_correlation'] as alpha_b_correlation,
        fit['a_b_correlation'] as a_b_correlation,
        fit['log_likelihood'] as log_likelihood,
        fit['gradient_norm'] as gradient_norm,
        fit['customers'] as customers,
        fit['converged'] as converged,
        fit['status'] as status
    from beta_geometric
    union all by name
    select
        pareto_nbd['model'] as model,
        pareto_nbd['unit'] as unit,
        pareto_nbd['r'] as r,
        pareto_nbd['alpha'] as alpha,
        pareto_nbd['s'] as s,
        pareto_nbd['beta'] as beta,
        pareto_nbd['r_se'] as r_se,
        pareto_nbd['alpha_se'] as alpha_se,
        pareto_nbd['s_se'] as s_se,
        pareto_nbd['beta_se'] as beta_se,
        pareto_nbd['r_alpha_correlation'] as r_alpha_correlation,
        pareto_nbd['r_s_correlation'] as r_s_correlation,
        pareto_nbd['r_beta_correlation'] as r_beta_correlation,
        pareto_nbd['alpha_s_correlation'] as alpha_s_correlation,
        pareto_nbd['alpha_beta_correlation'] as alpha_beta_correlation,
        pareto_nbd['s_beta_correlation'] as s_beta_correlation,
        pareto_nbd['log_likelihood'] as log_likelihood,
        pareto_nbd['gradient_norm'] as gradient_norm,
        pareto_nbd['customers'] as customers,
        pareto_nbd['converged'] as converged,
        pareto_nbd['status'] as status
    from order_fits
    union all by name
    select
        gamma_gamma['model'] as model,
        gamma_gamma['p'] as p,
        gamma_gamma['q'] as q,
        gamma_gamma['gamma'] as gamma,
        gamma_gamma['p_se'] as p_se,
        gamma_gamma['q_se'] as q_se,
        gamma_gamma['gamma_se'] as gamma_se,
        gamma_gamma['p_q_correlation'] as p_q_correlation,
        gamma_gamma['p_gamma_correlation'] as p_gamma_correlation,
        gamma_gamma['q_gamma_correlation'] as q_gamma_correlation,
        gamma_gamma['log_likelihood'] as log_likelihood,
        gamma_gamma['gradient_norm'] as gradient_norm,
        gamma_gamma['customers'] as customers,
        gamma_gamma['converged'] as converged,
        gamma_gamma['status'] as status
    from order_fits
    union all by name
    select
        sbg['model'] as model,
        'month' as unit,
        sbg['a'] as a,
        sbg['b'] as b,
        sbg['a_se'] as a_se,
        sbg['b_se'] as b_se,
        sbg['a_b_correlation'] as a_b_correlation,
        sbg['log_likelihood'] as log_likelihood,
        sbg['gradient_norm'] as gradient_norm,
        sbg['customers'] as customers,
        sbg['converged'] as converged,
        sbg['status'] as status
    from contract_fits
)

select
    $as_of_day as as_of,
    model,
    unit,
    r,
    alpha,
    a,
    b,
    s,
    beta,
    p,
    q,
    gamma,
    r_se,
    alpha_se,
    a_se,
    b_se,
    s_se,
    beta_se,
    p_se,
    q_se,
    gamma_se,
    r_alpha_correlation,
    r_a_correlation,
    r_b_correlation,
    alpha_a_correlation,
    alpha_b_correlation,
    a_b_correlation,
    r_s_correlation,
    r_beta_correlation,
    alpha_s_correlation,
    alpha_beta_correlation,
    s_beta_correlation,
    p_q_correlation,
    p_gamma_correlation,
    q_gamma_correlation,
    log_likelihood,
    gradient_norm,
    customers,
    converged,
    status,
    model = $clv_model or model = 'gamma_gamma' as is_used,
    case
        when model = 'gamma_gamma' and of_orders > 0 and of_amounts > 0
            then
                greatest(
                    least(together / sqrt(of_orders * of_amounts), 1), -1
                )
    end as frequency_amount_correlation
from fits
cross join moments
