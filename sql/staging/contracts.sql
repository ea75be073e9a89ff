-- One row per contract that began before $as_of. An end or a cancellation at or
-- after $as_of was not known then: such a contract is open.
select
    contract_id,
    customer_id,
    product_id,
    started_at,
    local_date(started_at, $time_zone) as started_day,
    case when ended_at < $as_of then ended_at end as ended_at,
    local_date(
        case when ended_at < $as_of then ended_at end, $time_zone
    ) as ended_day,
    case when cancelled_at < $as_of then cancelled_at end as cancelled_at,
    cast(amount_per_month as decimal(18, 2)) as amount_per_month
from sources.contracts
