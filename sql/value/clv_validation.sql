-- One row per model and frequency bin: what a model fitted to the orders before
-- the last $clv_holdout_days expected of them, and what came. The past rate and
-- zero are there to be beaten: a model that does not helps nobody.
-- Customers who came in the holdout are not in it: nobody could know them.
with known as (
    select
        customer_id,
        calibration_frequency as frequency,
        calibration_recency as recency,
        calibration_age as age,
        cast(holdout_orders as double) as actual,
        case
            when calibration_frequency <= 2
                then cast(calibration_frequency as varchar)
            when calibration_frequency <= 5 then '3-5'
            when calibration_frequency <= 10 then '6-10'
            else '11+'
        end as bin
    from order_histories
    where calibration_age is not null
),

fits as (
    select
        bgnbd_fit(frequency, recency, age, 'day') as bgnbd,
        mbgnbd_fit(frequency, recency, age, 'day') as mbgnbd,
        pareto_nbd_fit(frequency, recency, age, 'day') as pareto_nbd
    from known
),

expected as (
    select
        'bgnbd' as model,
        bin,
        actual,
        bgnbd_expected_orders(
            bgnbd, frequency, recency, age, $clv_holdout_days
        ) as expected
    from known
    cross join fits
    union all
    select
        'mbgnbd' as model,
        bin,
        actual,
        mbgnbd_expected_orders(
            mbgnbd, frequency, recency, age, $clv_holdout_days
        ) as expected
    from known
    cross join fits
    union all
    select
        'pareto_nbd' as model,
        bin,
        actual,
        pareto_nbd_expected_orders(
            pareto_nbd, frequency, recency, age, $clv_holdout_days
        ) as expected
    from known
    cross join fits
    union all
    select
        'past_rate' as model,
        bin,
        actual,
        cast(frequency as double) / cast(age as double)
        * cast($clv_holdout_days as double) as expected
    from known
    union all
    select
        'zero' as model,
        bin,
        actual,
        cast(0 as double) as expected
    from known
),

binned as (
    select
        model,
        bin as frequency_bin,
        actual,
        expected
    from expected
    union all
    select
        model,
        'all' as frequency_bin,
        actual,
        expected
    from expected
),

errors as (
    select
        model,
        frequency_bin,
        count(*) as customers,
        sum(actual) as actual_orders,
        sum(expected) as expected_orders,
        avg(abs(expected - actual)) as mae,
        sqrt(avg((expected - actual) * (expected - actual))) as rmse
    from binned
    group by model, frequency_bin
),

baselines as (
    select
        frequency_bin,
        min(mae) as least_mae,
        min(rmse) as least_rmse
    from errors
    where model in ('past_rate', 'zero')
    group by frequency_bin
)

select
    $as_of_day as as_of,
    e.model,
    e.frequency_bin,
    cast($clv_holdout_days as bigint) as holdout_days,
    e.customers,
    cast(e.actual_orders as bigint) as actual_orders,
    e.expected_orders,
    case
        when e.actual_orders > 0 then e.expected_orders / e.actual_orders - 1
    end as bias,
    e.mae,
    e.rmse,
    case
        when e.model in ('past_rate', 'zero') then 'baseline'
        when e.expected_orders is null then 'no_fit'
        when e.mae < b.least_mae and e.rmse < b.least_rmse then 'better'
        when e.mae < b.least_mae or e.rmse < b.least_rmse then 'mixed'
        else 'no_help'
    end as grade
from errors as e
inner join baselines as b on e.frequency_bin = b.frequency_bin
