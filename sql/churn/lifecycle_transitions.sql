-- One row per month end with an earlier one to compare it with, stage of then
-- and stage of now: the transition matrix of the lifecycle. Who is in one of
-- the two only has the stage `none` in the other.
-- Each month end is taken as it was told first, from the earliest snapshot of
-- lifecycle that ends in it: what later ones say of the same month end (late
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

-- Three things are asked of each step: the stages now, those of then, and what
-- the later snapshot tells of then.
asked as (
    select
        p.as_of,
        v.side,
        case
            when v.side = 'then' then p.previous_as_of else p.as_of
        end as told_on,
        case
            when v.side = 'now' then p.snapshot_date
            else p.previous_snapshot_date
        end as told_of
    from steps as p
    cross join (values ('now'), ('then'), ('retold')) as v (side)
    where p.previous_as_of is not null
),

answers as (
    select
        a.as_of,
        a.side,
        l.customer_id,
        coalesce(l.stage, 'unknown') as stage,
        l.net_sales_3m
    from asked as a
    inner join lifecycle as l
        on a.told_on = l.as_of and a.told_of = l.snapshot_date
),

people as (
    select
        as_of,
        customer_id,
        coalesce(max(case when side = 'now' then stage end), 'none') as stage,
        coalesce(max(case when side = 'then' then stage end), 'none')
            as previous_stage,
        max(case when side = 'retold' then stage end) as retold_stage,
        sum(case when side = 'now' then net_sales_3m end) as net_sales_3m,
        sum(case when side = 'then' then net_sales_3m end)
            as previous_net_sales_3m
    from answers
    group by as_of, customer_id
    having count(*) filter (where side <> 'retold') > 0
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

-- How well a relationship goes; where two are equal, neither is better. Of
-- unknown it is only known that they buy: it stands between no two others.
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
