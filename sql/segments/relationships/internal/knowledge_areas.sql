-- One row per customer and area in which something was learned before $as_of,
-- with the first and the last day on which it was.
-- Purchases and contacts say what customers do; the other areas must be asked.
with learned as (
    select
        customer_id,
        'profile' as area,
        created_day as day
    from customers
    union all
    select
        customer_id,
        'profile' as area,
        valid_from_day as day
    from customer_history
    where value is not null
    union all
    select
        customer_id,
        'permission' as area,
        changed_day as day
    from consents
    union all
    select
        customer_id,
        'purchases' as area,
        day
    from order_days
    union all
    select
        party_id as customer_id,
        'dialogue' as area,
        touch_day as day
    from touches
    where direction = 'in' and find_in_set(kind, $dialogue_kinds) > 0
    union all
    select
        customer_id,
        'dialogue' as area,
        opened_day as day
    from service_cases
    union all
    select
        party_id as customer_id,
        'needs' as area,
        stated_day as day
    from needs
    union all
    select
        customer_id,
        'opinion' as area,
        answered_day as day
    from surveys
    where asked_by is distinct from 'firm'
)

select
    l.customer_id,
    l.area,
    min(l.day) as first_day,
    max(l.day) as last_day
from learned as l
inner join customers as c on l.customer_id = c.customer_id
group by l.customer_id, l.area
