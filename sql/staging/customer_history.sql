-- One row per customer, attribute and instant before $as_of from which a value
-- holds. It holds until the attribute's next row; a null value ends it.
select
    customer_id,
    attribute,
    valid_from,
    local_date(valid_from, $time_zone) as valid_from_day,
    nullif(trim(value), '') as value
from sources.customer_history
