-- One row per party, need and instant before $as_of at which it was stated.
-- A party is a customer or a prospect. A need holds until it is stated anew.
select
    party_id,
    need,
    stated_at,
    local_date(stated_at, $time_zone) as stated_day,
    importance,
    is_must_have,
    cast(rank as integer) as rank,
    is_satisfied
from sources.needs
