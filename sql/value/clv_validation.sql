-- One row per measure, model and group of customers: what a model fitted to the
-- orders before the last $clv_holdout_days expected of them, and what came. The
-- baselines are there to be beaten: a model that does not helps nobody.
-- Customers who came in the holdout are not in it: nobody could know them.
with known as (
    select
        calibration_frequency as frequency,
        calibration_recency as recency,
        calibration_age as age,
        calibration_mean_amount as mean_amount,
        cast(calibration_amount as double) as amount,
        cast(holdout_orders as double) as actual_orders,
        cast(holdout_amount as double) as actual_amount,
        case
            when calibration_frequency <= 2
                then cast(calibration_frequency as varchar)
            when calibration_frequency <= 5 then '3-5'
            when calibration_frequency <= 10 then '6-10'
            else '11+'
        end as frequency_bin,
        cast(
            ntile(10) over (order by calibration_amount desc, customer_id)
            as varchar
        ) as decile,
        ordered_in_days_before,
        ordered_in_last_days
    from order_histories
    where calibration_age is not null
),

fits as (
    select
        bgnbd_fit(frequency, recency, age, 'day') as bgnbd,
        mbgnbd_fit(frequency, recency, age, 'day') as mbgnbd,
        pareto_nbd_fit(frequency, recency, age, 'day') as pareto_nbd,
        gamma_gamma_fit(frequency, mean_amount) as spend,
        -- Of those who ordered in the holdout's length before it, who ordered
        -- again in the same length.
        cast(
            count(*) filter (
                where ordered_in_days_before and ordered_in_last_days
            ) as double
        )
        / cast(
            nullif(count(*) filter (where ordered_in_days_before), 0) as double
        ) as retention
    from known
),

foreseen as (
    select
        k.*,
        bgnbd_expected_orders(
            f.bgnbd, frequency, recency, age, $clv_holdout_days
        ) as bgnbd,
        mbgnbd_expected_orders(
            f.mbgnbd, frequency, recency, age, $clv_holdout_days
        ) as mbgnbd,
        pareto_nbd_expected_orders(
            f.pareto_nbd, frequency, recency, age, $clv_holdout_days
        ) as pareto_nbd,
        gamma_gamma_expected_value(f.spend, frequency, mean_amount) as spend,
        f.retention,
        cast($clv_holdout_days as double) / cast(age as double) as length
    from known as k
    cross join fits as f
),

expected as (
    select
        'bgnbd' as model,
        frequency_bin,
        decile,
        actual_orders,
        actual_amount,
        bgnbd as orders,
        bgnbd * spend as amount
    from foreseen
    union all
    select
        'mbgnbd' as model,
        frequency_bin,
        decile,
        actual_orders,
        actual_amount,
        mbgnbd as orders,
        mbgnbd * spend as amount
    from foreseen
    union all
    select
        'pareto_nbd' as model,
        frequency_bin,
        decile,
        actual_orders,
        actual_amount,
        pareto_nbd as orders,
        pareto_nbd * spend as amount
    from foreseen
    union all
    -- Average monthly purchase × months × retention: the months cancel.
    select
        'plain_formula' as model,
        frequency_bin,
        decile,
        actual_orders,
        actual_amount,
        (cast(frequency as double) + 1) * length * retention as orders,
        amount * length * retention as amount
    from foreseen
    union all
    select
        'past_rate' as model,
        frequency_bin,
        decile,
        actual_orders,
        actual_amount,
        cast(frequency as double) * length as orders,
        cast(frequency as double) * length
        * coalesce(cast(mean_amount as double), 0) as amount
    from foreseen
    union all
    select
        'zero' as model,
        frequency_bin,
        decile,
        actual_orders,
        actual_amount,
        cast(0 as double) as orders,
        cast(0 as double) as amount
    from foreseen
),

measured as (
    select
        'orders' as measure,
        model,
        frequency_bin,
        decile,
        actual_orders as actual,
        orders as expected
    from expected
    union all
    select
        'amount' as measure,
        model,
        frequency_bin,
        decile,
        actual_amount as actual,
        amount as expected
    from expected
),

-- The smallest groups, which the others are sums of.
cells as (
    select
        measure,
        model,
        frequency_bin,
        decile,
        count(*) as customers,
        sum(actual) as actual,
        sum(expected) as expected,
        sum(abs(expected - actual)) as errors,
        sum((expected - actual) * (expected - actual)) as squares
    from measured
    group by measure, model, frequency_bin, decile
),

grouped as (
    select *, 'all' as bin_by, 'all' as bin from cells
    union all
    select *, 'frequency' as bin_by, frequency_bin as bin from cells
    union all
    select *, 'decile' as bin_by, decile as bin from cells
),

judged as (
    select
        measure,
        model,
        bin_by,
        bin,
        model in ('plain_formula', 'past_rate', 'zero') as is_baseline,
        sum(customers) as customers,
        sum(actual) as actual,
        sum(expected) as expected,
        sum(errors) / cast(sum(customers) as double) as mae,
        sqrt(sum(squares) / cast(sum(customers) as double)) as rmse
    from grouped
    group by measure, model, bin_by, bin
),

least as (
    select
        measure,
        bin_by,
        bin,
        min(mae) as mae,
        min(rmse) as rmse
    from judged
    where is_baseline
    group by measure, bin_by, bin
)

select
    $as_of_day as as_of,
    j.measure,
    j.model,
    j.bin_by,
    j.bin,
    cast($clv_holdout_days as bigint) as holdout_days,
    j.customers,
    j.actual,
    j.expected,
    case when j.actual > 0 then j.expected / j.actual - 1 end as bias,
    j.mae,
    j.rmse,
    case
        when j.expected is null then 'no_fit'
        when j.is_baseline then 'baseline'
        when j.mae < l.mae and j.rmse < l.rmse then 'better'
        when j.mae < l.mae or j.rmse < l.rmse then 'mixed'
        else 'no_help'
    end as grade
from judged as j
inner join least as l
    on j.measure = l.measure and j.bin_by = l.bin_by and j.bin = l.bin
