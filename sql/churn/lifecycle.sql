-- One row per month end up to $as_of and customer known before it: the stage of
-- the relationship. The first rule that holds decides, and the row says which:
--   prospect   no paid order yet
--   lost       silent for more than $lost_after_days
--   dormant    churned by days silent, or by the customer's own rhythm
--   regained   came back from churn within the last $regained_for_days
--   new        at most $new_max_orders days with an order, the first within the
--              last $new_for_days
--   declining  silent for more than $half_asleep_after_gaps median gaps, or
--              sales of three months fell by more than $trend_change
--   growing    they rose by more than that, or the customer is younger than the
--              two spans compared
--   mature     neither
-- Who first ordered within $churn_after_days of the records' begin may be an old
-- customer: where youth would decide, the stage is not told.
with records as (
    select min(day) as first_day from order_days
),

month_ends as (
    select
        min(snapshot_date) as first_month_end,
        max(snapshot_date) as last_month_end
    from rhythm_snapshots
    where as_of = $as_of_day
),

buyers as (
    select
        customer_id,
        min(day) as first_order_day
    from order_days
    group by customer_id
),

-- Month ends from registration to the first order. Where registration is not
-- dated, who never ordered is a prospect now, and nobody knows since when.
prospects as (
    select
        c.customer_id,
        unnest(
            generate_series(
                greatest(
                    m.first_month_end,
                    coalesce(
                        cast(
                            date_trunc(
                                'month', local_date(c.created_at, $time_zone)
                            ) + interval '1 month' as date
                        ),
                        m.last_month_end
                    )
                ),
                case
                    when b.first_order_day is null then m.last_month_end
                    when c.created_at is not null
                        then cast(
                            date_trunc('month', b.first_order_day) as date
                        )
                end,
                interval '1 month'
            )
        ) as snapshot_date
    from month_ends as m
    cross join customers as c
    left join buyers as b on c.customer_id = b.customer_id
),

measured as (
    select
        s.*,
        s.first_order_day - r.first_day >= $churn_after_days as is_start_known,
        s.first_order_day <= cast(s.snapshot_date - interval '6 months' as date)
            as has_trend
    from records as r
    cross join rhythm_snapshots as s
    where s.as_of = $as_of_day
),

reasons as (
    select
        *,
        case
            when days_since_last_order > $lost_after_days then 'silent_for_good'
            when days_since_last_order > $churn_after_days then 'days_silent'
            when days_since_last_order > own_churn_days then 'own_rhythm'
            when last_comeback_day >= snapshot_date - $regained_for_days
                then 'came_back'
            when not has_trend and not is_start_known
                then 'insufficient_history'
            when order_days <= $new_max_orders and age_days <= $new_for_days
                then 'first_orders'
            when days_since_last_order > own_late_days then 'late'
            when not has_trend then 'young'
            when net_sales_3m < net_sales_3m_before * (1 - $trend_change)
                then 'sales_fell'
            when
                net_sales_3m
                > greatest(net_sales_3m_before, 0) * (1 + $trend_change)
                then 'sales_rose'
            else 'steady'
        end as reason
    from measured
),

stages as (
    select
        s.reason,
        s.stage
    from (
        values
        ('no_order', 'prospect'),
        ('silent_for_good', 'lost'),
        ('days_silent', 'dormant'),
        ('own_rhythm', 'dormant'),
        ('came_back', 'regained'),
        ('first_orders', 'new'),
        ('late', 'declining'),
        ('sales_fell', 'declining'),
        ('young', 'growing'),
        ('sales_rose', 'growing'),
        ('steady', 'mature'),
        ('insufficient_history', cast(null as varchar))
    ) as s (reason, stage)
),

people as (
    select
        snapshot_date,
        customer_id,
        reason,
        tier,
        age_days,
        order_days,
        days_since_last_order,
        median_gap_days,
        own_late_days,
        own_churn_days,
        last_comeback_day,
        net_sales_3m,
        net_sales_3m_before
    from reasons
    union all
    select
        snapshot_date,
        customer_id,
        'no_order' as reason,
        cast(null as varchar) as tier,
        cast(null as bigint) as age_days,
        cast(0 as bigint) as order_days,
        cast(null as bigint) as days_since_last_order,
        cast(null as decimal(10, 1)) as median_gap_days,
        cast(null as bigint) as own_late_days,
        cast(null as bigint) as own_churn_days,
        cast(null as date) as last_comeback_day,
        cast(null as decimal(18, 2)) as net_sales_3m,
        cast(null as decimal(18, 2)) as net_sales_3m_before
    from prospects
)

select
    $as_of_day as as_of,
    p.snapshot_date,
    p.customer_id,
    s.stage,
    p.reason,
    case
        when s.stage is null then 'insufficient_history' else 'ok'
    end as stage_status,
    p.tier,
    p.age_days,
    p.order_days,
    p.days_since_last_order,
    p.median_gap_days,
    p.own_late_days,
    p.own_churn_days,
    p.last_comeback_day,
    p.net_sales_3m,
    p.net_sales_3m_before,
    $lost_after_days as lost_after_days,
    $churn_after_days as churn_after_days,
    cast($churn_after_gaps as decimal(6, 2)) as churn_after_gaps,
    $regained_for_days as regained_for_days,
    $new_for_days as new_for_days,
    $new_max_orders as new_max_orders,
    cast($half_asleep_after_gaps as decimal(6, 2)) as half_asleep_after_gaps,
    cast($trend_change as decimal(6, 4)) as trend_change
from people as p
inner join stages as s on p.reason = s.reason
