-- One row per questionnaire answered before $as_of.
select
    survey_id,
    customer_id,
    answered_at,
    local_date(answered_at, $time_zone) as answered_day,
    nullif(trim(asked_by), '') as asked_by,
    touch_id,
    case_id
from sources.surveys
