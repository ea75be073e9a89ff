-- One row per customer known at $as_of: how much is known of the customer, how
-- fresh it is, and which touchpoints the customer uses.
-- Six areas count alike: the profile by the share of its attributes that are
-- known, each of the others by whether anything was ever learned. What was
-- known a year ago is told by dates; the profile carries none, so today's
-- counts.
with profiles as (
    select
        customer_id,
        kind,
        case
            when kind = 'business' then 3
            else 6
        end as attributes,
        case when region is not null then 1 else 0 end
        + case
            when kind = 'business'
                then
                    case when industry is not null then 1 else 0 end
                    + case when company_size is not null then 1 else 0 end
            else
                case when birth_year is not null then 1 else 0 end
                + case when gender is not null then 1 else 0 end
                + case when occupation is not null then 1 else 0 end
                + case when income_band is not null then 1 else 0 end
                + case when household_size is not null then 1 else 0 end
        end as attributes_known
    from segment_facts
    where snapshot_date = $as_of_day
),

areas as (
    select
        customer_id,
        max(case when area = 'profile' then last_day end) as profile_day,
        max(case when area = 'permission' then last_day end) as permission_day,
        max(case when area = 'purchases' then last_day end) as purchase_day,
        max(case when area = 'dialogue' then last_day end) as dialogue_day,
        max(case when area = 'needs' then last_day end) as need_day,
        max(case when area = 'opinion' then last_day end) as opinion_day,
        max(last_day) as last_learned_day,
        min(first_day) as first_learned_day,
        count(*) as areas_known,
        count(*) filter (where last_day >= $as_of_day - $knowledge_fresh_days)
            as areas_fresh,
        count(*) filter (where area <> 'profile') as others_known,
        count(*) filter (
            where area <> 'profile' and first_day < $as_of_day - 365
        ) as others_known_before
    from knowledge_areas
    group by customer_id
),

touchpoints as (
    select
        customer_id,
        string_agg(touchpoint, ', ' order by touchpoint) as touchpoints,
        count(*) as touchpoint_count
    from (
        select
            customer_id,
            sales_channel as touchpoint
        from orders
        where order_day >= $as_of_day - 365 and sales_channel is not null
        union
        select
            party_id as customer_id,
            channel as touchpoint
        from touches
        where
            touch_day >= $as_of_day - 365
            and direction = 'in'
            and channel is not null
    ) as t
    group by customer_id
)

select
    $as_of_day as as_of,
    p.customer_id,
    (
        cast(p.attributes_known as double) / cast(p.attributes as double)
        + cast(coalesce(a.others_known, 0) as double)
    ) / 6 as completeness,
    case
        when a.first_learned_day < $as_of_day - 365
            then
                (
                    cast(p.attributes_known as double)
                    / cast(p.attributes as double)
                    + cast(a.others_known_before as double)
                ) / 6
    end as completeness_a_year_ago,
    cast(a.areas_fresh as double) / cast(a.areas_known as double) as freshness,
    a.last_learned_day,
    p.attributes_known,
    p.attributes,
    a.profile_day,
    a.permission_day,
    a.purchase_day,
    a.dialogue_day,
    a.need_day,
    a.opinion_day,
    coalesce(t.touchpoint_count, 0) as touchpoint_count,
    t.touchpoints
from profiles as p
left join areas as a on p.customer_id = a.customer_id
left join touchpoints as t on p.customer_id = t.customer_id
