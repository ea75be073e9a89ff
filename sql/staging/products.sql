-- One row per product launched before $as_of, and one for each product that was
-- sold by then and is not in the catalogue: every sales line finds its product.
-- The list price is today's; what was paid stands in sales_lines.
with sold as (
    select distinct product_id from sources.order_lines
),

listed as (
    select
        product_id,
        nullif(trim(name), '') as name,
        nullif(trim(category), '') as category,
        nullif(trim(brand), '') as brand,
        is_durable,
        cast(list_price as decimal(18, 2)) as list_price,
        launched_at
    from sources.products
)

select
    coalesce(l.product_id, s.product_id) as product_id,
    l.name,
    l.category,
    l.brand,
    l.is_durable,
    l.list_price,
    l.launched_at
from listed as l
full join sold as s on l.product_id = s.product_id
