-- One row per segment and need that somebody in it states at $as_of: how much
-- it matters, how far it is met, and what answers it. (all) is every customer,
-- (prospects) every prospect who is none.
-- A need counts as it was stated last. What customers ask for (the four Cs) is
-- what marketing answers with (the four Ps): $need_kinds says which need is
-- which.
with statements as (
    select
        party_id,
        need,
        coalesce(is_must_have, false) as is_must_have,
        importance,
        is_satisfied
    from (
        select
            *,
            row_number() over (
                partition by party_id, need order by stated_at desc
            ) as newest
        from needs
    ) as n
    where newest = 1
),

members as (
    select
        segment,
        customer_id as party_id
    from segment_matches
    where snapshot_date = $as_of_day and is_member
    union all
    select
        '(all)' as segment,
        customer_id as party_id
    from segment_facts
    where snapshot_date = $as_of_day
    union all
    select
        '(prospects)' as segment,
        p.party_id
    from prospects as p
    left join (select party_id from party_links group by party_id) as l
        on p.party_id = l.party_id
    where l.party_id is null
),

sizes as (
    select
        segment,
        count(*) as parties
    from members
    group by segment
),

-- What those who state a need bought, of that what answers a need they state.
purchases as (
    select
        l.customer_id,
        l.product_id
    from sales_lines as l
    inner join (select party_id from statements group by party_id) as s
        on l.customer_id = s.party_id
    group by l.customer_id, l.product_id
),

bought as (
    select
        s.party_id,
        s.need,
        b.product_id
    from purchases as b
    inner join product_needs as p on b.product_id = p.product_id
    inner join statements as s
        on b.customer_id = s.party_id and p.need = s.need
    group by s.party_id, s.need, b.product_id
),

buyers as (
    select
        party_id,
        need
    from bought
    group by party_id, need
),

answers as (
    select
        need,
        count(*) as products
    from product_needs
    group by need
),

counted as (
    select
        m.segment,
        s.need,
        count(*) as stating,
        avg(s.importance) as importance,
        count(*) filter (where s.is_must_have) as must_haves,
        count(s.is_satisfied) as satisfied_known,
        count(*) filter (where s.is_satisfied) as satisfied,
        count(*) filter (where not s.is_satisfied) as unsatisfied,
        sum(
            case
                when s.is_satisfied then 0
                when not s.is_satisfied then s.importance
            end
        ) / nullif(
            sum(case when s.is_satisfied is not null then s.importance end), 0
        ) as unmet_share,
        count(b.party_id) as buyers,
        count(*) filter (where not s.is_satisfied and b.party_id is null)
            as unsatisfied_without
    from members as m
    inner join statements as s on m.party_id = s.party_id
    left join buyers as b on s.party_id = b.party_id and s.need = b.need
    group by m.segment, s.need
),

favourites as (
    select
        segment,
        need,
        product_id
    from (
        select
            m.segment,
            b.need,
            b.product_id,
            row_number() over (
                partition by m.segment, b.need
                order by count(*) desc, b.product_id
            ) as place
        from members as m
        inner join bought as b on m.party_id = b.party_id
        group by m.segment, b.need, b.product_id
    ) as p
    where place = 1
),

kinds as (
    select
        split_part(pair, ':', 1) as need,
        max(split_part(pair, ':', 2)) as kind
    from (select unnest(string_to_array($need_kinds, ',')) as pair) as p
    group by split_part(pair, ':', 1)
),

ranked as (
    select
        *,
        row_number() over (
            partition by segment
            order by must_haves desc, importance desc nulls last, need
        ) as place
    from counted
),

named as (
    select
        r.*,
        coalesce(k.kind, 'solution') as asks_for
    from ranked as r
    left join kinds as k on r.need = k.need
)

select
    $as_of_day as as_of,
    c.segment,
    c.need,
    c.asks_for,
    case
        when c.asks_for = 'cost' then 'price'
        when c.asks_for = 'convenience' then 'place'
        when c.asks_for = 'communication' then 'promotion'
        else 'product'
    end as answer_with,
    z.parties,
    c.stating,
    c.importance,
    c.must_haves,
    case when c.must_haves > 0 then c.place end as must_have_rank,
    c.satisfied_known,
    c.satisfied,
    cast(c.satisfied as double) / nullif(cast(c.satisfied_known as double), 0)
        as satisfied_share,
    c.unmet_share,
    case when not $absent_product_needs then coalesce(a.products, 0) end
        as products,
    c.buyers,
    f.product_id as favourite_product_id,
    p.name as favourite_product,
    case
        when c.satisfied_known = 0 then null
        when c.unsatisfied = 0 then 'keep'
        when $absent_product_needs then null
        when a.products is null then 'develop'
        when 2 * c.unsatisfied_without >= c.unsatisfied then 'offer'
        else 'improve'
    end as next_step
from named as c
inner join sizes as z on c.segment = z.segment
left join answers as a on c.need = a.need
left join favourites as f on c.segment = f.segment and c.need = f.need
left join products as p on f.product_id = p.product_id
