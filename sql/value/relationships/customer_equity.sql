-- One row per group of customers, in each of four divisions: all together, by
-- month of the first paid order, by tier of value, by region. Customer equity
-- is what they are still expected to bring, discounted, as an asset.
-- Whom the company will win is no part of it and stands in a column of its own:
-- each of the next $acquisition_months months is taken to win as many, worth as
-- much less the cost of winning them, as a month of the last twelve did. They
-- have no cohort and no tier yet.
with valued as (
    select
        v.customer_id,
        v.residual_clv,
        v.p_alive,
        v.first_order_day
        >= cast($as_of_day - interval '12 months' as date) as is_new,
        v.total_value
        - coalesce(c.acquisition_cost, 0)
        - coalesce(c.referral_incentive, 0) as value_less_cost,
        to_char(v.first_order_day, '%Y-%m') as cohort,
        coalesce(t.tier, 'none') as tier,
        coalesce(c.region, '(unknown)') as region
    from customer_value_latest as v
    inner join customers as c on v.customer_id = c.customer_id
    left join value_tiers_latest as t on v.customer_id = t.customer_id
),

history as (
    select
        min(first_order_day)
        <= cast($as_of_day - interval '12 months' as date) as is_long_enough
    from customer_value_latest
),

months as (
    select unnest(generate_series(1, $acquisition_months)) as month_no
),

annuity as (
    select
        sum(
            power(
                1 + cast($annual_discount_rate as double),
                -cast(month_no as double) / 12
            )
        ) as month_values
    from months
),

groups as (
    select
        d.dimension,
        case d.dimension
            when 'cohort' then v.cohort
            when 'tier' then v.tier
            when 'region' then v.region
            else 'all'
        end as member,
        count(*) as customers,
        count(v.residual_clv) as customers_valued,
        sum(v.p_alive) as customers_alive,
        sum(v.residual_clv) as customer_equity,
        count(*) filter (where v.is_new) as new_customers,
        count(v.value_less_cost) filter (where v.is_new)
            as new_customers_valued,
        coalesce(sum(v.value_less_cost) filter (where v.is_new), 0)
            as new_value
    from (
        values ('total'), ('cohort'), ('tier'), ('region')
    ) as d (dimension)
    cross join valued as v
    group by
        d.dimension,
        case d.dimension
            when 'cohort' then v.cohort
            when 'tier' then v.tier
            when 'region' then v.region
            else 'all'
        end
),

statuses as (
    select
        g.*,
        case
            when g.customers_valued = 0 then 'not_valued'
            when g.customers_valued < g.customers then 'partly_valued'
            else 'ok'
        end as equity_status,
        case
            when g.dimension in ('cohort', 'tier') then 'not_divided'
            when not h.is_long_enough then 'insufficient_history'
            when g.new_customers_valued < g.new_customers then 'not_valued'
            else 'ok'
        end as acquisition_status,
        a.month_values
    from groups as g
    cross join history as h
    cross join annuity as a
)

select
    $as_of_day as as_of,
    dimension,
    member,
    customers,
    customers_alive,
    cast(customer_equity as decimal(18, 2)) as customer_equity,
    cast(customer_equity as double)
    / nullif(
        sum(
            case
                when dimension = 'total' then cast(customer_equity as double)
            end
        ) over (),
        0
    ) as equity_share,
    cast(customer_equity as double)
    / nullif(cast(customers_valued as double), 0) as equity_per_customer,
    equity_status,
    case
        when acquisition_status = 'ok'
            then
                cast(new_customers as double) / 12
                * cast($acquisition_months as double)
    end as expected_new_customers,
    case
        when acquisition_status = 'ok'
            then
                cast(
                    cast(new_value as double) / 12 * month_values
                    as decimal(18, 2)
                )
    end as expected_acquisition_equity,
    acquisition_status,
    customers_valued
from statuses
