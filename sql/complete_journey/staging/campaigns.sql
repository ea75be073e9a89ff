-- One row per campaign that began before $as_of.
-- Types A, B and C differ in how households and coupons were chosen; the files
-- do not say what for, so the purpose is null.
select
    campaign_id,
    cast(null as bigint) as parent_campaign_id,
    concat('Campaign ', cast(campaign_id as varchar)) as name,
    'direct_mail' as kind,
    cast(null as varchar) as purpose,
    campaign_type as channel,
    start_date as started_at,
    end_date as ended_at,
    cast(null as integer) as lookback_days,
    cast(null as bigint) as material_id
from sources.campaign_descriptions
