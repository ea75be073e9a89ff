-- One row per snapshot date and customer with a paid order in the window that
-- ends there.
-- Scores run from 1 to 5, 5 is best. Equal values get equal scores unless
-- $rfm_tie_convention is 'ntile'; the convention stands in every row, because
-- it decides the segment of up to a quarter of the customers:
--   edges  one above the number of quintile edges (type 7) below the value; a
--          value on an edge takes the lower score (the better one for recency)
--   cume   five times the share of customers at or below, rounded up
--   prank  1 + five times the share of the others strictly below, rounded down
--   ntile  five groups of equal size, ties cut by customer_id
with measured as (
    select
        snapshot_date,
        customer_id,
        snapshot_date - last_paid_order_day as days_since_last_order,
        rfm_orders as frequency,
        rfm_sales as monetary_gross,
        rfm_returns as returns,
        cast(rfm_sales - rfm_returns as decimal(18, 2)) as monetary
    from customer_snapshots
    where rfm_orders > 0
),

positions as (
    select
        snapshot_date,
        customer_id,
        days_since_last_order as days,
        frequency,
        monetary,
        cast(
            row_number() over (
                partition by snapshot_date
                order by days_since_last_order, customer_id
            ) as bigint
        ) as days_row,
        cast(
            row_number() over (
                partition by snapshot_date order by frequency, customer_id
            ) as bigint
        ) as frequency_row,
        cast(
            row_number() over (
                partition by snapshot_date order by monetary, customer_id
            ) as bigint
        ) as monetary_row,
        cast(
            ntile(5) over (
                partition by snapshot_date
                order by days_since_last_order desc, customer_id desc
            ) as bigint
        ) as r_ntile,
        cast(
            ntile(5) over (
                partition by snapshot_date order by frequency, customer_id
            ) as bigint
        ) as f_ntile,
        cast(
            ntile(5) over (
                partition by snapshot_date order by monetary, customer_id
            ) as bigint
        ) as m_ntile
    from measured
),

sizes as (
    select
        snapshot_date,
        count(*) as n
    from measured
    group by snapshot_date
),

day_ties as (
    select
        snapshot_date,
        days,
        min(days_row) as first_row,
        max(days_row) as last_row
    from positions
    group by snapshot_date, days
),

frequency_ties as (
    select
        snapshot_date,
        frequency,
        min(frequency_row) as first_row,
        max(frequency_row) as last_row
    from positions
    group by snapshot_date, frequency
),

monetary_ties as (
    select
        snapshot_date,
        monetary,
        min(monetary_row) as first_row,
        max(monetary_row) as last_row
    from positions
    group by snapshot_date, monetary
),

-- How many customers are worse (below), and how many worse or equal (upto).
placed as (
    select
        p.snapshot_date,
        p.customer_id,
        p.days,
        p.frequency,
        p.monetary,
        p.r_ntile,
        p.f_ntile,
        p.m_ntile,
        s.n,
        greatest(s.n - 1, 1) as others,
        s.n - d.last_row as r_below,
        s.n - d.first_row + 1 as r_upto,
        f.first_row - 1 as f_below,
        f.last_row as f_upto,
        m.first_row - 1 as m_below,
        m.last_row as m_upto
    from positions as p
    inner join sizes as s on p.snapshot_date = s.snapshot_date
    inner join day_ties as d
        on p.snapshot_date = d.snapshot_date and p.days = d.days
    inner join frequency_ties as f
        on p.snapshot_date = f.snapshot_date and p.frequency = f.frequency
    inner join monetary_ties as m
        on p.snapshot_date = m.snapshot_date and p.monetary = m.monetary
),

-- Edge k of 4 lies at (n − 1) k / 5 between two neighbours, counted from 0:
-- after row `low`, `fifths` fifths of the way to the next.
cuts as (
    select
        s.snapshot_date,
        c.k,
        (s.n - 1) * c.k / 5 + 1 as low,
        (s.n - 1) * c.k % 5 as fifths
    from (values (1), (2), (3), (4)) as c (k)
    cross join sizes as s
),

