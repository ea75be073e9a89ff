-- One row per customer and snapshot date from which the customer was known: what
-- the rules of segments look at.
-- Behaviour, scores and tier are those of the date. Demographics carry no
-- date: they are those of the survey at every date, and unknown for most.
select
    s.snapshot_date,
    s.customer_id,
    s.known_since,
    s.first_order_day,
    s.last_order_day,
    s.days_since_first_order,
    s.days_since_last_order,
    s.days_since_last_touch,
    s.days_since_last_contact,
    s.order_days,
    s.days_between_orders,
    s.orders_30_days,
    s.orders_90_days,
    s.orders_365_days,
    s.orders_lifetime,
    s.paid_orders_30_days,
    s.paid_orders_90_days,
    s.paid_orders_365_days,
    s.paid_orders_lifetime,
    s.net_sales_30_days,
    s.net_sales_90_days,
    s.net_sales_365_days,
    s.net_sales_lifetime,
    s.contribution_30_days,
    s.contribution_90_days,
    s.contribution_365_days,
    s.contribution_lifetime,
    s.discount_share_365_days,
    s.returns_365_days,
    s.returns_lifetime,
    s.touches_90_days,
    s.touches_365_days,
    s.touches_lifetime,
    s.contacts_90_days,
    s.contacts_365_days,
    s.contacts_lifetime,
    r.r_score,
    r.f_score,
    r.m_score,
    r.segment as rfm_segment,
    t.tier,
    c.age_band,
    c.income_band,
    c.household_size,
    c.household_composition,
    c.marital_status,
    c.home_ownership,
    c.children
from customer_snapshots as s
inner join customers as c on s.customer_id = c.customer_id
left join rfm_snapshots as r
    on s.snapshot_date = r.snapshot_date and s.customer_id = r.customer_id
left join tier_snapshots as t
    on s.snapshot_date = t.snapshot_date and s.customer_id = t.customer_id
