-- One row per kind of prospect and age: how many were still open at that age, and
-- how many of them became customers within the $conversion_days that followed.
-- Ages go in sixths of $conversion_days; from three times as many days on they
-- are taken together. Only spans that were over at $as_of count, for those who
-- converted too: else the quick ones would count more. How many convert changes
-- with the years, so only prospects of the last $conversion_history_days count.
-- After a refusal a prospect is of another kind, and its clock begins anew.
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
        greatest(0, end_day - start_day) as open_days,
        is_converted,
        greatest(1, $conversion_days / 6) as step
    from spells
    where start_day >= $as_of_day - $conversion_history_days
),

-- Young ages step by step, older ones only once in $conversion_days.
aged as (
    select
        *,
        unnest(
            array_concat(
                generate_series(
                    cast(0 as bigint),
                    least(open_days, 3 * $conversion_days - 1),
                    step
                ),
                generate_series(
                    3 * $conversion_days, open_days, $conversion_days
                )
            )
        ) as age_days
    from kinds
)

select
    is_refused,
    need_quarter,
    can_pay,
    least(age_days, 3 * $conversion_days) / step as age,
    count(*) as open_prospects,
    count(*) filter (
        where is_converted and open_days < age_days + $conversion_days
    ) as converted
from aged
where start_day + age_days + $conversion_days <= $as_of_day
group by
    is_refused, need_quarter, can_pay,
    least(age_days, 3 * $conversion_days) / step
