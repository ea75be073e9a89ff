-- One row per campaign, period and attribution model: what the campaign was
-- credited with, against what it cost in the same period.
-- Every campaign has its lifetime rows, also one that cost money and sold
-- nothing: its cost per order is null, and it is the row that matters most.
-- Credit is no proof that the campaign caused the sale. Periods overlap.
with credited as (
    select
        campaign_id,
        model,
        order_day,
        sum(conversions) as conversions,
        sum(new_customers) as new_customers,
        sum(revenue) as revenue,
        sum(margin) as margin
    from attribution_daily
    where campaign_id is not null
    group by campaign_id, model, order_day
),

results as (
    select
        campaign_id,
        'lifetime' as period,
        model,
        sum(conversions) as conversions,
        sum(new_customers) as new_customers,
        sum(revenue) as revenue,
        sum(margin) as margin
    from credited
    group by campaign_id, model
    union all
    select
        campaign_id,
        concat('month_', to_char(order_day, '%Y_%m')) as period,
        model,
        sum(conversions) as conversions,
        sum(new_customers) as new_customers,
        sum(revenue) as revenue,
        sum(margin) as margin
    from credited
    group by
        campaign_id,
        concat('month_', to_char(order_day, '%Y_%m')),
        model
),

periods as (
    select campaign_id, period
    from campaign_performance
    union
    select campaign_id, period
    from results
),

costs as (
    select
        campaign_id,
        period,
        cost,
        cost_basis,
        case when cost > 0 then cast(cost as double) end as cost_base
    from campaign_performance
    where as_of = $as_of_day
),

starts as (
    select campaign_id, name, started_day
    from campaigns
),

-- The day on which the margin of all days so far covers what the campaign has
-- cost in its life.
covered as (
    select
        campaign_id,
        model,
        order_day,
        sum(margin) over (
            partition by campaign_id, model order by order_day
            rows between unbounded preceding and current row
        ) as margin_upto
    from credited
),

paybacks as (
    select
        c.campaign_id,
        c.model,
        min(c.order_day) as covered_day
    from covered as c
    inner join costs as k
        on c.campaign_id = k.campaign_id and k.period = 'lifetime'
    where c.margin_upto >= k.cost
    group by c.campaign_id, c.model
),

joined as (
    select
        p.campaign_id,
        p.period,
        m.model,
        s.name,
        s.started_day,
        coalesce(r.conversions, 0) as conversions,
        coalesce(r.new_customers, 0) as new_customers,
        coalesce(r.revenue, 0) as revenue,
        coalesce(r.margin, 0) as margin,
        k.cost,
        k.cost_base,
        k.cost_basis,
        b.covered_day
    from periods as p
    cross join attribution_models as m
    left join results as r
        on
            p.campaign_id = r.campaign_id
            and p.period = r.period
            and m.model = r.model
    left join costs as k
        on p.campaign_id = k.campaign_id and p.period = k.period
    left join starts as s on p.campaign_id = s.campaign_id
    left join paybacks as b
        on
            p.campaign_id = b.campaign_id
            and m.model = b.model
            and p.period = 'lifetime'
)

select
    $as_of_day as as_of,
    campaign_id,
    period,
    model,
    name,
    cast(conversions as decimal(18, 9)) as conversions,
    cast(new_customers as decimal(18, 9)) as new_customers,
    cast(revenue as decimal(18, 6)) as revenue,
    cast(margin as decimal(18, 6)) as margin,
    cast(revenue as double) / cost_base as roas,
    cast(margin - cost as double) / cost_base as roi,
    cast(cost as double) / nullif(cast(conversions as double), 0)
        as cost_per_conversion,
    cast(cost as double) / nullif(cast(new_customers as double), 0)
        as cost_per_new_customer,
    case
        when cost is null then 'no_cost_data'
        when cost_base is null then 'no_spend'
        when conversions = 0 then 'no_conversions'
        else 'ok'
    end as return_status,
    cost_basis,
    case when cost_base is not null then covered_day - started_day end
        as payback_days,
    case
        when period <> 'lifetime' then 'lifetime_only'
        when cost is null then 'no_cost_data'
        when cost_base is null then 'no_spend'
        when covered_day is null then 'not_paid_back'
        else 'ok'
    end as payback_status
from joined
