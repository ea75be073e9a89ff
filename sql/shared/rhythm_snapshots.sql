-- One row per month end up to $as_of, the last $snapshot_months of them, and
-- customer with a paid order before it: what was known of the customer then.
-- A month end is named by the day after it, from whose start the snapshot
-- looks: nothing of that day or later is in it. Tiers are those of that day,
-- cut as value_tiers cuts today's. Orders cancelled before $as_of are in no
-- snapshot, for they are no orders of ours.
-- A customer has a rhythm from $rhythm_min_orders days with an order on; silence
-- of up to $rhythm_min_days is neither late nor churn, however fast it is.
with order_months as (
    select
        customer_id,
        cast(date_trunc('month', day) as date) as month,
        min(first_day) as first_order_day,
        max(day) as last_order_day,
        max(order_day_no) as order_days,
        max(paid_orders_so_far) as paid_orders,
        max(last_comeback_day) as last_comeback_day
    from order_days
    group by customer_id, cast(date_trunc('month', day) as date)
),

-- A rhythm changes only in months with an order: it is measured there.
rhythms as (
    select
        m.customer_id,
        m.order_days,
        cast(median(cast(d.gap_days as double)) as decimal(10, 1))
            as median_gap_days
    from order_months as m
    inner join order_days as d
        on m.customer_id = d.customer_id and d.order_day_no <= m.order_days
    where d.gap_days is not null
    group by m.customer_id, m.order_days
),

-- No value is told for months in which no money moved.
money_months as (
    select
        customer_id,
        month,
        net_sales,
        contribution,
        case
            when
                $value_period not in ('trailing_12_months', 'lifetime')
                and $value_period <> concat(
                    'year_', cast(date_part('year', month) as varchar)
                )
                then null
            when $value_measure = 'contribution' then contribution
            when $value_measure = 'gross_margin' then gross_margin
            when $value_measure = 'net_sales'
                then cast(net_sales as decimal(18, 6))
            when $value_measure = 'invoiced_sales'
                then cast(gross_sales - discounts as decimal(18, 6))
        end as value
    from customer_months
    where orders > 0 or returns <> 0 or cogs <> 0 or marketing_cost <> 0
),

spans as (
    select
        customer_id,
        unnest(
            generate_series(
                min(month),
                cast(
                    date_trunc('month', $as_of_day) - interval '1 month'
                    as date
                ),
                interval '1 month'
            )
        ) as month
    from money_months
    group by customer_id
),

-- Every month from the first one in which money moved: frames count rows.
calendar as (
    select distinct
        customer_id,
        month
    from spans
),

months as (
    select
        c.customer_id,
        c.month,
        coalesce(m.net_sales, 0) as net_sales,
        coalesce(m.contribution, 0) as contribution,
        m.value,
        o.first_order_day,
        o.last_order_day,
        o.order_days,
        o.paid_orders,
        o.last_comeback_day
    from calendar as c
    left join money_months as m
        on c.customer_id = m.customer_id and c.month = m.month
    left join order_months as o
        on c.customer_id = o.customer_id and c.month = o.month
),

seen as (
    select
        customer_id,
        month,
        cast(month + interval '1 month' as date) as snapshot_date,
        sum(net_sales) over twelve as net_sales_12m,
        sum(contribution) over twelve as contribution_12m,
        sum(net_sales) over three as net_sales_3m,
        sum(net_sales) over six as net_sales_6m,
        case
            when $value_period = 'trailing_12_months'
                then sum(value) over twelve
            else sum(value) over past
        end as value,
        min(first_order_day) over past as first_order_day,
        max(last_order_day) over past as last_order_day,
        max(order_days) over past as order_days,
        max(paid_orders) over past as paid_orders,
        max(last_comeback_day) over past as last_comeback_day
    from months
    window
        past as (
            partition by customer_id
            order by month
            rows between unbounded preceding and current row
        ),
        twelve as (
            partition by customer_id
            order by month
            rows between 11 preceding and current row
        ),
        six as (
            partition by customer_id
            order by month
            rows between 5 preceding and current row
        ),
        three as (
            partition by customer_id
            order by month
            rows between 2 preceding and current row
        )
),

known as (
    select
        s.*,
        r.median_gap_days
    from seen as s
    left join rhythms as r
        on s.customer_id = r.customer_id and s.order_days = r.order_days
    where
        s.last_order_day is not null
        and 12 * (date_part('year', $as_of_day) - date_part('year', s.month))
        + date_part('month', $as_of_day) - date_part('month', s.month)
        <= $snapshot_months
),

-- Who moved no money in the value period is not ranked: as in value_tiers.
ranked as (
    select
        *,
        row_number() over (
            partition by month order by value desc nulls last, customer_id
        ) - 1 as customers_before,
        count(value) over (partition by month) as customers,
        coalesce(
            sum(greatest(value, 0)) over (
                partition by month
                order by value desc nulls last, customer_id
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as brought_before,
        sum(greatest(value, 0)) over (partition by month) as value_brought
    from known
)

select
    $as_of_day as as_of,
    snapshot_date,
    customer_id,
    first_order_day,
    last_order_day,
    snapshot_date - first_order_day as age_days,
    snapshot_date - last_order_day as days_since_last_order,
    paid_orders,
    order_days,
    median_gap_days,
    case
        when order_days >= $rhythm_min_orders
            then greatest(
                cast(
                    floor($half_asleep_after_gaps * median_gap_days)
                    as bigint
                ),
                $rhythm_min_days
            )
    end as own_late_days,
    case
        when order_days >= $rhythm_min_orders
            then greatest(
                cast(floor($churn_after_gaps * median_gap_days) as bigint),
                $rhythm_min_days
            )
    end as own_churn_days,
    last_comeback_day,
    cast(net_sales_12m as decimal(18, 2)) as net_sales_12m,
    cast(contribution_12m as decimal(18, 6)) as contribution_12m,
    cast(net_sales_3m as decimal(18, 2)) as net_sales_3m,
    cast(net_sales_6m - net_sales_3m as decimal(18, 2))
        as net_sales_3m_before,
    cast(value as decimal(18, 6)) as value,
    case
        when value is null then 'none'
        when $tier_basis = 'rank' then
            case
                when customers_before < customers * $tier_a_rank then 'A'
                when customers_before < customers * $tier_b_rank then 'B'
                when customers_before < customers * $tier_c_rank then 'C'
                else 'D'
            end
        when $tier_basis = 'cumulative_share' then
            case
                when value_brought <= 0 then 'D'
                when brought_before < value_brought * $tier_a_share
                    then 'A'
                when brought_before < value_brought * $tier_b_share
                    then 'B'
                when brought_before < value_brought * $tier_c_share
                    then 'C'
                else 'D'
            end
    end as tier
from ranked
