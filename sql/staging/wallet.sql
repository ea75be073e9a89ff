-- One row per customer, category and period that was over at $as_of: what a
-- panel says they spent with all suppliers. The source tells when a period
-- began; it lasts $wallet_period_months months, and what it held is not known
-- before its end.
with periods as (
    select
        *,
        cast(period_start as date) as period_start_day,
        cast(
            cast(period_start as date)
            + cast(concat($wallet_period_months, ' months') as interval)
            as date
        ) as period_end
    from sources.wallet
)

select
    customer_id,
    period_start_day as period_start,
    period_end,
    category,
    cast(total_spend as decimal(18, 2)) as total_spend,
    cast(rank_of_us as integer) as rank_of_us,
    cast(suppliers_used as integer) as suppliers_used
from periods
where period_end <= $as_of_day
