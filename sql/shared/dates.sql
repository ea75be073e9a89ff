-- One row per calendar day, from January 1 of the first order's year to
-- December 31 of the year of the last day before $as_of.
-- Whole years, so that a BI tool's calendar functions work; is_observed says
-- which days lie between the first order and $as_of.
with first_days as (
    select min(order_day) as first_order_day from orders
),

bounds as (
    select
        first_order_day,
        cast(
            date_trunc('year', coalesce(first_order_day, $as_of_day - 1))
            as date
        ) as first_day,
        cast(
            date_trunc('year', $as_of_day - 1) + interval '1 year' as date
        ) - 1 as last_day
    from first_days
),

days as (
    select
        first_order_day,
        unnest(
            generate_series(first_day, last_day, interval '1 day')
        ) as day
    from bounds
)

select
    day,
    cast(date_part('year', day) as integer) as year,
    cast(date_part('quarter', day) as integer) as quarter,
    cast(date_part('month', day) as integer) as month,
    cast(date_part('day', day) as integer) as day_of_month,
    cast(date_part('isodow', day) as integer) as day_of_week,
    cast(date_part('week', day) as integer) as iso_week,
    cast(date_trunc('month', day) as date) as month_start,
    cast(date_trunc('week', day) as date) as week_start,
    to_char(day, '%Y-%m') as year_month,
    to_char(day, '%B') as month_name,
    to_char(day, '%A') as day_name,
    date_part('isodow', day) >= 6 as is_weekend,
    day >= coalesce(first_order_day, $as_of_day)
    and day < $as_of_day as is_observed
from days
