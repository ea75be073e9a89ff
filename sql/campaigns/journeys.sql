-- One row per journey: the touches that led a party to a conversion, or those
-- that have led to none. A conversion without a touch is a journey of none.
-- Touches in no conversion's window are one journey as long as each comes
-- within the lookback of one before; it is lost once nothing of it can claim
-- an order any more, and open until then.
with converted as (
    select
        order_id,
        count(*) as touches,
        count(distinct channel) as channels,
        count(*) filter (where is_direct) as direct_touches,
        min(touched_at) as started_at,
        max(touch_no) as last_no
    from conversion_touches
    group by order_id
),

converted_steps as (
    select
        t.order_id,
        string_agg(
            t.channel, ' > ' order by t.touch_no
        ) filter (where t.touch_no > c.last_no - $path_steps) as path,
        max(case when t.touch_no = 1 then t.touch_id end) as first_touch_id,
        max(case when t.touch_no = c.last_no then t.touch_id end)
            as last_touch_id
    from conversion_touches as t
    inner join converted as c on t.order_id = c.order_id
    group by t.order_id
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

numbered as (
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

unconverted as (
    select
        party_id,
        attempt_no,
        count(*) as touches,
        count(distinct channel) as channels,
        count(*) filter (where is_direct) as direct_touches,
        min(touched_at) as started_at,
        max(touched_at) as ended_at,
        max(claims_until) >= $as_of as is_open
    from numbered
    group by party_id, attempt_no
),

-- Counted from the last touch back: 1 is the last.
unconverted_places as (
    select
        *,
        row_number() over (
            partition by party_id, attempt_no
            order by touched_at desc, touch_id desc
        ) as steps_left
    from numbered
),

unconverted_steps as (
    select
        p.party_id,
        p.attempt_no,
        string_agg(
            p.channel, ' > ' order by p.steps_left desc
        ) filter (where p.steps_left <= $path_steps) as path,
        max(case when p.steps_left = u.touches then p.touch_id end)
            as first_touch_id,
        max(case when p.steps_left = 1 then p.touch_id end) as last_touch_id
    from unconverted_places as p
    inner join unconverted as u
        on p.party_id = u.party_id and p.attempt_no = u.attempt_no
    group by p.party_id, p.attempt_no
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
        coalesce(c.channels, 0) as channels,
        s.first_touch_id,
        s.last_touch_id,
        s.path,
        o.revenue,
        o.margin
    from order_values as o
    left join converted as c on o.order_id = c.order_id
    left join converted_steps as s on o.order_id = s.order_id
    where o.is_conversion
    union all
    select
        concat('touch ', cast(s.first_touch_id as varchar)) as journey_id,
        u.party_id,
        case when u.is_open then 'open' else 'lost' end as status,
        null as order_id,
        u.started_at,
        u.ended_at,
        u.touches,
        u.direct_touches,
        u.channels,
        s.first_touch_id,
        s.last_touch_id,
        s.path,
        null as revenue,
        null as margin
    from unconverted as u
    inner join unconverted_steps as s
        on u.party_id = s.party_id and u.attempt_no = s.attempt_no
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
    channels,
    first_touch_id,
    last_touch_id,
    case
        when touches > $path_steps then concat('… > ', path) else path
    end as path,
    revenue,
    margin
from journeys
