-- One row per contact that a customer got from us in the last
-- $contact_history_days before $as_of: what planned contacts must keep clear of.
-- All that a campaign did to a customer on one day is one contact, at its first
-- moment.
select
    party_id as customer_id,
    contact,
    touch_day,
    min(touch_id) as touch_id,
    min(touched_at) as touched_at,
    min(channel) as channel,
    min(purpose) as purpose,
    min(campaign_id) as campaign_id
from (
    select
        *,
        case
            when campaign_id is null then concat('touch ', touch_id)
            else concat('campaign ', campaign_id)
        end as contact
    from touches
    where
        direction = 'out'
        and is_commercial
        and touch_day >= $as_of_day - $contact_history_days
) as t
group by party_id, contact, touch_day
