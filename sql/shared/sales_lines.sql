-- One row per line of an order before $as_of: the fact table.
-- Invoiced sales are before returns; what came back stands beside them and is
-- dated by return_lines, because a return may fall into a later month.
-- Where no unit cost holds on the day of the order (or the quantity is unknown)
-- the cost of goods is invoiced sales × (1 − $assumed_margin), and the row says
-- so in cost_basis.
with cost_spans as (
    select
        product_id,
        unit_cost,
        valid_from,
        lead(valid_from) over (
            partition by product_id order by valid_from
        ) as valid_to
    from product_costs
),

returned as (
    select
        order_id,
        line_no,
        sum(quantity) as returned_quantity,
        sum(amount) as returned_amount
    from returns
    where line_no is not null
    group by order_id, line_no
),

lines as (
    select
        l.order_id,
        l.line_no,
        o.customer_id,
        l.product_id,
        o.ordered_at,
        o.order_day,
        o.sales_channel,
        o.store_id,
        l.campaign_id,
        l.quantity,
        l.unit_price,
        l.list_amount,
        l.discount_amount,
        l.coupon_amount,
        l.reimbursed_coupon_amount,
        cast(
            l.list_amount - l.discount_amount - l.coupon_amount
            as decimal(18, 2)
        ) as invoiced_sales,
        c.unit_cost
    from order_lines as l
    inner join orders as o on l.order_id = o.order_id
    left join cost_spans as c
        on
            l.product_id = c.product_id
            and o.order_day >= c.valid_from
            and (o.order_day < c.valid_to or c.valid_to is null)
)

select
    l.order_id,
    l.line_no,
    l.customer_id,
    l.product_id,
    l.ordered_at,
    l.order_day,
    cast(date_trunc('month', l.order_day) as date) as order_month,
    l.sales_channel,
    l.store_id,
    l.campaign_id,
    l.quantity,
    l.unit_price,
    l.list_amount as gross_sales,
    l.discount_amount,
    l.coupon_amount,
    cast(l.discount_amount + l.coupon_amount as decimal(18, 2)) as discounts,
    l.reimbursed_coupon_amount,
    l.invoiced_sales,
    cast(coalesce(r.returned_quantity, 0) as decimal(18, 3))
        as returned_quantity,
    cast(coalesce(r.returned_amount, 0) as decimal(18, 2)) as returned_amount,
    l.unit_cost,
    case
        when l.unit_cost is null or l.quantity is null
            then cast(
                l.invoiced_sales
                * (1 - cast($assumed_margin as decimal(5, 4)))
                as decimal(18, 6)
            )
        else cast(l.quantity * l.unit_cost as decimal(18, 6))
    end as cogs,
    case
        when l.unit_cost is null or l.quantity is null then 'assumed'
        else 'actual'
    end as cost_basis
from lines as l
left join returned as r on l.order_id = r.order_id and l.line_no = r.line_no
