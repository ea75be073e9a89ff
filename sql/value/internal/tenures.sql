-- One row per customer who ever paid for an order: since when, and how many
-- years of that were over at $as_of. A year ends the day before its
-- anniversary; who began on February 29 has it on March 1 in years without one.
with firsts as (
    select
        customer_id,
        min(day) as first_day
    from order_days
    group by customer_id
)

select
    customer_id,
    first_day,
    cast(
        12 * (date_part('year', $as_of_day) - date_part('year', first_day))
        + date_part('month', $as_of_day) - date_part('month', first_day)
        - case
            when date_part('day', $as_of_day) < date_part('day', first_day)
                then 1
            else 0
        end as bigint
    ) / 12 as years_over
from firsts
