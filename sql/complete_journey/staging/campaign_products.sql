-- One row per campaign that began before $as_of and product of its coupons.
-- Households of a campaign of type A got a choice of its coupons, the others
-- all of them; the files do not say who got which.
select distinct
    p.campaign_id,
    p.product_id
from sources.coupons as p
inner join campaigns as c on p.campaign_id = c.campaign_id
