-- One row per set of segments at $as_of: each alone, all pairs (also those that
-- share nobody), and each larger set of up to $segment_overlap_size segments that
-- at least $segment_overlap_min_share of the customers are in.
-- Customers are counted by the combination of segments they are in, so what is
-- enumerated are the subsets of combinations: at most 2 to the power of the
-- segments one customer is in, whatever the number of segments. And as every
-- larger set takes its share of the customers, there are at most (sets of that
-- size a customer is in, on average) ÷ min_share of them.
with recursive combinations as (
    select
        segment_set as combination,
        customers,
        net_sales_365_days as net_sales,
        contribution_365_days as contribution
    from segment_combinations
    where as_of = $as_of_day
),

totals as (
    select
        coalesce(sum(customers), 0) as n,
        sum(net_sales) as net_sales
    from combinations
),

-- The combination of nobody's segments, (none), is no segment's and falls out.
parts as (
    select
        combination,
        customers,
        unnest(string_to_array(combination, ' & ')) as segment
    from combinations
),

sizes as (
    select
        r.segment,
        coalesce(sum(p.customers), 0) as customers
    from segment_rules as r
    left join parts as p on r.segment = p.segment
    group by r.segment
),

shares as (
    select
        s.segment,
        s.customers,
        cast(s.customers as double) / nullif(cast(t.n as double), 0) as share
    from sizes as s
    cross join totals as t
),

-- Pairs that enough customers are in: no larger set has two neighbours without.
frequent_pairs as (
    select
        a.segment as first_segment,
        b.segment as last_segment
    from parts as a
    inner join parts as b
        on a.combination = b.combination and a.segment < b.segment
    cross join totals as t
    group by a.segment, b.segment, t.n
    having sum(a.customers) >= t.n * $segment_overlap_min_share
),

grown as (
    select
        p.combination,
        p.customers,
        p.segment as segment_set,
        p.segment as first_segment,
        p.segment as last_segment,
        cast(1 as bigint) as set_size,
        s.customers as smallest,
        s.customers as largest,
        s.share as expected_share
    from parts as p
    inner join shares as s on p.segment = s.segment
    union all
    select
        g.combination,
        g.customers,
        concat(g.segment_set, ' & ', p.segment) as segment_set,
        g.first_segment,
        p.segment as last_segment,
        g.set_size + 1 as set_size,
        least(g.smallest, s.customers) as smallest,
        greatest(g.largest, s.customers) as largest,
        g.expected_share * s.share as expected_share
    from grown as g
    inner join parts as p
        on g.combination = p.combination and g.last_segment < p.segment
    inner join frequent_pairs as f
        on g.last_segment = f.first_segment and p.segment = f.last_segment
    inner join shares as s on p.segment = s.segment
    where g.set_size < $segment_overlap_size
),

sets as (
    select
        segment as segment_set,
        segment as first_segment,
        segment as last_segment,
        cast(1 as bigint) as set_size,
        customers as smallest,
        customers as largest,
        share as expected_share
    from shares
    union all
    select
        concat(a.segment, ' & ', b.segment) as segment_set,
        a.segment as first_segment,
        b.segment as last_segment,
        cast(2 as bigint) as set_size,
        least(a.customers, b.customers) as smallest,
        greatest(a.customers, b.customers) as largest,
        a.share * b.share as expected_share
    from shares as a
    inner join shares as b on a.segment < b.segment
    union all
    select
        g.segment_set,
        g.first_segment,
        g.last_segment,
        g.set_size,
        g.smallest,
        g.largest,
        g.expected_share
    from grown as g
    cross join totals as t
    where g.set_size > 2
    group by
        g.segment_set, g.first_segment, g.last_segment, g.set_size,
        g.smallest, g.largest, g.expected_share, t.n
    having sum(g.customers) >= t.n * $segment_overlap_min_share
),

set_parts as (
    select
        segment_set,
        first_segment,
        last_segment,
        set_size,
        smallest,
        largest,
        expected_share,
        unnest(string_to_array(segment_set, ' & ')) as segment
    from sets
),

-- How many segments of the set a combination has: all of them, or at least one.
touched as (
    select
        s.segment_set,
        s.first_segment,
        s.last_segment,
        s.set_size,
        s.smallest,
        s.largest,
        s.expected_share,
        p.combination,
        count(p.segment) as segments_in
    from set_parts as s
    left join parts as p on s.segment = p.segment
    group by
        s.segment_set, s.first_segment, s.last_segment, s.set_size,
        s.smallest, s.largest, s.expected_share, p.combination
),

counted as (
    select
        t.segment_set,
        t.first_segment,
        t.last_segment,
        t.set_size,
        t.smallest,
        t.largest,
        t.expected_share,
        coalesce(sum(c.customers), 0) as union_customers,
        coalesce(
            sum(c.customers) filter (where t.segments_in = t.set_size), 0
        ) as overlap_customers,
        coalesce(
            sum(c.customers) filter (where t.combination = t.segment_set), 0
        ) as exclusive_customers,
        coalesce(
            sum(c.net_sales) filter (where t.segments_in = t.set_size), 0
        ) as net_sales,
        coalesce(
            sum(c.contribution) filter (where t.segments_in = t.set_size), 0
        ) as contribution
    from touched as t
    left join combinations as c on t.combination = c.combination
    group by
        t.segment_set, t.first_segment, t.last_segment, t.set_size,
        t.smallest, t.largest, t.expected_share
)

select
    $as_of_day as as_of,
    c.segment_set,
    c.set_size,
    c.first_segment,
    c.last_segment,
    t.n,
    c.smallest as smallest_segment_customers,
    c.largest as largest_segment_customers,
    c.overlap_customers,
    c.union_customers,
    c.exclusive_customers,
    cast(c.overlap_customers as double)
    / nullif(cast(c.smallest as double), 0) as overlap_share,
    cast(c.overlap_customers as double)
    / nullif(cast(c.union_customers as double), 0) as jaccard,
    c.expected_share * cast(t.n as double) as expected_customers,
    cast(c.overlap_customers as double)
    / nullif(c.expected_share * cast(t.n as double), 0) as lift,
    cast(c.net_sales as decimal(18, 2)) as net_sales_365_days,
    cast(c.net_sales as double)
    / case when t.net_sales > 0 then cast(t.net_sales as double) end
        as net_sales_share,
    cast(c.contribution as decimal(18, 6)) as contribution_365_days,
    case
        when t.n = 0 then 'no_customers'
        when c.smallest = 0 then 'empty_segment'
        else 'ok'
    end as overlap_status
from counted as c
cross join totals as t
