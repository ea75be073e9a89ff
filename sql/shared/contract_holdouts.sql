-- One row per contract that began before the last $clv_holdout_days: what was
-- known of it on the day they began, and whether it still runs.
-- Months are counted as in contract_lives.
with bounds as (
    select
        $as_of_day - $clv_holdout_days as holdout_day,
        $as_of_day - 2 * $clv_holdout_days as before_day
),

lives as (
    select
        c.contract_id,
        c.started_day,
        c.ended_day,
        b.holdout_day,
        b.before_day,
        coalesce(c.ended_day < b.holdout_day, false) as is_ended
    from contracts as c
    cross join bounds as b
    where c.started_day < b.holdout_day
),

measured as (
    select
        *,
        cast(
            case when is_ended then ended_day else holdout_day end
            - started_day
            as double
        )
        / (365.25 / 12) as months
    from lives
)

select
    contract_id,
    is_ended,
    cast(
        case when is_ended then greatest(round(months), 1) else floor(months) end
        as bigint
    ) as age_months,
    started_day < before_day
    and coalesce(ended_day >= before_day, true) as ran_before,
    not is_ended and (ended_day is null or ended_day >= $as_of_day) as is_kept
from measured
