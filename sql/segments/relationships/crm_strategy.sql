-- One row per segment at $as_of, and (all) for all customers: which of the four
-- CRM strategies its customers see, by how much is known of them and by how
-- many of our contacts differ by customer or by segment.
-- What a campaign sends one customer is one contact. It differs by customer
-- where a representative makes it or no campaign is behind it, by segment where
-- the campaign chose its members from one segment alone.
with members as (
    select
        segment,
        customer_id
    from segment_matches
    where snapshot_date = $as_of_day and is_member
    union all
    select
        '(all)' as segment,
        customer_id
    from segment_facts
    where snapshot_date = $as_of_day
),

names as (
    select segment from segment_rules
    union all
    select '(all)' as segment
),

aimed as (
    select campaign_id
    from campaign_members
    group by campaign_id
    having count(distinct segment) = 1 and count(*) = count(segment)
),

campaign_contacts_of as (
    select
        t.party_id as customer_id,
        t.touch_day < $as_of_day - 365 as is_before,
        max(
            case
                when t.sales_rep_id is not null or a.campaign_id is not null
                    then 1
                else 0
            end
        ) as differs
    from touches as t
    left join aimed as a on t.campaign_id = a.campaign_id
    where
        t.direction = 'out'
        and t.campaign_id is not null
        and t.touch_day >= $as_of_day - 730
    group by t.party_id, t.campaign_id, t.touch_day < $as_of_day - 365
),

contacts as (
    select
        customer_id,
        sum(case when is_before then 0 else 1 end) as contacts,
        sum(case when is_before then 0 else differs end) as differing,
        sum(case when is_before then 1 else 0 end) as contacts_before,
        sum(case when is_before then differs else 0 end) as differing_before
    from (
        select
            customer_id,
            is_before,
            differs
        from campaign_contacts_of
        union all
        select
            party_id as customer_id,
            touch_day < $as_of_day - 365 as is_before,
            1 as differs
        from touches
        where
            direction = 'out'
            and campaign_id is null
            and touch_day >= $as_of_day - 730
    ) as c
    group by customer_id
),

-- How many of a segment's customers something is known of, area by area.
counted as (
    select
        n.segment,
        count(k.customer_id) as customers,
        avg(k.completeness) as completeness,
        avg(k.completeness_a_year_ago) as completeness_before,
        count(k.permission_day) as permission,
        count(k.purchase_day) as purchases,
        count(k.dialogue_day) as dialogue,
        count(k.need_day) as needs,
        count(k.opinion_day) as opinion,
        avg(
            cast(k.attributes_known as double) / cast(k.attributes as double)
        ) as profile,
        coalesce(sum(c.contacts), 0) as contacts,
        coalesce(sum(c.differing), 0) as differing,
        coalesce(sum(c.contacts_before), 0) as contacts_before,
        coalesce(sum(c.differing_before), 0) as differing_before
    from names as n
    left join members as m on n.segment = m.segment
    left join customer_knowledge as k
        on m.customer_id = k.customer_id and k.as_of = $as_of_day
    left join contacts as c on m.customer_id = c.customer_id
    group by n.segment
),

measured as (
    select
        *,
        cast(differing as double) / nullif(cast(contacts as double), 0)
            as individualisation,
        cast(differing_before as double)
        / nullif(cast(contacts_before as double), 0)
            as individualisation_before,
        nullif(cast(customers as double), 0) as n,
        least(
            profile,
            least(permission, purchases, dialogue, needs, opinion)
            / nullif(cast(customers as double), 0)
        ) as least_share
    from counted
),

-- Who is never contacted is treated as nobody in particular.
judged as (
    select
        *,
        completeness >= $high_completeness as knows,
        coalesce(individualisation >= $high_individualisation, false)
            as differs,
        completeness_before >= $high_completeness as knew,
        coalesce(individualisation_before >= $high_individualisation, false)
            as differed
    from measured
)

select
    $as_of_day as as_of,
    segment,
    customers,
    completeness,
    individualisation,
    contacts,
    case
        when customers = 0 then null
        when knows and differs then 'individual_relationship'
        when knows then 'customer_marketing'
        when differs then 'service_and_support'
        else 'product_selling'
    end as strategy,
    completeness_before as completeness_a_year_ago,
    case
        when completeness_before is not null then individualisation_before
    end as individualisation_a_year_ago,
    case
        when completeness_before is null then null
        when knew and differed then 'individual_relationship'
        when knew then 'customer_marketing'
        when differed then 'service_and_support'
        else 'product_selling'
    end as strategy_a_year_ago,
    case
        when completeness_before is null then null
        when knows = knew and differs = differed then 'stayed'
        when knows >= knew and differs >= differed
            then
                case
                    when knows = knew then 'by_individualisation'
                    when differs = differed then 'by_information'
                    else 'by_both'
                end
        else 'back'
    end as path,
    case
        when customers = 0 then null
        when knows and differs then 'keep'
        when knows then 'differ_more'
        when differs then 'know_more'
        when
            completeness / $high_completeness
            >= coalesce(individualisation, 0) / $high_individualisation
            then 'know_more'
        else 'differ_more'
    end as next_step,
    case
        when customers = 0 then null
        when profile = least_share then 'profile'
        when permission / n = least_share then 'permission'
        when purchases / n = least_share then 'purchases'
        when dialogue / n = least_share then 'dialogue'
        when needs / n = least_share then 'needs'
        else 'opinion'
    end as least_known,
    least_share as least_known_share
from judged
