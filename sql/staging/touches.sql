-- One row per contact with a party before $as_of, in either direction.
-- A contact without a known cost keeps a null cost: it is not free.
select
    touch_id,
    campaign_id,
    party_id,
    nullif(trim(channel), '') as channel,
    touched_at,
    local_date(touched_at, $time_zone) as touch_day,
    nullif(trim(direction), '') as direction,
    nullif(trim(purpose), '') as purpose,
    nullif(trim(kind), '') as kind,
    cast(rating as integer) as rating,
    cast(cost as decimal(18, 2)) as cost,
    is_commercial,
    sales_rep_id
from sources.touches
