-- One row per campaign and period: whom it reached, who answered, what it cost.
-- No model of attribution is in it; what a campaign was credited with stands in
-- campaign_attributed. Periods overlap (months and the lifetime): never add
-- them up. A campaign that cost money before it began is here too.
with lives as (
    select
        campaign_id,
        party_id,
        sum(touches) as touches,
        sum(contacts) as contacts,
        sum(responses) as responses,
        sum(refusals) as refusals
    from campaign_contacts
    group by campaign_id, party_id
),

reach as (
    select
        campaign_id,
        concat('month_', to_char(month, '%Y_%m')) as period,
        count(*) as touched,
        count(*) filter (where contacts > 0) as contacted,
        sum(touches) as touches,
        sum(responses) as responses,
        count(*) filter (where responses > 0) as responders,
        count(*) filter (where refusals > 0) as refusers,
        count(*) filter (where contacts > 0 and responses > 0)
            as contacted_responders
    from campaign_contacts
    group by campaign_id, month
    union all
    select
        campaign_id,
        'lifetime' as period,
        count(*) as touched,
        count(*) filter (where contacts > 0) as contacted,
        sum(touches) as touches,
        sum(responses) as responses,
        count(*) filter (where responses > 0) as responders,
        count(*) filter (where refusals > 0) as refusers,
        count(*) filter (where contacts > 0 and responses > 0)
            as contacted_responders
    from lives
    group by campaign_id
),

members as (
    select
        campaign_id,
        count(*) filter (where arm = 'holdout') as held_out,
        count(*) filter (where arm is distinct from 'holdout') as members
    from campaign_members
    group by campaign_id
),

costs as (
    select
        campaign_id,
        period,
        cast(coalesce(sum(amount) filter (where level = 'customer'), 0)
            as decimal(18, 6)) as customer_cost,
        cast(coalesce(sum(amount) filter (where level = 'campaign'), 0)
            as decimal(18, 6)) as campaign_cost,
        cast(coalesce(sum(amount) filter (where level = 'shared'), 0)
            as decimal(18, 6)) as shared_cost,
        cast(sum(amount) as decimal(18, 6)) as cost,
        case
            when count(*) filter (where cost_basis <> 'actual') = 0
                then 'actual'
            when count(*) filter (where cost_basis <> 'assumed') = 0
                then 'assumed'
            else 'mixed'
        end as cost_basis
    from (
        select
            campaign_id,
            concat('month_', to_char(month, '%Y_%m')) as period,
            level,
            amount,
            cost_basis
        from campaign_costs_allocated
        where campaign_id is not null
        union all
        select
            campaign_id,
            'lifetime' as period,
            level,
            amount,
            cost_basis
        from campaign_costs_allocated
        where campaign_id is not null
    ) as c
    group by campaign_id, period
),

budgets as (
    select
        campaign_id,
        amount,
        row_number() over (
            partition by campaign_id order by changed_at desc
        ) as steps_ago
    from campaign_steps
    where step = 'approved'
),

keys as (
    select campaign_id, 'lifetime' as period
    from campaigns
    union
    select campaign_id, period
    from reach
    union
    select campaign_id, period
    from costs
),

dated as (
    select
        k.campaign_id,
        k.period,
        c.name,
        c.started_day,
        c.ended_day,
        case
            when k.period = 'lifetime' then c.started_day
            else to_date(concat(right(k.period, 7), '_01'), '%Y_%m_%d')
        end as period_start
    from keys as k
    left join campaigns as c on k.campaign_id = c.campaign_id
)

select
    $as_of_day as as_of,
    d.campaign_id,
    d.period,
    d.name,
    d.period_start,
    case
        when d.period <> 'lifetime'
            then cast(d.period_start + interval '1 month' as date)
        when d.ended_day < $as_of_day then d.ended_day
        else $as_of_day
    end as period_end,
    case
        when d.started_day is null then 'not_begun'
        when
            d.period = 'lifetime'
            and (d.ended_day is null or d.ended_day > $as_of_day)
            then 'running'
        when
            d.period <> 'lifetime'
            and cast(d.period_start + interval '1 month' as date) > $as_of_day
            then 'open'
        else 'ok'
    end as period_status,
    case when d.period = 'lifetime' then coalesce(m.members, 0) end as members,
    case when d.period = 'lifetime' then coalesce(m.held_out, 0) end
        as held_out,
    coalesce(r.touched, 0) as touched,
    coalesce(r.contacted, 0) as contacted,
    coalesce(r.touches, 0) as touches,
    coalesce(r.responses, 0) as responses,
    coalesce(r.responders, 0) as responders,
    coalesce(r.refusers, 0) as refusers,
    cast(r.contacted_responders as double)
    / nullif(cast(r.contacted as double), 0) as response_rate,
    k.customer_cost,
    k.campaign_cost,
    k.shared_cost,
    k.cost,
    k.cost_basis,
    case
        when k.cost is null then 'no_cost_data'
        when k.cost = 0 then 'no_spend'
        else 'ok'
    end as cost_status,
    case when d.period = 'lifetime' then b.amount end as budget,
    case
        when d.period = 'lifetime'
            then cast(k.cost as double) / nullif(cast(b.amount as double), 0)
    end as budget_used,
    cast(k.cost as double) / nullif(cast(r.responders as double), 0)
        as cost_per_responder
from dated as d
left join reach as r on d.campaign_id = r.campaign_id and d.period = r.period
left join members as m on d.campaign_id = m.campaign_id
left join costs as k on d.campaign_id = k.campaign_id and d.period = k.period
left join budgets as b
    on d.campaign_id = b.campaign_id and b.steps_ago = 1
