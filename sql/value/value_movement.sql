-- One row per month and customer who bought in it or in the month before, or
-- had a value in one of the two: what makes one month's value the next's.
--   new         the first paid order ever
--   reactivated bought in an earlier month, not in the last one
--   expansion, flat, contraction
--               bought in both: worth more, as much, less
--   churned     bought last month, not in this one: no word on later months
--   adjustment  bought in neither: returns and costs, and their end
-- The last month is usually cut by $as_of: is_complete is then false.
with firsts as (
    select
        customer_id,
        cast(date_trunc('month', min(day)) as date) as first_month
    from order_days
    group by customer_id
),

observed as (
    select
        min(month_start) as first_month,
        max(month_start) as last_month
    from dates
    where is_observed
),

valued as (
    select
        m.customer_id,
        m.month,
        m.paid_orders,
        case
            when $value_measure = 'profit'
                then
                    cast(
                        m.contribution - coalesce(o.allocated_overhead, 0)
                        as decimal(18, 6)
                    )
            when $value_measure = 'contribution' then m.contribution
            when $value_measure = 'gross_margin' then m.gross_margin
            when $value_measure = 'net_sales'
                then cast(m.net_sales as decimal(18, 6))
            when $value_measure = 'invoiced_sales'
                then cast(m.gross_sales - m.discounts as decimal(18, 6))
        end as value
    from customer_months as m
    left join customer_overhead as o
        on m.customer_id = o.customer_id and m.month = o.month
),

-- Each month counts twice: as itself, and as the one before the next.
sides as (
    select
        customer_id,
        month,
        paid_orders,
        value,
        0 as paid_orders_before,
        0 as value_before
    from valued
    union all
    select
        customer_id,
        cast(month + interval '1 month' as date) as month,
        0 as paid_orders,
        0 as value,
        paid_orders as paid_orders_before,
        value as value_before
    from valued
),

pairs as (
    select
        customer_id,
        month,
        sum(paid_orders) as paid_orders,
        sum(paid_orders_before) as paid_orders_before,
        sum(value) as value,
        sum(value_before) as value_before
    from sides
    group by customer_id, month
)

select
    $as_of_day as as_of,
    p.month,
    p.customer_id,
    cast($value_measure as varchar) as value_measure,
    cast(p.month + interval '1 month' as date) <= $as_of_day as is_complete,
    case
        when p.month = o.first_month then 'insufficient_history' else 'ok'
    end as movement_status,
    case
        when p.paid_orders > 0 and f.first_month = p.month then 'new'
        when p.paid_orders > 0 and p.paid_orders_before = 0 then 'reactivated'
        when p.paid_orders > 0 and p.value > p.value_before then 'expansion'
        when p.paid_orders > 0 and p.value < p.value_before then 'contraction'
        when p.paid_orders > 0 then 'flat'
        when p.paid_orders_before > 0 then 'churned'
        else 'adjustment'
    end as movement,
    p.paid_orders > 0 as is_active,
    cast(p.value_before as decimal(18, 6)) as value_before,
    cast(p.value - p.value_before as decimal(18, 6)) as value_change,
    cast(p.value as decimal(18, 6)) as value
from observed as o
cross join pairs as p
left join firsts as f on p.customer_id = f.customer_id
where
    p.month <= o.last_month
    and (
        p.paid_orders > 0
        or p.paid_orders_before > 0
        or p.value <> 0
        or p.value_before <> 0
    )
