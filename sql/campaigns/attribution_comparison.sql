-- One row per month, touchpoint and attribution model: the models side by side,
-- by channel (dimension = 'channel') and again by campaign; never add the two.
-- Beside the touchpoints stand `(none)`, conversions without a touch in their
-- window, and `(no conversion)`, sales that attribution does not divide: orders
-- below $conversion_minimum_amount and returns of no known order. With them the
-- revenue of each model and dimension is the company's net sales to the cent.
-- A touchpoint that cost money and sold nothing has its row.
with credited as (
    select
        cast(date_trunc('month', order_day) as date) as month,
        touchpoint_kind,
        channel,
        campaign,
        campaign_id,
        model,
        sum(conversions) as conversions,
        sum(new_customers) as new_customers,
        sum(revenue) as revenue,
        sum(margin) as margin
    from attribution_daily
    group by
        cast(date_trunc('month', order_day) as date),
        touchpoint_kind,
        channel,
        campaign,
        campaign_id,
        model
),

known_orders as (
    select order_id from orders
),

undivided as (
    select
        order_month as month,
        cast(sum(revenue) as decimal(18, 6)) as revenue,
        cast(sum(margin) as decimal(18, 6)) as margin
    from order_values
    where not is_conversion
    group by order_month
    union all
    select
        cast(date_trunc('month', r.return_day) as date) as month,
        cast(-sum(r.amount) as decimal(18, 6)) as revenue,
        cast(sum(r.recovered_cogs - r.amount) as decimal(18, 6)) as margin
    from return_lines as r
    left join known_orders as o on r.order_id = o.order_id
    where o.order_id is null
    group by cast(date_trunc('month', r.return_day) as date)
),

dimensions as (
    select dimension
    from (values ('channel'), ('campaign')) as d (dimension)
),

credited_touchpoints as (
    select
        c.month,
        d.dimension,
        c.touchpoint_kind,
        case when d.dimension = 'channel' then c.channel else c.campaign end
            as touchpoint,
        case when d.dimension = 'campaign' then c.campaign_id end
            as campaign_id,
        c.model,
        c.conversions,
        c.new_customers,
        c.revenue,
        c.margin
    from credited as c
    cross join dimensions as d
    union all
    select
        u.month,
        d.dimension,
        'no_conversion' as touchpoint_kind,
        '(no conversion)' as touchpoint,
        null as campaign_id,
        m.model,
        0 as conversions,
        0 as new_customers,
        u.revenue,
        u.margin
    from undivided as u
    cross join dimensions as d
    cross join attribution_models as m
),

results as (
    select
        month,
        dimension,
        touchpoint_kind,
        touchpoint,
        campaign_id,
        model,
        sum(conversions) as conversions,
        sum(new_customers) as new_customers,
        sum(revenue) as revenue,
        sum(margin) as margin
    from credited_touchpoints
    group by
        month, dimension, touchpoint_kind, touchpoint, campaign_id, model
),

spend as (
    select
        a.month,
        d.dimension,
        'touch' as touchpoint_kind,
        case when d.dimension = 'channel' then a.channel else a.campaign end
            as touchpoint,
        case when d.dimension = 'campaign' then a.campaign_id end
            as campaign_id,
        cast(sum(a.amount) as decimal(18, 6)) as spend
    from campaign_costs_allocated as a
    cross join dimensions as d
    where a.campaign_id is not null
    group by
        a.month,
        d.dimension,
        case when d.dimension = 'channel' then a.channel else a.campaign end,
        case when d.dimension = 'campaign' then a.campaign_id end
),

touchpoints as (
    select month, dimension, touchpoint_kind, touchpoint, campaign_id
    from results
    union
    select month, dimension, touchpoint_kind, touchpoint, campaign_id
    from spend
),

compared as (
    select
        t.month,
        t.dimension,
        t.touchpoint,
        m.model,
        t.touchpoint_kind,
        t.campaign_id,
        coalesce(r.conversions, 0) as conversions,
        coalesce(r.new_customers, 0) as new_customers,
        coalesce(r.revenue, 0) as revenue,
        coalesce(r.margin, 0) as margin,
        s.spend,
        case when s.spend > 0 then cast(s.spend as double) end as spend_base
    from touchpoints as t
    cross join attribution_models as m
    left join results as r
        on
            t.month = r.month
            and t.dimension = r.dimension
            and t.touchpoint_kind = r.touchpoint_kind
            and t.touchpoint = r.touchpoint
            and m.model = r.model
    left join spend as s
        on
            t.month = s.month
            and t.dimension = s.dimension
            and t.touchpoint_kind = s.touchpoint_kind
            and t.touchpoint = s.touchpoint
)

select
    $as_of_day as as_of,
    month,
    dimension,
    touchpoint,
    model,
    touchpoint_kind,
    campaign_id,
    cast(conversions as decimal(18, 9)) as conversions,
    cast(new_customers as decimal(18, 9)) as new_customers,
    cast(revenue as decimal(18, 6)) as revenue,
    cast(margin as decimal(18, 6)) as margin,
    cast(
        revenue - max(case when model = 'last' then revenue end) over (
            partition by month, dimension, touchpoint
        ) as decimal(18, 6)
    ) as revenue_above_last,
    cast(revenue as double) / spend_base as roas,
    cast(margin - spend as double) / spend_base as roi,
    cast(spend as double) / nullif(cast(conversions as double), 0)
        as cost_per_conversion,
    case
        when touchpoint_kind <> 'touch' then 'no_touchpoint'
        when spend is null then 'no_cost_data'
        when spend_base is null then 'no_spend'
        when conversions = 0 then 'no_conversions'
        else 'ok'
    end as return_status
from compared
