-- One row per year of tenure: what customers bring in it, beside what the very
-- same customers brought in their first year.
-- The customers of year t paid for an order in each of their years up to t, and
-- t years are over: who stayed is compared with their own beginning, never with
-- those who did not stay. Reichheld and Sasser (1990) claim that profit rises
-- with tenure; here it is measured, and every part may be negative:
--   base           contribution of the first year
--   cost_saving    cost to serve less than the first year's rate of list sales
--   price_premium  discounts less than the first year's rate of list sales
--   growth         the rest of the change: more bought, at that year's margin
--   referral       what those brought contributed in the year, and saved
with stays as (
    select
        customer_id,
        max(tenure_year) as years_stayed
    from (
        select
            customer_id,
            tenure_year,
            row_number() over (
                partition by customer_id order by tenure_year
            ) as years_bought
        from tenure_years
        where paid_orders > 0
    ) as y
    where years_bought = tenure_year
    group by customer_id
),

firsts as (
    select
        f.*,
        s.years_stayed
    from stays as s
    inner join tenure_years as f
        on s.customer_id = f.customer_id and f.tenure_year = 1
),

sums as (
    select
        t.tenure_year,
        count(*) as customers,
        sum(t.gross_sales) as gross_sales,
        sum(t.discounts) as discounts,
        sum(t.cost_to_serve) as cost_to_serve,
        sum(t.contribution) as contribution,
        sum(t.referral_value) as referral_value,
        sum(f.gross_sales) as first_gross_sales,
        sum(f.discounts) as first_discounts,
        sum(f.cost_to_serve) as first_cost_to_serve,
        sum(f.contribution) as first_contribution,
        count(*) filter (where t.total_spend > 0 and f.total_spend > 0)
            as panel_customers,
        sum(t.own_spend) filter (where f.total_spend > 0) as own_spend,
        sum(t.total_spend) filter (where f.total_spend > 0) as total_spend,
        sum(f.own_spend) filter (where t.total_spend > 0) as first_own_spend,
        sum(f.total_spend) filter (where t.total_spend > 0)
            as first_total_spend
    from tenure_years as t
    inner join firsts as f
        on t.customer_id = f.customer_id and t.tenure_year <= f.years_stayed
    group by t.tenure_year
),

-- Whose t years are over, whether they stayed or not.
eligible as (
    select
        s.tenure_year,
        count(*) as customers
    from sums as s
    inner join tenures as t on s.tenure_year <= t.years_over
    group by s.tenure_year
),

parts as (
    select
        s.*,
        cast(
            cast(s.gross_sales as double)
            * cast(s.first_cost_to_serve as double)
            / nullif(cast(s.first_gross_sales as double), 0)
            - cast(s.cost_to_serve as double) as decimal(18, 6)
        ) as cost_saving,
        cast(
            cast(s.gross_sales as double)
            * cast(s.first_discounts as double)
            / nullif(cast(s.first_gross_sales as double), 0)
            - cast(s.discounts as double) as decimal(18, 6)
        ) as price_premium,
        cast(s.own_spend as double) / nullif(cast(s.total_spend as double), 0)
            as category_share,
        cast(s.first_own_spend as double)
        / nullif(cast(s.first_total_spend as double), 0)
            as first_category_share
    from sums as s
),

grown as (
    select
        p.*,
        cast(
            p.contribution - p.first_contribution
            - p.cost_saving - p.price_premium as decimal(18, 6)
        ) as growth,
        cast(p.contribution + p.referral_value as decimal(18, 6)) as value,
        cast(p.customers as double) as n
    from parts as p
)

select
    $as_of_day as as_of,
    g.tenure_year,
    g.customers,
    cast(g.customers as double) / cast(e.customers as double) as stayed_share,
    cast(g.value as double) / g.n as value_per_customer,
    cast(g.first_contribution as double) / g.n as base_per_customer,
    cast(g.growth as double) / g.n as growth_per_customer,
    cast(g.cost_saving as double) / g.n as cost_saving_per_customer,
    cast(g.referral_value as double) / g.n as referral_per_customer,
    cast(g.price_premium as double) / g.n as price_premium_per_customer,
    g.category_share,
    g.first_category_share,
    g.category_share - g.first_category_share as competitor_barrier,
    g.panel_customers,
    case when g.panel_customers = 0 then 'no_panel' else 'ok' end
        as barrier_status,
    e.customers as eligible_customers,
    g.value,
    cast(g.first_contribution as decimal(18, 6)) as base,
    g.growth,
    g.cost_saving,
    cast(g.referral_value as decimal(18, 6)) as referral,
    g.price_premium
from grown as g
inner join eligible as e on g.tenure_year = e.tenure_year
