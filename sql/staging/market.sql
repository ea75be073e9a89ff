-- One row per segment of the market. The source carries no time: it is the
-- market as it is known today.
select
    segment,
    households,
    firms
from sources.market
