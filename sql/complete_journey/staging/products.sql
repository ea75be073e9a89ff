-- One row per product of the catalogue, and one for each product that was sold
-- and is missing there (17 of them): every sales line finds its product.
with sold as (
    select distinct product_id from sources.transactions
),

listed as (
    select
        product_id,
        nullif(product_type, 'NaN') as name,
        nullif(product_category, 'NaN') as category,
        nullif(department, 'NaN') as department,
        nullif(brand, 'NaN') as brand,
        nullif(package_size, 'NaN') as package_size
    from sources.products
)

select
    coalesce(l.product_id, s.product_id) as product_id,
    l.name,
    l.category,
    l.department,
    l.brand,
    l.package_size,
    cast(null as timestamp) as launched_at
from listed as l
full join sold as s on l.product_id = s.product_id
