-- One row per prospect known before $as_of; who became a customer since stays,
-- and party_links tells it. A refusal at or after $as_of is not known yet.
with known as (
    select
        *,
        case when refused_at < $as_of then refused_at end as known_refusal
    from sources.prospects
)

select
    party_id,
    created_at,
    local_date(created_at, $time_zone) as created_day,
    need_match,
    can_pay,
    known_refusal as refused_at,
    local_date(known_refusal, $time_zone) as refused_day,
    case
        when known_refusal is not null then nullif(trim(refusal_reason), '')
    end as refusal_reason
from known
