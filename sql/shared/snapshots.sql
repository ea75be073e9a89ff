-- One row per day that the past is looked at from, before its morning: the first
-- days of months, which are the ends of the months before, and $as_of.
-- They go back to the first order, at most $snapshot_months months.
with bounds as (
    select
        coalesce(min(day), $as_of_day - 1) as first_day,
        $as_of_day - 1 as last_day
    from customer_days
    where orders > 0
),

months as (
    select
        last_day,
        cast(
            unnest(
                generate_series(
                    date_trunc('month', first_day),
                    date_trunc('month', last_day),
                    interval '1 month'
                )
            ) as date
        ) as month
    from bounds
),

days as (
    select
        least(cast(month + interval '1 month' as date), $as_of_day)
            as snapshot_date
    from months
    where
        12 * (date_part('year', last_day) - date_part('year', month))
        + date_part('month', last_day) - date_part('month', month)
        < $snapshot_months
    group by least(cast(month + interval '1 month' as date), $as_of_day)
)

select
    snapshot_date,
    cast(row_number() over (order by snapshot_date) as bigint) as snapshot_no,
    lag(snapshot_date) over (order by snapshot_date) as previous_date,
    lead(snapshot_date) over (order by snapshot_date) as next_date
from days
