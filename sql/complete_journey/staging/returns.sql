-- No rows: this retailer published no returns.
select
    cast(null as bigint) as return_id,
    cast(null as bigint) as order_id,
    cast(null as bigint) as line_no,
    cast(null as bigint) as customer_id,
    cast(null as bigint) as product_id,
    cast(null as timestamp) as returned_at,
    cast(null as date) as return_day,
    cast(null as decimal(18, 3)) as quantity,
    cast(null as decimal(18, 2)) as amount
where false
