-- One row per month from the first order's to the one of the last day before
-- $as_of, months without sales included.
-- The last month is usually cut by $as_of: is_complete is then false, and it
-- must not be compared with a whole one.
with months as (
    select distinct month_start as month
    from dates
    where is_observed
),

first_orders as (
    select
        customer_id,
        min(month) as first_month
    from customer_months
    where orders > 0
    group by customer_id
),

arrivals as (
    select
        first_month as month,
        count(*) as new_customers
    from first_orders
    group by first_month
),

totals as (
    select
        month,
        sum(orders) as orders,
        sum(paid_orders) as paid_orders,
        count(*) filter (where orders > 0) as active_customers,
        cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
        cast(sum(discounts) as decimal(18, 2)) as discounts,
        cast(sum(returns) as decimal(18, 2)) as returns,
        cast(sum(net_sales) as decimal(18, 2)) as net_sales,
        cast(sum(cogs) as decimal(18, 6)) as cogs,
        cast(sum(gross_margin) as decimal(18, 6)) as gross_margin,
        cast(sum(fulfilment_cost) as decimal(18, 2)) as fulfilment_cost,
        cast(sum(payment_cost) as decimal(18, 2)) as payment_cost,
        cast(sum(service_cost) as decimal(18, 2)) as service_cost,
        cast(sum(marketing_cost) as decimal(18, 2)) as marketing_cost,
        cast(sum(contribution) as decimal(18, 6)) as contribution,
        sum(touches) as touches
    from customer_months
    group by month
),

filled as (
    select
        m.month,
        coalesce(t.orders, 0) as orders,
        coalesce(t.paid_orders, 0) as paid_orders,
        coalesce(t.active_customers, 0) as active_customers,
        coalesce(a.new_customers, 0) as new_customers,
        coalesce(t.gross_sales, 0) as gross_sales,
        coalesce(t.discounts, 0) as discounts,
        coalesce(t.returns, 0) as returns,
        coalesce(t.net_sales, 0) as net_sales,
        coalesce(t.cogs, 0) as cogs,
        coalesce(t.gross_margin, 0) as gross_margin,
        coalesce(t.fulfilment_cost, 0) as fulfilment_cost,
        coalesce(t.payment_cost, 0) as payment_cost,
        coalesce(t.service_cost, 0) as service_cost,
        coalesce(t.marketing_cost, 0) as marketing_cost,
        coalesce(t.contribution, 0) as contribution,
        coalesce(t.touches, 0) as touches
    from months as m
    left join totals as t on m.month = t.month
    left join arrivals as a on m.month = a.month
)

select
    month,
    cast(month + interval '1 month' as date) <= $as_of_day as is_complete,
    orders,
    paid_orders,
    active_customers,
    new_customers,
    active_customers - new_customers as returning_customers,
    cast(gross_sales as decimal(18, 2)) as gross_sales,
    cast(discounts as decimal(18, 2)) as discounts,
    cast(returns as decimal(18, 2)) as returns,
    cast(net_sales as decimal(18, 2)) as net_sales,
    cast(cogs as decimal(18, 6)) as cogs,
    cast(gross_margin as decimal(18, 6)) as gross_margin,
    cast(fulfilment_cost as decimal(18, 2)) as fulfilment_cost,
    cast(payment_cost as decimal(18, 2)) as payment_cost,
    cast(service_cost as decimal(18, 2)) as service_cost,
    cast(marketing_cost as decimal(18, 2)) as marketing_cost,
    cast(contribution as decimal(18, 6)) as contribution,
    touches,
    cast(gross_sales - discounts as double)
    / nullif(cast(orders as double), 0) as average_order_value,
    cast(discounts as double)
    / nullif(cast(gross_sales as double), 0) as discount_rate,
    cast(returns as double)
    / nullif(cast(gross_sales - discounts as double), 0) as return_rate,
    cast(gross_margin as double)
    / nullif(cast(net_sales as double), 0) as gross_margin_rate
from filled
