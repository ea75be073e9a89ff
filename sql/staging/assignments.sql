-- One row per customer and instant before $as_of from which a sales
-- representative cares for them; null ends it, the next row replaces it.
select
    customer_id,
    valid_from,
    local_date(valid_from, $time_zone) as valid_from_day,
    sales_rep_id
from sources.assignments
