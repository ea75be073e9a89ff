-- One row per customer and period in which money moved for the customer: the
-- profit and loss account of each relationship.
-- Returns count in the period they came back, not in the period of their order,
-- as they do in the ledger; so a period may show returns without sales.
-- Contacts and cases without a known cost move no money.
-- Overhead is divided month by month and stands on the month's first day, so
-- twelve months hold twelve months of it wherever they begin.
with entries as (
    select
        customer_id,
        day,
        orders,
        paid_orders,
        gross_sales,
        discounts,
        returns,
        cogs,
        fulfilment_cost,
        payment_cost,
        service_cost,
        marketing_cost,
        0 as allocated_overhead,
        actual_cost_entries,
        assumed_cost_entries
    from customer_days
    where
        orders > 0
        or returns <> 0
        or cogs <> 0
        or service_cost <> 0
        or marketing_cost <> 0
    union all
    select
        customer_id,
        month as day,
        0 as orders,
        0 as paid_orders,
        0 as gross_sales,
        0 as discounts,
        0 as returns,
        0 as cogs,
        0 as fulfilment_cost,
        0 as payment_cost,
        0 as service_cost,
        0 as marketing_cost,
        allocated_overhead,
        0 as actual_cost_entries,
        0 as assumed_cost_entries
    from customer_overhead
),

bounds as (
    select min(day) as first_day
    from customer_days
    where
        orders > 0
        or returns <> 0
        or cogs <> 0
        or service_cost <> 0
        or marketing_cost <> 0
),

booked as (
    select count(*) > 0 as has_overhead from overhead_months
),

-- Days of one year on one side of the twelve months' edge: what periods add up.
parts as (
    select
        customer_id,
        cast(date_part('year', day) as integer) as year,
        day >= cast($as_of_day - interval '12 months' as date) as is_trailing,
        sum(orders) as orders,
        sum(paid_orders) as paid_orders,
        cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
        cast(sum(discounts) as decimal(18, 2)) as discounts,
        cast(sum(returns) as decimal(18, 2)) as returns,
        cast(sum(cogs) as decimal(18, 6)) as cogs,
        cast(sum(fulfilment_cost) as decimal(18, 2)) as fulfilment_cost,
        cast(sum(payment_cost) as decimal(18, 2)) as payment_cost,
        cast(sum(service_cost) as decimal(18, 2)) as service_cost,
        cast(sum(marketing_cost) as decimal(18, 2)) as marketing_cost,
        cast(sum(allocated_overhead) as decimal(18, 2)) as allocated_overhead,
        sum(actual_cost_entries) as actual_cost_entries,
        sum(assumed_cost_entries) as assumed_cost_entries
    from entries
    group by
        customer_id,
        cast(date_part('year', day) as integer),
        day >= cast($as_of_day - interval '12 months' as date)
),

-- 0 is all time, 1 the last twelve months, and a year is itself.
sides as (
    select
        p.*,
        case when k.kind = 2 then p.year else k.kind end as period_no
    from parts as p
    cross join (values (0), (1), (2)) as k (kind)
    where k.kind <> 1 or p.is_trailing
),

totals as (
    select
        customer_id,
        period_no,
        sum(orders) as orders,
        sum(paid_orders) as paid_orders,
        cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
        cast(sum(discounts) as decimal(18, 2)) as discounts,
        cast(sum(returns) as decimal(18, 2)) as returns,
        cast(sum(cogs) as decimal(18, 6)) as cogs,
        cast(sum(fulfilment_cost) as decimal(18, 2)) as fulfilment_cost,
        cast(sum(payment_cost) as decimal(18, 2)) as payment_cost,
        cast(sum(service_cost) as decimal(18, 2)) as service_cost,
        cast(sum(marketing_cost) as decimal(18, 2)) as marketing_cost,
        cast(sum(allocated_overhead) as decimal(18, 2)) as allocated_overhead,
        sum(actual_cost_entries) as actual_cost_entries,
        sum(assumed_cost_entries) as assumed_cost_entries
    from sides
    group by customer_id, period_no
),

-- The tables of one row stand first: a cross join keeps its left side in memory.
contributions as (
    select
        t.*,
        cast(t.gross_sales - t.discounts - t.returns as decimal(18, 2))
            as net_sales,
        cast(
            t.gross_sales - t.discounts - t.returns - t.cogs
            - t.fulfilment_cost - t.payment_cost
            - t.service_cost - t.marketing_cost as decimal(18, 6)
        ) as contribution,
        case
            when t.period_no = 0 then b.first_day
            when t.period_no = 1
                then cast($as_of_day - interval '12 months' as date)
            else make_date(t.period_no, 1, 1)
        end as period_start,
        case
            when t.period_no > 1 then make_date(t.period_no + 1, 1, 1)
            else $as_of_day
        end as period_end,
        b.first_day,
        o.has_overhead
    from bounds as b
    cross join booked as o
    cross join totals as t
)

select
    $as_of_day as as_of,
    customer_id,
    case
        when period_no = 0 then 'lifetime'
        when period_no = 1 then 'trailing_12_months'
        else concat('year_', cast(period_no as varchar))
    end as period,
    period_start,
    period_end,
    case
        when period_end > $as_of_day then 'open'
        when date_trunc('month', first_day) > date_trunc('month', period_start)
            then 'insufficient_history'
        else 'ok'
    end as period_status,
    orders,
    paid_orders,
    gross_sales,
    discounts,
    returns,
    net_sales,
    cogs,
    cast(net_sales - cogs as decimal(18, 6)) as gross_margin,
    fulfilment_cost,
    payment_cost,
    service_cost,
    marketing_cost,
    contribution,
    case when has_overhead then allocated_overhead end as allocated_overhead,
    case
        when has_overhead
            then cast(contribution - allocated_overhead as decimal(18, 6))
    end as profit,
    case when has_overhead then 'ok' else 'no_cost_data' end as overhead_status,
    case
        when actual_cost_entries > 0 and assumed_cost_entries > 0 then 'mixed'
        when actual_cost_entries > 0 then 'actual'
        when assumed_cost_entries > 0 then 'assumed'
        else 'none'
    end as cost_basis
from contributions
