-- One row per return before $as_of of a customer with an order, dated by the
-- day it came back.
-- The goods go back to stock: their cost is taken off again, at the unit cost
-- of the line they were sold on, else at the assumed one.
select
    r.return_id,
    r.order_id,
    r.line_no,
    r.customer_id,
    r.product_id,
    r.return_day,
    r.quantity,
    r.amount,
    case
        when l.unit_cost is null or r.quantity is null
            then cast(
                r.amount * (1 - cast($assumed_margin as decimal(5, 4)))
                as decimal(18, 6)
            )
        else cast(r.quantity * l.unit_cost as decimal(18, 6))
    end as recovered_cogs,
    case
        when l.unit_cost is null or r.quantity is null then 'assumed'
        else 'actual'
    end as cost_basis
from returns as r
left join sales_lines as l
    on r.order_id = l.order_id and r.line_no = l.line_no
where r.customer_id is not null
