-- One row per segment, attribute and value that some customer has at $as_of:
-- how its members differ from all customers who are not in it.
-- Shares are among customers of whom the attribute is known, so what is known
-- of fewer members than others makes no difference of its own.
with members as (
    select
        segment,
        customer_id
    from segment_matches
    where snapshot_date = $as_of_day and is_member
),

-- What everybody has, and what those in a segment have, counted once each.
everybody as (
    select
        attribute,
        value,
        count(*) as customers
    from customer_attributes
    group by attribute, value
),

inside as (
    select
        m.segment,
        a.attribute,
        a.value,
        count(*) as customers
    from members as m
    inner join customer_attributes as a on m.customer_id = a.customer_id
    group by m.segment, a.attribute, a.value
),

counted as (
    select
        r.segment,
        e.attribute,
        e.value,
        coalesce(i.customers, 0) as customers,
        sum(coalesce(i.customers, 0))
            over (partition by r.segment, e.attribute) as customers_known,
        e.customers - coalesce(i.customers, 0) as rest,
        sum(e.customers - coalesce(i.customers, 0))
            over (partition by r.segment, e.attribute) as rest_known
    from segment_rules as r
    cross join everybody as e
    left join inside as i
        on
            r.segment = i.segment
            and e.attribute = i.attribute
            and e.value = i.value
),

shares as (
    select
        *,
        cast(customers as double) / nullif(cast(customers_known as double), 0)
            as share,
        cast(rest as double) / nullif(cast(rest_known as double), 0)
            as rest_share,
        cast(customers + rest as double)
        / nullif(cast(customers_known + rest_known as double), 0)
            as pooled_share
    from counted
),

-- The z test of two proportions holds where five or more are expected in each
-- of the four cells.
scored as (
    select
        *,
        case
            when customers_known = 0 then 'empty_segment'
            when rest_known = 0 then 'no_rest'
            when pooled_share = 1 then 'one_value'
            when
                least(customers_known, rest_known)
                * least(pooled_share, 1 - pooled_share) < 5
                then 'too_few'
            else 'ok'
        end as profile_status,
        two_proportion_test(customers, customers_known, rest, rest_known)
            as test
    from shares
),

tested as (
    select
        segment,
        attribute,
        value,
        test['p_value'] as p_value
    from scored
    where profile_status = 'ok'
),

-- Among many comparisons some differ by chance: a p-value counts for as many as
-- are at most as large, and never for more than a larger one (Benjamini and
-- Hochberg 1995), segment by segment.
ranked as (
    select
        *,
        p_value / cume_dist() over (partition by segment order by p_value)
            as adjusted
    from tested
),

adjusted as (
    select
        segment,
        attribute,
        value,
        p_value,
        least(
            1,
            min(adjusted) over (
                partition by segment
                order by p_value desc, attribute desc, value desc
                rows between unbounded preceding and current row
            )
        ) as p_value_adjusted
    from ranked
)

select
    $as_of_day as as_of,
    s.segment,
    s.attribute,
    s.value,
    s.customers,
    s.customers_known,
    s.share,
    s.rest,
    s.rest_known,
    s.rest_share,
    100 * s.share / nullif(s.rest_share, 0) as index,
    s.share - s.rest_share as difference,
    case when s.profile_status = 'ok' then s.test['low'] end as difference_low,
    case when s.profile_status = 'ok' then s.test['high'] end
        as difference_high,
    s.test['score'] as difference_score,
    a.p_value,
    a.p_value_adjusted,
    s.profile_status
from scored as s
left join adjusted as a
    on
        s.segment = a.segment
        and s.attribute = a.attribute
        and s.value = a.value
