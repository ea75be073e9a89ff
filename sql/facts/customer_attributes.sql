-- One row per customer known at $as_of and attribute that is known of the
-- customer: what segments are compared by in segment_profile.
-- A company that knows other things of its customers names them here.
with facts as (
    select
        *,
        cast(
            floor((date_part('year', snapshot_date) - birth_year) / 10) * 10
            as bigint
        ) as age
    from segment_facts
    where snapshot_date = $as_of_day
),

listed as (
    select
        customer_id,
        unnest(
            make_array(
                'kind', 'age', 'gender', 'occupation', 'region',
                'income_band', 'household_size', 'industry', 'company_size',
                'tier', 'rfm_segment'
            )
        ) as attribute,
        unnest(
            make_array(
                kind,
                case
                    when age is not null then concat(age, ' to ', age + 9)
                end,
                gender,
                occupation,
                region,
                income_band,
                cast(household_size as varchar),
                industry,
                company_size,
                tier,
                rfm_segment
            )
        ) as value
    from facts
)

select
    customer_id,
    attribute,
    value
from listed
where value is not null
