-- One row per customer and year since their first paid order that was over at
-- $as_of, counted from anniversary to anniversary: what the year brought. Years
-- in which nothing happened have no row; what came before the first order is no
-- part of any.
with entries as (
    select
        customer_id,
        day,
        paid_orders,
        gross_sales,
        discounts,
        gross_sales - discounts - returns - cogs as margin,
        fulfilment_cost + payment_cost + service_cost + marketing_cost
            as cost_to_serve,
        0 as referral_value,
        0 as own_spend,
        0 as total_spend
    from customer_days
    union all
    select
        referrer_id as customer_id,
        month as day,
        0 as paid_orders,
        0 as gross_sales,
        0 as discounts,
        0 as margin,
        0 as cost_to_serve,
        referral_value,
        0 as own_spend,
        0 as total_spend
    from referral_months
    union all
    select
        customer_id,
        period_start as day,
        0 as paid_orders,
        0 as gross_sales,
        0 as discounts,
        0 as margin,
        0 as cost_to_serve,
        0 as referral_value,
        own_spend,
        total_spend
    from wallet_periods
    where total_spend > 0
),

-- A month or period that began before the first order counts from it.
placed as (
    select
        e.*,
        s.years_over,
        cast(
            12
            * (
                date_part('year', greatest(e.day, s.first_day))
                - date_part('year', s.first_day)
            )
            + date_part('month', greatest(e.day, s.first_day))
            - date_part('month', s.first_day)
            - case
                when
                    date_part('day', greatest(e.day, s.first_day))
                    < date_part('day', s.first_day)
                    then 1
                else 0
            end as bigint
        ) / 12 + 1 as tenure_year
    from entries as e
    inner join tenures as s on e.customer_id = s.customer_id
    where
        e.day >= s.first_day
        or e.referral_value <> 0
        or e.total_spend > 0
)

select
    customer_id,
    tenure_year,
    sum(paid_orders) as paid_orders,
    cast(sum(gross_sales) as decimal(18, 2)) as gross_sales,
    cast(sum(discounts) as decimal(18, 2)) as discounts,
    cast(sum(margin - cost_to_serve) as decimal(18, 6)) as contribution,
    cast(sum(cost_to_serve) as decimal(18, 2)) as cost_to_serve,
    cast(sum(referral_value) as decimal(18, 6)) as referral_value,
    cast(sum(own_spend) as decimal(18, 2)) as own_spend,
    cast(sum(total_spend) as decimal(18, 2)) as total_spend
from placed
where tenure_year <= years_over
group by customer_id, tenure_year
