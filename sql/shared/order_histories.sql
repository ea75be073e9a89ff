-- One row per customer with a paid order: what models of lifetime value see of
-- him at the end of his orders, and at the end of a calibration before it.
-- Orders of one day are one; the first is the beginning, no repeat order.
with paid as (
    select
        customer_id,
        day,
        paid_orders,
        gross_sales - discounts as amount,
        cast(gross_sales - discounts as double) as size,
        min(day) over (partition by customer_id) as first_day,
        cast(
            day - lag(day) over (partition by customer_id order by day)
            as double
        ) as gap,
        $as_of_day - cast($clv_holdout_days as bigint) - day as days_before
    from customer_days
    where paid_orders > 0
),

split as (
    select
        *,
        days_before > 0 as is_known,
        days_before between 1 and cast($clv_holdout_days as bigint)
            as is_of_last_days,
        days_before - cast($clv_holdout_days as bigint)
        between 1 and cast($clv_holdout_days as bigint) as is_of_days_before,
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
        count(*) as order_days,
        max(day) - first_day as recency,
        $as_of_day - first_day as age,
        avg(amount) filter (where day > first_day) as mean_amount,
        count(gap) as gaps,
        avg(gap) as gap_mean,
        sum(gap * gap) as gap_squares,
        avg(size) as size_mean,
        sum(size * size) as size_squares,
        calibration_age,
        count(*) filter (where is_known) - 1 as calibration_frequency,
        max(day) filter (where is_known) - first_day as calibration_recency,
        sum(amount) filter (where is_known) as calibration_amount,
        avg(amount) filter (where is_known and day > first_day)
            as calibration_mean_amount,
        bool_or(is_of_last_days) as ordered_in_last_days,
        bool_or(is_of_days_before) as ordered_in_days_before,
        count(*) filter (where not is_known) as holdout_orders,
        coalesce(sum(amount) filter (where not is_known), 0) as holdout_amount
    from split
    group by customer_id, first_day, calibration_age
),

-- Sample deviations over means; squares may fall short by a last digit.
varied as (
    select
        *,
        case
            when order_days >= $rhythm_min_orders and gaps > 1
                then
                    sqrt(
                        greatest(gap_squares - gaps * gap_mean * gap_mean, 0)
                        / (gaps - 1)
                    ) / gap_mean
        end as gap_variation,
        case
            when order_days >= $rhythm_min_orders
                then
                    sqrt(
                        greatest(
                            size_squares - order_days * size_mean * size_mean,
                            0
                        ) / (order_days - 1)
                    ) / size_mean
        end as amount_variation,
        calibration_age > 0 as is_calibrated
    from histories
)

select
    $as_of_day as as_of,
    customer_id,
    first_day,
    last_day,
    paid_orders,
    cast(amount as decimal(18, 2)) as amount,
    order_days - 1 as frequency,
    recency,
    age,
    cast(
        case when mean_amount > 0 then mean_amount end as decimal(18, 6)
    ) as mean_amount,
    gap_variation,
    amount_variation,
    case when is_calibrated then calibration_age end as calibration_age,
    case when is_calibrated then calibration_frequency end
        as calibration_frequency,
    case when is_calibrated then calibration_recency end as calibration_recency,
    cast(
        case when is_calibrated then calibration_amount end as decimal(18, 2)
    ) as calibration_amount,
    cast(
        case
            when is_calibrated and calibration_mean_amount > 0
                then calibration_mean_amount
        end as decimal(18, 6)
    ) as calibration_mean_amount,
    case when is_calibrated then ordered_in_days_before end
        as ordered_in_days_before,
    case when is_calibrated then ordered_in_last_days end
        as ordered_in_last_days,
    case when is_calibrated then holdout_orders end as holdout_orders,
    cast(
        case when is_calibrated then holdout_amount end as decimal(18, 2)
    ) as holdout_amount
from varied
