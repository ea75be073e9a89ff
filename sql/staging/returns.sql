-- One row per return before $as_of, with the customer and product it concerns.
-- A return counts on the day it came back, not on the day of its order. What
-- came back of a cancelled order is left out, as the sale itself is.
select
    r.return_id,
    r.order_id,
    cast(r.line_no as bigint) as line_no,
    o.customer_id,
    l.product_id,
    r.returned_at,
    local_date(r.returned_at, $time_zone) as return_day,
    cast(r.quantity as decimal(18, 3)) as quantity,
    cast(r.amount as decimal(18, 2)) as amount
from sources.returns as r
left join order_status as s on r.order_id = s.order_id
left join orders as o on r.order_id = o.order_id
left join order_lines as l
    on r.order_id = l.order_id and cast(r.line_no as bigint) = l.line_no
where s.status is null or s.status <> 'cancelled'
