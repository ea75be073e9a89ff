-- One row per question of a questionnaire answered before $as_of.
-- Answers carry no time of their own: they belong to the past when their
-- questionnaire does, so the join is also the cut.
select
    a.survey_id,
    a.construct,
    a.aspect,
    a.item,
    a.score,
    a.scale_low,
    a.scale_high
from sources.survey_answers as a
inner join surveys as s on a.survey_id = s.survey_id
