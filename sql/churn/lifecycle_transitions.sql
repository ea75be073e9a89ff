-- One row per month end with a stage told then and an earlier such one, stage of
-- then and stage of now: the transition matrix of the lifecycle. Who is in one of
-- the two only has the stage `none` in the other.
-- Each month end is taken as it was told first, from the earliest snapshot of
-- lifecycle that ends in it: what later snapshots say of the same month end (late
-- rows, changed rules) moves nobody, and is counted apart, as restated.
with told as (
    select
        as_of,
        snapshot_date,
        max(snapshot_date) over (partition by as_of) as last_snapshot_date
    from lifecycle
    group by as_of, snapshot_date
),

month_ends as (
    select
        snapshot_date,
        min(as_of) as as_of
    from told
    where snapshot_date = last_snapshot_date
    group by snapshot_date
),

steps as (
    select
        as_of,
        snapshot_date,
        lag(as_of) over (order by snapshot_date) as previous_as_of,
        lag(snapshot_date) over (order by snapshot_date)
            as previous_snapshot_date
    from month_ends
),

stages as (
    select
        as_of,
        snapshot_date,
        customer_id,
        coalesce(stage, 'unknown') as stage,
        net_sales_3m
    from lifecycle
),

-- The later snapshot tells the earlier month end again: retold.
sides as (
    select
        p.as_of,
        l.customer_id,
        l.stage,
        l.net_sales_3m,
        cast(null as varchar) as previous_stage,
        cast(null as decimal(18, 2)) as previous_net_sales_3m,
        cast(null as varchar) as retold_stage
    from steps as p
    inner join stages as l
        on p.as_of = l.as_of and p.snapshot_date = l.snapshot_date
    where p.previous_as_of is not null
    union all
    select
        p.as_of,
        l.customer_id,
        cast(null as varchar) as stage,
        cast(null as decimal(18, 2)) as net_sales_3m,
        l.stage as previous_stage,
        l.net_sales_3m as previous_net_sales_3m,
        cast(null as varchar) as retold_stage
    from steps as p
    inner join stages as l
        on
            p.previous_as_of = l.as_of
            and p.previous_snapshot_date = l.snapshot_date
    union all
    select
        p.as_of,
        l.customer_id,
        cast(null as varchar) as stage,
        cast(null as decimal(18, 2)) as net_sales_3m,
        cast(null as varchar) as previous_stage,
        cast(null as decimal(18, 2)) as previous_net_sales_3m,
        l.stage as retold_stage
    from steps as p
    inner join stages as l
        on
            p.as_of = l.as_of
            and p.previous_snapshot_date = l.snapshot_date
),

people as (
    select
        as_of,
        customer_id,
        coalesce(max(stage), 'none') as stage,
        coalesce(max(previous_stage), 'none') as previous_stage,
        max(retold_stage) as retold_stage,
        sum(net_sales_3m) as net_sales_3m,
        sum(previous_net_sales_3m) as previous_net_sales_3m
    from sides
    group by as_of, customer_id
    having max(stage) is not null or max(previous_stage) is not null
),

cells as (
    select
        as_of,
        previous_stage,
        stage,
        count(*) as customers,
        count(*) filter (where retold_stage <> previous_stage) as restated,
        sum(net_sales_3m) as net_sales_3m,
        sum(previous_net_sales_3m) as previous_net_sales_3m
    from people
    group by as_of, previous_stage, stage
),

wholes as (
    select
        as_of,
        previous_stage,
        sum(customers) as customers
    from cells
    where previous_stage <> 'none'
    group by as_of, previous_stage
),

-- How well a relationship goes. Where two are equal, neither is better; of the
-- unknown it is only known that they buy.
levels as (
    select
        v.stage,
        v.level
    from (
        values
        ('lost', 1),
        ('dormant', 2),
        ('declining', 3),
        ('new', 4),
        ('regained', 4),
        ('mature', 5),
        ('growing', 5)
    ) as v (stage, level)
)

select
    c.as_of,
    p.snapshot_date,
    p.previous_as_of,
    p.previous_snapshot_date,
    c.previous_stage,
    c.stage,
    case
        when
            c.previous_stage = 'none'
            and c.stage in ('prospect', 'dormant', 'lost')
            then 'entered'
        when c.stage = 'none' then 'left'
        when c.previous_stage = 'unknown' and c.stage = 'unknown'
            then 'unknown'
        when c.stage = c.previous_stage then 'stayed'
        when c.stage = 'prospect' then 'undone'
        when
            c.stage in ('dormant', 'lost')
            and c.previous_stage not in ('dormant', 'lost')
            then 'lost'
        when
            c.previous_stage in ('dormant', 'lost')
            and c.stage not in ('dormant', 'lost')
            then 'regained'
        when c.previous_stage in ('none', 'prospect') then 'won'
        when c.stage = 'regained' then 'regained'
        when 'unknown' in (c.previous_stage, c.stage) then 'unknown'
        when n.level > b.level then 'advanced'
        when n.level < b.level then 'declined'
        else 'moved'
    end as movement,
    c.customers,
    w.customers as previous_stage_customers,
    cast(c.customers as double) / cast(w.customers as double)
        as transition_share,
    case when t.as_of is not null then c.restated end as restated_customers,
    cast(c.net_sales_3m as decimal(18, 2)) as net_sales_3m,
    cast(c.previous_net_sales_3m as decimal(18, 2)) as previous_net_sales_3m
from cells as c
inner join steps as p on c.as_of = p.as_of
left join told as t
    on p.as_of = t.as_of and p.previous_snapshot_date = t.snapshot_date
left join wholes as w
    on c.as_of = w.as_of and c.previous_stage = w.previous_stage
left join levels as b on c.previous_stage = b.stage
left join levels as n on c.stage = n.stage
