-- One row per month in which customers registered: what winning them cost, what
-- they brought since, and after how many months that paid for itself.
-- The cohort is everybody won, also those who never bought: they cost as much.
-- Unknown acquisition costs are not zero: cost_status says where some are
-- missing, and cac is then a lower bound.
with cohorts as (
    select
        cast(date_trunc('month', c.created_day) as date) as cohort_month,
        count(*) as customers,
        count(o.customer_id) as buyers,
        count(c.acquisition_cost) as customers_with_cost,
        sum(c.acquisition_cost) as acquisition_cost,
        sum(c.referral_incentive) as referral_incentives,
        -- Who never bought is expected to bring nothing; a buyer may be unknown.
        case
            when count(o.customer_id) = count(v.residual_clv)
                then coalesce(sum(v.residual_clv), 0)
        end as residual_clv
    from customers as c
    left join (
        select distinct customer_id from order_days
    ) as o on c.customer_id = o.customer_id
    left join customer_value_latest as v on c.customer_id = v.customer_id
    group by cast(date_trunc('month', c.created_day) as date)
),

-- Ages are whole months of the calendar; what came before registration counts
-- at age 0. As_of may cut the last month, which no payback then rests on.
flows as (
    select
        cast(date_trunc('month', c.created_day) as date) as cohort_month,
        greatest(
            cast(
                12
                * (
                    date_part('year', m.month)
                    - date_part('year', c.created_day)
                )
                + date_part('month', m.month)
                - date_part('month', c.created_day) as bigint
            ),
            0
        ) as age,
        m.contribution
    from customer_months as m
    inner join customers as c on m.customer_id = c.customer_id
),

ages as (
    select
        cohort_month,
        age,
        cast(
            cohort_month + cast(concat(age + 1, ' months') as interval) as date
        ) <= $as_of_day as is_complete,
        sum(contribution) as contribution
    from flows
    group by cohort_month, age
),

cumulated as (
    select
        cohort_month,
        age,
        is_complete,
        contribution,
        sum(contribution) over (
            partition by cohort_month
            order by age
            rows between unbounded preceding and current row
        ) as cumulative_contribution
    from ages
),

costs as (
    select
        *,
        case
            when customers_with_cost > 0 or referral_incentives is not null
                then
                    coalesce(acquisition_cost, 0)
                    + coalesce(referral_incentives, 0)
        end as total_cost,
        cast(
            12
            * (
                date_part('year', $as_of_day) - date_part('year', cohort_month)
            )
            + date_part('month', $as_of_day)
            - date_part('month', cohort_month) as bigint
        ) as complete_months
    from cohorts
),

paid as (
    select
        c.cohort_month,
        min(
            case
                when
                    m.is_complete
                    and m.cumulative_contribution >= c.total_cost
                    then m.age + 1
            end
        ) as payback_months,
        coalesce(sum(m.contribution), 0) as contribution,
        coalesce(sum(m.contribution) filter (where m.age < 12), 0)
            as contribution_12_months
    from costs as c
    left join cumulated as m on c.cohort_month = m.cohort_month
    group by c.cohort_month
)

select
    $as_of_day as as_of,
    c.cohort_month,
    c.complete_months,
    c.customers,
    c.buyers,
    cast(c.total_cost as double) / cast(c.customers as double) as cac,
    p.payback_months,
    case
        when c.total_cost is null then 'no_cost_data'
        when p.payback_months is null then 'not_yet'
        else 'ok'
    end as payback_status,
    cast(p.contribution as double) / cast(c.customers as double)
        as ltv_to_date,
    cast(p.contribution as double) / nullif(cast(c.total_cost as double), 0)
        as ltv_to_cac,
    cast(p.contribution + c.residual_clv as double)
    / cast(c.customers as double) as expected_ltv,
    cast(p.contribution + c.residual_clv as double)
    / nullif(cast(c.total_cost as double), 0) as expected_ltv_to_cac,
    case
        when c.complete_months >= 12
            then
                cast(p.contribution_12_months as double)
                / cast(c.customers as double)
    end as ltv_12_months,
    case
        when c.complete_months >= 12
            then
                cast(p.contribution_12_months as double)
                / nullif(cast(c.total_cost as double), 0)
    end as ltv_12_months_to_cac,
    cast(c.acquisition_cost as double)
    / nullif(cast(c.customers_with_cost as double), 0) as paid_cac,
    cast(c.total_cost as double) / nullif(cast(c.buyers as double), 0)
        as cost_per_buyer,
    cast(p.contribution as decimal(18, 6)) as contribution,
    cast(c.residual_clv as decimal(18, 2)) as residual_clv,
    cast(c.acquisition_cost as decimal(18, 2)) as acquisition_cost,
    cast(c.referral_incentives as decimal(18, 2)) as referral_incentives,
    c.customers_with_cost,
    case
        when c.total_cost is null then 'no_cost_data'
        when c.customers_with_cost < c.customers then 'partly_known'
        else 'ok'
    end as cost_status
from costs as c
inner join paid as p on c.cohort_month = p.cohort_month
