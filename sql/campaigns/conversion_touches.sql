-- One row per conversion and touch in its window, numbered in order of time.
-- A touch is in the window when it came at or before the conversion and the
-- conversion came before or at the end of its lookback: both ends belong to it.
-- Touches of one instant are ordered by touch_id. With $touch_reuse =
-- 'next_order' a touch serves only the first conversion after it.
with conversions as (
    select
        order_id,
        customer_id,
        ordered_at,
        case
            when $touch_reuse = 'next_order'
                then lag(ordered_at) over (
                    partition by customer_id order by ordered_at, order_id
                )
        end as taken_until
    from order_values
    where is_conversion
)

select
    c.order_id,
    cast(
        row_number() over (
            partition by c.order_id order by t.touched_at, t.touch_id
        ) as bigint
    ) as touch_no,
    count(*) over (partition by c.order_id) as touches,
    c.customer_id,
    t.touch_id,
    t.campaign_id,
    t.channel,
    t.kind,
    t.is_direct,
    t.touched_at,
    c.ordered_at,
    cast(c.ordered_at as bigint) - cast(t.touched_at as bigint) as age_us
from conversions as c
inner join credit_touches as t
    on
        c.customer_id = t.party_id
        and t.touched_at <= c.ordered_at
        and t.claims_until >= c.ordered_at
        and (c.taken_until is null or t.touched_at > c.taken_until)
