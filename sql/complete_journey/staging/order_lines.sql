-- One row per product in a basket before $as_of; a basket has a product once,
-- so the product serves as the line's number.
-- sales_value is what the retailer receives. The retailer gave retail_disc and
-- coupon_match_disc away; a manufacturer's coupon (coupon_disc) lowers what the
-- household pays, but the manufacturer pays it back, so it is no discount here.
-- Fuel is counted in thousandths of a gallon: its quantity is no number of
-- units and stays null, and so does its price per unit.
with cents as (
    select
        basket_id,
        product_id,
        quantity,
        cast(sales_value as decimal(18, 2)) as sales_value,
        cast(retail_disc as decimal(18, 2)) as retail_disc,
        cast(coupon_disc as decimal(18, 2)) as coupon_disc,
        cast(coupon_match_disc as decimal(18, 2)) as coupon_match_disc
    from sources.transactions
),

lines as (
    select
        c.basket_id,
        c.product_id,
        case
            when p.department = 'FUEL' then null
            when starts_with(p.name, 'GASOLINE') then null
            else cast(c.quantity as decimal(18, 3))
        end as quantity,
        c.sales_value + c.retail_disc + c.coupon_match_disc as list_amount,
        c.retail_disc,
        c.coupon_disc,
        c.coupon_match_disc
    from cents as c
    left join products as p on c.product_id = p.product_id
)

select
    basket_id as order_id,
    product_id as line_no,
    product_id,
    quantity,
    cast(
        cast(list_amount as decimal(18, 4)) / nullif(quantity, 0)
        as decimal(18, 4)
    ) as unit_price,
    cast(list_amount as decimal(18, 2)) as list_amount,
    retail_disc as discount_amount,
    coupon_match_disc as coupon_amount,
    coupon_disc as reimbursed_coupon_amount,
    cast(null as bigint) as campaign_id
from lines
