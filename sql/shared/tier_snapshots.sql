-- One row per snapshot date and customer who had ever paid for an order by then
-- and for whom money had moved in the value period, as value_tiers ranks them at
-- $as_of.
-- The period is looked at as it was: twelve months before each date, all days
-- before it, or the part of the year before it. A date before the year has no row.
with valued as (
    select
        snapshot_date,
        customer_id,
        value
    from customer_snapshots
    where paid_orders_lifetime > 0 and value_days > 0
),

sizes as (
    select
        snapshot_date,
        count(*) as customers,
        sum(greatest(value, 0)) as value_brought
    from valued
    group by snapshot_date
),

ranked as (
    select
        snapshot_date,
        customer_id,
        value,
        cast(
            row_number() over (
                partition by snapshot_date order by value desc, customer_id
            ) as bigint
        ) as value_rank,
        coalesce(
            sum(greatest(value, 0)) over (
                partition by snapshot_date order by value desc, customer_id
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as brought_before
    from valued
)

select
    r.snapshot_date,
    r.customer_id,
    r.value,
    r.value_rank,
    t.customers,
    case
        when $tier_basis = 'rank' then
            case
                when r.value_rank - 1 < t.customers * $tier_a_rank then 'A'
                when r.value_rank - 1 < t.customers * $tier_b_rank then 'B'
                when r.value_rank - 1 < t.customers * $tier_c_rank then 'C'
                else 'D'
            end
        when $tier_basis = 'cumulative_share' then
            case
                when t.value_brought <= 0 then 'D'
                when r.brought_before < t.value_brought * $tier_a_share then 'A'
                when r.brought_before < t.value_brought * $tier_b_share then 'B'
                when r.brought_before < t.value_brought * $tier_c_share then 'C'
                else 'D'
            end
    end as tier
from ranked as r
inner join sizes as t on r.snapshot_date = t.snapshot_date
