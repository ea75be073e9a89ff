-- One row per customer who ever paid for an order or brought another one: what
-- those they brought are worth, and with that what kind of customer they are.
-- Every referral belongs to the one who made it and to nobody above, so the
-- values add up; the tree of those brought by the brought is told beside them.
-- Kumar, Petersen and Leone (2010): value by own value and by referral value,
-- each high above the median of the table.
with recursive tree as (
    select
        referrer_id as ancestor_id,
        customer_id
    from referral_months
    where age = 0
    union
    select
        t.ancestor_id,
        r.customer_id
    from tree as t
    inner join referral_months as r on t.customer_id = r.referrer_id
    where r.age = 0
),

trees as (
    select
        ancestor_id as customer_id,
        count(*) as tree_referrals
    from tree
    where ancestor_id <> customer_id
    group by ancestor_id
),

-- Each month counts at its end, discounted to the beginning of the first one.
referrals as (
    select
        referrer_id as customer_id,
        count(*) filter (where age = 0) as direct_referrals,
        count(*) filter (where age = 0 and referral_type = 'type_1')
            as type_1_referrals,
        count(*) filter (where age = 0 and referral_type = 'type_2')
            as type_2_referrals,
        count(*) filter (where age = 0 and referral_type = 'unknown')
            as untyped_referrals,
        sum(contribution) as type_1_contribution,
        sum(incentive) as incentives,
        sum(acquisition_cost_saved) as acquisition_cost_saved,
        sum(referral_value) as referral_value,
        sum(
            cast(referral_value as double)
            * power(
                1 + cast($annual_discount_rate as double),
                -cast(age + 1 as double) / 12
            )
        ) as discounted_value,
        min(saving_status) as saving_status
    from referral_months
    group by referrer_id
),

worth as (
    select
        customer_id,
        contribution
    from customer_pnl
    where
        as_of = $as_of_day
        and period = 'lifetime'
        and paid_orders > 0
),

people as (
    select customer_id from worth
    union
    select customer_id from referrals
),

valued as (
    select
        p.customer_id,
        coalesce(w.contribution, 0) as own_value,
        coalesce(r.direct_referrals, 0) as direct_referrals,
        coalesce(r.type_1_referrals, 0) as type_1_referrals,
        coalesce(r.type_2_referrals, 0) as type_2_referrals,
        coalesce(r.untyped_referrals, 0) as untyped_referrals,
        coalesce(t.tree_referrals, 0) as tree_referrals,
        coalesce(r.type_1_contribution, 0) as type_1_contribution,
        coalesce(r.incentives, 0) as incentives,
        coalesce(r.acquisition_cost_saved, 0) as acquisition_cost_saved,
        coalesce(r.referral_value, 0) as referral_value,
        cast(coalesce(r.discounted_value, 0) as decimal(18, 2))
            as discounted_referral_value,
        coalesce(r.saving_status, 'no_referrals') as referral_status
    from people as p
    left join worth as w on p.customer_id = w.customer_id
    left join referrals as r on p.customer_id = r.customer_id
    left join trees as t on p.customer_id = t.customer_id
),

medians as (
    select
        median(cast(own_value as double)) as own_value,
        median(cast(discounted_referral_value as double)) as referral_value
    from valued
)

select
    $as_of_day as as_of,
    v.customer_id,
    case
        when cast(v.own_value as double) > m.own_value
            then
                case
                    when
                        cast(v.discounted_referral_value as double)
                        > m.referral_value
                        then 'champion'
                    else 'affluent'
                end
        when cast(v.discounted_referral_value as double) > m.referral_value
            then 'advocate'
        else 'miser'
    end as referral_class,
    v.direct_referrals,
    v.tree_referrals,
    cast(v.referral_value as decimal(18, 6)) as referral_value,
    v.discounted_referral_value,
    cast(v.own_value as decimal(18, 6)) as own_value,
    cast(v.type_1_contribution as decimal(18, 6)) as type_1_contribution,
    cast(v.acquisition_cost_saved as decimal(18, 2)) as acquisition_cost_saved,
    cast(v.incentives as decimal(18, 2)) as incentives,
    v.type_1_referrals,
    v.type_2_referrals,
    v.untyped_referrals,
    v.referral_status
from medians as m
cross join valued as v
