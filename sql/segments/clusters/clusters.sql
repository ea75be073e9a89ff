-- One row per customer who ever bought: the group of customers who divide their
-- purchases among the categories as this one does.
-- Groups are found among those with at least $cluster_min_lines lines; a share
-- of fewer lines is mostly chance, so the others are in none.
with features as (
    select
        customer_id,
        all_lines,
        array_agg(share order by category) as shares
    from category_shares
    group by customer_id, all_lines
),

found as (
    select
        kmeans_fit(
            shares,
            range($cluster_min_count, $cluster_max_count + 1),
            $cluster_seed
        ) as fit
    from features
    where all_lines >= $cluster_min_lines
)

select
    $as_of_day as as_of,
    c.customer_id,
    case
        when c.all_lines >= $cluster_min_lines
            then kmeans_assign(f.fit, c.shares)
    end as cluster_id,
    c.all_lines as lines,
    cast($cluster_min_lines as bigint) as lines_needed,
    case
        when c.all_lines < $cluster_min_lines then 'insufficient_history'
        else f.fit['status']
    end as cluster_status,
    f.fit['k'] as cluster_count,
    f.fit['silhouette'] as silhouette,
    cast($cluster_seed as bigint) as seed
from features as c
cross join found as f
