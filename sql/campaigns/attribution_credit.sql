-- One row per conversion, touch that earned credit and attribution model; a
-- conversion without a touch in its window has touch_no 0 and keeps its whole
-- credit, so that no sale is lost.
-- Credit is cut out of the conversion as a cake is cut: each touch gets what
-- lies between two rounded cuts, so that the parts sum to the whole exactly.
with paths as (
    select
        order_id,
        max(touch_no) as touches,
        coalesce(
            max(case when not is_direct then touch_no end), max(touch_no)
        ) as last_non_direct_no,
        min(age_us) as newest_age_us
    from conversion_touches
    group by order_id
),

-- Ages count from the newest touch: its weight is 1, and no window is so old
-- that all weights vanish.
weighted as (
    select
        t.order_id,
        t.touch_no,
        t.touch_id,
        t.campaign_id,
        t.channel,
        p.touches,
        p.last_non_direct_no,
        cast(
            power(
                0.5,
                cast(t.age_us - p.newest_age_us as double)
                / 86400000000 / cast($attribution_half_life_days as double)
            ) as decimal(18, 12)
        ) as weight
    from conversion_touches as t
    inner join paths as p on t.order_id = p.order_id
),

decayed as (
    select
        *,
        sum(weight) over (
            partition by order_id order by touch_no
            rows between unbounded preceding and current row
        ) as weight_upto,
        sum(weight) over (partition by order_id) as weight_total
    from weighted
),

-- Where the cake is cut behind a touch, and where it was cut before it.
cuts as (
    select
        d.order_id,
        d.touch_no,
        d.touch_id,
        d.campaign_id,
        d.channel,
        m.model,
        cast(
            case
                when m.model = 'last_non_direct'
                    then case
                        when d.touch_no >= d.last_non_direct_no then 1 else 0
                    end
                when m.model = 'linear'
                    then cast(d.touch_no as decimal(18, 9)) / d.touches
                when m.model = 'time_decay'
                    then d.weight_upto / d.weight_total
                when d.touch_no = d.touches then 1
                when d.touches = 2
                    then m.first_share / (m.first_share + m.last_share)
                else
                    m.first_share
                    + cast(
                        (1 - m.first_share - m.last_share) * (d.touch_no - 1)
                        as decimal(18, 9)
                    ) / (d.touches - 2)
            end as decimal(18, 9)
        ) as cut_behind,
        cast(
            case
                when d.touch_no = 1 then 0
                when m.model = 'last_non_direct'
                    then case
                        when d.touch_no > d.last_non_direct_no then 1 else 0
                    end
                when m.model = 'linear'
                    then cast(d.touch_no - 1 as decimal(18, 9)) / d.touches
                when m.model = 'time_decay'
                    then (d.weight_upto - d.weight) / d.weight_total
                when d.touches = 2
                    then m.first_share / (m.first_share + m.last_share)
                else
                    m.first_share
                    + cast(
                        (1 - m.first_share - m.last_share) * (d.touch_no - 2)
                        as decimal(18, 9)
                    ) / (d.touches - 2)
            end as decimal(18, 9)
        ) as cut_before
    from decayed as d
    cross join attribution_models as m
),

untouched as (
    select o.order_id
    from order_values as o
    left join paths as p on o.order_id = p.order_id
    where o.is_conversion and p.order_id is null
),

parts as (
    select
        order_id,
        touch_no,
        model,
        touch_id,
        campaign_id,
        channel,
        cut_behind,
        cut_before
    from cuts
    where cut_behind > cut_before
    union all
    select
        u.order_id,
        0 as touch_no,
        m.model,
        null as touch_id,
        null as campaign_id,
        null as channel,
        1 as cut_behind,
        0 as cut_before
    from untouched as u
    cross join attribution_models as m
)

select
    p.order_id,
    p.touch_no,
    p.model,
    o.customer_id,
    o.order_day,
    o.order_month,
    o.is_first_order,
    p.touch_id,
    p.campaign_id,
    p.channel,
    cast(p.cut_behind - p.cut_before as decimal(18, 9)) as credit,
    cast(
        cast(o.revenue * p.cut_behind as decimal(18, 6))
        - cast(o.revenue * p.cut_before as decimal(18, 6)) as decimal(18, 6)
    ) as revenue,
    cast(
        cast(o.margin * p.cut_behind as decimal(18, 6))
        - cast(o.margin * p.cut_before as decimal(18, 6)) as decimal(18, 6)
    ) as margin
from parts as p
inner join order_values as o on p.order_id = o.order_id
