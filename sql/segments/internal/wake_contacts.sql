-- One row per contact by us with a customer who was asleep, and per campaign
-- that held such a customer out. Asleep is silent for more than
-- $churn_after_days, by what all customers do. All that a campaign sends in one
-- sleep is one contact, from its first day. Of the day of an order nobody knows
-- which came first, so a contact of that day woke nobody.
with sleeps as (
    select
        customer_id,
        day as last_order_day,
        next_day
    from order_days
    where coalesce(next_day, $as_of_day) - day > $churn_after_days
),

contacts as (
    select
        party_id,
        campaign_id,
        coalesce(channel, '(unknown)') as channel,
        case
            when campaign_id is null then concat('touch ', touch_id)
            else concat('campaign ', campaign_id)
        end as contact,
        touch_day as day,
        cost,
        false as is_held_out
    from touches
    where direction = 'out'
    union all
    select
        m.party_id,
        m.campaign_id,
        coalesce(c.channel, '(unknown)') as channel,
        concat('campaign ', m.campaign_id) as contact,
        coalesce(local_date(m.assigned_at, $time_zone), c.started_day) as day,
        cast(null as decimal(18, 2)) as cost,
        true as is_held_out
    from campaign_members as m
    inner join campaigns as c on m.campaign_id = c.campaign_id
    where m.arm = 'holdout'
)

select
    s.customer_id,
    s.last_order_day,
    t.channel,
    t.contact,
    t.is_held_out,
    max(t.campaign_id) as campaign_id,
    min(t.day) as contact_day,
    sum(t.cost) as cost,
    s.next_day - min(t.day) <= $wake_days as is_woken,
    min(t.day) + $wake_days < $as_of_day as is_over,
    min(t.day) - s.last_order_day > $lost_after_days as is_lost
from sleeps as s
inner join contacts as t on s.customer_id = t.party_id
where
    t.day > s.last_order_day + $churn_after_days
    and t.day < coalesce(s.next_day, $as_of_day)
group by
    s.customer_id, s.last_order_day, s.next_day, t.channel, t.contact,
    t.is_held_out
