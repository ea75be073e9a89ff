-- One row per campaign that began before $as_of.
-- ended_at is the first instant after the campaign, ended_day the first day: a
-- campaign that ends at noon still has that day.
select
    campaign_id,
    parent_campaign_id,
    nullif(trim(name), '') as name,
    nullif(trim(kind), '') as kind,
    nullif(trim(purpose), '') as purpose,
    nullif(trim(channel), '') as channel,
    started_at,
    ended_at,
    local_date(started_at, $time_zone) as started_day,
    local_date(ended_at - interval '1 microsecond', $time_zone) + 1
        as ended_day,
    cast(lookback_days as integer) as lookback_days,
    material_id
from sources.campaigns
