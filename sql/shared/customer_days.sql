-- One row per customer and day on which money or a contact moved: the ledger
-- that months, periods and scores add up.
-- A paid order is one with positive invoiced sales: a basket of free items is
-- an order, but no paid one. Returns stand on the day they came back,
-- what a service case cost on the day it was opened.
with line_totals as (
    select
        order_id,
        sum(gross_sales) as gross_sales,
        sum(discounts) as discounts,
        sum(invoiced_sales) as invoiced_sales,
        sum(cogs) as cogs,
        count(*) filter (where cost_basis = 'actual') as actual_cost_entries,
        count(*) filter (where cost_basis = 'assumed') as assumed_cost_entries
    from sales_lines
    group by order_id
),

order_entries as (
    select
        o.customer_id,
        o.order_day as day,
        1 as orders,
        case when t.invoiced_sales > 0 then 1 else 0 end as paid_orders,
        coalesce(t.gross_sales, 0) as gross_sales,
        coalesce(t.discounts, 0) as discounts,
        0 as returned,
        coalesce(t.cogs, 0) as cogs,
        coalesce(o.fulfilment_cost, 0) as fulfilment_cost,
        coalesce(o.payment_cost, 0) as payment_cost,
        0 as service_cost,
        0 as marketing_cost,
        0 as touches,
        0 as contacts,
        coalesce(t.actual_cost_entries, 0) as actual_cost_entries,
        coalesce(t.assumed_cost_entries, 0) as assumed_cost_entries
    from orders as o
    left join line_totals as t on o.order_id = t.order_id
),

return_entries as (
    select
        customer_id,
        return_day as day,
        0 as orders,
        0 as paid_orders,
        0 as gross_sales,
        0 as discounts,
        amount as returned,
        -recovered_cogs as cogs,
        0 as fulfilment_cost,
        0 as payment_cost,
        0 as service_cost,
        0 as marketing_cost,
        0 as touches,
        0 as contacts,
        case when cost_basis = 'actual' then 1 else 0 end
            as actual_cost_entries,
        case when cost_basis = 'assumed' then 1 else 0 end
            as assumed_cost_entries
    from return_lines
),

touch_entries as (
    select
        t.party_id as customer_id,
        t.touch_day as day,
        0 as orders,
        0 as paid_orders,
        0 as gross_sales,
        0 as discounts,
        0 as returned,
        0 as cogs,
        0 as fulfilment_cost,
        0 as payment_cost,
        0 as service_cost,
        coalesce(t.cost, 0) as marketing_cost,
        1 as touches,
        case when t.direction = 'out' and t.kind <> 'delivered' then 1 else 0 end
            as contacts,
        0 as actual_cost_entries,
        0 as assumed_cost_entries
    from touches as t
    inner join customers as c on t.party_id = c.customer_id
),

case_entries as (
    select
        customer_id,
        opened_day as day,
        0 as orders,
        0 as paid_orders,
        0 as gross_sales,
        0 as discounts,
        0 as returned,
        0 as cogs,
        0 as fulfilment_cost,
        0 as payment_cost,
        cost as service_cost,
        0 as marketing_cost,
        0 as touches,
        0 as contacts,
        0 as actual_cost_entries,
        0 as assumed_cost_entries
    from service_cases
    where cost is not null
),

entries as (
    select * from order_entries
    union all
    select * from return_entries
    union all
    select * from touch_entries
    union all
    select * from case_entries
)

select
    customer_id,
    day,
    sum(orders) as orders,
    sum(paid_orders) as paid_orders,
    cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
    cast(sum(discounts) as decimal(18, 2)) as discounts,
    cast(sum(returned) as decimal(18, 2)) as returns,
    cast(sum(cogs) as decimal(18, 6)) as cogs,
    cast(sum(fulfilment_cost) as decimal(18, 2)) as fulfilment_cost,
    cast(sum(payment_cost) as decimal(18, 2)) as payment_cost,
    cast(sum(service_cost) as decimal(18, 2)) as service_cost,
    cast(sum(marketing_cost) as decimal(18, 2)) as marketing_cost,
    sum(touches) as touches,
    sum(contacts) as contacts,
    sum(actual_cost_entries) as actual_cost_entries,
    sum(assumed_cost_entries) as assumed_cost_entries
from entries
group by customer_id, day
