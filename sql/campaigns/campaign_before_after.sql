-- One row per campaign and arm with a member: what its members bought while it
-- ran, beside what they bought in as many days before it began.
-- A comparison of two spans is no measure of what the campaign caused: the
-- season and the choice of members are in it too. A running campaign is looked
-- at up to $as_of; where records begin within the span before, they are too
-- short for it, and the change is null.
with bounds as (
    select min(order_day) as first_day from orders
),

windows as (
    select
        c.campaign_id,
        c.started_day,
        least(coalesce(c.ended_day, $as_of_day), $as_of_day) as ended_day,
        least(coalesce(c.ended_day, $as_of_day), $as_of_day) - c.started_day
            as days
    from campaigns as c
),

members as (
    select
        m.campaign_id,
        coalesce(m.arm, '(unknown)') as arm,
        m.party_id,
        w.started_day,
        w.ended_day,
        w.started_day - w.days as before_day
    from campaign_members as m
    inner join windows as w on m.campaign_id = w.campaign_id
),

bought as (
    select
        m.campaign_id,
        m.arm,
        m.party_id,
        sum(case when d.day >= m.started_day then d.orders else 0 end)
            as orders,
        sum(case when d.day < m.started_day then d.orders else 0 end)
            as orders_before,
        sum(
            case
                when d.day >= m.started_day
                    then d.gross_sales - d.discounts - d.returns
                else 0
            end
        ) as net_sales,
        sum(
            case
                when d.day < m.started_day
                    then d.gross_sales - d.discounts - d.returns
                else 0
            end
        ) as net_sales_before
    from members as m
    inner join customer_days as d
        on
            m.party_id = d.customer_id
            and d.day >= m.before_day
            and d.day < m.ended_day
    group by m.campaign_id, m.arm, m.party_id
),

sizes as (
    select
        campaign_id,
        arm,
        count(*) as members
    from members
    group by campaign_id, arm
),

totals as (
    select
        campaign_id,
        arm,
        count(*) filter (where orders > 0) as buyers,
        count(*) filter (where orders_before > 0) as buyers_before,
        sum(orders) as orders,
        sum(orders_before) as orders_before,
        cast(sum(net_sales) as decimal(18, 2)) as net_sales,
        cast(sum(net_sales_before) as decimal(18, 2)) as net_sales_before
    from bought
    group by campaign_id, arm
)

select
    $as_of_day as as_of,
    s.campaign_id,
    s.arm,
    w.started_day,
    w.ended_day,
    w.days,
    s.members,
    coalesce(t.buyers, 0) as buyers,
    coalesce(t.orders, 0) as orders,
    cast(coalesce(t.net_sales, 0) as decimal(18, 2)) as net_sales,
    coalesce(t.buyers_before, 0) as buyers_before,
    coalesce(t.orders_before, 0) as orders_before,
    cast(coalesce(t.net_sales_before, 0) as decimal(18, 2))
        as net_sales_before,
    case
        when w.started_day - w.days >= b.first_day
            then
                cast(coalesce(t.net_sales, 0) as double)
                / nullif(cast(t.net_sales_before as double), 0) - 1
    end as change,
    case
        when b.first_day is null or w.started_day - w.days < b.first_day
            then 'insufficient_history'
        when coalesce(t.net_sales_before, 0) = 0 then 'no_sales_before'
        else 'ok'
    end as change_status
from sizes as s
inner join windows as w on s.campaign_id = w.campaign_id
cross join bounds as b
left join totals as t on s.campaign_id = t.campaign_id and s.arm = t.arm
