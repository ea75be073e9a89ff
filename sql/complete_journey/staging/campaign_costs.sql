-- One row per campaign that began before $as_of: what its mailings are assumed
-- to have cost. The retailer published no costs: $assumed_cost_per_mailing for
-- each household is our assumption, and the rows say so. Coupons are no cost
-- here: what the retailer gave away is taken off the sales already.
select
    m.campaign_id,
    c.started_day as cost_date,
    'mailings' as item,
    cast(count(*) * $assumed_cost_per_mailing as decimal(18, 2)) as amount,
    'customer' as level,
    'assumed' as cost_basis
from campaign_members as m
inner join campaigns as c on m.campaign_id = c.campaign_id
group by m.campaign_id, c.started_day
