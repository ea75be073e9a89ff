-- One row per customer and snapshot date from which the customer was known: what
-- was known of them before that day began.
-- A day's figures enter at the first snapshot date after it and leave a window of
-- w days at the first one after that day + w; so a window is what entered less
-- what left, and no day is looked at once for every date and window.
with days as (
    select
        customer_id,
        day,
        orders,
        paid_orders,
        gross_sales,
        discounts,
        returns,
        cast(gross_sales - discounts - returns as decimal(18, 2)) as net_sales,
        cast(gross_sales - discounts - returns - cogs as decimal(18, 6))
            as gross_margin,
        cast(
            gross_sales - discounts - returns - cogs
            - fulfilment_cost - payment_cost - service_cost - marketing_cost
            as decimal(18, 6)
        ) as contribution,
        0 as allocated_overhead,
        touches,
        contacts,
        orders > 0
        or returns <> 0
        or cogs <> 0
        or service_cost <> 0
        or marketing_cost <> 0 as is_money_day
    from customer_days
    union all
    select
        customer_id,
        month as day,
        0 as orders,
        0 as paid_orders,
        0 as gross_sales,
        0 as discounts,
        0 as returns,
        0 as net_sales,
        0 as gross_margin,
        0 as contribution,
        allocated_overhead,
        0 as touches,
        0 as contacts,
        true as is_money_day
    from customer_overhead
),

period_days as (
    select
        *,
        case
            when not is_money_day then 0
            when $value_period in ('lifetime', 'trailing_12_months') then 1
            when
                $value_period = concat(
                    'year_', cast(date_part('year', day) as varchar)
                )
                then 1
            else 0
        end as value_days
    from days
),

valued_days as (
    select
        *,
        case
            when $value_measure = 'profit'
                then value_days * (contribution - allocated_overhead)
            when $value_measure = 'contribution' then value_days * contribution
            when $value_measure = 'gross_margin' then value_days * gross_margin
            when $value_measure = 'net_sales'
                then value_days * cast(net_sales as decimal(18, 6))
            when $value_measure = 'invoiced_sales'
                then
                    value_days
                    * cast(gross_sales - discounts as decimal(18, 6))
        end as value
    from period_days
),

-- What a day adds to each window when it enters, and takes when it leaves it.
steps as (
    select *
    from (
        values
        (0, interval '0 months', 1, 1, 1, 1, 1, 1),
        (30, interval '0 months', 0, -1, 0, 0, 0, 0),
        (90, interval '0 months', 0, 0, -1, 0, 0, 0),
        (365, interval '0 months', 0, 0, 0, -1, 0, 0),
        ($rfm_window_days, interval '0 months', 0, 0, 0, 0, -1, 0),
        (0, interval '12 months', 0, 0, 0, 0, 0, -1)
    ) as s (
        after_days, after_months, lifetime, last_30, last_90, last_365,
        in_rfm, in_value
    )
),

bounds as (
    select
        min(month) as first_month,
        cast($as_of_day - interval '12 months' as date) as year_before
    from snapshots
),

-- Twelve months are left with the day's month a year later; at $as_of, which may
-- lie within that month, by the days before the same day of the last year.
moves as (
    select
        d.*,
        t.*,
        s.snapshot_date,
        case when t.lifetime = 1 then d.day end as entry_day
    from bounds as b
    cross join steps as t
    cross join valued_days as d
    inner join snapshots as s
        on
            greatest(
                cast(
                    date_trunc('month', d.day + t.after_days) + t.after_months
                    as date
                ),
                b.first_month
            ) = s.month
    where
        case
            when t.in_value = -1
                then
                    d.day < b.year_before
                    and $value_period = 'trailing_12_months'
            else d.day + t.after_days < $as_of_day
        end
),

