-- One row per party assigned to a campaign before $as_of.
-- A party is a customer or a prospect, so not every one is in customers.
select
    campaign_id,
    party_id,
    nullif(trim(arm), '') as arm,
    assigned_at,
    nullif(trim(segment), '') as segment
from sources.campaign_members
