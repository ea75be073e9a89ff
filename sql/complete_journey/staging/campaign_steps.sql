-- No rows: this retailer published no budgets and approvals.
select
    cast(null as bigint) as campaign_id,
    cast(null as timestamp) as changed_at,
    cast(null as varchar) as step,
    cast(null as decimal(18, 2)) as amount,
    cast(null as varchar) as owner
where false
