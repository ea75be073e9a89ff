-- One row per accepted order: placed before $as_of and not cancelled by then.
-- An order without a status is accepted. The day is the one in the pipeline's
-- time zone, not the day in UTC.
select
    o.order_id,
    o.customer_id,
    o.ordered_at,
    local_date(o.ordered_at, $time_zone) as order_day,
    nullif(trim(o.sales_channel), '') as sales_channel,
    o.store_id,
    cast(o.fulfilment_cost as decimal(18, 2)) as fulfilment_cost,
    cast(o.payment_cost as decimal(18, 2)) as payment_cost,
    o.sales_rep_id
from sources.orders as o
left join order_status as s on o.order_id = s.order_id
where s.status is null or s.status <> 'cancelled'
