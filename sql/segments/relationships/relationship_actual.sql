-- One row per customer at $as_of: how close the relationship is, of Kotler's
-- five levels, by what the last four quarters of 91 days show, and how far that
-- is from what is recommended for the customer's tier.
-- The highest level whose sign is there counts:
--   partnership  we cared and the customer answered or asked in the same
--                quarter, in $partnership_quarters of the four
--   proactive    we cared in $proactive_quarters of the four
--   accountable  we asked after $accountable_share of the orders, or more
--   reactive     the customer turned to us or answered
--   basic        we sold
with quarters as (
    select
        customer_id,
        sum(order_days) as order_days,
        sum(dialogues) as dialogues,
        count(*) filter (where care_contacts > 0) as care_quarters,
        count(*) filter (where dialogues > 0) as dialogue_quarters,
        count(*) filter (where care_contacts > 0 and dialogues > 0)
            as mutual_quarters
    from customer_quarters
    group by customer_id
),

-- Orders after which there was time enough to ask, and whether we did: a
-- contact by us that did not want to sell.
checked as (
    select
        o.customer_id,
        o.day,
        count(t.touch_id) > 0 as is_checked
    from order_days as o
    left join touches as t
        on
            o.customer_id = t.party_id
            and t.direction = 'out'
            and not t.is_commercial
            and t.touch_day >= o.day
            and t.touch_day <= o.day + $after_sale_days
    where
        o.day >= $as_of_day - 364
        and o.day < $as_of_day - $after_sale_days
    group by o.customer_id, o.day
),

checks as (
    select
        customer_id,
        count(*) as orders_to_check,
        count(*) filter (where is_checked) as orders_checked
    from checked
    group by customer_id
),

signs as (
    select
        f.customer_id,
        f.tier,
        coalesce(q.order_days, 0) as order_days,
        coalesce(k.orders_to_check, 0) as orders_to_check,
        coalesce(k.orders_checked, 0) as orders_checked,
        coalesce(q.care_quarters, 0) as care_quarters,
        coalesce(q.dialogue_quarters, 0) as dialogue_quarters,
        coalesce(q.mutual_quarters, 0) as mutual_quarters,
        case
            when q.mutual_quarters >= $partnership_quarters then 5
            when q.care_quarters >= $proactive_quarters then 4
            when
                k.orders_checked > 0
                and k.orders_checked
                >= k.orders_to_check * $accountable_share
                then 3
            when q.dialogues > 0 then 2
            when q.order_days > 0 then 1
            else 0
        end as actual_rank
    from segment_facts as f
    left join quarters as q on f.customer_id = q.customer_id
    left join checks as k on f.customer_id = k.customer_id
    where f.snapshot_date = $as_of_day
),

recommended as (
    select
        name as tier,
        case
            when $relationship_basis = 'loyalty' then recommended_by_loyalty
            else recommended_by_margin
        end as level
    from relationship_recommended
    where as_of = $as_of_day and grouped_by = 'tier'
),

compared as (
    select
        s.*,
        r.level as recommended,
        array_position(
            make_array(
                'basic', 'reactive', 'accountable', 'proactive', 'partnership'
            ),
            r.level
        ) as recommended_rank
    from signs as s
    left join recommended as r on coalesce(s.tier, '(none)') = r.tier
)

select
    $as_of_day as as_of,
    customer_id,
    tier,
    array_element(
        make_array(
            'none', 'basic', 'reactive', 'accountable', 'proactive',
            'partnership'
        ),
        actual_rank + 1
    ) as relationship,
    recommended,
    actual_rank - cast(recommended_rank as bigint) as gap,
    case
        when recommended_rank is null then 'no_recommendation'
        when actual_rank < cast(recommended_rank as bigint) then 'too_distant'
        when actual_rank > cast(recommended_rank as bigint) then 'too_close'
        else 'as_recommended'
    end as gap_status,
    order_days,
    orders_to_check,
    orders_checked,
    care_quarters,
    dialogue_quarters,
    mutual_quarters
from compared
