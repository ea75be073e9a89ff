-- One row per month end, tier and definition of churn: how many customers were
-- active, who came, who went, and what went with them.
-- opening + new + regained + moved_in − moved_out − lost = closing, in customers
-- that the definition calls active. Who is lost leaves the tier of the month's
-- start; who comes enters that of its end. At the first month end at which a
-- definition tells states there is nothing to compare with: its flows are null.
with month_ends as (
    select distinct
        definition,
        snapshot_date
    from churn_snapshots_latest
    where state is not null
),

firsts as (
    select
        definition,
        min(snapshot_date) as first_month_end
    from month_ends
    group by definition
),

-- Every tier has a row at every month end, so that rows are months.
cells as (
    select
        m.definition,
        m.snapshot_date,
        t.tier,
        0 as opening,
        0 as new_customers,
        0 as regained,
        0 as moved_in,
        0 as moved_out,
        0 as lost,
        0 as closing,
        0 as opening_net_sales,
        0 as net_sales_lost,
        0 as contribution_lost
    from month_ends as m
    cross join (values ('A'), ('B'), ('C'), ('D'), ('none')) as t (tier)
),

-- Who was active at the month's start, in the tier of then.
leavers as (
    select
        definition,
        snapshot_date,
        previous_tier as tier,
        count(*) as opening,
        0 as new_customers,
        0 as regained,
        0 as moved_in,
        count(*) filter (where state = 'active' and tier <> previous_tier)
            as moved_out,
        count(*) filter (where state = 'churned') as lost,
        0 as closing,
        sum(previous_net_sales_12m) as opening_net_sales,
        sum(previous_net_sales_12m) filter (where state = 'churned')
            as net_sales_lost,
        sum(previous_contribution_12m) filter (where state = 'churned')
            as contribution_lost
    from churn_snapshots_latest
    where previous_state = 'active'
    group by definition, snapshot_date, previous_tier
),

-- Who is active at its end, in the tier of now.
stayers as (
    select
        definition,
        snapshot_date,
        tier,
        0 as opening,
        count(*) filter (where previous_state in ('none', 'unknown'))
            as new_customers,
        count(*) filter (where previous_state = 'churned') as regained,
        count(*) filter (
            where previous_state = 'active' and tier <> previous_tier
        ) as moved_in,
        0 as moved_out,
        0 as lost,
        count(*) as closing,
        0 as opening_net_sales,
        0 as net_sales_lost,
        0 as contribution_lost
    from churn_snapshots_latest
    where state = 'active'
    group by definition, snapshot_date, tier
),

entries as (
    select * from cells
    union all
    select * from leavers
    union all
    select * from stayers
),

moves as (
    select
        definition,
        snapshot_date,
        tier,
        sum(opening) as opening,
        sum(new_customers) as new_customers,
        sum(regained) as regained,
        sum(moved_in) as moved_in,
        sum(moved_out) as moved_out,
        sum(lost) as lost,
        sum(closing) as closing,
        sum(opening_net_sales) as opening_net_sales,
        sum(net_sales_lost) as net_sales_lost,
        sum(contribution_lost) as contribution_lost
    from entries
    group by definition, snapshot_date, tier
),

told as (
    select
        m.definition,
        m.snapshot_date,
        m.tier,
        m.snapshot_date = f.first_month_end as is_first,
        m.closing,
        case when m.snapshot_date > f.first_month_end then m.opening end
            as opening,
        case when m.snapshot_date > f.first_month_end then m.new_customers end
            as new_customers,
        case when m.snapshot_date > f.first_month_end then m.regained end
            as regained,
        case when m.snapshot_date > f.first_month_end then m.moved_in end
            as moved_in,
        case when m.snapshot_date > f.first_month_end then m.moved_out end
            as moved_out,
        case when m.snapshot_date > f.first_month_end then m.lost end as lost,
        case
            when m.snapshot_date > f.first_month_end then m.opening_net_sales
        end as opening_net_sales,
        case when m.snapshot_date > f.first_month_end then m.net_sales_lost end
            as net_sales_lost,
        case
            when m.snapshot_date > f.first_month_end then m.contribution_lost
        end as contribution_lost
    from moves as m
    inner join firsts as f on m.definition = f.definition
),

recent as (
    select
        *,
        cast(lost as double) / nullif(cast(opening as double), 0)
            as churn_rate,
        count(opening) over three as months_3m,
        sum(opening) over three as opening_3m,
        sum(lost) over three as lost_3m
    from told
    window
        three as (
            partition by definition, tier
            order by snapshot_date
            rows between 2 preceding and current row
        )
),

rates as (
    select
        *,
        case when months_3m = 3 then opening_3m end as n_3m,
        case
            when months_3m = 3
                then cast(lost_3m as double)
                    / nullif(cast(opening_3m as double), 0)
        end as churn_rate_3m,
        -- Wilson's 95 % interval: (x + z²/2 ± z √(x (n − x) / n + z²/4)) / (n + z²).
        cast(1.959963984540054 as double) as z,
        cast(lost as double) as x,
        nullif(cast(opening as double), 0) as n
    from recent
)

select
    $as_of_day as as_of,
    snapshot_date,
    tier,
    definition,
    cast(snapshot_date - interval '1 month' as date) as previous_snapshot_date,
    opening,
    new_customers,
    regained,
    moved_in,
    moved_out,
    lost,
    closing,
    opening as n,
    churn_rate,
    case
        when x = 0 and n > 0 then 0
        else
            (x + z * z / 2 - z * sqrt(x * (n - x) / n + z * z / 4))
            / (n + z * z)
    end as churn_rate_low,
    case
        when x = n then 1
        else
            (x + z * z / 2 + z * sqrt(x * (n - x) / n + z * z / 4))
            / (n + z * z)
    end as churn_rate_high,
    churn_rate - lag(churn_rate) over (
        partition by definition, tier order by snapshot_date
    ) as churn_rate_change,
    n_3m,
    churn_rate_3m,
    cast(opening_net_sales as decimal(18, 2)) as opening_net_sales,
    cast(net_sales_lost as decimal(18, 2)) as net_sales_lost,
    cast(contribution_lost as decimal(18, 6)) as contribution_lost,
    case
        when opening_net_sales > 0
            then cast(net_sales_lost as double)
                / cast(opening_net_sales as double)
    end as sales_churn_rate,
    case
        when is_first then 'insufficient_history'
        when opening = 0 then 'nobody_at_opening'
        else 'ok'
    end as rate_status
from rates
where tier <> 'none' or opening > 0 or closing > 0
