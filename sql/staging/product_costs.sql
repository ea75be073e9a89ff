-- One row per product and the day from which a unit cost holds.
-- A cost holds until the product's next one; a missing cost is not zero.
select
    product_id,
    cast(valid_from as date) as valid_from,
    cast(unit_cost as decimal(18, 4)) as unit_cost
from sources.product_costs
