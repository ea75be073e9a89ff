-- One row per campaign that began before $as_of.
-- Types A, B and C differ in how households and coupons were chosen; the files
-- do not say what for, so the purpose is null. The type serves as the channel:
-- all were mailed, and it is what tells one kind of mailing from another.
-- Dates are the stores' own days, both included: a campaign ends when its last
-- day does.
select
    campaign_id,
    cast(null as bigint) as parent_campaign_id,
    concat('Campaign ', cast(campaign_id as varchar)) as name,
    'direct_mail' as kind,
    cast(null as varchar) as purpose,
    campaign_type as channel,
    start_date as started_at,
    end_date + interval '1 day' as ended_at,
    cast(start_date as date) as started_day,
    cast(end_date as date) + 1 as ended_day,
    cast(null as integer) as lookback_days,
    cast(null as bigint) as material_id
from sources.campaign_descriptions
