-- One row per segment, customer and interval in which the customer was in it:
-- from valid_from on, until the day before valid_to, which is null while they
-- still are. Who was in a segment on a day:
--   valid_from <= day and (valid_to > day or valid_to is null)
-- Read from the snapshots of segment_members that are kept, so both ends are
-- days of these, and each day has the members that were published for it, by
-- the rules of then. Between two snapshots nothing is known to have happened:
-- an interval ends only where the next one there is does not have the customer.
with steps as (
    select
        as_of,
        lag(as_of) over (order by as_of) as previous_as_of,
        lead(as_of) over (order by as_of) as next_as_of
    from segment_members
    group by as_of
),

-- Everybody has a row a day, in the segment (none) if in no other.
known as (
    select
        as_of,
        customer_id,
        max(unknown_segments) as unknown_segments
    from segment_members
    group by as_of, customer_id
),

first_days as (
    select
        customer_id,
        min(as_of) as first_day
    from known
    group by customer_id
),

-- Days on which somebody was in the segment.
peopled as (
    select
        segment,
        as_of,
        min(as_of) over (partition by segment) as first_day
    from segment_members
    group by segment, as_of
),

members as (
    select
        m.segment,
        m.customer_id,
        m.as_of,
        s.previous_as_of,
        s.next_as_of,
        lag(m.as_of) over (
            partition by m.segment, m.customer_id order by m.as_of
        ) as member_before
    from segment_members as m
    inner join steps as s on m.as_of = s.as_of
    where m.segment <> '(none)'
),

numbered as (
    select
        segment,
        customer_id,
        as_of,
        next_as_of,
        sum(
            case
                when member_before is null or member_before <> previous_as_of
                    then 1
                else 0
            end
        ) over (
            partition by segment, customer_id order by as_of
            rows between unbounded preceding and current row
        ) as interval_no
    from members
),

intervals as (
    select
        segment,
        customer_id,
        interval_no,
        min(as_of) as valid_from,
        case when count(next_as_of) = count(*) then max(next_as_of) end
            as valid_to
    from numbered
    group by segment, customer_id, interval_no
)

select
    $as_of_day as as_of,
    i.segment,
    i.customer_id,
    i.valid_from,
    i.valid_to,
    case
        when s.previous_as_of is null then 'first_snapshot'
        when i.interval_no > 1 then 'came_back'
        when i.valid_from = f.first_day then 'new_customer'
        when i.valid_from = b.first_day then 'first_members'
        else 'entered'
    end as reason,
    case
        when i.valid_to is null then null
        when k.customer_id is null then 'gone'
        when
            array_has(string_to_array(k.unknown_segments, ' & '), i.segment)
            then 'unknown'
        when e.segment is null then 'emptied'
        else 'left'
    end as end_reason
from intervals as i
inner join steps as s on i.valid_from = s.as_of
inner join first_days as f on i.customer_id = f.customer_id
inner join peopled as b
    on i.segment = b.segment and i.valid_from = b.as_of
left join known as k
    on i.customer_id = k.customer_id and i.valid_to = k.as_of
left join peopled as e
    on i.segment = e.segment and i.valid_to = e.as_of
