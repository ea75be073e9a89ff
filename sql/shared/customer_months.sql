-- One row per customer and month in which money or a contact moved.
-- Returns count in the month they came back, so a month's net sales may be
-- negative.
with months as (
    select
        customer_id,
        cast(date_trunc('month', day) as date) as month,
        sum(orders) as orders,
        sum(paid_orders) as paid_orders,
        cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
        cast(sum(discounts) as decimal(18, 2)) as discounts,
        cast(sum(returns) as decimal(18, 2)) as returns,
        cast(sum(cogs) as decimal(18, 6)) as cogs,
        cast(sum(fulfilment_cost) as decimal(18, 2)) as fulfilment_cost,
        cast(sum(payment_cost) as decimal(18, 2)) as payment_cost,
        cast(sum(service_cost) as decimal(18, 2)) as service_cost,
        cast(sum(marketing_cost) as decimal(18, 2)) as marketing_cost,
        sum(touches) as touches,
        sum(actual_cost_entries) as actual_cost_entries,
        sum(assumed_cost_entries) as assumed_cost_entries
    from customer_days
    group by customer_id, cast(date_trunc('month', day) as date)
)

select
    customer_id,
    month,
    orders,
    paid_orders,
    gross_sales,
    discounts,
    returns,
    cast(gross_sales - discounts - returns as decimal(18, 2)) as net_sales,
    cogs,
    cast(gross_sales - discounts - returns - cogs as decimal(18, 6))
        as gross_margin,
    fulfilment_cost,
    payment_cost,
    service_cost,
    marketing_cost,
    cast(
        gross_sales - discounts - returns - cogs
        - fulfilment_cost - payment_cost - service_cost - marketing_cost
        as decimal(18, 6)
    ) as contribution,
    touches,
    case
        when actual_cost_entries > 0 and assumed_cost_entries > 0 then 'mixed'
        when actual_cost_entries > 0 then 'actual'
        when assumed_cost_entries > 0 then 'assumed'
        else 'none'
    end as cost_basis
from months
