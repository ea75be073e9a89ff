-- One row per segment as it is written, with who is in it at $as_of.
-- A segment that nobody is in stays, and its status tells whether somebody was
-- once, nobody ever was, or its rule looks at something unknown of everybody.
with facts as (
    select
        customer_id,
        net_sales_365_days,
        contribution_365_days
    from segment_facts
    where snapshot_date = $as_of_day
),

totals as (
    select
        count(*) as customers_known,
        sum(net_sales_365_days) as net_sales
    from facts
),

today as (
    select
        m.segment,
        count(*) filter (where m.is_member) as customers,
        count(*) filter (where m.is_member is null) as customers_unknown,
        sum(f.net_sales_365_days) filter (where m.is_member) as net_sales,
        sum(f.contribution_365_days) filter (where m.is_member)
            as contribution
    from segment_matches as m
    inner join facts as f on m.customer_id = f.customer_id
    where m.snapshot_date = $as_of_day
    group by m.segment
),

history as (
    select
        segment,
        count(distinct customer_id) as customers_ever,
        max(snapshot_date) as last_member_date
    from segment_matches
    where is_member
    group by segment
),

counted as (
    select
        r.segment,
        r.description,
        r.kind,
        r.rule,
        r.priority,
        r.owner,
        coalesce(t.customers, 0) as customers,
        coalesce(a.customers_known, 0) as customers_known,
        coalesce(t.customers_unknown, 0) as customers_unknown,
        coalesce(h.customers_ever, 0) as customers_ever,
        h.last_member_date,
        coalesce(t.net_sales, 0) as net_sales,
        coalesce(t.contribution, 0) as contribution,
        case when a.net_sales > 0 then cast(a.net_sales as double) end
            as sales_base
    from segment_rules as r
    cross join totals as a
    left join today as t on r.segment = t.segment
    left join history as h on r.segment = h.segment
)

select
    $as_of_day as as_of,
    segment,
    description,
    kind,
    rule,
    priority,
    owner,
    customers,
    customers_known,
    customers_unknown,
    cast(customers as double) / nullif(cast(customers_known as double), 0)
        as customer_share,
    customers_ever,
    last_member_date,
    cast(net_sales as decimal(18, 2)) as net_sales_365_days,
    cast(net_sales as double) / sales_base as net_sales_share,
    cast(contribution as decimal(18, 6)) as contribution_365_days,
    case
        when customers > 0 then 'ok'
        when customers_unknown = customers_known and customers_known > 0
            then 'unknown'
        when customers_ever > 0 then 'empty'
        else 'never'
    end as segment_status
from counted
