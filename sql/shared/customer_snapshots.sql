-- One row per customer and snapshot date from which the customer was known: what
-- was known of them before that day began.
-- A day's figures enter at the first snapshot date after it and leave a window of
-- w days at the first one after that day + w; so each window is a running sum of
-- what entered less what left, and no day is read once for every date.
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
        cast(
            gross_sales - discounts - returns - cogs
            - fulfilment_cost - payment_cost - marketing_cost
            as decimal(18, 6)
        ) as contribution,
        touches
    from customer_days
),

-- What a day adds to each window when it enters, and takes when it leaves.
steps as (
    select *
    from (
        values
        (0, 1, 1, 1, 1),
        (30, 0, -1, 0, 0),
        (90, 0, 0, -1, 0),
        (365, 0, 0, 0, -1)
    ) as s (after_days, all_days, last_30, last_90, last_365)
),

moves as (
    select
        d.customer_id,
        s.snapshot_date,
        t.all_days,
        t.last_30,
        t.last_90,
        t.last_365,
        d.orders,
        d.paid_orders,
        d.gross_sales,
        d.discounts,
        d.returns,
        d.net_sales,
        d.contribution,
        d.touches,
        case when t.all_days = 1 then d.day end as day,
        case when t.all_days = 1 and d.orders > 0 then d.day end as order_day,
        case when t.all_days = 1 and d.paid_orders > 0 then d.day end
            as paid_day,
        case when t.all_days = 1 and d.touches > 0 then d.day end as touch_day
    from days as d
    cross join steps as t
    inner join snapshots as s
        on
            d.day + t.after_days < s.snapshot_date
            and (
                d.day + t.after_days >= s.previous_date
                or s.previous_date is null
            )
),

changes as (
    select
        customer_id,
        snapshot_date,
        min(order_day) as first_order_day,
        max(order_day) as last_order_day,
        max(paid_day) as last_paid_order_day,
        max(touch_day) as last_touch_day,
        count(order_day) as order_days,
        sum(last_30 * orders) as orders_30,
        sum(last_90 * orders) as orders_90,
        sum(last_365 * orders) as orders_365,
        sum(all_days * orders) as orders_all,
        sum(last_30 * paid_orders) as paid_orders_30,
        sum(last_90 * paid_orders) as paid_orders_90,
        sum(last_365 * paid_orders) as paid_orders_365,
        sum(all_days * paid_orders) as paid_orders_all,
        sum(last_30 * net_sales) as net_sales_30,
        sum(last_90 * net_sales) as net_sales_90,
        sum(last_365 * net_sales) as net_sales_365,
        sum(all_days * net_sales) as net_sales_all,
        sum(last_30 * contribution) as contribution_30,
        sum(last_90 * contribution) as contribution_90,
        sum(last_365 * contribution) as contribution_365,
        sum(all_days * contribution) as contribution_all,
        sum(last_365 * gross_sales) as gross_sales_365,
        sum(last_365 * discounts) as discounts_365,
        sum(last_365 * returns) as returns_365,
        sum(all_days * returns) as returns_all,
        sum(last_90 * touches) as touches_90,
        sum(last_365 * touches) as touches_365,
        sum(all_days * touches) as touches_all
    from moves
    group by customer_id, snapshot_date
),

ledger_days as (
    select
        customer_id,
        min(day) as first_day
    from days
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
    from first_days as f
    cross join snapshots as s
    where
        f.known_since < s.snapshot_date
        or (f.known_since is null and s.next_date is null)
),

filled as (
    select
        k.customer_id,
        k.snapshot_date,
        k.known_since,
        c.first_order_day,
        c.last_order_day,
        c.last_paid_order_day,
        c.last_touch_day,
        coalesce(c.order_days, 0) as order_days,
        coalesce(c.orders_30, 0) as orders_30,
        coalesce(c.orders_90, 0) as orders_90,
        coalesce(c.orders_365, 0) as orders_365,
        coalesce(c.orders_all, 0) as orders_all,
        coalesce(c.paid_orders_30, 0) as paid_orders_30,
        coalesce(c.paid_orders_90, 0) as paid_orders_90,
        coalesce(c.paid_orders_365, 0) as paid_orders_365,
        coalesce(c.paid_orders_all, 0) as paid_orders_all,
        coalesce(c.net_sales_30, 0) as net_sales_30,
        coalesce(c.net_sales_90, 0) as net_sales_90,
        coalesce(c.net_sales_365, 0) as net_sales_365,
        coalesce(c.net_sales_all, 0) as net_sales_all,
        coalesce(c.contribution_30, 0) as contribution_30,
        coalesce(c.contribution_90, 0) as contribution_90,
        coalesce(c.contribution_365, 0) as contribution_365,
        coalesce(c.contribution_all, 0) as contribution_all,
        coalesce(c.gross_sales_365, 0) as gross_sales_365,
        coalesce(c.discounts_365, 0) as discounts_365,
        coalesce(c.returns_365, 0) as returns_365,
        coalesce(c.returns_all, 0) as returns_all,
        coalesce(c.touches_90, 0) as touches_90,
        coalesce(c.touches_365, 0) as touches_365,
        coalesce(c.touches_all, 0) as touches_all
    from known as k
    left join changes as c
        on
            k.customer_id = c.customer_id
            and k.snapshot_date = c.snapshot_date
),

running as (
    select
        customer_id,
        snapshot_date,
        known_since,
        min(first_order_day) over so_far as first_order_day,
        max(last_order_day) over so_far as last_order_day,
        max(last_paid_order_day) over so_far as last_paid_order_day,
        max(last_touch_day) over so_far as last_touch_day,
        sum(order_days) over so_far as order_days,
        sum(orders_30) over so_far as orders_30,
        sum(orders_90) over so_far as orders_90,
        sum(orders_365) over so_far as orders_365,
        sum(orders_all) over so_far as orders_all,
        sum(paid_orders_30) over so_far as paid_orders_30,
        sum(paid_orders_90) over so_far as paid_orders_90,
        sum(paid_orders_365) over so_far as paid_orders_365,
        sum(paid_orders_all) over so_far as paid_orders_all,
        sum(net_sales_30) over so_far as net_sales_30,
        sum(net_sales_90) over so_far as net_sales_90,
        sum(net_sales_365) over so_far as net_sales_365,
        sum(net_sales_all) over so_far as net_sales_all,
        sum(contribution_30) over so_far as contribution_30,
        sum(contribution_90) over so_far as contribution_90,
        sum(contribution_365) over so_far as contribution_365,
        sum(contribution_all) over so_far as contribution_all,
        sum(gross_sales_365) over so_far as gross_sales_365,
        sum(discounts_365) over so_far as discounts_365,
        sum(returns_365) over so_far as returns_365,
        sum(returns_all) over so_far as returns_all,
        sum(touches_90) over so_far as touches_90,
        sum(touches_365) over so_far as touches_365,
        sum(touches_all) over so_far as touches_all
    from filled
    window so_far as (
        partition by customer_id order by snapshot_date
        rows between unbounded preceding and current row
    )
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
    touches_all as touches_lifetime
from running
