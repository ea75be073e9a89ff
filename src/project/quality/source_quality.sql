-- One row per source and check: how many of its rows before $as_of failed it.
-- The check `accepted` is the source as a whole: a row that breaks several rules
-- fails it once.
select
    cast($as_of_day as date) as as_of,
    source,
    check_name,
    rows,
    failed,
    share,
    status
from sources.source_quality
