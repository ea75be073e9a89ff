-- One row per line of an accepted order.
-- Lines carry no time of their own: a line belongs to the past when its order
-- does, so the join is also the cut, and leaves out what was cancelled. The
-- list amount is rounded to cents once, here, and every later sum is a sum of
-- these cents.
select
    l.order_id,
    cast(l.line_no as bigint) as line_no,
    l.product_id,
    cast(l.quantity as decimal(18, 3)) as quantity,
    cast(l.unit_price as decimal(18, 4)) as unit_price,
    cast(
        cast(l.quantity as decimal(18, 3))
        * cast(l.unit_price as decimal(18, 4)) as decimal(18, 2)
    ) as list_amount,
    cast(coalesce(l.discount_amount, 0) as decimal(18, 2)) as discount_amount,
    cast(coalesce(l.coupon_amount, 0) as decimal(18, 2)) as coupon_amount,
    cast(0 as decimal(18, 2)) as reimbursed_coupon_amount,
    l.campaign_id
from sources.order_lines as l
inner join orders as o on l.order_id = o.order_id
