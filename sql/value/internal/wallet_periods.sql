-- One row per customer, category and period of the wallet panel: what was spent
-- here beside what was spent with all suppliers.
-- Own spend is what was invoiced in the period, before returns, as a panel
-- counts purchases when they are made.
with panel as (
    select distinct customer_id from wallet
),

bought as (
    select
        s.customer_id,
        p.category,
        s.order_day,
        sum(s.invoiced_sales) as own_spend
    from sales_lines as s
    inner join panel as c on s.customer_id = c.customer_id
    inner join products as p on s.product_id = p.product_id
    where p.category is not null
    group by s.customer_id, p.category, s.order_day
)

select
    w.customer_id,
    w.category,
    w.period_start,
    w.period_end,
    cast(coalesce(sum(b.own_spend), 0) as decimal(18, 2)) as own_spend,
    w.total_spend,
    w.rank_of_us,
    w.suppliers_used
from wallet as w
left join bought as b
    on
        w.customer_id = b.customer_id
        and w.category = b.category
        and w.period_start <= b.order_day
        and w.period_end > b.order_day
group by
    w.customer_id,
    w.category,
    w.period_start,
    w.period_end,
    w.total_spend,
    w.rank_of_us,
    w.suppliers_used