changes as (
    select
        customer_id,
        snapshot_date,
        min(case when orders > 0 then entry_day end) as first_order_day,
        max(case when orders > 0 then entry_day end) as last_order_day,
        max(case when paid_orders > 0 then entry_day end)
            as last_paid_order_day,
        max(case when touches > 0 then entry_day end) as last_touch_day,
        max(case when contacts > 0 then entry_day end) as last_contact_day,
        count(entry_day) filter (where orders > 0) as order_days,
        sum(last_30 * orders) as orders_30,
        sum(last_90 * orders) as orders_90,
        sum(last_365 * orders) as orders_365,
        sum(lifetime * orders) as orders_all,
        sum(last_30 * paid_orders) as paid_orders_30,
        sum(last_90 * paid_orders) as paid_orders_90,
        sum(last_365 * paid_orders) as paid_orders_365,
        sum(lifetime * paid_orders) as paid_orders_all,
        sum(last_30 * net_sales) as net_sales_30,
        sum(last_90 * net_sales) as net_sales_90,
        sum(last_365 * net_sales) as net_sales_365,
        sum(lifetime * net_sales) as net_sales_all,
        sum(last_30 * contribution) as contribution_30,
        sum(last_90 * contribution) as contribution_90,
        sum(last_365 * contribution) as contribution_365,
        sum(lifetime * contribution) as contribution_all,
        sum(last_365 * gross_sales) as gross_sales_365,
        sum(last_365 * discounts) as discounts_365,
        sum(last_365 * returns) as returns_365,
        sum(lifetime * returns) as returns_all,
        sum(last_90 * touches) as touches_90,
        sum(last_365 * touches) as touches_365,
        sum(lifetime * touches) as touches_all,
        sum(last_90 * contacts) as contacts_90,
        sum(last_365 * contacts) as contacts_365,
        sum(lifetime * contacts) as contacts_all,
        sum(in_rfm * paid_orders) as rfm_orders,
        sum(in_rfm * (gross_sales - discounts)) as rfm_sales,
        sum(in_rfm * returns) as rfm_returns,
        sum(in_value * value_days) as value_days,
        sum(in_value * value) as value
    from moves
    group by customer_id, snapshot_date
),

ledger_days as (
    select
        customer_id,
        min(day) as first_day
    from customer_days
    group by customer_id
),

-- Whoever has neither a date of registration nor a day in the ledger is known
-- today, and nobody can say since when.
first_days as (
    select
        c.customer_id,
        least(local_date(c.created_at, $time_zone), l.first_day) as known_since
    from customers as c
    left join ledger_days as l on c.customer_id = l.customer_id
),

known as (
    select
        f.customer_id,
        f.known_since,
        s.snapshot_date
    from snapshots as s
    cross join first_days as f
    where
        f.known_since < s.snapshot_date
        or (f.known_since is null and s.next_date is null)
),

