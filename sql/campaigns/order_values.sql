-- One row per order before $as_of with what it brought, returns taken off.
-- A return lowers the order it belongs to, whenever it came back before $as_of,
-- so that credit for the order falls with it; whether the order is a conversion
-- was decided when it was invoiced and stays.
with sold as (
    select
        order_id,
        sum(invoiced_sales) as invoiced_sales,
        sum(cogs) as cogs
    from sales_lines
    group by order_id
),

returned as (
    select
        order_id,
        sum(amount) as amount,
        sum(recovered_cogs) as recovered_cogs
    from return_lines
    where order_id is not null
    group by order_id
),

valued as (
    select
        o.order_id,
        o.customer_id,
        o.ordered_at,
        o.order_day,
        cast(coalesce(s.invoiced_sales, 0) as decimal(18, 2))
            as invoiced_sales,
        cast(coalesce(r.amount, 0) as decimal(18, 2)) as returns,
        cast(
            coalesce(s.cogs, 0) - coalesce(r.recovered_cogs, 0)
            as decimal(18, 6)
        ) as cogs,
        cast(
            coalesce(o.fulfilment_cost, 0) + coalesce(o.payment_cost, 0)
            as decimal(18, 2)
        ) as handling_cost
    from orders as o
    left join sold as s on o.order_id = s.order_id
    left join returned as r on o.order_id = r.order_id
),

first_orders as (
    select
        order_id,
        row_number() over (
            partition by customer_id order by ordered_at, order_id
        ) as paid_order_no
    from valued
    where invoiced_sales > 0
)

select
    v.order_id,
    v.customer_id,
    v.ordered_at,
    v.order_day,
    cast(date_trunc('month', v.order_day) as date) as order_month,
    v.invoiced_sales,
    v.returns,
    cast(v.invoiced_sales - v.returns as decimal(18, 2)) as revenue,
    cast(
        v.invoiced_sales - v.returns - v.cogs - v.handling_cost
        as decimal(18, 6)
    ) as margin,
    v.invoiced_sales >= $conversion_minimum_amount as is_conversion,
    coalesce(f.paid_order_no = 1, false) as is_first_order
from valued as v
left join first_orders as f on v.order_id = f.order_id
