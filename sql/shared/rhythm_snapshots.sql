-- One row per month end up to $as_of and customer with a paid order before it:
-- the customer's own rhythm, silence and trend as they were then.
-- The month ends are those of snapshots that end a whole month: nothing of
-- snapshot_date or later is in a row. Tiers are those of tier_snapshots.
-- A customer has a rhythm from $rhythm_min_orders days with an order on; silence
-- of up to $rhythm_min_days is neither late nor churn, however fast it is.
with order_months as (
    select
        customer_id,
        cast(date_trunc('month', day) as date) as month,
        min(first_day) as first_order_day,
        max(day) as last_order_day,
        max(order_day_no) as order_days,
        max(paid_orders_so_far) as paid_orders,
        max(last_comeback_day) as last_comeback_day
    from order_days
    group by customer_id, cast(date_trunc('month', day) as date)
),

-- A rhythm changes only in months with an order: it is measured there.
rhythms as (
    select
        m.customer_id,
        m.order_days,
        cast(median(cast(d.gap_days as double)) as decimal(10, 1))
            as median_gap_days
    from order_months as m
    inner join order_days as d
        on m.customer_id = d.customer_id and d.order_day_no <= m.order_days
    where d.gap_days is not null
    group by m.customer_id, m.order_days
),

money_months as (
    select
        customer_id,
        month,
        net_sales,
        contribution
    from customer_months
    where
        orders > 0
        or returns <> 0
        or cogs <> 0
        or service_cost <> 0
        or marketing_cost <> 0
),

spans as (
    select
        customer_id,
        unnest(
            generate_series(
                min(month),
                cast(
                    date_trunc('month', $as_of_day) - interval '1 month'
                    as date
                ),
                interval '1 month'
            )
        ) as month
    from money_months
    group by customer_id
),

-- Every month from the first one in which money moved: frames count rows.
calendar as (
    select distinct
        customer_id,
        month
    from spans
),

months as (
    select
        c.customer_id,
        c.month,
        coalesce(m.net_sales, 0) as net_sales,
        coalesce(m.contribution, 0) as contribution,
        o.first_order_day,
        o.last_order_day,
        o.order_days,
        o.paid_orders,
        o.last_comeback_day
    from calendar as c
    left join money_months as m
        on c.customer_id = m.customer_id and c.month = m.month
    left join order_months as o
        on c.customer_id = o.customer_id and c.month = o.month
),

seen as (
    select
        customer_id,
        month,
        sum(net_sales) over twelve as net_sales_12m,
        sum(contribution) over twelve as contribution_12m,
        sum(net_sales) over three as net_sales_3m,
        sum(net_sales) over six as net_sales_6m,
        min(first_order_day) over past as first_order_day,
        max(last_order_day) over past as last_order_day,
        max(order_days) over past as order_days,
        max(paid_orders) over past as paid_orders,
        max(last_comeback_day) over past as last_comeback_day
    from months
    window
        past as (
            partition by customer_id
            order by month
            rows between unbounded preceding and current row
        ),
        twelve as (
            partition by customer_id
            order by month
            rows between 11 preceding and current row
        ),
        six as (
            partition by customer_id
            order by month
            rows between 5 preceding and current row
        ),
        three as (
            partition by customer_id
            order by month
            rows between 2 preceding and current row
        )
),

known as (
    select
        s.*,
        e.snapshot_date,
        r.median_gap_days,
        coalesce(t.tier, 'none') as tier
    from seen as s
    inner join snapshots as e on s.month = e.month
    left join rhythms as r
        on s.customer_id = r.customer_id and s.order_days = r.order_days
    left join tier_snapshots as t
        on
            s.customer_id = t.customer_id
            and e.snapshot_date = t.snapshot_date
    where
        s.last_order_day is not null
        and e.snapshot_date = date_trunc('month', e.snapshot_date)
)

select
    $as_of_day as as_of,
    snapshot_date,
    customer_id,
    first_order_day,
    last_order_day,
    snapshot_date - first_order_day as age_days,
    snapshot_date - last_order_day as days_since_last_order,
    paid_orders,
    order_days,
    median_gap_days,
    case
        when order_days >= $rhythm_min_orders
            then greatest(
                cast(
                    floor($half_asleep_after_gaps * median_gap_days)
                    as bigint
                ),
                $rhythm_min_days
            )
    end as own_late_days,
    case
        when order_days >= $rhythm_min_orders
            then greatest(
                cast(floor($churn_after_gaps * median_gap_days) as bigint),
                $rhythm_min_days
            )
    end as own_churn_days,
    last_comeback_day,
    cast(net_sales_12m as decimal(18, 2)) as net_sales_12m,
    cast(contribution_12m as decimal(18, 6)) as contribution_12m,
    cast(net_sales_3m as decimal(18, 2)) as net_sales_3m,
    cast(net_sales_6m - net_sales_3m as decimal(18, 2))
        as net_sales_3m_before,
    tier
from known
