-- One row per month and indicator with a target. Targets look ahead: the month
-- may begin at or after $as_of.
select
    cast(date_trunc('month', cast(month as date)) as date) as month,
    indicator,
    value
from sources.targets
