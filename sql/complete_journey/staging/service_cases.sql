-- No rows: this retailer published no service cases.
select
    cast(null as bigint) as case_id,
    cast(null as bigint) as customer_id,
    cast(null as date) as opened_day,
    cast(null as decimal(18, 2)) as cost
where false
