-- One row per case opened before $as_of.
-- A case closed at or after $as_of is open. A case without a known cost keeps a
-- null cost: it is not free.
with known as (
    select
        *,
        case when closed_at < $as_of then closed_at end as known_closing
    from sources.service_cases
)

select
    case_id,
    customer_id,
    opened_at,
    local_date(opened_at, $time_zone) as opened_day,
    known_closing as closed_at,
    local_date(known_closing, $time_zone) as closed_day,
    nullif(trim(kind), '') as kind,
    is_valid,
    cast(severity as integer) as severity,
    cast(cost as decimal(18, 2)) as cost,
    product_id,
    touch_id
from known
