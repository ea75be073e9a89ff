-- One row per campaign that began before $as_of.
-- Types A, B and C differ in how households and coupons were chosen; the files
-- do not say what for, so the purpose is null. The type serves as the channel:
-- all were mailed, and it is what tells one kind of mailing from another.
-- Dates are the stores' own days, both included: a campaign begins with the
-- midnight before its first day and ends with the one after its last.
with local_dates as (
    select
        campaign_id,
        campaign_type,
        start_date,
        end_date + interval '1 day' as day_after
    from sources.campaign_descriptions
    where cast(start_date as date) < $as_of_day
)

select
    campaign_id,
    cast(null as bigint) as parent_campaign_id,
    concat('Campaign ', cast(campaign_id as varchar)) as name,
    'direct_mail' as kind,
    cast(null as varchar) as purpose,
    campaign_type as channel,
    start_date + (start_date - local_timestamp(start_date, $time_zone))
        as started_at,
    day_after + (day_after - local_timestamp(day_after, $time_zone))
        as ended_at,
    cast(start_date as date) as started_day,
    cast(day_after as date) as ended_day,
    cast(null as integer) as lookback_days,
    cast(null as bigint) as material_id
from local_dates
