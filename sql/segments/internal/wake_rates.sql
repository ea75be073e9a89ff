-- One row per depth of sleep and channel: how many contacts there were, how
-- many were followed by an order within $wake_days, and how many would have
-- been without the contact, as those show whom the same campaigns held out.
-- Campaigns hold out more or fewer, so each counts by its contacts.
with campaigns_of as (
    select
        is_lost,
        channel,
        campaign_id,
        count(*) filter (where not is_held_out) as contacts,
        count(*) filter (where not is_held_out and is_woken) as woken,
        count(*) filter (where is_held_out) as held_out,
        count(*) filter (where is_held_out and is_woken) as woken_alone,
        sum(cost) as known_cost,
        count(cost) as known_costs
    from wake_contacts
    where is_over
    group by is_lost, channel, campaign_id
)

select
    is_lost,
    channel,
    sum(contacts) as contacts,
    sum(woken) as woken,
    sum(known_cost) as known_cost,
    sum(known_costs) as known_costs,
    sum(held_out) as held_out,
    sum(case when held_out > 0 then contacts else 0 end) as compared_contacts,
    sum(case when held_out > 0 then woken else 0 end) as compared_woken,
    sum(
        case
            when held_out > 0
                then
                    cast(contacts as double) * cast(woken_alone as double)
                    / cast(held_out as double)
        end
    ) as expected_alone,
    power(sum(case when held_out > 0 then cast(contacts as double) end), 2)
    / nullif(
        sum(
            case
                when held_out > 0
                    then
                        power(cast(contacts as double), 2)
                        / cast(held_out as double)
            end
        ),
        0
    ) as held_out_effective
from campaigns_of
group by is_lost, channel
having sum(contacts) > 0
