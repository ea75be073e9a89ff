-- One row per rule of contact_rules, and per reason that is no rule (no_consent,
-- open_complaint): how many contacts it is about, how many it kept from being
-- made, and what these had promised. A contact that breaks several rules is
-- told with the first.
-- A rule that is about no contact at all may be misspelt.
with labels as (
    select
        campaign_id,
        customer_id,
        channel,
        purpose,
        'planned' as origin
    from contact_plan
    union all
    select
        campaign_id,
        customer_id,
        channel,
        purpose,
        'made' as origin
    from contact_history
),

seen as (
    select
        label,
        count(*) filter (where origin = 'planned') as planned,
        count(*) filter (where origin = 'made') as made
    from (
        select
            origin,
            unnest(
                make_array(
                    'channel:' || channel,
                    'purpose:' || purpose,
                    'campaign:' || campaign_id,
                    '(all)'
                )
            ) as label
        from labels
    ) as l
    where label is not null
    group by label
),

dropped as (
    select
        rule,
        count(*) as contacts,
        sum(forgone_margin) as forgone_margin,
        count(forgone_margin) as known_margins
    from contact_plan
    where rule is not null
    group by rule
),

reasons as (
    select
        rule,
        rule_no,
        coalesce(label, '(all)') as label,
        case when kind = 'apart' then coalesce(other_label, label, '(all)') end
            as other_label
    from contact_rules
    union all
    select
        column1 as rule,
        cast(null as bigint) as rule_no,
        '(all)' as label,
        cast(null as varchar) as other_label
    from (values ('no_consent'), ('open_complaint'))
)

select
    $as_of_day as as_of,
    r.rule,
    r.rule_no,
    r.label,
    r.other_label,
    coalesce(s.planned, 0) as planned_contacts,
    coalesce(s.made, 0) as made_contacts,
    coalesce(d.contacts, 0) as dropped_contacts,
    d.forgone_margin,
    coalesce(d.known_margins, 0) as known_margins,
    case
        when coalesce(s.planned, 0) + coalesce(s.made, 0) = 0
            then 'about_nobody'
        when r.other_label is not null and o.label is null then 'about_nobody'
        else 'ok'
    end as rule_status
from reasons as r
left join seen as s on r.label = s.label
left join seen as o on r.other_label = o.label
left join dropped as d on r.rule = d.rule
