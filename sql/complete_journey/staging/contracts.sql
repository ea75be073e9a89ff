-- No rows: this retailer published no contracts.
select
    cast(null as bigint) as contract_id,
    cast(null as date) as started_day,
    cast(null as date) as ended_day
where false
