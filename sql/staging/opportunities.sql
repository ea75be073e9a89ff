-- One row per opportunity opened before $as_of.
-- A party is a customer or a prospect: party_links joins the two.
select
    opportunity_id,
    lead_id,
    party_id,
    campaign_id,
    created_at,
    local_date(created_at, $time_zone) as created_day,
    sales_rep_id
from sources.opportunities
