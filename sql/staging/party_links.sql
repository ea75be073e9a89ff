-- One row per prospect who became a customer before $as_of.
select
    party_id,
    customer_id,
    linked_at,
    local_date(linked_at, $time_zone) as linked_day
from sources.party_links
