-- One row per event before $as_of.
select
    event_id,
    customer_id,
    occurred_at,
    local_date(occurred_at, $time_zone) as occurred_day,
    nullif(trim(name), '') as name,
    value
from sources.events
