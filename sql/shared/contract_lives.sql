-- One row per contract: whole months it lasted, or has lasted so far. A month
-- is 365.25 ÷ 12 days; one that ended did so with the month nearest to its end,
-- the first at the earliest.
with lives as (
    select
        contract_id,
        started_day,
        ended_day,
        ended_day is not null as is_ended,
        cast(coalesce(ended_day, $as_of_day) - started_day as double)
        / (365.25 / 12) as months
    from contracts
)

select
    contract_id,
    is_ended,
    cast(
        case when is_ended then greatest(round(months), 1) else floor(months) end
        as bigint
    ) as age_months
from lives
