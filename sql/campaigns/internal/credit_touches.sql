-- One row per touch before $as_of that may earn credit: its kind, or its
-- channel and kind as `channel:kind`, stands in $credit_touches.
-- A touch may claim orders for the lookback of its campaign, else for
-- $attribution_lookback_days, counted in days of 24 hours.
with listed as (
    select
        t.touch_id,
        t.party_id,
        t.campaign_id,
        coalesce(t.channel, '(unknown)') as channel,
        t.kind,
        t.touched_at,
        coalesce(c.lookback_days, $attribution_lookback_days)
            as lookback_days,
        string_to_array($credit_touches, ',') as credited,
        string_to_array($direct_channels, ',') as direct
    from touches as t
    left join campaigns as c on t.campaign_id = c.campaign_id
)

select
    touch_id,
    party_id,
    campaign_id,
    channel,
    kind,
    touched_at,
    lookback_days,
    cast(
        cast(touched_at as bigint) + lookback_days * 86400000000 as timestamp
    ) as claims_until,
    array_has(direct, channel) as is_direct
from listed
where
    array_has(credited, kind)
    or array_has(credited, concat(channel, ':', kind))
