-- One row per customer with a paid order before $as_of: how deep the customer
-- sleeps, by fixed cuts and by the customer's own rhythm.
-- The last cut is where churn begins, so asleep is churned by days_silent and
-- by own_rhythm. Within $rhythm_min_days everybody is awake, however fast the
-- rhythm; without $rhythm_min_orders days with an order there is none to tell.
with last_orders as (
    select
        customer_id,
        first_day as first_order_day,
        day as last_order_day,
        order_day_no as order_days,
        paid_orders_so_far as paid_orders,
        $as_of_day - day as days_since_last_order
    from order_days
    where next_day is null
),

rhythms as (
    select
        customer_id,
        cast(median(cast(gap_days as double)) as decimal(10, 1))
            as median_gap_days
    from order_days
    where gap_days is not null
    group by customer_id
),

worth as (
    select
        customer_id,
        max(case when period = 'lifetime' then net_sales end)
            as lifetime_net_sales,
        max(case when period = 'lifetime' then contribution end)
            as lifetime_contribution,
        max(case when period = 'trailing_12_months' then contribution end)
            as contribution_12m
    from customer_pnl
    where as_of = $as_of_day
    group by customer_id
)

select
    $as_of_day as as_of,
    o.customer_id,
    o.first_order_day,
    o.last_order_day,
    o.days_since_last_order,
    o.paid_orders,
    o.order_days,
    r.median_gap_days,
    cast(o.days_since_last_order as double)
    / cast(r.median_gap_days as double) as silence_in_gaps,
    case
        when o.days_since_last_order > $churn_after_days then 'asleep'
        when o.days_since_last_order > $half_asleep_after_days
            then 'half_asleep'
        when o.days_since_last_order > $drowsy_after_days then 'drowsy'
        else 'active'
    end as dormancy,
    case
        when o.order_days < $rhythm_min_orders then null
        when o.days_since_last_order <= $rhythm_min_days then 'active'
        when o.days_since_last_order > r.median_gap_days * $churn_after_gaps
            then 'asleep'
        when
            o.days_since_last_order
            > r.median_gap_days * $half_asleep_after_gaps
            then 'half_asleep'
        when o.days_since_last_order > r.median_gap_days * $drowsy_after_gaps
            then 'drowsy'
        else 'active'
    end as own_dormancy,
    case
        when o.order_days < $rhythm_min_orders then 'insufficient_history'
        else 'ok'
    end as own_dormancy_status,
    w.lifetime_net_sales,
    w.lifetime_contribution,
    coalesce(w.contribution_12m, 0) as contribution_12m
from last_orders as o
left join rhythms as r on o.customer_id = r.customer_id
left join worth as w on o.customer_id = w.customer_id
