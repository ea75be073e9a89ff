-- One row per customer known at $as_of and segment the customer is in, by the
-- rules as they are written now. A customer in no segment has one row all the
-- same, of the segment (none): so the history tells who was known on a day.
with known as (
    select customer_id
    from segment_facts
    where snapshot_date = $as_of_day
),

answers as (
    select
        segment,
        customer_id,
        is_member
    from segment_matches
    where snapshot_date = $as_of_day
),

members as (
    select
        segment,
        customer_id
    from answers
    where is_member
),

-- Said beside the segments a customer is in and not as rows of their own: who
-- counts rows of a segment counts its members.
unknowns as (
    select
        customer_id,
        string_agg(segment, ' & ' order by segment) as unknown_segments
    from answers
    where is_member is null
    group by customer_id
)

select
    $as_of_day as as_of,
    coalesce(m.segment, '(none)') as segment,
    k.customer_id,
    u.unknown_segments
from known as k
left join members as m on k.customer_id = m.customer_id
left join unknowns as u on k.customer_id = u.customer_id
