-- One row per customer with a paid order in the window that ends at $as_of: the
-- last of the snapshots, which tell how the scores are made.
select
    snapshot_date as as_of,
    customer_id,
    days_since_last_order,
    frequency,
    monetary,
    monetary_gross,
    returns,
    r_score,
    f_score,
    m_score,
    rfm_cell,
    segment,
    tie_convention,
    window_days
from rfm_snapshots
where snapshot_date = $as_of_day
