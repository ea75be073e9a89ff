-- One row per snapshot date and customer who had ever paid for an order by then
-- and for whom money had moved in the value period, as value_tiers ranks them at
-- $as_of.
-- The period is looked at as it was: twelve months before each date, all days
-- before it, or the part of the year before it. A date before the year has no row.
with money_days as (
    select
        customer_id,
        day,
        paid_orders,
        case
            when $value_period in ('lifetime', 'trailing_12_months') then 1
            when
                $value_period = concat(
                    'year_', cast(date_part('year', day) as varchar)
                )
                then 1
            else 0
        end as in_period,
        gross_sales - discounts - returns as net_sales,
        gross_sales - discounts - returns - cogs as gross_margin,
        gross_sales - discounts - returns - cogs
        - fulfilment_cost - payment_cost - marketing_cost as contribution
    from customer_days
    where orders > 0 or returns <> 0 or cogs <> 0 or marketing_cost <> 0
),

valued_days as (
    select
        customer_id,
        day,
        paid_orders,
        in_period,
        case
            when $value_measure = 'contribution' then contribution
            when $value_measure = 'gross_margin' then gross_margin
            when $value_measure = 'net_sales'
                then cast(net_sales as decimal(18, 6))
        end as value
    from money_days
),

-- The days that enter at each date, and those that leave the twelve months there.
spans as (
    select
        s.snapshot_date,
        t.sign,
        case
            when t.sign = 1 then s.previous_date
            else cast(s.previous_date - interval '12 months' as date)
        end as from_day,
        case
            when t.sign = 1 then s.snapshot_date
            else cast(s.snapshot_date - interval '12 months' as date)
        end as until_day
    from snapshots as s
    cross join (values (1), (-1)) as t (sign)
    where t.sign = 1 or $value_period = 'trailing_12_months'
),

moves as (
    select
        d.customer_id,
        s.snapshot_date,
        case when s.sign = 1 then d.paid_orders else 0 end as paid_orders,
        s.sign * d.in_period as days_in_period,
        s.sign * d.in_period * d.value as value
    from valued_days as d
    inner join spans as s
        on
            d.day < s.until_day
            and (d.day >= s.from_day or s.from_day is null)
),

changes as (
    select
        customer_id,
        snapshot_date,
        sum(paid_orders) as paid_orders,
        sum(days_in_period) as days_in_period,
        sum(value) as value
    from moves
    group by customer_id, snapshot_date
),

first_changes as (
    select
        customer_id,
        min(snapshot_date) as first_date
    from changes
    group by customer_id
),

running as (
    select
        s.snapshot_date,
        f.customer_id,
        sum(coalesce(c.paid_orders, 0)) over so_far as paid_orders,
        sum(coalesce(c.days_in_period, 0)) over so_far as days_in_period,
        sum(coalesce(c.value, 0)) over so_far as value
    from first_changes as f
    inner join snapshots as s on f.first_date <= s.snapshot_date
    left join changes as c
        on
            f.customer_id = c.customer_id
            and s.snapshot_date = c.snapshot_date
    window so_far as (
        partition by f.customer_id order by s.snapshot_date
        rows between unbounded preceding and current row
    )
),

valued as (
    select
        snapshot_date,
        customer_id,
        cast(value as decimal(18, 6)) as value
    from running
    where paid_orders > 0 and days_in_period > 0
),

totals as (
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
inner join totals as t on r.snapshot_date = t.snapshot_date
