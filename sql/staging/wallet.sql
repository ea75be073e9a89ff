-- One row per customer, category and period that began before $as_of: what a
-- panel says they spent with all suppliers. A period lasts until the panel's
-- next one, so the last may still grow.
select
    customer_id,
    cast(period_start as date) as period_start,
    category,
    cast(total_spend as decimal(18, 2)) as total_spend,
    cast(rank_of_us as integer) as rank_of_us,
    cast(suppliers_used as integer) as suppliers_used
from sources.wallet
