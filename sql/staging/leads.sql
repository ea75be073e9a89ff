-- One row per lead that came before $as_of.
-- A party is a customer or a prospect: party_links joins the two.
select
    lead_id,
    campaign_id,
    party_id,
    created_at,
    local_date(created_at, $time_zone) as created_day,
    nullif(trim(source), '') as source
from sources.leads
