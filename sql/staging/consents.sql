-- One row per customer, channel and instant before $as_of at which a permission
-- was given or withdrawn. Without any row nothing was ever permitted.
select
    customer_id,
    channel,
    changed_at,
    local_date(changed_at, $time_zone) as changed_day,
    given
from sources.consents
