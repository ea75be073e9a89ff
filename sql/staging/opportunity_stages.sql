-- One row per opportunity and stage it entered before $as_of.
-- The amount is what was expected in that stage, so it is no sum over stages.
select
    opportunity_id,
    changed_at,
    local_date(changed_at, $time_zone) as changed_day,
    nullif(trim(stage), '') as stage,
    cast(amount as decimal(18, 2)) as amount,
    probability,
    is_won,
    order_id
from sources.opportunity_stages
