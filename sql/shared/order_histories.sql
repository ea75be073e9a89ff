-- One row per customer with a paid order: what models of lifetime value see of
-- him at the end of his orders, and at the end of a calibration before it.
-- Orders of one day are one; the first is the beginning, no repeat order.
with paid as (
    select
        customer_id,
        day,
        paid_orders,
        gross_sales - discounts as amount,
        min(day) over (partition by customer_id) as first_day
    from customer_days
    where paid_orders > 0
),

split as (
    select
        *,
        day < $as_of_day - cast($clv_holdout_days as bigint) as is_known,
        $as_of_day - first_day - cast($clv_holdout_days as bigint)
            as calibration_age
    from paid
),

histories as (
    select
        customer_id,
        first_day,
        max(day) as last_day,
        sum(paid_orders) as paid_orders,
        sum(amount) as amount,
        count(*) - 1 as frequency,
        max(day) - first_day as recency,
        $as_of_day - first_day as age,
        avg(amount) filter (where day > first_day) as mean_amount,
        calibration_age,
        count(*) filter (where is_known) - 1 as calibration_frequency,
        max(day) filter (where is_known) - first_day as calibration_recency,
        count(*) filter (where not is_known) as holdout_orders
    from split
    group by customer_id, first_day, calibration_age
)

select
    $as_of_day as as_of,
    customer_id,
    first_day,
    last_day,
    paid_orders,
    cast(amount as decimal(18, 2)) as amount,
    frequency,
    recency,
    age,
    cast(
        case when mean_amount > 0 then mean_amount end as decimal(18, 6)
    ) as mean_amount,
    case when calibration_age > 0 then calibration_age end as calibration_age,
    case
        when calibration_age > 0 then calibration_frequency
    end as calibration_frequency,
    case
        when calibration_age > 0 then calibration_recency
    end as calibration_recency,
    case when calibration_age > 0 then holdout_orders end as holdout_orders
from histories
