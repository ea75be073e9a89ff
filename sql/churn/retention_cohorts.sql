-- One row per month of first paid orders and month since then: who of that
-- cohort bought, and what they brought.
-- Age 0 is the month of the first order; money that moved before it counts
-- there. The month that $as_of cuts is marked: it is not over.
with firsts as (
    select
        customer_id,
        cast(date_trunc('month', min(day)) as date) as cohort_month
    from order_days
    group by customer_id
),

cohorts as (
    select
        cohort_month,
        count(*) as customers
    from firsts
    group by cohort_month
),

calendar as (
    select distinct month_start as month
    from dates
    where is_observed
),

cells as (
    select
        c.cohort_month,
        m.month,
        c.customers
    from cohorts as c
    inner join calendar as m on c.cohort_month <= m.month
),

activity as (
    select
        f.cohort_month,
        greatest(f.cohort_month, m.month) as month,
        count(*) filter (where m.paid_orders > 0) as active_customers,
        sum(m.paid_orders) as paid_orders,
        sum(m.net_sales) as net_sales,
        sum(m.contribution) as contribution
    from firsts as f
    inner join customer_months as m on f.customer_id = m.customer_id
    group by f.cohort_month, greatest(f.cohort_month, m.month)
),

ages as (
    select
        c.cohort_month,
        c.month,
        c.customers,
        (date_part('year', c.month) - date_part('year', c.cohort_month)) * 12
        + date_part('month', c.month) - date_part('month', c.cohort_month)
            as age,
        coalesce(a.active_customers, 0) as active_customers,
        coalesce(a.paid_orders, 0) as paid_orders,
        coalesce(a.net_sales, 0) as net_sales,
        coalesce(a.contribution, 0) as contribution
    from cells as c
    left join activity as a
        on c.cohort_month = a.cohort_month and c.month = a.month
),

cumulated as (
    select
        *,
        sum(contribution) over (
            partition by cohort_month
            order by month
            rows between unbounded preceding and current row
        ) as cumulative_contribution
    from ages
)

select
    $as_of_day as as_of,
    cohort_month,
    cast(age as integer) as age,
    month,
    cast(month + interval '1 month' as date) <= $as_of_day as is_complete,
    customers,
    active_customers,
    cast(active_customers as double) / cast(customers as double) as retention,
    paid_orders,
    cast(net_sales as decimal(18, 2)) as net_sales,
    cast(contribution as decimal(18, 6)) as contribution,
    cast(cumulative_contribution as decimal(18, 6)) as cumulative_contribution,
    cast(cumulative_contribution as double) / cast(customers as double)
        as cumulative_contribution_per_head
from cumulated
