-- No rows: this retailer published no costs, so margins are assumed.
select
    cast(null as bigint) as product_id,
    cast(null as date) as valid_from,
    cast(null as decimal(18, 4)) as unit_cost
where false
