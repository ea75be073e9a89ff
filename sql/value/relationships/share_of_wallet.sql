-- One row per customer and category of the wallet panel, over its periods that
-- ended in the $wallet_window_months before $as_of: the part of what the
-- customer spends that is spent here.
-- A share above 1 says that the panel or the mapping of categories is wrong. It
-- is flagged and stays as it is, and so does the headroom below 0.
-- By rank (the wallet allocation rule of Keiningham, Aksoy, Buoye and Cooil,
-- 2011) a supplier ranked r of n has the share (1 − r ÷ (n + 1)) × 2 ÷ n.
with recent as (
    select
        *,
        row_number() over (
            partition by customer_id, category order by period_start desc
        ) as newest
    from wallet_periods
    where
        period_end
        > $as_of_day
        - cast(concat($wallet_window_months, ' months') as interval)
),

-- A period without a total is left out on both sides of the share.
totals as (
    select
        customer_id,
        category,
        min(period_start) as first_day,
        max(period_end) as end_day,
        count(*) as periods,
        count(total_spend) as periods_with_total,
        coalesce(
            sum(own_spend) filter (where total_spend is not null), 0
        ) as own_spend,
        sum(total_spend) as total_spend,
        max(case when newest = 1 then rank_of_us end) as rank_of_us,
        max(case when newest = 1 then suppliers_used end) as suppliers_used
    from recent
    group by customer_id, category
)

select
    $as_of_day as as_of,
    customer_id,
    category,
    cast(own_spend as double) / nullif(cast(total_spend as double), 0)
        as share_of_wallet,
    case
        when total_spend is null then 'no_total'
        when own_spend > total_spend then 'above_total'
        when total_spend = 0 then 'nothing_spent'
        else 'ok'
    end as share_status,
    cast(own_spend as decimal(18, 2)) as own_spend,
    cast(total_spend as decimal(18, 2)) as total_spend,
    cast(total_spend - own_spend as decimal(18, 2)) as headroom,
    rank_of_us,
    suppliers_used,
    case
        when rank_of_us <= suppliers_used
            then
                (
                    1
                    - cast(rank_of_us as double)
                    / cast(suppliers_used + 1 as double)
                )
                * 2 / cast(suppliers_used as double)
    end as share_by_rank,
    case
        when rank_of_us is null or suppliers_used is null then 'no_rank'
        when rank_of_us > suppliers_used then 'rank_beyond_suppliers'
        else 'ok'
    end as rank_status,
    periods,
    periods_with_total,
    first_day,
    end_day
from totals
