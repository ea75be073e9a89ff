-- One row per customer and period in which money moved for the customer: the
-- profit and loss account of each relationship.
-- Returns count in the period they came back, not in the period of their order,
-- as they do in the ledger; so a period may show returns without sales.
-- Contacts without a known cost move no money.
with money_days as (
    select
        *,
        cast(date_trunc('year', day) as date) as year_start,
        day >= cast($as_of_day - interval '12 months' as date) as is_trailing
    from customer_days
    where orders > 0 or returns <> 0 or cogs <> 0 or marketing_cost <> 0
),

bounds as (
    select min(day) as first_day from money_days
),

kinds as (
    select kind
    from (values ('lifetime'), ('trailing_12_months'), ('year')) as k (kind)
),

-- Days of one year on one side of the twelve months' edge: what periods add up.
parts as (
    select
        customer_id,
        year_start,
        is_trailing,
        sum(orders) as orders,
        sum(paid_orders) as paid_orders,
        cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
        cast(sum(discounts) as decimal(18, 2)) as discounts,
        cast(sum(returns) as decimal(18, 2)) as returns,
        cast(sum(cogs) as decimal(18, 6)) as cogs,
        cast(sum(fulfilment_cost) as decimal(18, 2)) as fulfilment_cost,
        cast(sum(payment_cost) as decimal(18, 2)) as payment_cost,
        cast(sum(marketing_cost) as decimal(18, 2)) as marketing_cost,
        sum(actual_cost_entries) as actual_cost_entries,
        sum(assumed_cost_entries) as assumed_cost_entries
    from money_days
    group by customer_id, year_start, is_trailing
),

entries as (
    select
        p.customer_id,
        case
            when k.kind = 'year'
                then concat(
                    'year_', cast(date_part('year', p.year_start) as varchar)
                )
            else k.kind
        end as period,
        case
            when k.kind = 'year' then p.year_start
            when k.kind = 'lifetime' then b.first_day
            else cast($as_of_day - interval '12 months' as date)
        end as period_start,
        case
            when k.kind = 'year'
                then cast(p.year_start + interval '1 year' as date)
            else $as_of_day
        end as period_end,
        b.first_day,
        p.orders,
        p.paid_orders,
        p.gross_sales,
        p.discounts,
        p.returns,
        p.cogs,
        p.fulfilment_cost,
        p.payment_cost,
        p.marketing_cost,
        p.actual_cost_entries,
        p.assumed_cost_entries
    from parts as p
    cross join kinds as k
    cross join bounds as b
    where k.kind <> 'trailing_12_months' or p.is_trailing
),

totals as (
    select
        customer_id,
        period,
        period_start,
        period_end,
        first_day,
        sum(orders) as orders,
        sum(paid_orders) as paid_orders,
        cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
        cast(sum(discounts) as decimal(18, 2)) as discounts,
        cast(sum(returns) as decimal(18, 2)) as returns,
        cast(sum(cogs) as decimal(18, 6)) as cogs,
        cast(sum(fulfilment_cost) as decimal(18, 2)) as fulfilment_cost,
        cast(sum(payment_cost) as decimal(18, 2)) as payment_cost,
        cast(sum(marketing_cost) as decimal(18, 2)) as marketing_cost,
        sum(actual_cost_entries) as actual_cost_entries,
        sum(assumed_cost_entries) as assumed_cost_entries
    from entries
    group by customer_id, period, period_start, period_end, first_day
)

select
    $as_of_day as as_of,
    customer_id,
    period,
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
    cast(gross_sales - discounts - returns as decimal(18, 2)) as net_sales,
    cogs,
    cast(gross_sales - discounts - returns - cogs as decimal(18, 6))
        as gross_margin,
    fulfilment_cost,
    payment_cost,
    marketing_cost,
    cast(
        gross_sales - discounts - returns - cogs
        - fulfilment_cost - payment_cost - marketing_cost as decimal(18, 6)
    ) as contribution,
    case
        when actual_cost_entries > 0 and assumed_cost_entries > 0 then 'mixed'
        when actual_cost_entries > 0 then 'actual'
        when assumed_cost_entries > 0 then 'assumed'
        else 'none'
    end as cost_basis
from totals
