-- One row per customer with sales before $as_of: the category the customer
-- spent most on, of equals the first by name.
with spent as (
    select
        l.customer_id,
        coalesce(p.category, '(unknown)') as category,
        sum(l.invoiced_sales) as sales
    from sales_lines as l
    left join products as p on l.product_id = p.product_id
    group by l.customer_id, coalesce(p.category, '(unknown)')
)

select
    customer_id,
    category
from (
    select
        *,
        row_number() over (
            partition by customer_id order by sales desc, category
        ) as place
    from spent
) as s
where place = 1
