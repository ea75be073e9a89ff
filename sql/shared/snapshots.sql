-- One row per day that the past is looked at from, before its morning: the first
-- days of months, which are the ends of the months before, and $as_of.
-- They go back to the first order, at most $snapshot_months months. Each is the
-- first date after every day of its month, so that a day finds it by its month.
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

dates_of_months as (
    select
        month,
        least(cast(month + interval '1 month' as date), $as_of_day)
            as snapshot_date
    from months
    where
        12 * (date_part('year', last_day) - date_part('year', month))
        + date_part('month', last_day) - date_part('month', month)
        < $snapshot_months
    group by month
)

select
    snapshot_date,
    cast(row_number() over (order by month) as bigint) as snapshot_no,
    month,
    lag(snapshot_date) over (order by month) as previous_date,
    lead(snapshot_date) over (order by month) as next_date
from dates_of_months
