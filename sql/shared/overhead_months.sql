-- One row per month with overhead: what the company booked beyond single
-- orders, contacts and cases, and among how many customers it is divided.
-- Expenses count in their month, costs of campaigns in the month of their day.
-- A month in which nobody has a weight keeps its overhead unallocated: it is
-- nobody's, and the row says so.
with entries as (
    select
        expense_month as month,
        amount
    from expenses
    where
        array_has(string_to_array($overhead_kinds, ','), kind)
        and not coalesce(is_saving, false)
    union all
    select
        cast(date_trunc('month', cost_date) as date) as month,
        amount
    from campaign_costs
    where array_has(string_to_array($overhead_kinds, ','), 'campaign_costs')
),

pools as (
    select
        month,
        cast(sum(amount) as decimal(18, 2)) as overhead
    from entries
    group by month
),

-- Revenue is weighed in cents, so that every weight is a whole number.
weights as (
    select
        month,
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

carriers as (
    select
        month,
        count(*) as customers,
        sum(weight) as weight
    from weights
    where weight > 0
    group by month
)

select
    p.month,
    cast($overhead_basis as varchar) as overhead_basis,
    coalesce(c.customers, 0) as customers,
    coalesce(c.weight, 0) as weight,
    p.overhead,
    cast(
        case when c.month is null then 0 else p.overhead end as decimal(18, 2)
    ) as allocated_overhead,
    cast(
        case when c.month is null then p.overhead else 0 end as decimal(18, 2)
    ) as unallocated_overhead,
    case when c.month is null then 'nobody_to_carry_it' else 'ok' end
        as overhead_status
from pools as p
left join carriers as c on p.month = c.month
