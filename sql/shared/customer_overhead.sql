-- One row per month and customer who carries some of its overhead.
-- By largest remainder: each gets the whole cents of the exact share, and the
-- cents that are left go to the largest rests, equal ones by customer_id. All
-- of it is arithmetic in whole cents, so the shares are the overhead exactly.
with weights as (
    select
        month,
        customer_id,
        case
            when $overhead_basis = 'orders' then orders
            when $overhead_basis = 'contacts' then touches
            else
                cast(
                    greatest(100 * (gross_sales - discounts), 0) as bigint
                )
        end as weight
    from customer_months
),

quotas as (
    select
        w.month,
        w.customer_id,
        w.weight,
        o.weight as total_weight,
        cast(100 * abs(o.overhead) as decimal(18, 0)) as cents,
        case when o.overhead < 0 then -1 else 1 end as sign,
        cast(100 * abs(o.overhead) as decimal(18, 0))
        * cast(w.weight as decimal(18, 0)) as product
    from weights as w
    inner join overhead_months as o on w.month = o.month
    where w.weight > 0
),

divided as (
    select
        month,
        customer_id,
        weight,
        cents,
        sign,
        product % cast(total_weight as decimal(18, 0)) as rest,
        cast(
            (product - product % cast(total_weight as decimal(18, 0)))
            / cast(total_weight as decimal(18, 0)) as bigint
        ) as whole_cents
    from quotas
),

placed as (
    select
        month,
        customer_id,
        weight,
        cents,
        sign,
        whole_cents,
        sum(whole_cents) over (partition by month) as given_cents,
        row_number() over (
            partition by month order by rest desc, customer_id
        ) as place
    from divided
)

select
    month,
    customer_id,
    weight,
    cast(
        sign * 0.01
        * case
            when place <= cents - given_cents then whole_cents + 1
            else whole_cents
        end as decimal(18, 2)
    ) as allocated_overhead
from placed
