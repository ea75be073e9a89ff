-- One row per prospect who is no customer at $as_of, and one per segment of the
-- market for those who are neither customer nor prospect. near       nothing
-- known stands in the way refusing   a condition for buying is not met: the
-- prospect refused and said why,
--            cannot pay, or needs what we do not have
-- unexplored nobody there is known Prospects carry no segment of the market, so
-- they are still in the unexplored.
with links as (
    select party_id from party_links group by party_id
),

-- Needs as they were stated last, the must-haves first.
last_needs as (
    select
        party_id,
        need,
        coalesce(is_must_have, false) as is_must_have,
        rank
    from (
        select
            *,
            row_number() over (
                partition by party_id, need order by stated_at desc
            ) as newest
        from needs
    ) as n
    where newest = 1
),

answers as (
    select need from product_needs group by need
),

ordered as (
    select
        n.party_id,
        n.need,
        n.is_must_have,
        a.need is not null as is_answered,
        row_number() over (
            partition by n.party_id
            order by n.is_must_have desc, n.rank asc nulls last, n.need asc
        ) as need_no
    from last_needs as n
    left join answers as a on n.need = a.need
),

gaps as (
    select
        party_id,
        min(case when not is_answered then need_no end) as first_gap_no
    from ordered
    group by party_id
),

needs_of as (
    select
        o.party_id,
        count(*) as needs,
        count(*) filter (where o.is_must_have) as must_haves,
        count(*) filter (where o.is_must_have and o.is_answered)
            as must_haves_answered,
        count(*) filter (
            where o.need_no < g.first_gap_no or g.first_gap_no is null
        ) as answered_in_order,
        max(case when o.need_no = g.first_gap_no then o.need end)
            as first_unanswered
    from ordered as o
    inner join gaps as g on o.party_id = g.party_id
    group by o.party_id
),

described as (
    select
        p.*,
        n.needs,
        n.must_haves,
        case when not $absent_product_needs then n.must_haves_answered end
            as must_haves_answered,
        case when not $absent_product_needs then n.answered_in_order end
            as answered_in_order,
        case when not $absent_product_needs then n.first_unanswered end
            as first_unanswered
    from prospects as p
    left join links as l on p.party_id = l.party_id
    left join needs_of as n on p.party_id = n.party_id
    where l.party_id is null
),

judged as (
    select
        *,
        case
            when refused_day is not null
                then coalesce(refusal_reason, 'no_reason_given')
            when can_pay = false then 'cannot_pay'
            when must_haves_answered < must_haves then 'must_have_missing'
            when need_match < $near_need_match then 'needs_not_met'
        end as condition,
        case
            when refused_day is null and need_match is not null
                then
                    cast(
                        least(3, cast(floor(need_match * 4) as bigint))
                        as varchar
                    )
            else 'unknown'
        end as need_quarter,
        case
            when refused_day is null and can_pay is not null
                then cast(can_pay as varchar)
            else 'unknown'
        end as pays,
        least(
            3 * $conversion_days,
            greatest(0, $as_of_day - coalesce(refused_day, created_day))
        ) / greatest(1, $conversion_days / 6) as age
    from described
),

-- Wilson's interval, 1.96 standard errors wide on either side.
prospects_of as (
    select
        j.*,
        c.open_prospects,
        cast(c.open_prospects as double) as n,
        case
            when c.open_prospects >= $conversion_min_n
                then
                    cast(c.converted as double)
                    / cast(c.open_prospects as double)
        end as chance
    from judged as j
    left join prospect_ages as c
        on
            j.age = c.age
            and (j.refused_day is not null) = c.is_refused
            and j.need_quarter = c.need_quarter
            and j.pays = c.can_pay
),

-- A segment of the market is named attribute:value, or as one of our segments.
customers_of as (
    select
        concat(a.attribute, ':', a.value) as segment,
        k.value as kind,
        a.customer_id
    from customer_attributes as a
    left join customer_attributes as k
        on a.customer_id = k.customer_id and k.attribute = 'kind'
    union all
    select
        m.segment,
        k.value as kind,
        m.customer_id
    from segment_matches as m
    left join customer_attributes as k
        on m.customer_id = k.customer_id and k.attribute = 'kind'
    where m.snapshot_date = $as_of_day and m.is_member
),

attributes as (
    select attribute from customer_attributes group by attribute
),

markets as (
    select
        m.segment,
        coalesce(m.households, 0) + coalesce(m.firms, 0) as parties,
        a.attribute is not null or r.segment is not null as is_matched,
        count(c.customer_id) as customers
    from market as m
    left join attributes as a on split_part(m.segment, ':', 1) = a.attribute
    left join segment_rules as r on m.segment = r.segment
    left join customers_of as c
        on
            m.segment = c.segment
            and (
                c.kind is null
                or (c.kind = 'business' and m.firms is not null)
                or (c.kind = 'consumer' and m.households is not null)
            )
    where m.households is not null or m.firms is not null
    group by m.segment, m.households, m.firms, a.attribute, r.segment
)

select
    $as_of_day as as_of,
    case
        when condition is null then 'near' else 'refusing'
    end as non_customer_group,
    concat('prospect ', party_id) as non_customer,
    condition,
    cast(1 as bigint) as parties,
    party_id,
    cast(null as varchar) as market_segment,
    cast(null as bigint) as market_parties,
    cast(null as bigint) as market_customers,
    created_day,
    refused_day,
    can_pay,
    need_match,
    needs,
    must_haves,
    must_haves_answered,
    answered_in_order,
    first_unanswered,
    chance as conversion_chance,
    (
        chance + 1.9208 / n
        - 1.96 * sqrt(chance * (1 - chance) / n + 0.9604 / (n * n))
    ) / (1 + 3.8416 / n) as conversion_chance_low,
    (
        chance + 1.9208 / n
        + 1.96 * sqrt(chance * (1 - chance) / n + 0.9604 / (n * n))
    ) / (1 + 3.8416 / n) as conversion_chance_high,
    coalesce(open_prospects, 0) as conversion_n,
    case when chance is null then 'insufficient_history' else 'ok' end
        as non_customer_status
from prospects_of
union all
select
    $as_of_day as as_of,
    'unexplored' as non_customer_group,
    segment as non_customer,
    cast(null as varchar) as condition,
    greatest(0, parties - case when is_matched then customers else 0 end)
        as parties,
    cast(null as bigint) as party_id,
    segment as market_segment,
    parties as market_parties,
    case when is_matched then customers end as market_customers,
    cast(null as date) as created_day,
    cast(null as date) as refused_day,
    cast(null as boolean) as can_pay,
    cast(null as double) as need_match,
    cast(null as bigint) as needs,
    cast(null as bigint) as must_haves,
    cast(null as bigint) as must_haves_answered,
    cast(null as bigint) as answered_in_order,
    cast(null as varchar) as first_unanswered,
    cast(null as double) as conversion_chance,
    cast(null as double) as conversion_chance_low,
    cast(null as double) as conversion_chance_high,
    cast(0 as bigint) as conversion_n,
    case
        when not is_matched then 'market_unmatched'
        when customers > parties then 'market_too_small'
        else 'no_prospect'
    end as non_customer_status
from markets
