-- One row per month end up to $as_of, customer with a paid order before it and
-- definition of churn. The snapshot looks from the start of snapshot_date, as
-- in rhythm_snapshots; only the label looks ahead, and only where its window
-- was over at $as_of.
--   days_silent  churned after more than $churn_after_days without a paid order
--   own_rhythm   churned after more than $churn_after_gaps times the customer's own
--                median gap, and never before $rhythm_min_days
-- A customer who comes back was churned: that snapshot stays, and a later one
-- says came_back.
with records as (
    select min(day) as first_day from order_days
),

silences as (
    select
        s.snapshot_date,
        s.customer_id,
        s.tier,
        s.days_since_last_order,
        s.net_sales_12m,
        s.contribution_12m,
        d.next_day as next_order_day,
        case
            when
                s.snapshot_date - r.first_day
                >= $churn_history_factor * $churn_after_days
                then $churn_after_days
        end as silent_days,
        s.own_churn_days as rhythm_days,
        -- Before the first month end told, a customer may have had a state.
        case
            when
                s.first_order_day
                < cast(s.snapshot_date - interval '1 month' as date)
                then 'unknown'
            else 'none'
        end as before_first
    from records as r
    cross join rhythm_snapshots as s
    inner join order_days as d
        on s.customer_id = d.customer_id and s.last_order_day = d.day
    where s.as_of = $as_of_day
),

states as (
    select
        *,
        case
            when silent_days is null then 'unknown'
            when days_since_last_order > silent_days then 'churned'
            else 'active'
        end as silent_state,
        case
            when rhythm_days is null then 'unknown'
            when days_since_last_order > rhythm_days then 'churned'
            else 'active'
        end as rhythm_state
    from silences
),

changes as (
    select
        *,
        lag(tier) over (
            partition by customer_id order by snapshot_date
        ) as previous_tier,
        lag(net_sales_12m) over (
            partition by customer_id order by snapshot_date
        ) as previous_net_sales_12m,
        lag(contribution_12m) over (
            partition by customer_id order by snapshot_date
        ) as previous_contribution_12m,
        coalesce(
            lag(silent_state) over (
                partition by customer_id order by snapshot_date
            ),
            before_first
        ) as previous_silent_state,
        coalesce(
            lag(rhythm_state) over (
                partition by customer_id order by snapshot_date
            ),
            before_first
        ) as previous_rhythm_state
    from states
),

-- From here on one row per definition.
defined as (
    select
        c.snapshot_date,
        c.customer_id,
        d.definition,
        c.tier,
        c.previous_tier,
        c.days_since_last_order,
        c.next_order_day,
        c.net_sales_12m,
        c.contribution_12m,
        c.previous_net_sales_12m,
        c.previous_contribution_12m,
        case
            when d.definition = 'days_silent' then c.silent_days
            else c.rhythm_days
        end as churned_after_days,
        case
            when d.definition = 'days_silent' then c.silent_state
            else c.rhythm_state
        end as state,
        case
            when d.definition = 'days_silent' then c.previous_silent_state
            else c.previous_rhythm_state
        end as previous_state
    from (
        values ('days_silent'), ('own_rhythm')
    ) as d (definition)
    cross join changes as c
),

windows as (
    select
        *,
        snapshot_date + cast(churned_after_days as integer) as window_end
    from defined
)

select
    $as_of_day as as_of,
    snapshot_date,
    customer_id,
    definition,
    tier,
    previous_tier,
    days_since_last_order,
    churned_after_days,
    nullif(state, 'unknown') as state,
    case
        when state = 'unknown' then 'insufficient_history' else 'ok'
    end as state_status,
    state = 'active' as is_eligible,
    previous_state,
    case
        when state <> 'unknown' and previous_state <> 'unknown'
            then state = 'churned' and previous_state = 'active'
    end as became_churned,
    case
        when state <> 'unknown' and previous_state <> 'unknown'
            then state = 'active' and previous_state = 'churned'
    end as came_back,
    case when state = 'active' then snapshot_date end as label_window_start,
    case when state = 'active' then window_end end as label_window_end,
    case
        when state <> 'active' then 'not_eligible'
        when window_end <= $as_of_day then 'closed'
        else 'open'
    end as label_status,
    case
        when state = 'active' and window_end <= $as_of_day
            then coalesce(next_order_day >= window_end, true)
    end as label_churned,
    net_sales_12m,
    contribution_12m,
    previous_net_sales_12m,
    previous_contribution_12m
from windows
