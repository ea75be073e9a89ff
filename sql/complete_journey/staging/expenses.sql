-- No rows: this retailer published no expenses.
select
    cast(null as date) as expense_month,
    cast(null as varchar) as department,
    cast(null as varchar) as item,
    cast(null as decimal(18, 2)) as amount,
    cast(null as varchar) as kind,
    cast(null as boolean) as is_saving
where false
