-- One row per combination of segments that customers are in at $as_of: all of
-- these and no other. Every customer is in exactly one of them; those who are in
-- no segment at all are in the one called (none).
with members as (
    select
        segment,
        customer_id
    from segment_matches
    where snapshot_date = $as_of_day and is_member
),

customer_sets as (
    select
        customer_id,
        string_agg(segment, ' & ' order by segment) as segment_set,
        count(*) as set_size
    from members
    group by customer_id
),

placed as (
    select
        f.customer_id,
        coalesce(s.segment_set, '(none)') as segment_set,
        coalesce(s.set_size, 0) as set_size,
        f.net_sales_365_days,
        f.contribution_365_days
    from segment_facts as f
    left join customer_sets as s on f.customer_id = s.customer_id
    where f.snapshot_date = $as_of_day
),

totals as (
    select count(*) as n from placed
)

select
    $as_of_day as as_of,
    p.segment_set,
    p.set_size,
    count(*) as customers,
    t.n,
    cast(count(*) as double) / nullif(cast(t.n as double), 0)
        as customer_share,
    cast(sum(p.net_sales_365_days) as decimal(18, 2)) as net_sales_365_days,
    cast(sum(p.contribution_365_days) as decimal(18, 6))
        as contribution_365_days
from placed as p
cross join totals as t
group by p.segment_set, p.set_size, t.n
