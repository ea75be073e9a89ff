-- One row per customer and category of products, bought or not: which share of
-- the customer's lines is of it.
with bought as (
    select
        l.customer_id,
        coalesce(p.category, '(unknown)') as category,
        count(*) as lines
    from sales_lines as l
    left join products as p on l.product_id = p.product_id
    group by l.customer_id, coalesce(p.category, '(unknown)')
),

totals as (
    select
        customer_id,
        sum(lines) as all_lines
    from bought
    group by customer_id
),

categories as (
    select distinct category
    from bought
)

select
    t.customer_id,
    c.category,
    coalesce(b.lines, 0) as lines,
    t.all_lines,
    cast(coalesce(b.lines, 0) as double) / t.all_lines as share
from totals as t
cross join categories as c
left join bought as b
    on t.customer_id = b.customer_id and c.category = b.category
