-- One row per campaign and customer it plans to contact, before caps and
-- consent. Plans look ahead: planned_at may lie at or after $as_of.
select
    campaign_id,
    customer_id,
    planned_at,
    local_date(planned_at, $time_zone) as planned_day,
    nullif(trim(channel), '') as channel,
    cast(priority as integer) as priority
from sources.planned_contacts
