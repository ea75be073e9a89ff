-- One row per journey: the touches that led a party to a conversion, or those
-- that have led to none. A conversion without a touch is a journey of none.
-- Touches in no conversion's window are one journey as long as each comes
-- within the lookback of one before; it is lost once nothing of it can claim
-- an order any more, and open until then.
with converted as (
    select
        order_id,
        count(*) as touches,
        count(*) filter (where is_direct) as direct_touches,
        min(touched_at) as started_at,
        max(case when touch_no = 1 then touch_id end) as first_touch_id,
        max(case when touch_no = touches then touch_id end) as last_touch_id,
        string_agg(channel, ' > ' order by touch_no)
            filter (where touch_no > touches - $path_steps) as path
    from conversion_touches
    group by order_id
),

used as (
    select distinct touch_id from conversion_touches
),

unused as (
    select
        t.party_id,
        t.touch_id,
        t.channel,
        t.is_direct,
        t.touched_at,
        t.claims_until,
        max(t.claims_until) over (
            partition by t.party_id order by t.touched_at, t.touch_id
            rows between unbounded preceding and 1 preceding
        ) as claimed_until
    from credit_touches as t
    left join used as u on t.touch_id = u.touch_id
    where u.touch_id is null
),

attempted as (
    select
        *,
        sum(
            case when touched_at <= claimed_until then 0 else 1 end
        ) over (
            partition by party_id order by touched_at, touch_id
            rows between unbounded preceding and current row
        ) as attempt_no
    from unused
),

numbered as (
    select
        *,
        row_number() over (
            partition by party_id, attempt_no order by touched_at, touch_id
        ) as touch_no,
        count(*) over (partition by party_id, attempt_no) as touches
    from attempted
),

unconverted as (
    select
        party_id,
        attempt_no,
        count(*) as touches,
        count(*) filter (where is_direct) as direct_touches,
        min(touched_at) as started_at,
        max(touched_at) as ended_at,
        max(claims_until) >= $as_of as is_open,
        max(case when touch_no = 1 then touch_id end) as first_touch_id,
        max(case when touch_no = touches then touch_id end) as last_touch_id,
        string_agg(channel, ' > ' order by touch_no)
            filter (where touch_no > touches - $path_steps) as path
    from numbered
    group by party_id, attempt_no
),

journeys as (
    select
        concat('order ', cast(o.order_id as varchar)) as journey_id,
        o.customer_id as party_id,
        'converted' as status,
        o.order_id,
        c.started_at,
        o.ordered_at as ended_at,
        coalesce(c.touches, 0) as touches,
        coalesce(c.direct_touches, 0) as direct_touches,
        c.first_touch_id,
        c.last_touch_id,
        c.path,
        o.revenue,
        o.margin
    from order_values as o
    left join converted as c on o.order_id = c.order_id
    where o.is_conversion
    union all
    select
        concat('touch ', cast(first_touch_id as varchar)) as journey_id,
        party_id,
        case when is_open then 'open' else 'lost' end as status,
        null as order_id,
        started_at,
        ended_at,
        touches,
        direct_touches,
        first_touch_id,
        last_touch_id,
        path,
        null as revenue,
        null as margin
    from unconverted
)

select
    journey_id,
    party_id,
    status,
    order_id,
    started_at,
    ended_at,
    local_date(ended_at, $time_zone) as ended_day,
    touches,
    direct_touches,
    first_touch_id,
    last_touch_id,
    case
        when touches > $path_steps then concat('… > ', path) else path
    end as path,
    revenue,
    margin
from journeys
