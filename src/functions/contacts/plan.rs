//! Which planned contacts a customer gets: by priority, each unless it breaks a rule with those kept before.
//!
//! **Invariant:** what is kept depends on the contacts and the rules, not on the order they come in.

/// A day of 24 hours, in microseconds.
const DAY: i64 = 86_400_000_000;

/// What may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule<'a> {
    /// More than `most` contacts with this label in any window of so many days.
    AtMost {
        /// The label; none for all contacts.
        label: Option<&'a str>,
        /// How long the window is; its end is not in it.
        days: i64,
        /// How many may lie in it.
        most: usize,
    },
    /// A contact with the one label and one with the other less than so many days apart.
    Apart {
        /// The one label; none for all contacts.
        one: Option<&'a str>,
        /// The other.
        other: Option<&'a str>,
        /// How far apart they must be; none if they may not both be.
        days: Option<i64>,
    },
}

/// A contact that is planned, or was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contact<'a, I> {
    pub(super) is_planned: bool,
    /// Smaller ones go first.
    pub(super) priority: i64,
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) id: I,
    pub(super) labels: Vec<&'a str>,
}

/// What became of a planned contact: kept, or dropped for the rule with this place among the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision<I> {
    pub(super) id: I,
    pub(super) broken: Option<usize>,
}

/// Decides about the planned contacts of one customer, the most urgent first: contacts that were made stay,
/// then by priority, of equal ones the earlier, of these the one with the smaller id.
///
/// A contact that breaks several rules is dropped for the first of them.
pub(super) fn decide<I: Copy + Ord>(
    mut contacts: Vec<Contact<'_, I>>,
    rules: &[Rule<'_>],
) -> Vec<Decision<I>> {
    contacts.sort_by(|one, other| {
        let key = |it: &Contact<'_, I>| (it.is_planned, it.priority, it.at, it.id);
        key(one).cmp(&key(other)).then_with(|| one.labels.cmp(&other.labels))
    });
    let mut books: Vec<Book<'_>> = rules.iter().map(Book::new).collect();
    let mut decisions = Vec::new();
    for contact in contacts {
        let broken = books.iter().position(|book| contact.is_planned && book.is_broken_by(&contact));
        if broken.is_none() {
            for book in &mut books {
                book.note(&contact);
            }
        }
        if contact.is_planned {
            decisions.push(Decision { id: contact.id, broken });
        }
    }
    decisions
}

/// A rule with the times of the contacts it is about that are kept, in order.
struct Book<'a> {
    rule: &'a Rule<'a>,
    one: Vec<i64>,
    other: Vec<i64>,
}

impl<'a> Book<'a> {
    const fn new(rule: &'a Rule<'a>) -> Self {
        Self { rule, one: Vec::new(), other: Vec::new() }
    }

    fn is_broken_by<I>(&self, contact: &Contact<'_, I>) -> bool {
        match *self.rule {
            Rule::AtMost { label, days, most } => {
                is_about(label, contact) && is_crowded(&self.one, contact.at, days.saturating_mul(DAY), most)
            }
            Rule::Apart { one, other, days } => {
                let apart = days.map(|days| days.saturating_mul(DAY));
                (is_about(one, contact) && is_near(&self.other, contact.at, apart))
                    || (is_about(other, contact) && is_near(&self.one, contact.at, apart))
            }
        }
    }

    fn note<I>(&mut self, contact: &Contact<'_, I>) {
        let (one, other) = match *self.rule {
            Rule::AtMost { label, .. } => (is_about(label, contact), false),
            Rule::Apart { one, other, .. } => (is_about(one, contact), is_about(other, contact)),
        };
        for (is_noted, times) in [(one, &mut self.one), (other, &mut self.other)] {
            if is_noted {
                let place = times.partition_point(|time| *time <= contact.at);
                times.insert(place, contact.at);
            }
        }
    }
}

fn is_about<I>(label: Option<&str>, contact: &Contact<'_, I>) -> bool {
    label.is_none_or(|label| contact.labels.contains(&label))
}

/// Whether one more at `at` would make more than `most` in some window shorter than `window`.
fn is_crowded(times: &[i64], at: i64, window: i64, most: usize) -> bool {
    let place = times.partition_point(|time| *time <= at);
    // With it in its place, so many follow each other; each first one of them that has it among them.
    let time = |index: usize| match index.cmp(&place) {
        std::cmp::Ordering::Less => times.get(index).copied(),
        std::cmp::Ordering::Equal => Some(at),
        std::cmp::Ordering::Greater => times.get(index - 1).copied(),
    };
    (place.saturating_sub(most)..=place).any(|first| match (time(first), time(first.saturating_add(most))) {
        (Some(first), Some(last)) => last.saturating_sub(first) < window,
        _ => false,
    })
}

