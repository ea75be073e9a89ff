-- One row per planned campaign and customer: whether the contact is made, and
-- which rule keeps it from being made.
-- Who did not permit the channel, or waits for an answer to a complaint, is not
-- contacted at all. The rest is decided customer by customer in the order of
-- priority, with what they got already: plan_contacts in docs/functions.md.
with permissions as (
    select
        customer_id,
        channel,
        given
    from (
        select
            customer_id,
            channel,
            given,
            row_number() over (
                partition by customer_id, channel order by changed_at desc
            ) as newest
        from consents
    ) as c
    where newest = 1
),

complaints as (
    select distinct customer_id
    from service_cases
    where kind = 'complaint' and closed_at is null
),

gated as (
    select
        p.campaign_id,
        p.customer_id,
        p.planned_at,
        p.planned_day,
        p.channel,
        p.priority,
        c.purpose,
        case
            when $absent_consents then 'no_consent_data'
            when g.given is null then 'never_given'
            when g.given then 'given'
            else 'withdrawn'
        end as consent_status,
        case
            when not $absent_consents and not coalesce(g.given, false)
                then 'no_consent'
            when o.customer_id is not null then 'open_complaint'
        end as gate
    from planned_contacts as p
    left join campaigns as c on p.campaign_id = c.campaign_id
    left join permissions as g
        on p.customer_id = g.customer_id and p.channel = g.channel
    left join complaints as o on p.customer_id = o.customer_id
    where p.planned_at >= $as_of
),

plans as (
    select
        customer_id,
        array_agg(
            named_struct(
                'id', campaign_id,
                'at', planned_at,
                'priority', cast(priority as bigint),
                'labels', make_array(
                    'channel:' || channel,
                    'purpose:' || purpose,
                    'campaign:' || campaign_id
                ),
                'is_made', false
            )
            order by campaign_id
        ) as contacts
    from gated
    where gate is null
    group by customer_id
),

histories as (
    select
        customer_id,
        array_agg(
            named_struct(
                'id', touch_id,
                'at', touched_at,
                'priority', cast(0 as bigint),
                'labels', make_array(
                    'channel:' || channel,
                    'purpose:' || purpose,
                    'campaign:' || campaign_id
                ),
                'is_made', true
            )
            order by touch_day, contact
        ) as contacts
    from contact_history
    group by customer_id
),

rules as (
    select
        array_agg(
            named_struct(
                'rule', rule,
                'kind', kind,
                'label', label,
                'other_label', other_label,
                'days', days,
                'most', most
            )
            order by rule_no
        ) as all_rules
    from contact_rules
),

decisions as (
    select
        d.customer_id,
        d.decision['id'] as campaign_id,
        d.decision['rule'] as rule
    from (
        select
            p.customer_id,
            unnest(
                plan_contacts(
                    case
                        when h.customer_id is null then p.contacts
                        else array_concat(p.contacts, h.contacts)
                    end,
                    r.all_rules
                )
            ) as decision
        from plans as p
        left join histories as h on p.customer_id = h.customer_id
        cross join rules as r
    ) as d
),

-- What an order of the customer brings; of who never had one, of all customers.
order_margins as (
    select
        customer_id,
        cast(contribution_lifetime as double)
        / nullif(paid_orders_lifetime, 0) as margin
    from customer_snapshots
    where snapshot_date = $as_of_day
),

all_margins as (
    select
        cast(sum(contribution_lifetime) as double)
        / nullif(sum(paid_orders_lifetime), 0) as margin
    from customer_snapshots
    where snapshot_date = $as_of_day
),

decided as (
    select
        g.*,
        coalesce(g.gate, d.rule) as rule,
        l.lift * coalesce(m.margin, a.margin) as expected_margin,
        case
            when l.lift is null then 'no_holdout'
            when least(l.treated, l.held_out) < $contact_min_members
                then 'insufficient_sample'
            else 'holdout'
        end as margin_basis
    from gated as g
    left join decisions as d
        on g.customer_id = d.customer_id and g.campaign_id = d.campaign_id
    left join contact_lifts as l on g.channel = l.channel
    left join order_margins as m on g.customer_id = m.customer_id
    cross join all_margins as a
)

select
    $as_of_day as as_of,
    campaign_id,
    customer_id,
    planned_at,
    planned_day,
    channel,
    purpose,
    priority,
    rule is null as is_kept,
    rule,
    consent_status,
    case when margin_basis = 'holdout' then expected_margin end
        as expected_margin,
    case
        when margin_basis = 'holdout' and rule is not null
            then expected_margin
    end as forgone_margin,
    margin_basis
from decided
