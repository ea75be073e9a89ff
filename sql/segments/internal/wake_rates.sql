-- One row per kind of sleeper and channel: how many contacts there were, and how
-- many were followed by an order within $wake_days. A kind is a favourite
-- category, (all) for all of them, and whether the sleeper counts as lost.
select
    category,
    is_lost,
    channel,
    count(*) as contacts,
    count(*) filter (where is_woken) as woken,
    sum(cost) as known_cost,
    count(cost) as known_costs
from (
    select
        unnest(make_array(f.category, '(all)')) as category,
        c.is_lost,
        c.channel,
        c.is_woken,
        c.cost
    from wake_contacts as c
    inner join favourite_categories as f on c.customer_id = f.customer_id
    where c.is_over
) as c
group by category, is_lost, channel
