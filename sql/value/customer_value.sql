-- One row per customer who ever paid for an order: what he has brought, whether
-- he is still a customer, and what the next months are worth today.
-- The model is $clv_model. By bgnbd everybody with one order only is alive for
-- sure, because in it one can leave at a repeat order only: that is why mbgnbd
-- is the default, and why the row names its model.
with used as (
    select
        model,
        status,
        named_struct(
            'model', model, 'unit', unit,
            'r', r, 'alpha', alpha, 'a', a, 'b', b, 's', s, 'beta', beta,
            'r_se', r_se, 'alpha_se', alpha_se, 'a_se', a_se, 'b_se', b_se,
            's_se', s_se, 'beta_se', beta_se,
            'r_alpha_correlation', r_alpha_correlation,
            'r_a_correlation', r_a_correlation,
            'r_b_correlation', r_b_correlation,
            'alpha_a_correlation', alpha_a_correlation,
            'alpha_b_correlation', alpha_b_correlation,
            'a_b_correlation', a_b_correlation,
            'r_s_correlation', r_s_correlation,
            'r_beta_correlation', r_beta_correlation,
            'alpha_s_correlation', alpha_s_correlation,
            'alpha_beta_correlation', alpha_beta_correlation,
            's_beta_correlation', s_beta_correlation
        ) as orders_fit
    from clv_parameters_latest
    where model = $clv_model
),

spend as (
    select
        status as spend_status,
        named_struct(
            'p', p, 'q', q, 'gamma', gamma,
            'p_se', p_se, 'q_se', q_se, 'gamma_se', gamma_se,
            'p_q_correlation', p_q_correlation,
            'p_gamma_correlation', p_gamma_correlation,
            'q_gamma_correlation', q_gamma_correlation
        ) as spend_fit
    from clv_parameters_latest
    where model = 'gamma_gamma'
),

margins as (
    select
        case
            when sum(gross_sales - discounts) > 0
                then
                    cast(sum(gross_margin) as double)
                    / cast(sum(gross_sales - discounts) as double)
        end as margin_share
    from customer_pnl
    where as_of = $as_of_day and period = 'lifetime'
),

known as (
    select
        h.*,
        p.contribution
    from order_histories as h
    inner join customer_pnl as p on h.customer_id = p.customer_id
    where p.as_of = $as_of_day and p.period = 'lifetime'
),

-- The one row of each fit stands first: it is kept, and the customers pass by.
expected as (
    select
        h.*,
        u.model,
        m.margin_share,
        case
            when u.status not in ('ok', 'boundary') then u.status
            when s.spend_status not in ('ok', 'boundary')
                then concat('spend_', s.spend_status)
            else 'ok'
        end as status,
        u.status = 'boundary' or s.spend_status = 'boundary' as is_boundary,
        case $clv_model
            when 'bgnbd'
                then bgnbd_alive(u.orders_fit, frequency, recency, age)
            when 'mbgnbd'
                then mbgnbd_alive(u.orders_fit, frequency, recency, age)
            when 'pareto_nbd'
                then pareto_nbd_alive(u.orders_fit, frequency, recency, age)
        end as p_alive,
        discounted_clv(
            u.orders_fit, frequency, recency, age, 1, $clv_months, 0
        ) as expected_orders,
        gamma_gamma_expected_value(s.spend_fit, frequency, mean_amount)
            as expected_order_amount,
        gamma_gamma_expected_value_se(s.spend_fit, frequency, mean_amount)
            as order_amount_error,
        discounted_clv(
            u.orders_fit, frequency, recency, age, 1,
            $clv_months, $annual_discount_rate
        ) as period_orders,
        discounted_clv_se(
            u.orders_fit, frequency, recency, age, 1,
            $clv_months, $annual_discount_rate
        ) as period_orders_error,
        discounted_clv(
            u.orders_fit, frequency, recency, age, 1,
            $clv_residual_months, $annual_discount_rate
        ) as residual_orders,
        discounted_clv_se(
            u.orders_fit, frequency, recency, age, 1,
            $clv_residual_months, $annual_discount_rate
        ) as residual_orders_error
    from used as u
    cross join spend as s
    cross join margins as m
    cross join known as h
),

-- Orders and amounts are fitted apart: the squares of their errors add up. 1.96
-- of them, for 95 %.
valued as (
    select
        *,
        period_orders * expected_order_amount * margin_share as period_clv,
        1.959964 * abs(margin_share) * sqrt(
            power(period_orders_error * expected_order_amount, 2)
            + power(period_orders * order_amount_error, 2)
        ) as period_error,
        residual_orders * expected_order_amount * margin_share as residual_clv,
        1.959964 * abs(margin_share) * sqrt(
            power(residual_orders_error * expected_order_amount, 2)
            + power(residual_orders * order_amount_error, 2)
        ) as residual_error,
        -- An expectation of money is not negative where margins are not.
        case when margin_share >= 0 then 0 end as lowest
    from expected
)

select
    $as_of_day as as_of,
    customer_id,
    first_day as first_order_day,
    last_day as last_order_day,
    paid_orders,
    cast(amount / paid_orders as decimal(18, 2)) as average_order_value,
    case
        when frequency > 0
            then cast(recency as double) / cast(frequency as double)
    end as mean_days_between_orders,
    gap_variation,
    gap_variation <= $steady_variation as is_steady_rhythm,
    amount_variation,
    amount_variation <= $steady_variation as is_steady_amount,
    cast(contribution as decimal(18, 6)) as historic_value,
    frequency,
    recency as recency_days,
    age as age_days,
    'day' as time_unit,
    false as first_order_counts,
    model,
    status,
    p_alive,
    cast($clv_months as bigint) as horizon_months,
    cast($clv_residual_months as bigint) as residual_months,
    cast($annual_discount_rate as double) as annual_discount_rate,
    margin_share,
    expected_orders,
    cast(expected_order_amount as decimal(18, 2)) as expected_order_amount,
    cast(period_clv as decimal(18, 2)) as period_clv,
    cast(greatest(period_clv - period_error, lowest) as decimal(18, 2))
        as period_clv_low,
    cast(period_clv + period_error as decimal(18, 2)) as period_clv_high,
    cast(residual_clv as decimal(18, 2)) as residual_clv,
    cast(greatest(residual_clv - residual_error, lowest) as decimal(18, 2))
        as residual_clv_low,
    cast(residual_clv + residual_error as decimal(18, 2)) as residual_clv_high,
    case
        when status <> 'ok' then status
        when period_error is null then 'not_converged'
        when is_boundary then 'boundary'
        else 'ok'
    end as interval_status,
    cast(
        contribution + cast(residual_clv as decimal(18, 2)) as decimal(18, 6)
    ) as total_value
from valued
