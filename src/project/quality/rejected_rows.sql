-- One row per source, key and rule that rows of that key broke before $as_of.
-- Rows without a key of their own share one line: `rows` says how many there are.
select
    cast($as_of_day as date) as as_of,
    source,
    key,
    rule,
    column_name,
    rows
from sources.rejected_rows
