-- One row per customer whom another one brought and month from that on: what
-- the referral brought in the month.
-- Type 1 would not have come without it: what they contribute is its merit,
-- and so is what it would have cost to win them. Type 2 would have come anyway:
-- only that cost was saved. Of whom nobody knows which counts as type 2, the
-- lesser claim. An incentive is a cost in both.
-- Who names oneself, or somebody who is no customer, was brought by nobody.
with winning as (
    select cast(avg(acquisition_cost) as decimal(18, 2)) as average_cost
    from customers
    where referrer_id is null and acquisition_cost is not null
),

referred as (
    select
        c.customer_id,
        c.referrer_id,
        cast(date_trunc('month', c.created_day) as date) as referral_month,
        case
            when c.would_have_come_anyway then 'type_2'
            when not c.would_have_come_anyway then 'type_1'
            else 'unknown'
        end as referral_type,
        coalesce(c.referral_incentive, 0) as incentive,
        w.average_cost - coalesce(c.acquisition_cost, 0)
            as acquisition_cost_saved
    from winning as w
    cross join customers as c
    inner join customers as r on c.referrer_id = r.customer_id
    where c.referrer_id <> c.customer_id
),

flows as (
    select
        customer_id,
        referral_month as month,
        0 as contribution,
        incentive,
        coalesce(acquisition_cost_saved, 0) as acquisition_cost_saved
    from referred
    union all
    select
        m.customer_id,
        greatest(m.month, r.referral_month) as month,
        m.contribution,
        0 as incentive,
        0 as acquisition_cost_saved
    from customer_months as m
    inner join referred as r on m.customer_id = r.customer_id
    where r.referral_type = 'type_1'
),

months as (
    select
        customer_id,
        month,
        sum(contribution) as contribution,
        sum(incentive) as incentive,
        sum(acquisition_cost_saved) as acquisition_cost_saved
    from flows
    group by customer_id, month
)

select
    r.referrer_id,
    m.customer_id,
    m.month,
    cast(
        12 * (date_part('year', m.month) - date_part('year', r.referral_month))
        + date_part('month', m.month) - date_part('month', r.referral_month)
        as bigint
    ) as age,
    r.referral_type,
    cast(m.contribution as decimal(18, 6)) as contribution,
    cast(m.incentive as decimal(18, 2)) as incentive,
    cast(m.acquisition_cost_saved as decimal(18, 2)) as acquisition_cost_saved,
    cast(
        m.contribution - m.incentive + m.acquisition_cost_saved
        as decimal(18, 6)
    ) as referral_value,
    case
        when r.acquisition_cost_saved is null then 'no_acquisition_cost'
        else 'ok'
    end as saving_status
from months as m
inner join referred as r on m.customer_id = r.customer_id
