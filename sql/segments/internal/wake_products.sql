-- One row per favourite category, and (all): the product that most sleepers of
-- the kind bought on the day they woke, contacted or not; of equals the one
-- with the smaller key.
with wakings as (
    select
        customer_id,
        next_day
    from order_days
    where next_day - day > $churn_after_days
),

bought as (
    select
        unnest(make_array(f.category, '(all)')) as category,
        l.customer_id,
        l.order_day,
        l.product_id
    from wakings as w
    inner join sales_lines as l
        on w.customer_id = l.customer_id and w.next_day = l.order_day
    inner join favourite_categories as f on w.customer_id = f.customer_id
    group by f.category, l.customer_id, l.order_day, l.product_id
)

select
    category,
    product_id,
    wakings
from (
    select
        category,
        product_id,
        count(*) as wakings,
        row_number() over (
            partition by category order by count(*) desc, product_id
        ) as place
    from bought
    group by category, product_id
) as b
where place = 1
