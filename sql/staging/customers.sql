-- One row per customer known before $as_of: the dimension BI tools join on.
-- Blank text is unknown, so it is null and never a category of its own.
select
    customer_id,
    created_at,
    local_date(created_at, $time_zone) as created_day,
    nullif(trim(kind), '') as kind,
    cast(birth_year as integer) as birth_year,
    nullif(trim(gender), '') as gender,
    nullif(trim(occupation), '') as occupation,
    nullif(trim(region), '') as region,
    nullif(trim(income_band), '') as income_band,
    cast(household_size as integer) as household_size,
    nullif(trim(industry), '') as industry,
    nullif(trim(company_size), '') as company_size,
    account_id,
    referrer_id,
    cast(referral_incentive as decimal(18, 2)) as referral_incentive,
    would_have_come_anyway,
    acquisition_campaign_id,
    cast(acquisition_cost as decimal(18, 2)) as acquisition_cost
from sources.customers
