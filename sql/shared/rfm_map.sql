-- One row per part of a segment: from which to which scores it goes. Edit it: a
-- cell of scores that no row or several rows have is found by `goodwill check`.
select
    part_no,
    segment,
    r_from,
    r_to,
    f_from,
    f_to,
    m_from,
    m_to
from (
    values
    (1, 'Champions', 5, 5, 4, 5, 1, 5),
    (2, 'Loyal Customers', 3, 4, 4, 5, 1, 5),
    (3, 'Potential Loyalists', 4, 5, 2, 3, 1, 5),
    (4, 'New Customers', 5, 5, 1, 1, 1, 5),
    (5, 'Promising', 4, 4, 1, 1, 1, 5),
    (6, 'Need Attention', 3, 3, 3, 3, 1, 5),
    (7, 'About To Sleep', 3, 3, 1, 2, 1, 5),
    (8, 'At Risk', 1, 2, 3, 4, 1, 5),
    (9, 'Can''t Lose Them', 1, 2, 5, 5, 1, 5),
    (10, 'Hibernating', 1, 2, 1, 2, 1, 5)
) as p (part_no, segment, r_from, r_to, f_from, f_to, m_from, m_to)
