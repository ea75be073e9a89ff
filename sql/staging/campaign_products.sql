-- One row per campaign that began before $as_of and product it promoted.
-- The source carries no time: a row belongs to the past when its campaign does.
select
    p.campaign_id,
    p.product_id
from sources.campaign_products as p
inner join campaigns as c on p.campaign_id = c.campaign_id
