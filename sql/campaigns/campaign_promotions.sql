-- One row per campaign that promoted products: what its members bought of them
-- while it ran, against what the campaign cost.
-- The holdout is left out. Members would have bought some of it anyway, so this
-- is no measure of what the campaign caused; a line that two campaigns promoted
-- counts in both.
with members as (
    select
        m.campaign_id,
        m.party_id,
        c.started_day,
        least(coalesce(c.ended_day, $as_of_day), $as_of_day) as ended_day
    from campaign_members as m
    inner join campaigns as c on m.campaign_id = c.campaign_id
    where m.arm is distinct from 'holdout'
),

sizes as (
    select
        campaign_id,
        count(*) as members
    from members
    group by campaign_id
),

promoted as (
    select
        campaign_id,
        count(*) as products
    from campaign_products
    group by campaign_id
),

returned as (
    select
        order_id,
        line_no,
        sum(amount - recovered_cogs) as lost_margin
    from return_lines
    where line_no is not null
    group by order_id, line_no
),

bought as (
    select
        m.campaign_id,
        l.customer_id,
        l.order_id,
        l.line_no,
        l.invoiced_sales - l.returned_amount as net_sales,
        l.invoiced_sales - l.cogs as gross_margin,
        l.coupon_amount,
        l.reimbursed_coupon_amount
    from sales_lines as l
    inner join members as m
        on
            l.customer_id = m.party_id
            and l.order_day >= m.started_day
            and l.order_day < m.ended_day
    inner join campaign_products as p
        on m.campaign_id = p.campaign_id and l.product_id = p.product_id
),

by_order as (
    select
        b.campaign_id,
        b.customer_id,
        b.order_id,
        sum(b.net_sales) as net_sales,
        sum(b.gross_margin - coalesce(r.lost_margin, 0)) as gross_margin,
        sum(b.coupon_amount) as coupon_amount,
        sum(b.reimbursed_coupon_amount) as reimbursed_coupon_amount
    from bought as b
    left join returned as r
        on b.order_id = r.order_id and b.line_no = r.line_no
    group by b.campaign_id, b.customer_id, b.order_id
),

by_customer as (
    select
        campaign_id,
        customer_id,
        count(*) as orders,
        sum(net_sales) as net_sales,
        sum(gross_margin) as gross_margin,
        sum(coupon_amount) as coupon_amount,
        sum(reimbursed_coupon_amount) as reimbursed_coupon_amount
    from by_order
    group by campaign_id, customer_id
),

totals as (
    select
        campaign_id,
        count(*) as buyers,
        sum(orders) as orders,
        sum(net_sales) as net_sales,
        sum(gross_margin) as gross_margin,
        sum(coupon_amount) as coupon_amount,
        sum(reimbursed_coupon_amount) as reimbursed_coupon_amount
    from by_customer
    group by campaign_id
),

costs as (
    select
        campaign_id,
        name,
        cost,
        cost_basis,
        case when cost > 0 then cast(cost as double) end as cost_base
    from campaign_performance
    where as_of = $as_of_day and period = 'lifetime'
)

select
    $as_of_day as as_of,
    p.campaign_id,
    k.name,
    p.products,
    coalesce(s.members, 0) as members,
    coalesce(t.buyers, 0) as buyers,
    coalesce(t.orders, 0) as orders,
    cast(coalesce(t.net_sales, 0) as decimal(18, 2)) as net_sales,
    cast(coalesce(t.gross_margin, 0) as decimal(18, 6)) as gross_margin,
    cast(coalesce(t.coupon_amount, 0) as decimal(18, 2)) as coupon_amount,
    cast(coalesce(t.reimbursed_coupon_amount, 0) as decimal(18, 2))
        as reimbursed_coupon_amount,
    cast(coalesce(t.buyers, 0) as double)
    / nullif(cast(s.members as double), 0) as buyer_rate,
    cast(coalesce(t.net_sales, 0) as double) / k.cost_base as roas,
    cast(coalesce(t.gross_margin, 0) - k.cost as double) / k.cost_base as roi,
    k.cost_basis,
    case
        when k.cost is null then 'no_cost_data'
        when k.cost_base is null then 'no_spend'
        when coalesce(t.orders, 0) = 0 then 'no_orders'
        else 'ok'
    end as return_status
from promoted as p
left join sizes as s on p.campaign_id = s.campaign_id
left join totals as t on p.campaign_id = t.campaign_id
left join costs as k on p.campaign_id = k.campaign_id
