-- One row per day of conversion, attribution model, channel and campaign: the
-- credit of all conversions of the day, small enough for every report.
-- Conversions without a touch in their window are channel and campaign
-- `(none)`; touches of no campaign are campaign `(no campaign)`.
with days as (
    select
        order_day,
        model,
        touch_no = 0 as is_none,
        channel,
        campaign_id,
        sum(credit) as conversions,
        sum(case when is_first_order then credit else 0 end) as new_customers,
        sum(revenue) as revenue,
        sum(margin) as margin
    from attribution_credit
    group by order_day, model, touch_no = 0, channel, campaign_id
)

select
    order_day,
    model,
    case when is_none then '(none)' else channel end as channel,
    case
        when is_none then '(none)'
        when campaign_id is null then '(no campaign)'
        else cast(campaign_id as varchar)
    end as campaign,
    case when is_none then 'none' else 'touch' end as touchpoint_kind,
    campaign_id,
    cast(conversions as decimal(18, 9)) as conversions,
    cast(new_customers as decimal(18, 9)) as new_customers,
    cast(revenue as decimal(18, 6)) as revenue,
    cast(margin as decimal(18, 6)) as margin
from days