-- All that entered up to the date, less what had left by then.
totals as (
    select
        k.snapshot_date,
        k.customer_id,
        k.known_since,
        min(c.first_order_day) as first_order_day,
        max(c.last_order_day) as last_order_day,
        max(c.last_paid_order_day) as last_paid_order_day,
        max(c.last_touch_day) as last_touch_day,
        max(c.last_contact_day) as last_contact_day,
        coalesce(sum(c.order_days), 0) as order_days,
        coalesce(sum(c.orders_30), 0) as orders_30,
        coalesce(sum(c.orders_90), 0) as orders_90,
        coalesce(sum(c.orders_365), 0) as orders_365,
        coalesce(sum(c.orders_all), 0) as orders_all,
        coalesce(sum(c.paid_orders_30), 0) as paid_orders_30,
        coalesce(sum(c.paid_orders_90), 0) as paid_orders_90,
        coalesce(sum(c.paid_orders_365), 0) as paid_orders_365,
        coalesce(sum(c.paid_orders_all), 0) as paid_orders_all,
        coalesce(sum(c.net_sales_30), 0) as net_sales_30,
        coalesce(sum(c.net_sales_90), 0) as net_sales_90,
        coalesce(sum(c.net_sales_365), 0) as net_sales_365,
        coalesce(sum(c.net_sales_all), 0) as net_sales_all,
        coalesce(sum(c.contribution_30), 0) as contribution_30,
        coalesce(sum(c.contribution_90), 0) as contribution_90,
        coalesce(sum(c.contribution_365), 0) as contribution_365,
        coalesce(sum(c.contribution_all), 0) as contribution_all,
        coalesce(sum(c.gross_sales_365), 0) as gross_sales_365,
        coalesce(sum(c.discounts_365), 0) as discounts_365,
        coalesce(sum(c.returns_365), 0) as returns_365,
        coalesce(sum(c.returns_all), 0) as returns_all,
        coalesce(sum(c.touches_90), 0) as touches_90,
        coalesce(sum(c.touches_365), 0) as touches_365,
        coalesce(sum(c.touches_all), 0) as touches_all,
        coalesce(sum(c.contacts_90), 0) as contacts_90,
        coalesce(sum(c.contacts_365), 0) as contacts_365,
        coalesce(sum(c.contacts_all), 0) as contacts_all,
        coalesce(sum(c.rfm_orders), 0) as rfm_orders,
        coalesce(sum(c.rfm_sales), 0) as rfm_sales,
        coalesce(sum(c.rfm_returns), 0) as rfm_returns,
        coalesce(sum(c.value_days), 0) as value_days,
        coalesce(sum(c.value), 0) as value
    from known as k
    left join changes as c
        on
            k.customer_id = c.customer_id
            and k.snapshot_date >= c.snapshot_date
    group by k.snapshot_date, k.customer_id, k.known_since
)

select
    snapshot_date,
    customer_id,
    known_since,
    first_order_day,
    last_order_day,
    last_paid_order_day,
    snapshot_date - first_order_day as days_since_first_order,
    snapshot_date - last_order_day as days_since_last_order,
    snapshot_date - last_touch_day as days_since_last_touch,
    snapshot_date - last_contact_day as days_since_last_contact,
    order_days,
    case
        when order_days > 1
            then cast(last_order_day - first_order_day as double)
                / cast(order_days - 1 as double)
    end as days_between_orders,
    orders_30 as orders_30_days,
    orders_90 as orders_90_days,
    orders_365 as orders_365_days,
    orders_all as orders_lifetime,
    paid_orders_30 as paid_orders_30_days,
    paid_orders_90 as paid_orders_90_days,
    paid_orders_365 as paid_orders_365_days,
    paid_orders_all as paid_orders_lifetime,
    cast(net_sales_30 as decimal(18, 2)) as net_sales_30_days,
    cast(net_sales_90 as decimal(18, 2)) as net_sales_90_days,
    cast(net_sales_365 as decimal(18, 2)) as net_sales_365_days,
    cast(net_sales_all as decimal(18, 2)) as net_sales_lifetime,
    cast(contribution_30 as decimal(18, 6)) as contribution_30_days,
    cast(contribution_90 as decimal(18, 6)) as contribution_90_days,
    cast(contribution_365 as decimal(18, 6)) as contribution_365_days,
    cast(contribution_all as decimal(18, 6)) as contribution_lifetime,
    cast(discounts_365 as double)
    / nullif(cast(gross_sales_365 as double), 0) as discount_share_365_days,
    cast(returns_365 as decimal(18, 2)) as returns_365_days,
    cast(returns_all as decimal(18, 2)) as returns_lifetime,
    touches_90 as touches_90_days,
    touches_365 as touches_365_days,
    touches_all as touches_lifetime,
    contacts_90 as contacts_90_days,
    contacts_365 as contacts_365_days,
    contacts_all as contacts_lifetime,
    rfm_orders,
    cast(rfm_sales as decimal(18, 2)) as rfm_sales,
    cast(rfm_returns as decimal(18, 2)) as rfm_returns,
    value_days,
    cast(value as decimal(18, 6)) as value
from totals
