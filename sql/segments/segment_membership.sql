-- One row per segment, customer and interval in which the customer was in it:
-- from valid_from on, until the day before valid_to, which is null while they
-- still are. Who was in a segment on a day:
--   valid_from <= day and (valid_to > day or valid_to is null)
-- Today's rules are asked of every snapshot date, so the ends of an interval are
-- such dates, and a rule that changes changes the past too.
with members as (
    select
        m.segment,
        m.customer_id,
        m.snapshot_date,
        s.previous_date,
        s.next_date,
        lag(m.snapshot_date) over (
            partition by m.segment, m.customer_id order by m.snapshot_date
        ) as member_before
    from segment_matches as m
    inner join snapshots as s on m.snapshot_date = s.snapshot_date
    where m.is_member
),

numbered as (
    select
        segment,
        customer_id,
        snapshot_date,
        next_date,
        sum(
            case
                when member_before is null or member_before <> previous_date
                    then 1
                else 0
            end
        ) over (
            partition by segment, customer_id order by snapshot_date
            rows between unbounded preceding and current row
        ) as interval_no
    from members
),

intervals as (
    select
        segment,
        customer_id,
        interval_no,
        min(snapshot_date) as valid_from,
        case when count(next_date) = count(*) then max(next_date) end
            as valid_to
    from numbered
    group by segment, customer_id, interval_no
),

first_dates as (
    select
        customer_id,
        min(snapshot_date) as first_date
    from segment_facts
    group by customer_id
),

unknown as (
    select
        segment,
        customer_id,
        snapshot_date
    from segment_matches
    where is_member is null
)

select
    $as_of_day as as_of,
    i.segment,
    i.customer_id,
    i.valid_from,
    i.valid_to,
    case
        when s.snapshot_no = 1 then 'first_snapshot'
        when i.valid_from = f.first_date then 'new_customer'
        when i.interval_no > 1 then 'came_back'
        else 'entered'
    end as reason,
    case
        when i.valid_to is null then null
        when u.snapshot_date is not null then 'unknown'
        else 'left'
    end as end_reason
from intervals as i
inner join snapshots as s on i.valid_from = s.snapshot_date
inner join first_dates as f on i.customer_id = f.customer_id
left join unknown as u
    on
        i.segment = u.segment
        and i.customer_id = u.customer_id
        and i.valid_to = u.snapshot_date
