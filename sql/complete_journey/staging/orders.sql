-- One row per basket before $as_of.
-- Baskets whose lines disagree on household, store or time would appear twice
-- here and break the grain, rather than be settled in silence.
select distinct
    basket_id as order_id,
    household_id as customer_id,
    transaction_timestamp as ordered_at,
    local_date(transaction_timestamp, $time_zone) as order_day,
    'store' as sales_channel,
    store_id,
    cast(null as decimal(18, 2)) as fulfilment_cost,
    cast(null as decimal(18, 2)) as payment_cost,
    cast(null as bigint) as sales_rep_id
from sources.transactions
