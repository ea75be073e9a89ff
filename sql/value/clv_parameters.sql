-- One row per model of lifetime value, fitted to all customers with a paid
-- order. Times are in days. A column that is none of a model's parameters is
-- null, and so are the parameters of a fit that could not be: see status.
with fits as (
    select
        bgnbd_fit(frequency, recency, age, 'day') as bgnbd,
        mbgnbd_fit(frequency, recency, age, 'day') as mbgnbd,
        pareto_nbd_fit(frequency, recency, age, 'day') as pareto_nbd,
        gamma_gamma_fit(frequency, mean_amount) as gamma_gamma
    from order_histories
),

beta_geometric as (
    select bgnbd as fit from fits
    union all
    select mbgnbd as fit from fits
),

unknown as (
    select cast(null as double) as number
)

select
    $as_of_day as as_of,
    fit['model'] as model,
    fit['unit'] as unit,
    fit['r'] as r,
    fit['alpha'] as alpha,
    fit['a'] as a,
    fit['b'] as b,
    number as s,
    number as beta,
    number as p,
    number as q,
    number as gamma,
    fit['r_se'] as r_se,
    fit['alpha_se'] as alpha_se,
    fit['a_se'] as a_se,
    fit['b_se'] as b_se,
    number as s_se,
    number as beta_se,
    number as p_se,
    number as q_se,
    number as gamma_se,
    fit['log_likelihood'] as log_likelihood,
    fit['gradient_norm'] as gradient_norm,
    fit['customers'] as customers,
    fit['converged'] as converged,
    fit['status'] as status,
    fit['model'] = $clv_model as is_used
from beta_geometric
cross join unknown
union all
select
    $as_of_day as as_of,
    pareto_nbd['model'] as model,
    pareto_nbd['unit'] as unit,
    pareto_nbd['r'] as r,
    pareto_nbd['alpha'] as alpha,
    number as a,
    number as b,
    pareto_nbd['s'] as s,
    pareto_nbd['beta'] as beta,
    number as p,
    number as q,
    number as gamma,
    pareto_nbd['r_se'] as r_se,
    pareto_nbd['alpha_se'] as alpha_se,
    number as a_se,
    number as b_se,
    pareto_nbd['s_se'] as s_se,
    pareto_nbd['beta_se'] as beta_se,
    number as p_se,
    number as q_se,
    number as gamma_se,
    pareto_nbd['log_likelihood'] as log_likelihood,
    pareto_nbd['gradient_norm'] as gradient_norm,
    pareto_nbd['customers'] as customers,
    pareto_nbd['converged'] as converged,
    pareto_nbd['status'] as status,
    pareto_nbd['model'] = $clv_model as is_used
from fits
cross join unknown
union all
select
    $as_of_day as as_of,
    gamma_gamma['model'] as model,
    cast(null as varchar) as unit,
    number as r,
    number as alpha,
    number as a,
    number as b,
    number as s,
    number as beta,
    gamma_gamma['p'] as p,
    gamma_gamma['q'] as q,
    gamma_gamma['gamma'] as gamma,
    number as r_se,
    number as alpha_se,
    number as a_se,
    number as b_se,
    number as s_se,
    number as beta_se,
    gamma_gamma['p_se'] as p_se,
    gamma_gamma['q_se'] as q_se,
    gamma_gamma['gamma_se'] as gamma_se,
    gamma_gamma['log_likelihood'] as log_likelihood,
    gamma_gamma['gradient_norm'] as gradient_norm,
    gamma_gamma['customers'] as customers,
    gamma_gamma['converged'] as converged,
    gamma_gamma['status'] as status,
    true as is_used
from fits
cross join unknown
