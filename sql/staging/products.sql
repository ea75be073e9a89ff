-- One row per product launched before $as_of: the dimension BI tools join on.
-- The list price is today's; what was paid stands in sales_lines.
select
    product_id,
    nullif(trim(name), '') as name,
    nullif(trim(category), '') as category,
    nullif(trim(brand), '') as brand,
    is_durable,
    cast(list_price as decimal(18, 2)) as list_price,
    launched_at
from sources.products
