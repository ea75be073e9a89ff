-- One row per campaign and month in which it ran, touched somebody or was
-- credited with a conversion: by what shared costs are allocated.
-- Plans that only hold other campaigns together carry nothing themselves, so
-- they are left out.
with parents as (
    select distinct parent_campaign_id as campaign_id
    from campaigns
    where parent_campaign_id is not null
),

leaves as (
    select
        c.campaign_id,
        c.parent_campaign_id,
        c.started_day,
        c.ended_day
    from campaigns as c
    left join parents as p on c.campaign_id = p.campaign_id
    where p.campaign_id is null
),

-- The budget is the amount of the newest approval; equal instants cannot be,
-- because they are the key.
approvals as (
    select
        campaign_id,
        amount,
        row_number() over (
            partition by campaign_id order by changed_at desc
        ) as steps_ago
    from campaign_steps
    where step = 'approved'
),

running as (
    select distinct
        l.campaign_id,
        d.month_start as month
    from leaves as l
    inner join dates as d
        on
            d.day >= l.started_day
            and (d.day < l.ended_day or l.ended_day is null)
            and d.is_observed
),

touched as (
    select
        campaign_id,
        month,
        count(*) as parties
    from campaign_contacts
    group by campaign_id, month
),

credited as (
    select
        campaign_id,
        cast(date_trunc('month', order_day) as date) as month,
        cast(sum(revenue) as decimal(18, 6)) as revenue
    from attribution_daily
    where
        campaign_id is not null
        and model = $cost_allocation_model
    group by campaign_id, cast(date_trunc('month', order_day) as date)
),

months as (
    select
        campaign_id,
        month
    from running
    union
    select
        campaign_id,
        month
    from touched
    union
    select
        campaign_id,
        month
    from credited
)

select
    m.campaign_id,
    m.month,
    l.parent_campaign_id,
    coalesce(t.parties, 0) as touched_parties,
    case when r.campaign_id is not null then a.amount end as budget,
    cast(coalesce(c.revenue, 0) as decimal(18, 6)) as credited_revenue,
    cast(
        case
            when $cost_allocation_basis = 'contacts' then coalesce(t.parties, 0)
            when $cost_allocation_basis = 'budget'
                then case
                    when r.campaign_id is not null then coalesce(a.amount, 0)
                    else 0
                end
            when $cost_allocation_basis = 'revenue'
                then greatest(coalesce(c.revenue, 0), 0)
        end as decimal(18, 6)
    ) as weight
from months as m
inner join leaves as l on m.campaign_id = l.campaign_id
left join running as r on m.campaign_id = r.campaign_id and m.month = r.month
left join touched as t on m.campaign_id = t.campaign_id and m.month = t.month
left join credited as c on m.campaign_id = c.campaign_id and m.month = c.month
left join approvals as a on m.campaign_id = a.campaign_id and a.steps_ago = 1
