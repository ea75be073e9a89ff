-- One row per mailing to a household, and one per household, day, campaign and
-- coupon redeemed. What a mailing cost is not published, so costs are null;
-- the assumed ones stand in campaign_costs. A mailing's channel is the type of
-- its campaign.
-- Mailings number below 1,000,000 and redemptions above, in order of time, so
-- that a later $as_of adds numbers and changes none. A redemption has a day and
-- no time: it counts from the midnight before, so that the basket it was part
-- of comes after it.
with redeemed as (
    select distinct
        redemption_date,
        household_id,
        campaign_id,
        coupon_upc
    from sources.coupon_redemptions
    where cast(redemption_date as date) < $as_of_day
),

mailings as (
    select
        party_id * 100 + campaign_id as touch_id,
        campaign_id,
        party_id,
        segment as channel,
        assigned_at as touched_at,
        'out' as direction,
        'sent' as kind,
        true as is_commercial
    from campaign_members
),

redemptions as (
    select
        1000000 + cast(
            row_number() over (
                order by redemption_date, household_id, campaign_id, coupon_upc
            ) as bigint
        ) as touch_id,
        campaign_id,
        household_id as party_id,
        'coupon' as channel,
        redemption_date
        + (redemption_date - local_timestamp(redemption_date, $time_zone))
            as touched_at,
        'in' as direction,
        'replied' as kind,
        true as is_commercial
    from redeemed
),

contacts as (
    select * from mailings
    union all
    select * from redemptions
)

select
    touch_id,
    campaign_id,
    party_id,
    channel,
    touched_at,
    local_date(touched_at, $time_zone) as touch_day,
    direction,
    cast(null as varchar) as purpose,
    kind,
    cast(null as integer) as rating,
    cast(null as decimal(18, 2)) as cost,
    is_commercial,
    cast(null as bigint) as sales_rep_id
from contacts
