-- One row per kind of prospect and age: how many were still open at the
-- beginning of a period of $conversion_days, and how many of them became
-- customers in it. Ages of three periods and more are taken together. Only
-- periods that are over at $as_of count, for those who converted too: else the
-- quick ones would count more. After a refusal a prospect is of another kind,
-- and its clock begins anew.
with links as (
    select
        party_id,
        min(linked_day) as linked_day
    from party_links
    group by party_id
),

spells as (
    select
        false as is_refused,
        p.need_match,
        p.can_pay,
        p.created_day as start_day,
        coalesce(least(l.linked_day, p.refused_day), $as_of_day) as end_day,
        l.linked_day is not null
        and (p.refused_day is null or l.linked_day <= p.refused_day)
            as is_converted
    from prospects as p
    left join links as l on p.party_id = l.party_id
    union all
    select
        true as is_refused,
        null as need_match,
        null as can_pay,
        p.refused_day as start_day,
        coalesce(l.linked_day, $as_of_day) as end_day,
        l.linked_day is not null as is_converted
    from prospects as p
    left join links as l on p.party_id = l.party_id
    where
        p.refused_day is not null
        and (l.linked_day is null or l.linked_day > p.refused_day)
),

kinds as (
    select
        is_refused,
        case
            when need_match is null then 'unknown'
            else
                cast(
                    least(3, cast(floor(need_match * 4) as bigint)) as varchar
                )
        end as need_quarter,
        coalesce(cast(can_pay as varchar), 'unknown') as can_pay,
        start_day,
        greatest(0, end_day - start_day) / $conversion_days as periods,
        is_converted
    from spells
),

lived as (
    select
        *,
        unnest(generate_series(cast(0 as bigint), periods)) as period_no
    from kinds
)

select
    is_refused,
    need_quarter,
    can_pay,
    least(period_no, 3) as age,
    count(*) as open_prospects,
    count(*) filter (where is_converted and period_no = periods) as converted
from lived
where start_day + (period_no + 1) * $conversion_days <= $as_of_day
group by is_refused, need_quarter, can_pay, least(period_no, 3)
