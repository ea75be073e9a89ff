-- One row per campaign that began before $as_of.
select
    campaign_id,
    parent_campaign_id,
    nullif(trim(name), '') as name,
    nullif(trim(kind), '') as kind,
    nullif(trim(purpose), '') as purpose,
    nullif(trim(channel), '') as channel,
    started_at,
    ended_at,
    cast(lookback_days as integer) as lookback_days,
    material_id
from sources.campaigns
