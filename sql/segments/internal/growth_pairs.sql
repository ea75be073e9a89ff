-- One row per customer, product and period of $growth_period_days, counted back
-- from $as_of, in which or in the one before which the customer bought it or
-- sent it back: both periods side by side. Period 0 ends at $as_of, period 1
-- before it. The first period of the records has none before it, so it has no
-- rows.
with entries as (
    select
        customer_id,
        product_id,
        order_day as day,
        quantity,
        invoiced_sales,
        0 as returned,
        case when quantity is null then 1 else 0 end as unknown_units
    from sales_lines
    union all
    select
        customer_id,
        product_id,
        return_day as day,
        0 as quantity,
        0 as invoiced_sales,
        amount as returned,
        0 as unknown_units
    from return_lines
),

by_product as (
    select
        customer_id,
        product_id,
        ($as_of_day - 1 - day) / $growth_period_days as period_no,
        sum(quantity) as units,
        sum(invoiced_sales) as invoiced,
        sum(returned) as returned,
        sum(unknown_units) as unknown_units
    from entries
    group by
        customer_id, product_id,
        ($as_of_day - 1 - day) / $growth_period_days
),

observed as (
    select ($as_of_day - 1 - min(day)) / $growth_period_days as oldest_no
    from entries
),

-- Each period counts twice: as itself, and as the one before the next.
shifted as (
    select
        *,
        unnest(make_array(0, 1)) as shift
    from by_product
),

sides as (
    select
        customer_id,
        product_id,
        period_no - shift as period_no,
        unknown_units,
        case when shift = 0 then units else 0 end as units,
        case when shift = 0 then invoiced else 0 end as invoiced,
        case when shift = 0 then returned else 0 end as returned,
        case when shift = 1 then units else 0 end as units_before,
        case when shift = 1 then invoiced else 0 end as invoiced_before,
        case when shift = 1 then returned else 0 end as returned_before
    from shifted
),

pairs as (
    select
        s.customer_id,
        s.product_id,
        s.period_no,
        sum(s.units) as units,
        sum(s.invoiced) as invoiced,
        sum(s.returned) as returned,
        sum(s.unknown_units) as unknown_units,
        sum(s.units_before) as units_before,
        sum(s.invoiced_before) as invoiced_before,
        sum(s.returned_before) as returned_before
    from observed as o
    cross join sides as s
    where s.period_no between 0 and o.oldest_no - 1
    group by s.customer_id, s.product_id, s.period_no
)

select
    p.customer_id,
    coalesce(cast(p.product_id as varchar), '(unknown)') as product,
    p.period_no,
    coalesce(r.category, '(unknown)') as category,
    coalesce(
        ($as_of_day - 1 - local_date(r.launched_at, $time_zone))
        / $growth_period_days = p.period_no,
        false
    ) as is_launched_in_it,
    cast(p.units as decimal(18, 3)) as units,
    cast(p.invoiced as decimal(18, 2)) as invoiced,
    cast(p.returned as decimal(18, 2)) as returned,
    cast(p.units_before as decimal(18, 3)) as units_before,
    cast(p.invoiced_before as decimal(18, 2)) as invoiced_before,
    cast(p.returned_before as decimal(18, 2)) as returned_before,
    p.unknown_units
from pairs as p
left join products as r on p.product_id = r.product_id
