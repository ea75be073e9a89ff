-- One row per measure, model and group of customers: what a model fitted to the
-- orders before the last $clv_holdout_days expected of them, and what came. The
-- baselines are there to be beaten: a model that does not helps nobody.
-- Customers who came in the holdout are not in it: nobody could know them.
-- Of contracts, who still runs at the end of those that ran when it began.
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
            else 'over 10'
        end as frequency_bin,
        lpad(
            cast(
                ntile(10) over (order by calibration_amount desc, customer_id)
                as varchar
            ),
            2,
            '0'
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

models as (
    select column1 as model
    from (
        values ('bgnbd'), ('mbgnbd'), ('pareto_nbd'),
            ('plain_formula'), ('past_rate'), ('zero')
    )
),

-- The plain formula is average monthly purchase × months × retention: the
-- months cancel.
expected as (
    select
        m.model,
        f.frequency_bin,
        f.decile,
        f.actual_orders,
        f.actual_amount,
        case m.model
            when 'bgnbd' then f.bgnbd
            when 'mbgnbd' then f.mbgnbd
            when 'pareto_nbd' then f.pareto_nbd
            when 'plain_formula'
                then (cast(f.frequency as double) + 1) * f.length * f.retention
            when 'past_rate' then cast(f.frequency as double) * f.length
            else 0
        end as orders,
        case m.model
            when 'bgnbd' then f.bgnbd * f.spend
            when 'mbgnbd' then f.mbgnbd * f.spend
            when 'pareto_nbd' then f.pareto_nbd * f.spend
            when 'plain_formula' then f.amount * f.length * f.retention
            when 'past_rate'
                then
                    cast(f.frequency as double) * f.length
                    * coalesce(cast(f.mean_amount as double), 0)
            else 0
        end as amount
    from foreseen as f
    cross join models as m
),

-- The smallest groups, which the others are sums of.
cells as (
    select
        model,
        frequency_bin,
        decile,
        count(*) as customers,
        sum(actual_orders) as actual_orders,
        sum(orders) as orders,
        sum(abs(orders - actual_orders)) as order_errors,
        sum(power(orders - actual_orders, 2)) as order_squares,
        sum(actual_amount) as actual_amount,
        sum(amount) as amount,
        sum(abs(amount - actual_amount)) as amount_errors,
        sum(power(amount - actual_amount, 2)) as amount_squares
    from expected
    group by model, frequency_bin, decile
),

measures as (
    select column1 = 'orders' as is_orders from (values ('orders'), ('amount'))
),

measured as (
    select
        case when is_orders then 'orders' else 'amount' end as measure,
        model,
        frequency_bin,
        decile,
        customers,
        case when is_orders then actual_orders else actual_amount end as actual,
        case when is_orders then orders else amount end as expected,
        case when is_orders then order_errors else amount_errors end as errors,
        case when is_orders then order_squares else amount_squares end
            as squares
    from cells
    cross join measures
),

-- sBG and what it must beat, as known when the holdout began.
contract_fit as (
    select
        sbg_fit(age_months, is_ended) as sbg,
        cast(count(*) filter (where ran_before and not is_ended) as double)
        / cast(nullif(count(*) filter (where ran_before), 0) as double)
            as retention,
        cast(count(*) filter (where is_ended) as double)
        / cast(nullif(sum(age_months), 0) as double) as monthly_loss,
        round(cast($clv_holdout_days as double) / (365.25 / 12)) as months
    from contract_holdouts
),

contract_models as (
    select column1 as model
    from (values ('sbg'), ('plain_formula'), ('past_rate'), ('all_stay'))
),

contracts_expected as (
    select
        m.model,
        case
            when c.age_months < 6 then '00-05'
            when c.age_months < 12 then '06-11'
            when c.age_months < 24 then '12-23'
            else '24 and more'
        end as age_bin,
        cast(case when c.is_kept then 1 else 0 end as double) as actual,
        case m.model
            when 'sbg'
                then
                    sbg_survival(f.sbg, c.age_months + f.months)
                    / nullif(sbg_survival(f.sbg, c.age_months), 0)
            when 'plain_formula' then f.retention
            when 'past_rate' then power(1 - f.monthly_loss, f.months)
            else 1
        end as expected
    from contract_holdouts as c
    cross join contract_fit as f
    cross join contract_models as m
    where not c.is_ended
),

grouped as (
    select
        measure,
        model,
        case
            when frequency_bin is not null then 'frequency'
            when decile is not null then 'decile'
            else 'all'
        end as bin_by,
        coalesce(frequency_bin, decile, 'all') as bin,
        sum(customers) as customers,
        sum(actual) as actual,
        sum(expected) as expected,
        sum(errors) / cast(sum(customers) as double) as mae,
        sqrt(sum(squares) / cast(sum(customers) as double)) as rmse
    from measured
    group by
        grouping sets (
            (measure, model),
            (measure, model, frequency_bin),
            (measure, model, decile)
        )
    union all
    select
        'contracts' as measure,
        model,
        case when age_bin is not null then 'age' else 'all' end as bin_by,
        coalesce(age_bin, 'all') as bin,
        count(*) as customers,
        sum(actual) as actual,
        sum(expected) as expected,
        avg(abs(expected - actual)) as mae,
        sqrt(avg(power(expected - actual, 2))) as rmse
    from contracts_expected
    group by grouping sets ((model), (model, age_bin))
),

placed as (
    select
        *,
        model in ('plain_formula', 'past_rate', 'zero', 'all_stay')
            as is_baseline
    from grouped
),

judged as (
    select
        *,
        min(case when is_baseline then mae end)
            over (partition by measure, bin_by, bin) as least_mae,
        min(case when is_baseline then rmse end)
            over (partition by measure, bin_by, bin) as least_rmse
    from placed
)

select
    $as_of_day as as_of,
    measure,
    model,
    bin_by,
    bin,
    cast($clv_holdout_days as bigint) as holdout_days,
    customers,
    actual,
    expected,
    case when actual > 0 then expected / actual - 1 end as bias,
    mae,
    rmse,
    case
        when expected is null then 'no_fit'
        when is_baseline then 'baseline'
        -- Of what is 0 or 1, the mean absolute error favours whoever says so.
        when measure = 'contracts'
            then case when rmse < least_rmse then 'better' else 'no_help' end
        when mae < least_mae and rmse < least_rmse then 'better'
        when mae < least_mae or rmse < least_rmse then 'mixed'
        else 'no_help'
    end as grade
from judged
