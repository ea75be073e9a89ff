-- One row per customer and day with a paid order before $as_of, with what lies
-- between it and the customer's orders before and after.
-- Several orders of one day are one: a rhythm is counted in days.
-- An order after more than $churn_after_days of silence is a comeback.
with numbered as (
    select
        customer_id,
        day,
        paid_orders,
        cast(
            row_number() over (partition by customer_id order by day)
            as bigint
        ) as order_day_no,
        lag(day) over (partition by customer_id order by day) as previous_day,
        lead(day) over (partition by customer_id order by day) as next_day
    from customer_days
    where paid_orders > 0
)

select
    customer_id,
    day,
    order_day_no,
    previous_day,
    next_day,
    day - previous_day as gap_days,
    min(day) over (
        partition by customer_id
        order by day
        rows between unbounded preceding and current row
    ) as first_day,
    sum(paid_orders) over (
        partition by customer_id
        order by day
        rows between unbounded preceding and current row
    ) as paid_orders_so_far,
    max(case when day - previous_day > $churn_after_days then day end) over (
        partition by customer_id
        order by day
        rows between unbounded preceding and current row
    ) as last_comeback_day
from numbered
