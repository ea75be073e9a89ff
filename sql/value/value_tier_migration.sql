-- One row per snapshot of value_tiers that has an earlier one, tier of then and
-- tier of now: the migration matrix from each snapshot to the next. A customer
-- who is ranked in one of the two only has the tier `none` in the other.
with days as (
    select distinct as_of from value_tiers
),

steps as (
    select
        as_of,
        lag(as_of) over (order by as_of) as previous_as_of
    from days
),

sides as (
    select
        s.as_of,
        s.previous_as_of,
        t.customer_id,
        t.tier,
        t.value,
        cast(null as varchar) as previous_tier,
        cast(null as decimal(18, 6)) as previous_value
    from steps as s
    inner join value_tiers as t on s.as_of = t.as_of
    where s.previous_as_of is not null
    union all
    select
        s.as_of,
        s.previous_as_of,
        t.customer_id,
        cast(null as varchar) as tier,
        cast(null as decimal(18, 6)) as value,
        t.tier as previous_tier,
        t.value as previous_value
    from steps as s
    inner join value_tiers as t on s.previous_as_of = t.as_of
),

moves as (
    select
        as_of,
        previous_as_of,
        customer_id,
        coalesce(max(tier), 'none') as tier,
        coalesce(max(previous_tier), 'none') as previous_tier,
        sum(value) as value,
        sum(previous_value) as previous_value
    from sides
    group by as_of, previous_as_of, customer_id
)

select
    as_of,
    previous_as_of,
    previous_tier,
    tier,
    case
        when previous_tier = 'none' then 'entered'
        when tier = 'none' then 'left'
        when tier < previous_tier then 'upgraded'
        when tier > previous_tier then 'downgraded'
        else 'stayed'
    end as movement,
    count(*) as customers,
    cast(sum(value) as decimal(18, 6)) as value,
    cast(sum(previous_value) as decimal(18, 6)) as previous_value
from moves
group by as_of, previous_as_of, previous_tier, tier
