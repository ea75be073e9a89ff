-- One row of growth_pairs with the cell of growth_matrix its change falls into.
-- Bought means: invoiced sales above 0. The customer decides first, then
-- whether the product was launched in the period, then its category.
with first_purchases as (
    select
        customer_id,
        max(($as_of_day - 1 - order_day) / $growth_period_days) as first_no
    from sales_lines
    where invoiced_sales > 0
    group by customer_id
),

customers_of as (
    select
        d.customer_id,
        d.period_no,
        f.first_no = d.period_no as is_new,
        sum(d.invoiced) > 0 as buys,
        sum(d.invoiced_before) > 0 as bought
    from growth_pairs as d
    left join first_purchases as f on d.customer_id = f.customer_id
    group by d.customer_id, d.period_no, f.first_no
),

categories_of as (
    select
        customer_id,
        category,
        period_no,
        sum(invoiced) > 0 as buys,
        sum(invoiced_before) > 0 as bought
    from growth_pairs
    group by customer_id, category, period_no
)

select
    d.period_no,
    d.customer_id,
    d.product,
    d.category,
    d.units,
    d.invoiced,
    d.returned,
    d.units_before,
    d.invoiced_before,
    d.returned_before,
    d.unknown_units,
    case
        when c.buys and c.is_new and d.is_launched_in_it
            then 'diversification'
        when c.buys and c.is_new then 'acquisition'
        when c.buys and not c.bought then 'reactivated'
        when c.bought and not c.buys then 'lost_customer'
        when not c.buys then 'adjustment'
        when d.is_launched_in_it then 'product_development'
        when k.buys and k.bought then 'penetration'
        when k.buys then 'cross_category'
        when k.bought then 'lost_category'
        else 'adjustment'
    end as cell
from growth_pairs as d
inner join customers_of as c
    on d.customer_id = c.customer_id and d.period_no = c.period_no
inner join categories_of as k
    on
        d.customer_id = k.customer_id
        and d.category = k.category
        and d.period_no = k.period_no
