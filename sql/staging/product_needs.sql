-- One row per product launched before $as_of and need it answers. The source
-- carries no time: a need answered today counts since the product's launch.
select
    product_id,
    need
from sources.product_needs
