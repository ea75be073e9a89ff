-- One row per month, origin and level of cost, campaign and channel: what
-- campaigns cost, every booked amount once.
-- Costs of one contact and of one campaign are its own. Shared ones are divided
-- among the campaigns of the month by $cost_allocation_basis: those booked on a
-- plan among its campaigns, all others among all. Where no campaign of the
-- month has a share they stay in a row `(unallocated)`.
with contact_entries as (
    select
        cast(date_trunc('month', touch_day) as date) as month,
        'touches' as origin,
        'customer' as level,
        campaign_id,
        coalesce(channel, '(unknown)') as channel,
        cast(cost as decimal(18, 6)) as amount,
        'actual' as cost_basis
    from touches
    where campaign_id is not null and cost is not null
),

booked as (
    select
        cast(date_trunc('month', b.cost_date) as date) as month,
        b.level,
        b.campaign_id,
        coalesce(c.channel, '(unknown)') as channel,
        cast(b.amount as decimal(18, 6)) as amount,
        b.cost_basis
    from campaign_costs as b
    left join campaigns as c on b.campaign_id = c.campaign_id
),

campaign_entries as (
    select
        month,
        'campaign_costs' as origin,
        level,
        campaign_id,
        channel,
        amount,
        cost_basis
    from booked
    where level <> 'shared'
),

pool_kinds as (
    select kind
    from (values ('all'), ('plan')) as k (kind)
),

-- Who shares what is booked in a month: all campaigns, or those of a plan.
carriers as (
    select
        m.month,
        case
            when k.kind = 'all' then 'all'
            else cast(m.parent_campaign_id as varchar)
        end as pool,
        m.campaign_id,
        max(m.weight) as weight
    from campaign_months as m
    cross join pool_kinds as k
    where
        m.weight > 0
        and (k.kind = 'all' or m.parent_campaign_id is not null)
    group by
        m.month,
        case
            when k.kind = 'all' then 'all'
            else cast(m.parent_campaign_id as varchar)
        end,
        m.campaign_id
),

plans as (
    select distinct cast(parent_campaign_id as varchar) as pool
    from campaigns
    where parent_campaign_id is not null
),

pools as (
    select
        b.month,
        'campaign_costs' as origin,
        coalesce(p.pool, 'all') as pool,
        b.cost_basis,
        cast(sum(b.amount) as decimal(18, 6)) as amount
    from booked as b
    left join plans as p on cast(b.campaign_id as varchar) = p.pool
    where b.level = 'shared'
    group by b.month, coalesce(p.pool, 'all'), b.cost_basis
    union all
    select
        expense_month as month,
        'expenses' as origin,
        'all' as pool,
        'actual' as cost_basis,
        cast(sum(amount) as decimal(18, 6)) as amount
    from expenses
    where
        array_has(string_to_array($allocated_expense_kinds, ','), kind)
        and not coalesce(is_saving, false)
    group by expense_month
),

cuts as (
    select
        month,
        pool,
        campaign_id,
        weight,
        sum(weight) over (
            partition by month, pool order by campaign_id
            rows between unbounded preceding and current row
        ) as weight_upto,
        sum(weight) over (partition by month, pool) as weight_total
    from carriers
),

shares as (
    select
        month,
        pool,
        campaign_id,
        cast(weight_upto / weight_total as decimal(18, 9)) as cut_behind,
        cast((weight_upto - weight) / weight_total as decimal(18, 9))
            as cut_before
    from cuts
),

divided as (
    select
        p.month,
        p.origin,
        'shared' as level,
        s.campaign_id,
        case
            when s.campaign_id is null then '(unallocated)'
            else coalesce(c.channel, '(unknown)')
        end as channel,
        case
            when s.campaign_id is null then p.amount
            else
                cast(p.amount * s.cut_behind as decimal(18, 6))
                - cast(p.amount * s.cut_before as decimal(18, 6))
        end as amount,
        p.cost_basis
    from pools as p
    left join shares as s on p.month = s.month and p.pool = s.pool
    left join campaigns as c on s.campaign_id = c.campaign_id
),

entries as (
    select * from contact_entries
    union all
    select * from campaign_entries
    union all
    select * from divided
)

select
    $as_of_day as as_of,
    month,
    origin,
    level,
    coalesce(cast(campaign_id as varchar), '(unallocated)') as campaign,
    channel,
    campaign_id,
    cast(sum(amount) as decimal(18, 6)) as amount,
    count(*) as entries,
    case
        when count(*) filter (where cost_basis = 'assumed') = 0 then 'actual'
        when count(*) filter (where cost_basis = 'actual') = 0 then 'assumed'
        else 'mixed'
    end as cost_basis,
    case when level = 'shared' then cast($cost_allocation_basis as varchar) end
        as allocation_basis
from entries
group by month, origin, level, campaign_id, channel
