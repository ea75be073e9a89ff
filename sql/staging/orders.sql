-- One row per order placed before $as_of.
-- The day is the one in the pipeline's time zone, not the day in UTC.
select
    order_id,
    customer_id,
    ordered_at,
    local_date(ordered_at, $time_zone) as order_day,
    nullif(trim(sales_channel), '') as sales_channel,
    store_id,
    cast(fulfilment_cost as decimal(18, 2)) as fulfilment_cost,
    cast(payment_cost as decimal(18, 2)) as payment_cost,
    sales_rep_id
from sources.orders
