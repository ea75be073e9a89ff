-- One row per customer and quarter of the last year in which the customer paid
-- for an order or was in contact. A quarter is 91 days, counted back from
-- $as_of: 0 is the last one, and four of them are looked at.
-- Care is a contact by us that a representative made, or whose purpose is one
-- of $care_purposes; a dialogue is one by the customer of a kind in
-- $dialogue_kinds: to look at something is none.
with entries as (
    select
        customer_id,
        day,
        1 as paid_orders,
        0 as care_contacts,
        0 as dialogues
    from order_days
    union all
    select
        t.party_id as customer_id,
        t.touch_day as day,
        0 as paid_orders,
        case
            when
                t.direction = 'out'
                and (
                    t.sales_rep_id is not null
                    or find_in_set(t.purpose, $care_purposes) > 0
                )
                then 1
            else 0
        end as care_contacts,
        case
            when
                t.direction = 'in'
                and find_in_set(t.kind, $dialogue_kinds) > 0
                then 1
            else 0
        end as dialogues
    from touches as t
    inner join customers as c on t.party_id = c.customer_id
)

select
    customer_id,
    ($as_of_day - 1 - day) / 91 as quarter_no,
    sum(paid_orders) as order_days,
    sum(care_contacts) as care_contacts,
    sum(dialogues) as dialogues
from entries
where day >= $as_of_day - 364
group by customer_id, ($as_of_day - 1 - day) / 91
