-- One row per rule that planned contacts keep. Edit it: a rule that is not
-- wanted is a row to take out. A contact that breaks several is dropped for the
-- first of them.
--   at_most  at most `most` contacts with the label in any `days` × 24 hours
--   apart    a contact with the label and one with the other label lie at least
--            `days` × 24 hours apart; without days there is never both, without
--            another label two with the same label
-- A label is channel:…, purpose:… or campaign:…, null all contacts. Of a campaign
-- that has not begun no purpose is known: name it, campaign:…, to rule about it.
select
    rule_no,
    rule,
    kind,
    label,
    other_label,
    days,
    most
from (
    values
    (1, 'four_in_30_days', 'at_most', cast(null as varchar), cast(null as varchar), 30, 4),
    (2, 'two_emails_a_week', 'at_most', 'channel:email', null, 7, 2),
    (3, 'one_letter_a_month', 'at_most', 'channel:mail', null, 30, 1),
    (4, 'one_call_in_60_days', 'at_most', 'channel:phone', null, 60, 1),
    (5, 'a_day_between', 'apart', null, null, 1, cast(null as bigint)),
    (6, 'no_letter_within_3_days_of_a_call', 'apart', 'channel:phone', 'channel:mail', 3, null),
    (7, 'never_win_back_and_up_sell', 'apart', 'purpose:win_back', 'purpose:up_sell', null, null)
) as r (rule_no, rule, kind, label, other_label, days, most)
