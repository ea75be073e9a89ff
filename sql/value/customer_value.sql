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
            'model', model, 'unit', unit, 'r', r, 'alpha', alpha,
            'a', a, 'b', b, 's', s, 'beta', beta
        ) as orders_fit
    from clv_parameters
    where model = $clv_model
),

spend as (
    select
        status as spend_status,
        named_struct('p', p, 'q', q, 'gamma', gamma) as spend_fit
    from clv_parameters
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

earned as (
    select
        customer_id,
        contribution
    from customer_pnl
    where as_of = $as_of_day and period = 'lifetime'
),

expected as (
    select
        h.*,
        e.contribution,
        u.model,
        m.margin_share,
        case
            when u.status not in ('ok', 'boundary') then u.status
            when s.spend_status not in ('ok', 'boundary')
                then concat('spend_', s.spend_status)
            else 'ok'
        end as status,
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
        discounted_clv(
            u.orders_fit, frequency, recency, age, 1,
            $clv_months, $annual_discount_rate
        ) as discounted_orders,
        discounted_clv(
            u.orders_fit, frequency, recency, age, 1,
            $clv_residual_months, $annual_discount_rate
        ) as residual_orders
    from order_histories as h
    inner join earned as e on h.customer_id = e.customer_id
    cross join used as u
    cross join spend as s
    cross join margins as m
),

valued as (
    select
        *,
        expected_order_amount * margin_share as expected_order_margin
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
    cast(contribution as decimal(18, 6)) as historic_value,
    frequency,
    recency as recency_days,
    age as age_days,
    model,
    status,
    p_alive,
    cast($clv_months as bigint) as horizon_months,
    cast($clv_residual_months as bigint) as residual_months,
    cast($annual_discount_rate as double) as annual_discount_rate,
    margin_share,
    expected_orders,
    cast(expected_order_amount as decimal(18, 2)) as expected_order_amount,
    cast(discounted_orders * expected_order_margin as decimal(18, 2))
        as period_clv,
    cast(residual_orders * expected_order_margin as decimal(18, 2))
        as residual_clv,
    cast(
        contribution
        + cast(residual_orders * expected_order_margin as decimal(18, 2))
        as decimal(18, 6)
    ) as total_value
from valued
