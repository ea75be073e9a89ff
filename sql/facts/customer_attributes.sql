-- One row per customer known at $as_of and attribute that is known of the
-- customer: what segments are compared by in segment_profile.
-- A company that knows other things of its customers names them here.
with facts as (
    select
        s.*,
        f.category as favourite_category,
        cast(
            floor((date_part('year', s.snapshot_date) - s.birth_year) / 10) * 10
            as bigint
        ) as age
    from segment_facts as s
    left join favourite_categories as f on s.customer_id = f.customer_id
    where s.snapshot_date = $as_of_day
),

listed as (
    select
        customer_id,
        unnest(
            make_array(
                'kind', 'age', 'gender', 'occupation', 'region',
                'income_band', 'household_size', 'industry', 'company_size',
                'tier', 'rfm_segment', 'favourite_category'
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
                rfm_segment,
                favourite_category
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
