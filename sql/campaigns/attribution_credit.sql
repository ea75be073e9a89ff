-- One row per conversion, touch that earned credit and attribution model; a
-- conversion without a touch in its window has touch_no 0 and keeps its whole
-- credit, so that no sale is lost.
-- Credit is cut out of the conversion as a cake is cut: each touch gets what
-- lies between two rounded cuts, so that the parts sum to the whole exactly.
with paths as (
    select
        order_id,
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
        t.touches,
        t.touch_id,
        t.campaign_id,
        t.channel,
        o.customer_id,
        o.order_day,
        o.is_first_order,
        o.revenue,
        o.margin,
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
    inner join order_values as o on t.order_id = o.order_id
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
        m.model,
        d.customer_id,
        d.order_day,
        d.is_first_order,
        d.touch_id,
        d.campaign_id,
        d.channel,
        d.revenue,
        d.margin,
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
    from attribution_models as m
    cross join decayed as d
),

earned as (
    select
        order_id,
        touch_no,
        model,
        customer_id,
        order_day,
        is_first_order,
        touch_id,
        campaign_id,
        channel,
        cast(cut_behind - cut_before as decimal(18, 9)) as credit,
        cast(
            cast(revenue * cut_behind as decimal(18, 6))
            - cast(revenue * cut_before as decimal(18, 6)) as decimal(18, 6)
        ) as revenue,
        cast(
            cast(margin * cut_behind as decimal(18, 6))
            - cast(margin * cut_before as decimal(18, 6)) as decimal(18, 6)
        ) as margin
    from cuts
    where cut_behind > cut_before
),

unearned as (
    select
        o.order_id,
        0 as touch_no,
        m.model,
        o.customer_id,
        o.order_day,
        o.is_first_order,
        cast(null as bigint) as touch_id,
        cast(null as bigint) as campaign_id,
        cast(null as varchar) as channel,
        cast(1 as decimal(18, 9)) as credit,
        cast(o.revenue as decimal(18, 6)) as revenue,
        o.margin
    from attribution_models as m
    cross join order_values as o
    left join paths as p on o.order_id = p.order_id
    where o.is_conversion and p.order_id is null
)

select * from earned
union all
select * from unearned
