-- One row per customer with a paid order before $as_of: how deep the customer
-- sleeps, by fixed cuts and by the customer's own rhythm.
-- The last cut is where churn begins, so asleep is churned by days_silent and
-- by own_rhythm. Within $rhythm_min_days everybody is awake, however fast the
-- rhythm; without $rhythm_min_orders days with an order there is none to tell.
-- Who is asleep by the fixed cuts may be woken by the channel that promises
-- most: what an order of the customer brings, times how many more woke after
-- such a contact than of those held out, less what the contact costs.
with last_orders as (
    select
        customer_id,
        first_day as first_order_day,
        day as last_order_day,
        order_day_no as order_days,
        paid_orders_so_far as paid_orders,
        $as_of_day - day as days_since_last_order
    from order_days
    where next_day is null
),

rhythms as (
    select
        customer_id,
        cast(median(cast(gap_days as double)) as decimal(10, 1))
            as median_gap_days
    from order_days
    where gap_days is not null
    group by customer_id
),

worth as (
    select
        customer_id,
        max(case when period = 'lifetime' then net_sales end)
            as lifetime_net_sales,
        max(case when period = 'lifetime' then contribution end)
            as lifetime_contribution,
        max(case when period = 'trailing_12_months' then contribution end)
            as contribution_12m
    from customer_pnl
    where as_of = $as_of_day
    group by customer_id
),

told as (
    select
        o.customer_id,
        o.first_order_day,
        o.last_order_day,
        o.days_since_last_order,
        o.paid_orders,
        o.order_days,
        r.median_gap_days,
        cast(o.days_since_last_order as double)
        / cast(r.median_gap_days as double) as silence_in_gaps,
        case
            when o.days_since_last_order > $churn_after_days then 'asleep'
            when o.days_since_last_order > $half_asleep_after_days
                then 'half_asleep'
            when o.days_since_last_order > $drowsy_after_days then 'drowsy'
            else 'active'
        end as dormancy,
        case
            when o.order_days < $rhythm_min_orders then null
            when o.days_since_last_order <= $rhythm_min_days then 'active'
            when o.days_since_last_order > r.median_gap_days * $churn_after_gaps
                then 'asleep'
            when
                o.days_since_last_order
                > r.median_gap_days * $half_asleep_after_gaps
                then 'half_asleep'
            when
                o.days_since_last_order
                > r.median_gap_days * $drowsy_after_gaps
                then 'drowsy'
            else 'active'
        end as own_dormancy,
        case
            when o.order_days < $rhythm_min_orders then 'insufficient_history'
            else 'ok'
        end as own_dormancy_status,
        o.days_since_last_order > $lost_after_days as is_lost,
        coalesce(f.category, '(unknown)') as favourite_category,
        cast(w.lifetime_contribution as double)
        / cast(o.paid_orders as double) as margin_per_order,
        w.lifetime_net_sales,
        w.lifetime_contribution,
        coalesce(w.contribution_12m, 0) as contribution_12m
    from last_orders as o
    left join rhythms as r on o.customer_id = r.customer_id
    left join worth as w on o.customer_id = w.customer_id
    left join favourite_categories as f on o.customer_id = f.customer_id
),

-- Sleepers alike have slept as long. Many order without any contact: where too
-- few were held out to tell how many, nobody knows what a contact is worth.
-- The interval of the difference is that of Agresti and Caffo: one more success
-- and one more failure on either side.
rates as (
    select
        is_lost,
        channel,
        contacts,
        held_out,
        cast(woken as double) / cast(contacts as double) as chance,
        cast(known_cost as double) / nullif(cast(known_costs as double), 0)
            as cost,
        case
            when held_out >= $wake_min_contacts and compared_contacts > 0
                then
                    (cast(compared_woken as double) - expected_alone)
                    / cast(compared_contacts as double)
        end as uplift,
        (cast(compared_woken as double) + 1)
        / (cast(compared_contacts as double) + 2) as contacted_rate,
        (
            expected_alone / cast(compared_contacts as double)
            * held_out_effective + 1
        )
        / (held_out_effective + 2) as alone_rate,
        cast(compared_contacts as double) + 2 as contacted_n,
        held_out_effective + 2 as alone_n
    from wake_rates
    where contacts >= $wake_min_contacts
),

-- 1.96 standard errors, for 95 %.
chances as (
    select
        is_lost,
        channel,
        contacts,
        held_out,
        chance,
        cost,
        uplift,
        case
            when uplift is not null
                then
                    1.959964 * sqrt(
                        contacted_rate * (1 - contacted_rate) / contacted_n
                        + alone_rate * (1 - alone_rate) / alone_n
                    )
        end as error,
        contacted_rate - alone_rate as middle
    from rates
),

promises as (
    select
        t.customer_id,
        c.channel,
        max(c.contacts) as contacts,
        max(c.held_out) as held_out,
        max(c.chance) as chance,
        max(c.uplift) as uplift,
        max(c.middle - c.error) as uplift_low,
        max(c.middle + c.error) as uplift_high,
        max(c.cost) as cost,
        max(c.uplift * t.margin_per_order - c.cost) as margin,
        max(
            c.middle * t.margin_per_order
            - c.error * abs(t.margin_per_order)
            - c.cost
        ) as margin_low
    from told as t
    inner join chances as c on t.is_lost = c.is_lost
    where t.dormancy = 'asleep'
    group by t.customer_id, c.channel
),

best as (
    select *
    from (
        select
            *,
            row_number() over (
                partition by customer_id
                order by margin desc nulls last, chance desc, channel
            ) as place
        from promises
    ) as p
    where place = 1
)

select
    $as_of_day as as_of,
    t.customer_id,
    t.first_order_day,
    t.last_order_day,
    t.days_since_last_order,
    t.paid_orders,
    t.order_days,
    t.median_gap_days,
    t.silence_in_gaps,
    t.dormancy,
    t.own_dormancy,
    t.own_dormancy_status,
    t.lifetime_net_sales,
    t.lifetime_contribution,
    t.contribution_12m,
    t.favourite_category,
    b.margin > 0 as worth_waking,
    b.margin as waking_margin,
    b.margin_low as waking_margin_low,
    b.channel as waking_channel,
    b.chance as waking_chance,
    b.contacts as waking_n,
    b.uplift as waking_uplift,
    b.uplift_low as waking_uplift_low,
    b.uplift_high as waking_uplift_high,
    b.held_out as waking_held_out,
    b.cost as waking_cost,
    case
        when t.dormancy = 'asleep' then coalesce(k.product_id, a.product_id)
    end as waking_product_id,
    case when t.dormancy = 'asleep' then p.name end as waking_product,
    case
        when t.dormancy <> 'asleep' then 'awake'
        when b.customer_id is null then 'insufficient_history'
        when b.uplift is null then 'no_holdout'
        when b.cost is null then 'no_cost_data'
        else 'ok'
    end as waking_status
from told as t
left join best as b on t.customer_id = b.customer_id
left join wake_products as k on t.favourite_category = k.category
left join wake_products as a on a.category = '(all)'
left join products as p on coalesce(k.product_id, a.product_id) = p.product_id
