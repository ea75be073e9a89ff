-- One row per percentile 1 to 100 of the customers in value_tiers.
-- Two curves: the whale curve cumulates value from the best customer down and
-- may pass 1, because customers who cost money come last; the Lorenz curve
-- cumulates net sales from the smallest customer up, negatives counted as 0.
-- The figures after lorenz_share describe all customers and repeat in each row.
with ranked as (
    select
        customer_id,
        value_rank,
        value,
        net_sales,
        greatest(net_sales, 0) as floored_sales,
        cast(
            row_number() over (order by net_sales, customer_id) as bigint
        ) as sales_rank
    from value_tiers_latest
),

curves as (
    select
        value_rank,
        sales_rank,
        sum(value) over (
            order by value_rank, customer_id
            rows between unbounded preceding and current row
        ) as cumulative_value,
        sum(floored_sales) over (
            order by sales_rank, customer_id
            rows between unbounded preceding and current row
        ) as cumulative_sales
    from ranked
),

sizes as (
    select count(*) as customers from ranked
),

-- Gini is Σ (2i − n − 1) v / (n Σ v), i counting from the smallest: the sum
-- above the line is exact, and only the last division is not.
totals as (
    select
        s.customers,
        sum(r.value) as total_value,
        sum(r.net_sales) as net_sales,
        sum(r.floored_sales) as floored_sales,
        sum(
            cast(2 * r.sales_rank - s.customers - 1 as decimal(14, 0))
            * cast(r.net_sales as decimal(18, 2))
        ) as ranked_sales,
        sum(
            cast(2 * r.sales_rank - s.customers - 1 as decimal(14, 0))
            * cast(r.floored_sales as decimal(18, 2))
        ) as ranked_floored_sales,
        count(*) filter (where r.value < 0) as costly_customers,
        coalesce(sum(r.value) filter (where r.value < 0), 0) as costly_value
    from sizes as s
    cross join ranked as r
    group by s.customers
),

-- The best p % are the next whole number of customers up; the smallest p % the
-- nearest one, a half going down.
percentiles as (
    select
        p.percentile,
        (t.customers * p.percentile + 99) / 100 as best,
        t.customers - (t.customers * p.percentile + 99) / 100 as others,
        (2 * t.customers * p.percentile + 99) / 200 as smallest
    from totals as t
    cross join (select unnest(generate_series(1, 100)) as percentile) as p
),

bases as (
    select
        customers,
        total_value,
        floored_sales,
        costly_customers,
        costly_value,
        cast(customers as double) as n,
        case
            when total_value > 0 then cast(total_value as double)
        end as value_base,
        case
            when floored_sales > 0 then cast(floored_sales as double)
        end as floored_base,
        case
            when net_sales > 0 then cast(net_sales as double)
        end as sales_base,
        cast(ranked_sales as double) as ranked_sales,
        cast(ranked_floored_sales as double) as ranked_floored_sales
    from totals
)

select
    $as_of_day as as_of,
    cast(p.percentile as integer) as percentile,
    cast($value_period as varchar) as value_period,
    cast($value_measure as varchar) as value_measure,
    p.best as best_customers,
    cast(v.cumulative_value as decimal(18, 6)) as cumulative_value,
    cast(v.cumulative_value as double) / b.value_base as whale_share,
    cast(b.floored_sales - coalesce(o.cumulative_sales, 0) as double)
    / b.floored_base as top_sales_share,
    cast(coalesce(s.cumulative_sales, 0) as double) / b.floored_base
        as lorenz_share,
    b.customers,
    cast(b.total_value as decimal(18, 6)) as total_value,
    b.costly_customers,
    cast(b.costly_value as decimal(18, 6)) as costly_value,
    cast(b.total_value - b.costly_value as double) / b.value_base
        as peak_share,
    b.ranked_floored_sales / (b.n * b.floored_base) as gini,
    b.ranked_sales / (b.n * b.sales_base) as gini_raw,
    case
        when b.value_base is null or b.sales_base is null
            then 'no_positive_total'
        else 'ok'
    end as concentration_status
from bases as b
cross join percentiles as p
inner join curves as v on p.best = v.value_rank
left join curves as o on p.others = o.sales_rank
left join curves as s on p.smallest = s.sales_rank
