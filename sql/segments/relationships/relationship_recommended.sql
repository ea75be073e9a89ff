-- One row per tier and per segment at $as_of: how close a relationship its
-- customers deserve, of Kotler's five levels, by how many they are and what
-- each brings, and by how loyal they are and how much each buys.
-- High and low margin and sales are multiples of those of the average customer.
with facts as (
    select * from segment_facts where snapshot_date = $as_of_day
),

-- The share of the last four quarters, as far as they lie after the first
-- order, with an order: the loyalty that shows.
loyalties as (
    select
        f.customer_id,
        cast(count(q.quarter_no) as double)
        / cast(
            least(4, ($as_of_day - 1 - f.first_day) / 91 + 1) as double
        ) as loyalty
    from (
        select
            customer_id,
            min(day) as first_day
        from order_days
        group by customer_id
    ) as f
    left join customer_quarters as q
        on f.customer_id = q.customer_id and q.order_days > 0
    group by f.customer_id, f.first_day
),

members as (
    select
        'tier' as grouped_by,
        coalesce(tier, '(none)') as name,
        customer_id
    from facts
    union all
    select
        'segment' as grouped_by,
        segment as name,
        customer_id
    from segment_matches
    where snapshot_date = $as_of_day and is_member
),

names as (
    select
        grouped_by,
        name
    from members
    group by grouped_by, name
    union
    select
        'segment' as grouped_by,
        segment as name
    from segment_rules
),

totals as (
    select
        count(*) as customers,
        sum(contribution_365_days) as contribution,
        sum(net_sales_365_days) as net_sales
    from facts
),

counted as (
    select
        n.grouped_by,
        n.name,
        count(f.customer_id) as customers,
        coalesce(sum(f.contribution_365_days), 0) as contribution,
        coalesce(sum(f.net_sales_365_days), 0) as net_sales,
        count(l.customer_id) as buyers,
        avg(l.loyalty) as loyalty
    from names as n
    left join members as m on n.grouped_by = m.grouped_by and n.name = m.name
    left join facts as f on m.customer_id = f.customer_id
    left join loyalties as l on m.customer_id = l.customer_id
    group by n.grouped_by, n.name
),

-- Nothing is a multiple of an average that is not above 0.
measured as (
    select
        c.*,
        cast(c.customers as double) / nullif(cast(t.customers as double), 0)
            as customer_share,
        cast(c.contribution as double) / nullif(cast(c.customers as double), 0)
            as margin_per_customer,
        cast(c.net_sales as double) / nullif(cast(c.customers as double), 0)
            as sales_per_customer,
        case
            when t.contribution > 0
                then
                    cast(t.contribution as double)
                    / cast(t.customers as double)
        end as average_margin,
        case
            when t.net_sales > 0
                then cast(t.net_sales as double) / cast(t.customers as double)
        end as average_sales
    from counted as c
    cross join totals as t
),

-- 1 low, 2 medium, 3 high; null where there is nothing to judge by.
judged as (
    select
        *,
        margin_per_customer / average_margin as margin_index,
        sales_per_customer / average_sales as sales_index,
        case
            when customers = 0 then null
            when customer_share > $many_customers_share then 3
            when customer_share > $few_customers_share then 2
            else 1
        end as size_level,
        case
            when margin_per_customer / average_margin is null then null
            when margin_per_customer / average_margin >= $high_margin_index
                then 3
            when margin_per_customer / average_margin >= $low_margin_index
                then 2
            else 1
        end as margin_level,
        case
            when sales_per_customer / average_sales is null then null
            when sales_per_customer / average_sales >= $high_sales_index then 3
            when sales_per_customer / average_sales >= $low_sales_index then 2
            else 1
        end as sales_level,
        case
            when loyalty is null then null
            when loyalty >= $high_loyalty then 3
            when loyalty >= $low_loyalty then 2
            else 1
        end as loyalty_level
    from measured
),

-- Kotler's table is a slope: each step to fewer customers or more margin is a
-- step closer. So is loyalty by sales.
ranked as (
    select
        *,
        margin_level - size_level + 3 as margin_rank,
        loyalty_level + sales_level - 1 as loyalty_rank
    from judged
)

select
    $as_of_day as as_of,
    grouped_by,
    name,
    customers,
    customer_share,
    array_element(make_array('few', 'medium', 'many'), size_level)
        as customers_level,
    cast(contribution as decimal(18, 6)) as contribution_365_days,
    margin_per_customer,
    margin_index,
    array_element(make_array('low', 'medium', 'high'), margin_level)
        as margin_level,
    array_element(
        make_array(
            'basic', 'reactive', 'accountable', 'proactive', 'partnership'
        ),
        margin_rank
    ) as recommended_by_margin,
    buyers,
    loyalty,
    array_element(make_array('low', 'medium', 'high'), loyalty_level)
        as loyalty_level,
    cast(net_sales as decimal(18, 2)) as net_sales_365_days,
    sales_per_customer,
    sales_index,
    array_element(make_array('low', 'medium', 'high'), sales_level)
        as sales_level,
    array_element(
        make_array(
            'basic', 'reactive', 'accountable', 'proactive', 'partnership'
        ),
        loyalty_rank
    ) as recommended_by_loyalty,
    case
        when customers = 0 then 'no_customers'
        when margin_rank is null then 'no_margin'
        when loyalty_rank is null then 'no_sales'
        else 'ok'
    end as recommended_status
from ranked
