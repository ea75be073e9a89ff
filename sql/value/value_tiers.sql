-- One row per customer who ever paid for an order and for whom money moved in
-- the value period, ranked by value; equal values rank by customer_id.
-- A customer's tier looks at those before: the one who carries the cumulated
-- share across a threshold still belongs to the better tier, so tier A is never
-- empty. Shares are of the value that customers brought: who cost money counts
-- as 0 here, so that losses make nobody else's share larger.
with ever_paid as (
    select customer_id
    from customer_pnl
    where
        as_of = $as_of_day
        and period = 'lifetime'
        and paid_orders > 0
),

valued as (
    select
        customer_id,
        net_sales,
        case
            when $value_measure = 'profit' then profit
            when $value_measure = 'contribution' then contribution
            when $value_measure = 'gross_margin' then gross_margin
            when $value_measure = 'net_sales'
                then cast(net_sales as decimal(18, 6))
            when $value_measure = 'invoiced_sales'
                then cast(gross_sales - discounts as decimal(18, 6))
        end as value
    from customer_pnl
    where
        as_of = $as_of_day
        and period = $value_period
        and customer_id in (select customer_id from ever_paid)
),

totals as (
    select
        count(*) as customers,
        sum(greatest(value, 0)) as value_brought
    from valued
),

ranked as (
    select
        customer_id,
        net_sales,
        value,
        greatest(value, 0) as brought,
        cast(
            row_number() over (order by value desc, customer_id) as bigint
        ) as value_rank,
        coalesce(
            sum(greatest(value, 0)) over (
                order by value desc, customer_id
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as brought_before
    from valued
),

placed as (
    select
        r.customer_id,
        r.net_sales,
        r.value,
        r.brought,
        r.value_rank,
        r.brought_before,
        t.customers,
        t.value_brought,
        r.value_rank - 1 as customers_before,
        case
            when t.value_brought > 0 then 'ok' else 'no_positive_value'
        end as share_status,
        case
            when t.value_brought > 0 then cast(t.value_brought as double)
        end as share_base
    from totals as t
    cross join ranked as r
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
    cast(brought as double) / share_base as value_share,
    cast(brought_before as double) / share_base as cumulative_share_before,
    cast(brought_before + brought as double) / share_base as cumulative_share,
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
                when brought_before < value_brought * $tier_a_share then 'A'
                when brought_before < value_brought * $tier_b_share then 'B'
                when brought_before < value_brought * $tier_c_share then 'C'
                else 'D'
            end
    end as tier
from placed
