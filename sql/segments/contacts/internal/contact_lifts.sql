-- One row per channel: how many more of those who were contacted ordered within
-- $contact_order_days than of those who were held out by the same campaigns.
-- Only campaigns that held somebody out, and whose days are over, tell it; each
-- counts with its members, so that a large campaign does not borrow the
-- holdout of a small one.
with members as (
    select
        m.campaign_id,
        m.party_id,
        m.arm,
        coalesce(c.channel, '(unknown)') as channel,
        local_date(m.assigned_at, $time_zone) as assigned_day
    from campaign_members as m
    inner join campaigns as c on m.campaign_id = c.campaign_id
    where
        m.arm in ('treatment', 'holdout')
        and local_date(m.assigned_at, $time_zone) + $contact_order_days
        < $as_of_day
),

outcomes as (
    select
        m.campaign_id,
        m.party_id,
        m.arm,
        m.channel,
        count(d.day) > 0 as has_ordered
    from members as m
    left join order_days as d
        on
            m.party_id = d.customer_id
            and d.day > m.assigned_day
            and d.day <= m.assigned_day + $contact_order_days
    group by m.campaign_id, m.party_id, m.arm, m.channel
),

arms as (
    select
        campaign_id,
        channel,
        count(*) filter (where arm = 'treatment') as treated,
        count(*) filter (where arm = 'treatment' and has_ordered)
            as treated_orders,
        count(*) filter (where arm = 'holdout') as held_out,
        count(*) filter (where arm = 'holdout' and has_ordered)
            as held_out_orders
    from outcomes
    group by campaign_id, channel
)

-- Σ over campaigns of members × (share of the treated − share of the held out),
-- by all members.
select
    channel,
    sum(treated) as treated,
    sum(held_out) as held_out,
    sum(
        (treated + held_out)
        * (
            cast(treated_orders as double) / treated
            - cast(held_out_orders as double) / held_out
        )
    ) / sum(treated + held_out) as lift
from arms
where treated > 0 and held_out > 0
group by channel
