-- One row per campaign, month and party it touched before $as_of.
select
    campaign_id,
    cast(date_trunc('month', touch_day) as date) as month,
    party_id,
    count(*) as touches,
    count(*) filter (where direction = 'out') as contacts,
    count(*) filter (
        where
        direction = 'in'
        and array_has(string_to_array($response_kinds, ','), kind)
    ) as responses,
    count(*) filter (where kind in ('refused', 'unsubscribed')) as refusals
from touches
where campaign_id is not null
group by
    campaign_id, cast(date_trunc('month', touch_day) as date), party_id
