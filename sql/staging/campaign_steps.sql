-- One row per campaign and step it reached before $as_of.
select
    campaign_id,
    changed_at,
    nullif(trim(step), '') as step,
    cast(amount as decimal(18, 2)) as amount,
    nullif(trim(owner), '') as owner
from sources.campaign_steps
