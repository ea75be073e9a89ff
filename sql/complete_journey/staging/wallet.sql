-- No rows: nobody asked what these households spend elsewhere.
select
    cast(null as bigint) as customer_id,
    cast(null as date) as period_start,
    cast(null as date) as period_end,
    cast(null as varchar) as category,
    cast(null as decimal(18, 2)) as total_spend,
    cast(null as integer) as rank_of_us,
    cast(null as integer) as suppliers_used
where false
