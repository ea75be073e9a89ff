-- One row per attribution model: what each of them means.
-- A model with shares gives them to the first and the last touch and spreads
-- the rest evenly between; two touches split in the ratio of the shares, and a
-- single touch takes all.
select
    model,
    cast(first_share as decimal(3, 2)) as first_share,
    cast(last_share as decimal(3, 2)) as last_share,
    definition
from
    (
        values
        ('first', 1.00, 0.00, 'the first touch of the window takes all'),
        ('last', 0.00, 1.00, 'the last touch of the window takes all'),
        (
            'last_non_direct', null, null,
            'the last touch in no direct channel takes all; the last touch '
            || 'where all are direct'
        ),
        ('linear', null, null, 'all touches alike: 1 / touches'),
        (
            'position', 0.40, 0.40,
            '40 % first, 40 % last, 20 % between; two touches 50 : 50'
        ),
        (
            'j_curve', 0.20, 0.60,
            '20 % first, 60 % last, 20 % between; two touches 25 : 75'
        ),
        (
            'inverse_j', 0.60, 0.20,
            '60 % first, 20 % last, 20 % between; two touches 75 : 25'
        ),
        (
            'time_decay', null, null,
            '0.5 ^ (age / attribution_half_life_days), normed to 1; the age '
            || 'runs from the touch to the conversion'
        )
    ) as m (model, first_share, last_share, definition)
