-- One row per household seen before $as_of or listed in the demographics.
-- Two households in three gave no demographics: theirs are null. The file
-- writes missing text as 'NaN', and sizes of five and more persons as '5+'.
with households as (
    select household_id from sources.transactions
    union
    select household_id from sources.demographics
    union
    select household_id from sources.campaigns
)

select
    h.household_id as customer_id,
    cast(null as timestamp) as created_at,
    'consumer' as kind,
    nullif(d.age, 'NaN') as age_band,
    nullif(d.income, 'NaN') as income_band,
    cast(
        replace(nullif(d.household_size, 'NaN'), '+', '') as integer
    ) as household_size,
    nullif(d.household_comp, 'NaN') as household_composition,
    nullif(d.marital_status, 'NaN') as marital_status,
    nullif(d.home_ownership, 'NaN') as home_ownership,
    nullif(d.kids_count, 'NaN') as children
from households as h
left join sources.demographics as d on h.household_id = d.household_id
