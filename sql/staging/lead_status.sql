-- One row per lead and instant before $as_of at which its status changed.
select
    lead_id,
    changed_at,
    local_date(changed_at, $time_zone) as changed_day,
    nullif(trim(status), '') as status
from sources.lead_status