edges as (
    select
        c.snapshot_date,
        c.k,
        c.fifths,
        max(case when p.days_row = c.low then p.days end) as days_low,
        max(case when p.days_row = c.low + 1 then p.days end) as days_high,
        max(case when p.frequency_row = c.low then p.frequency end)
            as frequency_low,
        max(case when p.frequency_row = c.low + 1 then p.frequency end)
            as frequency_high,
        max(case when p.monetary_row = c.low then p.monetary end)
            as monetary_low,
        max(case when p.monetary_row = c.low + 1 then p.monetary end)
            as monetary_high
    from cuts as c
    inner join positions as p
        on
            c.snapshot_date = p.snapshot_date
            and (
                p.days_row in (c.low, c.low + 1)
                or p.frequency_row in (c.low, c.low + 1)
                or p.monetary_row in (c.low, c.low + 1)
            )
    group by c.snapshot_date, c.k, c.fifths
),

-- v > low + fifths / 5 × (high − low), without the division.
edges_below as (
    select
        p.snapshot_date,
        p.customer_id,
        count(*) filter (
            where 5 * (p.days - e.days_low)
            > e.fifths * coalesce(e.days_high - e.days_low, 0)
        ) as days_edges,
        count(*) filter (
            where 5 * (p.frequency - e.frequency_low)
            > e.fifths * coalesce(e.frequency_high - e.frequency_low, 0)
        ) as frequency_edges,
        count(*) filter (
            where 5 * (p.monetary - e.monetary_low)
            > e.fifths * coalesce(e.monetary_high - e.monetary_low, 0)
        ) as monetary_edges
    from positions as p
    inner join edges as e on p.snapshot_date = e.snapshot_date
    group by p.snapshot_date, p.customer_id
),

scored as (
    select
        p.snapshot_date,
        p.customer_id,
        case
            when $rfm_tie_convention = 'edges' then 5 - e.days_edges
            when $rfm_tie_convention = 'cume'
                then (5 * p.r_upto + p.n - 1) / p.n
            when $rfm_tie_convention = 'prank'
                then least(5, 1 + 5 * p.r_below / p.others)
            when $rfm_tie_convention = 'ntile' then p.r_ntile
        end as r_score,
        case
            when $rfm_tie_convention = 'edges' then 1 + e.frequency_edges
            when $rfm_tie_convention = 'cume'
                then (5 * p.f_upto + p.n - 1) / p.n
            when $rfm_tie_convention = 'prank'
                then least(5, 1 + 5 * p.f_below / p.others)
            when $rfm_tie_convention = 'ntile' then p.f_ntile
        end as f_score,
        case
            when $rfm_tie_convention = 'edges' then 1 + e.monetary_edges
            when $rfm_tie_convention = 'cume'
                then (5 * p.m_upto + p.n - 1) / p.n
            when $rfm_tie_convention = 'prank'
                then least(5, 1 + 5 * p.m_below / p.others)
            when $rfm_tie_convention = 'ntile' then p.m_ntile
        end as m_score
    from placed as p
    inner join edges_below as e
        on
            p.snapshot_date = e.snapshot_date
            and p.customer_id = e.customer_id
),

-- The segment of each cell of scores.
cells as (
    select
        r.score as r_score,
        f.score as f_score,
        m.score as m_score,
        p.segment
    from rfm_map as p
    inner join (values (1), (2), (3), (4), (5)) as r (score)
        on r.score between p.r_from and p.r_to
    inner join (values (1), (2), (3), (4), (5)) as f (score)
        on f.score between p.f_from and p.f_to
    inner join (values (1), (2), (3), (4), (5)) as m (score)
        on m.score between p.m_from and p.m_to
)

select
    m.snapshot_date,
    m.customer_id,
    m.days_since_last_order,
    m.frequency,
    m.monetary,
    m.monetary_gross,
    m.returns,
    cast(s.r_score as integer) as r_score,
    cast(s.f_score as integer) as f_score,
    cast(s.m_score as integer) as m_score,
    concat(
        cast(s.r_score as varchar),
        cast(s.f_score as varchar),
        cast(s.m_score as varchar)
    ) as rfm_cell,
    c.segment,
    cast($rfm_tie_convention as varchar) as tie_convention,
    $rfm_window_days as window_days
from measured as m
inner join scored as s
    on m.snapshot_date = s.snapshot_date and m.customer_id = s.customer_id
left join cells as c
    on s.r_score = c.r_score and s.f_score = c.f_score and s.m_score = c.m_score