/// Whether one of `times` is less than `apart` away; with no distance, whether there is one.
fn is_near(times: &[i64], at: i64, apart: Option<i64>) -> bool {
    let Some(apart) = apart else { return !times.is_empty() };
    let place = times.partition_point(|time| *time <= at);
    let before = place.checked_sub(1).and_then(|place| times.get(place));
    let near = |time: &i64| at.saturating_sub(*time).saturating_abs() < apart;
    before.is_some_and(near) || times.get(place).is_some_and(near)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contact(id: i64, priority: i64, day: i64, labels: &[&'static str]) -> Contact<'static, i64> {
        Contact { is_planned: true, priority, at: day * DAY, id, labels: labels.to_vec() }
    }

    fn kept(contacts: &[Contact<'static, i64>], rules: &[Rule<'static>]) -> Vec<i64> {
        let decisions = decide(contacts.to_vec(), rules);
        let mut kept: Vec<i64> = decisions
            .iter()
            .filter(|decision| decision.broken.is_none())
            .map(|decision| decision.id)
            .collect();
        kept.sort_unstable();
        kept
    }

    const TWO_A_WEEK: Rule<'static> = Rule::AtMost { label: None, days: 7, most: 2 };

    #[test]
    fn a_window_slides() {
        // Days 0, 3, 6 are within 7 days; 7 is not within 7 days of 0.
        let day = |id, day| contact(id, id, day, &[]);
        assert_eq!(kept(&[day(1, 0), day(2, 3), day(3, 6), day(4, 7)], &[TWO_A_WEEK]), [1, 2, 4]);
        // One between two that are kept would make three within the six days around it.
        assert_eq!(kept(&[day(1, 0), day(2, 6), day(3, 3)], &[TWO_A_WEEK]), [1, 2]);
        assert_eq!(kept(&[day(1, 0), day(2, 7), day(3, 3)], &[TWO_A_WEEK]), [1, 2, 3]);
        assert_eq!(kept(&[day(1, 0)], &[Rule::AtMost { label: None, days: 7, most: 0 }]), Vec::<i64>::new());
    }

    #[test]
    fn the_more_urgent_stays_and_the_rule_is_named() {
        let rules = [
            Rule::AtMost { label: Some("mail"), days: 7, most: 1 },
            Rule::Apart { one: None, other: None, days: Some(2) },
        ];
        let contacts =
            [contact(1, 9, 0, &["mail"]), contact(2, 1, 1, &["mail"]), contact(3, 5, 2, &["call"])];
        let decisions = decide(contacts.to_vec(), &rules);
        let told: Vec<(i64, Option<usize>)> = decisions.iter().map(|it| (it.id, it.broken)).collect();
        assert_eq!(told, [(2, None), (3, Some(1)), (1, Some(0))]);
    }

    #[test]
    fn never_both_and_not_within_days() {
        let never = Rule::Apart { one: Some("a"), other: Some("b"), days: None };
        let contacts = [contact(1, 1, 0, &["a"]), contact(2, 2, 300, &["b"]), contact(3, 3, 1, &["c"])];
        assert_eq!(kept(&contacts, &[never]), [1, 3]);
        let within = Rule::Apart { one: Some("a"), other: Some("b"), days: Some(10) };
        let on = |day| {
            kept(&[contact(1, 1, 20, &["a"]), contact(2, 2, day, &["b"])], std::slice::from_ref(&within))
                .len()
        };
        assert_eq!([10, 11, 20, 29, 30].map(on), [2, 1, 1, 1, 2]);
        // Two of the same label may be near each other.
        assert_eq!(kept(&[contact(1, 1, 0, &["a"]), contact(2, 2, 0, &["a"])], &[within]), [1, 2]);
    }

    #[test]
    fn what_was_made_counts_and_is_not_decided() {
        let made = Contact { is_planned: false, ..contact(7, 99, 0, &["mail"]) };
        let contacts = [made.clone(), Contact { id: 8, ..made }, contact(1, 1, 3, &["mail"])];
        let decisions = decide(contacts.to_vec(), &[TWO_A_WEEK]);
        assert_eq!(decisions, [Decision { id: 1, broken: Some(0) }]);
    }

    /// The rule as it is written, over all windows that begin with a contact.
    fn is_sound(kept: &[&Contact<'static, i64>], rule: &Rule<'static>) -> bool {
        match *rule {
            Rule::AtMost { label, days, most } => kept.iter().all(|first| {
                let within = kept.iter().filter(|it| is_about(label, it));
                within.filter(|it| it.at >= first.at && it.at < first.at + days * DAY).count() <= most
            }),
            Rule::Apart { one, other, days } => kept.iter().enumerate().all(|(place, first)| {
                kept.iter().skip(place + 1).all(|next| {
                    let is_pair = (is_about(one, first) && is_about(other, next))
                        || (is_about(other, first) && is_about(one, next));
                    let is_near = days.is_none_or(|days| (first.at - next.at).abs() < days * DAY);
                    !(is_pair && is_near)
                })
            }),
        }
    }

    proptest! {
        #[test]
        fn no_rule_is_broken_no_contact_dropped_for_nothing_and_the_order_does_not_matter(
            plan in prop::collection::vec((0_i64..4, 0_i64..40, 0_usize..3), 0..30),
            days in 1_i64..15, most in 0_usize..4, apart in 1_i64..10, turn in 0_usize..30,
        ) {
            const LABELS: [&str; 3] = ["a", "b", "c"];
            let rules = [
                Rule::AtMost { label: Some("a"), days, most },
                Rule::AtMost { label: None, days: days + 3, most: most + 2 },
                Rule::Apart { one: Some("b"), other: Some("b"), days: Some(apart) },
                Rule::Apart { one: Some("a"), other: Some("c"), days: Some(apart) },
            ];
            let contacts: Vec<Contact<'static, i64>> = (0..).zip(&plan)
                .map(|(id, (priority, day, label))| contact(id, *priority, *day, &[LABELS[*label]]))
                .collect();
            let decisions = decide(contacts.clone(), &rules);
            let mut turned = contacts.clone();
            turned.rotate_left(turn.min(contacts.len()));
            prop_assert_eq!(&decisions, &decide(turned, &rules));
            let of = |id: i64| contacts.iter().find(|it| it.id == id).expect("a contact");
            let mut kept = Vec::new();
            for decision in &decisions {
                kept.push(of(decision.id));
                let broken = rules.iter().position(|rule| !is_sound(&kept, rule));
                prop_assert_eq!(decision.broken, broken);
                if broken.is_some() {
                    kept.pop();
                }
            }
            prop_assert_eq!(decisions.len(), contacts.len());
        }
    }
}
