-- One row per household known at $as_of and attribute that is known of it: what
-- segments are compared by in segment_profile.
with listed as (
    select
        customer_id,
        unnest(
            make_array(
                'age_band', 'income_band', 'household_size',
                'household_composition', 'marital_status', 'home_ownership',
                'children', 'tier', 'rfm_segment'
            )
        ) as attribute,
        unnest(
            make_array(
                age_band,
                income_band,
                cast(household_size as varchar),
                household_composition,
                marital_status,
                home_ownership,
                children,
                tier,
                rfm_segment
            )
        ) as value
    from segment_facts
    where snapshot_date = $as_of_day
)

select
    customer_id,
    attribute,
    value
from listed
where value is not null
