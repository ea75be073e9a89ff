-- One row per household mailed by a campaign that began before $as_of.
-- Nobody was held out, so every member is in the treatment arm.
select
    m.campaign_id,
    m.household_id as party_id,
    'treatment' as arm,
    c.started_at as assigned_at,
    c.channel as segment
from sources.campaigns as m
inner join campaigns as c on m.campaign_id = c.campaign_id
