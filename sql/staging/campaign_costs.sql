-- One row per campaign, day and item of cost before $as_of.
-- Every amount is booked once: what stands here stands neither in touches nor
-- in expenses.
select
    campaign_id,
    cast(cost_date as date) as cost_date,
    coalesce(nullif(trim(item), ''), '(unknown)') as item,
    cast(amount as decimal(18, 2)) as amount,
    nullif(trim(level), '') as level,
    'actual' as cost_basis
from sources.campaign_costs
