-- One row per contract that began before $as_of.
-- An end or a cancellation at or after $as_of is not known yet, so the contract
-- is open. ended_day is the first day after it, as for campaigns.
with known as (
    select
        *,
        case when ended_at < $as_of then ended_at end as known_end,
        case when cancelled_at < $as_of then cancelled_at end
            as known_cancellation
    from sources.contracts
)

select
    contract_id,
    customer_id,
    product_id,
    started_at,
    local_date(started_at, $time_zone) as started_day,
    known_end as ended_at,
    local_date(known_end - interval '1 microsecond', $time_zone) + 1
        as ended_day,
    known_cancellation as cancelled_at,
    local_date(known_cancellation, $time_zone) as cancelled_day,
    cast(amount_per_month as decimal(18, 2)) as amount_per_month
from known
