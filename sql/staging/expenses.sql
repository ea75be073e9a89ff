-- One row per month, department and item of expense; a month is read when it
-- began before $as_of, so the last one may still grow.
select
    cast(date_trunc('month', cast(expense_month as date)) as date)
        as expense_month,
    coalesce(nullif(trim(department), ''), '(unknown)') as department,
    coalesce(nullif(trim(item), ''), '(unknown)') as item,
    cast(amount as decimal(18, 2)) as amount,
    nullif(trim(kind), '') as kind,
    is_saving
from sources.expenses
