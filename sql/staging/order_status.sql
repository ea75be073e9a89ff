-- One row per order whose status is known: the last one before $as_of.
-- Of changes at the same instant a cancellation counts.
with numbered as (
    select
        order_id,
        status,
        changed_at,
        row_number() over (
            partition by order_id
            order by
                changed_at desc,
                case when status = 'cancelled' then 0 else 1 end,
                status
        ) as latest
    from sources.order_status
)

select
    order_id,
    status,
    changed_at,
    local_date(changed_at, $time_zone) as changed_day
from numbered
where latest = 1
