-- One row per customer who ever ordered and for whom money moved in the value
-- period, ranked by value; equal values rank by customer_id.
-- A customer's tier looks at those before: the one who carries the cumulated
-- share across a threshold still belongs to the better tier, so tier A is never
-- empty. Shares are of the sum over everybody, so they may pass 1 where some
-- customers cost money.
with ever_ordered as (
    select customer_id
    from customer_pnl
    where period = 'lifetime' and orders > 0
),

valued as (
    select
        p.customer_id,
        p.net_sales,
        case
            when $value_measure = 'contribution' then p.contribution
            when $value_measure = 'gross_margin' then p.gross_margin
            when $value_measure = 'net_sales'
                then cast(p.net_sales as decimal(18, 6))
        end as value
    from customer_pnl as p
    inner join ever_ordered as e on p.customer_id = e.customer_id
    where p.period = $value_period
),

totals as (
    select
        count(*) as customers,
        sum(value) as total_value
    from valued
),

ranked as (
    select
        customer_id,
        net_sales,
        value,
        cast(
            row_number() over (order by value desc, customer_id) as bigint
        ) as value_rank,
        coalesce(
            sum(value) over (
                order by value desc, customer_id
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as value_before
    from valued
),

placed as (
    select
        r.customer_id,
        r.net_sales,
        r.value,
        r.value_rank,
        r.value_before,
        t.customers,
        t.total_value,
        r.value_rank - 1 as customers_before,
        case
            when t.total_value > 0 then 'ok' else 'no_positive_total'
        end as share_status,
        case
            when t.total_value > 0 then cast(t.total_value as double)
        end as share_base
    from ranked as r
    cross join totals as t
)

select
    $as_of_day as as_of,
    customer_id,
    cast($value_period as varchar) as value_period,
    cast($value_measure as varchar) as value_measure,
    net_sales,
    cast(value as decimal(18, 6)) as value,
    value_rank,
    customers,
    (100 * value_rank + customers - 1) / customers as percentile,
    cast(value as double) / share_base as value_share,
    cast(value_before as double) / share_base as cumulative_share_before,
    cast(value_before + value as double) / share_base as cumulative_share,
    share_status,
    cast($tier_basis as varchar) as tier_basis,
    case
        when $tier_basis = 'rank' then
            case
                when customers_before < customers * $tier_a_rank then 'A'
                when customers_before < customers * $tier_b_rank then 'B'
                when customers_before < customers * $tier_c_rank then 'C'
                else 'D'
            end
        when $tier_basis = 'cumulative_share' then
            case
                when share_status <> 'ok' then 'D'
                when value_before < total_value * $tier_a_share then 'A'
                when value_before < total_value * $tier_b_share then 'B'
                when value_before < total_value * $tier_c_share then 'C'
                else 'D'
            end
    end as tier
from placed
