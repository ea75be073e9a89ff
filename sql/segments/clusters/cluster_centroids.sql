-- One row per cluster and category: which share of their lines its customers
-- buy of it, beside all customers who are in a cluster. The centre is the mean
-- of the customers' own shares, so each counts as much as the others.
with members as (
    select
        c.cluster_id,
        s.category,
        s.share
    from clusters as c
    inner join category_shares as s on c.customer_id = s.customer_id
    where c.cluster_id is not null
),

everybody as (
    select
        category,
        avg(share) as mean_share,
        sqrt(
            greatest(
                (sum(share * share) - sum(share) * sum(share) / count(share))
                / count(share),
                0
            )
        ) as deviation
    from members
    group by category
),

centers as (
    select
        cluster_id,
        category,
        count(*) as customers,
        avg(share) as center
    from members
    group by cluster_id, category
),

totals as (
    select
        category,
        sum(customers) as all_customers
    from centers
    group by category
)

select
    $as_of_day as as_of,
    c.cluster_id,
    c.category,
    c.customers,
    cast(c.customers as double) / t.all_customers as share_of_customers,
    c.center,
    e.mean_share,
    case when e.mean_share > 0 then 100 * c.center / e.mean_share end
        as index_to_all,
    case when e.deviation > 0 then (c.center - e.mean_share) / e.deviation end
        as deviations
from centers as c
inner join everybody as e on c.category = e.category
inner join totals as t on c.category = t.category
