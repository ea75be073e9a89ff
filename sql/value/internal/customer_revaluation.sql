-- One row per customer of today who was there in the snapshot of customer_value
-- before: the orders and the amount to expect today by the parameters of then.
-- What is left of the change is the model's doing and not the customer's.
with previous as (
    select max(as_of) as as_of
    from customer_value
    where as_of < $as_of_day
),

earlier as (
    select
        v.customer_id,
        v.as_of,
        v.model,
        v.residual_months,
        v.annual_discount_rate
    from customer_value as v
    inner join previous as p on v.as_of = p.as_of
),

order_fits as (
    select
        c.model,
        named_struct(
            'model', c.model, 'unit', c.unit,
            'r', c.r, 'alpha', c.alpha, 'a', c.a, 'b', c.b,
            's', c.s, 'beta', c.beta
        ) as fit
    from clv_parameters as c
    inner join previous as p on c.as_of = p.as_of
),

spend_fits as (
    select
        named_struct('p', c.p, 'q', c.q, 'gamma', c.gamma) as fit
    from clv_parameters as c
    inner join previous as p on c.as_of = p.as_of
    where c.model = 'gamma_gamma'
)

select
    e.customer_id,
    e.as_of as previous_as_of,
    discounted_clv(
        o.fit, h.frequency, h.recency, h.age, 1,
        e.residual_months, e.annual_discount_rate
    ) as residual_orders,
    gamma_gamma_expected_value(s.fit, h.frequency, h.mean_amount)
        as expected_order_amount
from earlier as e
inner join order_histories as h on e.customer_id = h.customer_id
inner join order_fits as o on e.model = o.model
cross join spend_fits as s
