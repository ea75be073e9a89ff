-- One row per period of $growth_period_days, counted back from $as_of, and
-- cell: where net sales grew or shrank against the period before.
-- Each customer's change with each product falls into exactly one cell, so the
-- cells sum to the change of all net sales. Bought means: invoiced sales above
-- 0. Within a category that a customer bought before and buys still:
--   volume   (units now − units before) × invoiced sales a unit before
--   price    of products bought in both periods: change of price × units now
--   mix      what is left of the change: dearer or cheaper products
--   returns  less the change of what was paid back
--   unsplit  all but the returns, where units are not known
-- What a customer does in a category is split as a whole, to the cent.
with split as (
    select
        customer_id,
        period_no,
        sum(invoiced) - sum(invoiced_before) as change,
        sum(returned) - sum(returned_before) as returned_change,
        sum(unknown_units) = 0 and sum(units_before) > 0 as is_split,
        cast(
            cast(sum(units) - sum(units_before) as double)
            * cast(sum(invoiced_before) as double)
            / nullif(cast(sum(units_before) as double), 0)
            as decimal(18, 2)
        ) as volume,
        sum(
            cast(
                case
                    when units > 0 and units_before > 0
                        then
                            cast(invoiced as double)
                            - cast(invoiced_before as double)
                            * cast(units as double)
                            / cast(units_before as double)
                    else 0
                end as decimal(18, 2)
            )
        ) as price
    from growth_places
    where cell = 'penetration'
    group by customer_id, category, period_no
),

changes as (
    select
        period_no,
        customer_id,
        cell,
        'all' as component,
        (invoiced - returned) - (invoiced_before - returned_before) as change
    from growth_places
    where cell <> 'penetration'
    union all
    select
        period_no,
        customer_id,
        'penetration' as cell,
        unnest(make_array('volume', 'price', 'mix', 'returns', 'unsplit'))
            as component,
        unnest(
            make_array(
                case when is_split then volume else 0 end,
                case when is_split then price else 0 end,
                case when is_split then change - volume - price else 0 end,
                -returned_change,
                case when is_split then 0 else change end
            )
        ) as change
    from split
),

cells as (
    select
        unnest(
            make_array(
                'penetration', 'penetration', 'penetration', 'penetration',
                'penetration', 'cross_category', 'product_development',
                'acquisition', 'diversification', 'reactivated',
                'lost_category', 'lost_customer', 'adjustment'
            )
        ) as cell,
        unnest(
            make_array(
                'volume', 'price', 'mix', 'returns', 'unsplit', 'all', 'all',
                'all', 'all', 'all', 'all', 'all', 'all'
            )
        ) as component
),

periods as (
    select
        p.period_no,
        p.net_sales_before,
        $as_of_day - p.period_no * $growth_period_days as period_end,
        d.first_day
    from (
        select
            period_no,
            sum(invoiced_before - returned_before) as net_sales_before
        from growth_places
        group by period_no
    ) as p
    cross join (
        select min(day) as first_day from customer_days
    ) as d
),

summed as (
    select
        period_no,
        cell,
        component,
        count(distinct customer_id) filter (where change <> 0) as customers,
        sum(change) as change
    from changes
    group by period_no, cell, component
)

select
    $as_of_day as as_of,
    p.period_end - $growth_period_days as period_start,
    p.period_end,
    c.cell,
    c.component,
    coalesce(s.customers, 0) as customers,
    cast(coalesce(s.change, 0) as decimal(18, 2)) as net_sales_change,
    cast(coalesce(s.change, 0) as double)
    / case
        when
            p.net_sales_before > 0
            and p.period_end - 2 * $growth_period_days >= p.first_day
            then cast(p.net_sales_before as double)
    end as growth,
    case
        when p.period_end - 2 * $growth_period_days < p.first_day
            then 'insufficient_history'
        else 'ok'
    end as growth_status
from periods as p
cross join cells as c
left join summed as s
    on
        p.period_no = s.period_no
        and c.cell = s.cell
        and c.component = s.component
