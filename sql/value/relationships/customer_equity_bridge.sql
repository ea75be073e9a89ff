-- One row per driver: what made customer equity of the snapshot before that of
-- today. The amounts add up: opening and drivers are closing.
-- Of a customer of both days, by the parameters of then:
--   margin           the change of what an order is expected to bring
--   discount_unwind  interest on the opening, at the discount rate
--   realised         what the customer contributed since, negative
--   churn            the rest, where the model now takes for gone who did not
--                    order since
--   reactivation     the rest, where it took for gone who ordered since
--   retention        the rest of all others
--   model_revision   what other parameters, margins of the company, rates or
--                    horizons change, and orders that were cancelled since
with days as (
    select max(as_of) as previous_as_of
    from customer_value
    where as_of < $as_of_day
),

today as (
    select *
    from customer_value
    where as_of = $as_of_day
),

earlier as (
    select v.*
    from customer_value as v
    inner join days as d on v.as_of = d.previous_as_of
),

pairs as (
    select
        coalesce(t.customer_id, e.customer_id) as customer_id,
        e.as_of as previous_as_of,
        e.residual_clv as opening,
        t.residual_clv as closing,
        t.customer_id is not null and e.customer_id is null as is_new,
        t.customer_id is null as is_gone,
        coalesce(t.paid_orders > e.paid_orders, false) as has_ordered,
        coalesce(e.p_alive < cast($alive_share as double), false) as was_gone,
        coalesce(t.p_alive < cast($alive_share as double), false) as is_silent,
        t.historic_value - e.historic_value as realised,
        e.annual_discount_rate,
        r.residual_orders * e.margin_share
        * (r.expected_order_amount - cast(e.expected_order_amount as double))
            as margin_change,
        r.residual_orders * e.margin_share * r.expected_order_amount
            as revalued
    from today as t
    full join earlier as e on t.customer_id = e.customer_id
    left join customer_revaluation as r on t.customer_id = r.customer_id
),

-- Cents from here on: each customer's parts are what the equity changed by.
parts as (
    select
        p.*,
        cast(p.margin_change as decimal(18, 2)) as margin,
        case
            when p.is_gone then -p.opening
            else p.closing - cast(p.revalued as decimal(18, 2))
        end as revision,
        cast(
            cast(p.opening as double)
            * (
                power(
                    1 + p.annual_discount_rate,
                    cast($as_of_day - p.previous_as_of as double) / 365.25
                )
                - 1
            ) as decimal(18, 2)
        ) as unwind
    from pairs as p
),

surprises as (
    select
        *,
        case
            when not is_new and not is_gone
                then
                    closing - opening - margin - revision - unwind + realised
        end as surprise
    from parts
),

sums as (
    select
        count(*) as customers,
        count(*) filter (
            where (not is_new and opening is null)
            or (not is_gone and closing is null)
            or (not is_new and not is_gone and surprise is null)
        ) as customers_not_valued,
        coalesce(sum(opening), 0) as opening,
        coalesce(sum(closing) filter (where is_new), 0) as new,
        coalesce(
            sum(surprise) filter (
                where not (was_gone and has_ordered)
                and not (not was_gone and is_silent and not has_ordered)
            ), 0
        ) as retention,
        coalesce(sum(margin) filter (where not is_new and not is_gone), 0)
            as margin,
        coalesce(sum(surprise) filter (where was_gone and has_ordered), 0)
            as reactivation,
        coalesce(
            sum(surprise) filter (
                where not was_gone and is_silent and not has_ordered
            ), 0
        ) as churn,
        -coalesce(sum(realised) filter (where not is_new and not is_gone), 0)
            as realised,
        coalesce(sum(unwind) filter (where not is_new and not is_gone), 0)
            as discount_unwind,
        coalesce(sum(revision) filter (where not is_new), 0)
            as model_revision,
        coalesce(sum(closing), 0) as closing
    from surprises
),

drivers as (
    select
        k.place,
        k.driver,
        case
            when s.customers_not_valued > 0 then null
            when k.driver = 'opening' then s.opening
            when k.driver = 'new' then s.new
            when k.driver = 'retention' then s.retention
            when k.driver = 'margin' then s.margin
            when k.driver = 'reactivation' then s.reactivation
            when k.driver = 'churn' then s.churn
            when k.driver = 'realised' then s.realised
            when k.driver = 'discount_unwind' then s.discount_unwind
            when k.driver = 'model_revision' then s.model_revision
            else s.closing
        end as amount,
        s.customers_not_valued
    from sums as s
    cross join (
        values
        (1, 'opening'), (2, 'new'), (3, 'retention'), (4, 'margin'),
        (5, 'reactivation'), (6, 'churn'), (7, 'realised'),
        (8, 'discount_unwind'), (9, 'model_revision'), (10, 'closing')
    ) as k (place, driver)
)

select
    $as_of_day as as_of,
    cast(d.place as integer) as place,
    d.driver,
    cast(d.amount as decimal(18, 6)) as amount,
    y.previous_as_of,
    case when d.customers_not_valued > 0 then 'not_valued' else 'ok' end
        as bridge_status,
    d.customers_not_valued
from drivers as d
cross join days as y
where y.previous_as_of is not null
