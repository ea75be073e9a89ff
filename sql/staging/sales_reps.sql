-- One row per sales representative who joined before $as_of.
-- Who leaves at or after $as_of is still there.
with known as (
    select
        *,
        case when left_at < $as_of then left_at end as known_leaving
    from sources.sales_reps
)

select
    sales_rep_id,
    joined_at,
    local_date(joined_at, $time_zone) as joined_day,
    known_leaving as left_at,
    local_date(known_leaving, $time_zone) as left_day
from known
