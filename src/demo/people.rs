//! What a customer tells and permits, who cares for them, and what is planned with them.

use rand::Rng;

use super::constants::{HOUSEHOLD_SIZES, INCOME_BANDS, REGIONS, SALES_REPS, SPEND_P};
use super::figures::{
    CHANGED_SHARE, MAIN_NEED_FIRST, NEEDS, NEEDS_TOLD_SHARE, PERMISSIONS, PLANNED_SHARE, REASSIGNED_SHARE,
};
use super::history::{DAY, HOUR};
use super::life::{Records, Scene};
use super::records::{Assignment, Attribute, Consent, Need, Planned};
use super::rows::{At, Cents};
use super::streams::{Stream, between, float, happens, pick, whole};
use super::truths::CustomerTruth;

impl Scene<'_> {
    /// All of it.
    pub(super) fn people(
        &self,
        (closed, gave_up): (&[&str], &[(&'static str, i64)]),
        stream: &mut Stream,
        records: &mut Records,
    ) {
        self.attributes(stream, records);
        self.consents(closed, gave_up, records);
        self.told_needs(stream, records);
        self.assignments(stream, records);
        self.planned(stream, records);
        records.customer_truths.push(self.truth());
    }

    /// What one attribute was on arrival and what it became: today's value stands in `customers`.
    fn attributes(&self, stream: &mut Stream, records: &mut Records) {
        let (changed_at, which) = (self.moment(stream), stream.random_range(0..3));
        let (region, band, size) =
            (pick(stream, REGIONS), pick(stream, INCOME_BANDS), pick(stream, HOUSEHOLD_SIZES));
        if !happens(stream, CHANGED_SHARE) || changed_at <= self.customer.created_at {
            return;
        }
        let person = &self.customer.person;
        let (attribute, before, now) = match which {
            0 => ("region", region.to_owned(), Some(self.customer.region.to_owned())),
            1 => ("income_band", band.to_owned(), person.income_band.map(str::to_owned)),
            _ => ("household_size", size.to_string(), person.household_size.map(|size| size.to_string())),
        };
        let customer_id = self.customer.customer_id;
        let row = |at, value| Attribute { customer_id, attribute, valid_from: At(at), value };
        records.attributes.push(row(self.customer.created_at, Some(before)));
        records.attributes.push(row(changed_at, now));
    }

    fn consents(&self, closed: &[&str], gave_up: &[(&'static str, i64)], records: &mut Records) {
        let customer_id = self.customer.customer_id;
        for (channel, _) in PERMISSIONS {
            let given = !closed.contains(&channel);
            let changed_at = At(self.customer.created_at);
            records.consents.push(Consent { customer_id, channel, changed_at, given });
            let withdrawn = gave_up.iter().find(|(from, _)| *from == channel);
            if let Some((_, at)) = withdrawn {
                records.consents.push(Consent { customer_id, channel, changed_at: At(*at), given: false });
            }
        }
    }

    fn told_needs(&self, stream: &mut Stream, records: &mut Records) {
        let count = stream.random_range(1..=3);
        let stated_at = self.moment(stream);
        if !happens(stream, NEEDS_TOLD_SHARE) {
            return;
        }
        let main = self.nature.profile.main_need;
        let is_main = happens(stream, MAIN_NEED_FIRST);
        // Another one first: any but the main one.
        let first = if is_main { main } else { main + stream.random_range(1..NEEDS.len()) };
        for rank in 1..=count {
            let place = first + usize::try_from(rank - 1).unwrap_or_default();
            let importance = (10.0 - 2.5 * f64::from(rank) + between(stream, -1.0, 1.0)).clamp(1.0, 10.0);
            let satisfied = happens(stream, 0.4 + 0.15 * self.nature.profile.satisfaction.clamp(-2.0, 2.0));
            records.needs.push(Need {
                party_id: self.customer.customer_id,
                need: NEEDS.get(place % NEEDS.len()).copied().unwrap_or("advice"),
                stated_at: At(stated_at),
                importance: Some((importance * 10.0).round() / 10.0).filter(|_| !happens(stream, 0.05)),
                is_must_have: rank == 1 && happens(stream, 0.5),
                rank,
                is_satisfied: Some(satisfied).filter(|_| !happens(stream, 0.1)),
            });
        }
    }

    fn assignments(&self, stream: &mut Stream, records: &mut Records) {
        let Some(sales_rep_id) = self.customer.sales_rep_id() else { return };
        let customer_id = self.customer.customer_id;
        let created_at = self.customer.created_at;
        let row = |at, sales_rep_id| Assignment {
            customer_id,
            valid_from: At(at),
            sales_rep_id: Some(sales_rep_id),
        };
        let changed_at = self.moment(stream);
        if happens(stream, REASSIGNED_SHARE) && changed_at > created_at {
            records.assignments.push(row(created_at, 1 + sales_rep_id % SALES_REPS));
            records.assignments.push(row(changed_at, sales_rep_id));
        } else {
            records.assignments.push(row(created_at, sales_rep_id));
        }
    }

    fn planned(&self, stream: &mut Stream, records: &mut Records) {
        let next = self.company.next_campaign_id();
        for (campaign_id, channel, priority) in [(next, "email", 2), (next + 1, "mail", 1)] {
            let days = stream.random_range(1..=28);
            if happens(stream, PLANNED_SHARE) {
                records.planned.push(Planned {
                    campaign_id,
                    customer_id: self.customer.customer_id,
                    planned_at: At(self.until() + days * DAY + 9 * HOUR),
                    channel,
                    priority,
                });
            }
        }
    }

    fn truth(&self) -> CustomerTruth {
        let (nature, profile) = (self.nature, &self.nature.profile);
        let brought = self.purchases.made.iter().filter(|it| it.is_brought).count();
        let count = |orders: usize| i32::try_from(orders).unwrap_or(i32::MAX);
        CustomerTruth {
            customer_id: self.customer.customer_id,
            buys: nature.buys,
            orders_per_day: nature.rate,
            dropout_chance: nature.dropout,
            left_at: self.purchases.left_at.map(At),
            own_orders: count(self.purchases.made.len() - brought),
            brought_orders: count(brought),
            mean_order_value: SPEND_P / nature.spend_rate / 100.0,
            price_elasticity: profile.elasticity,
            attitude: profile.attitude,
            wallet_share: profile.wallet_share,
            loyalty_class: profile.loyalty_class(),
            lifecycle_stage: self.lifecycle_stage(),
            cluster: count(profile.cluster),
            satisfaction: profile.satisfaction,
            main_need: NEEDS.get(profile.main_need).copied().unwrap_or("advice"),
            saves_recipes: profile.traits.saves_recipes,
            activated_card: profile.traits.activated_card,
            had_late_delivery: profile.traits.had_late_delivery,
            had_open_complaint: profile.traits.had_open_complaint,
        }
    }

    /// At the end of the history, knowing who left.
    fn lifecycle_stage(&self) -> &'static str {
        match (self.purchases.made.first(), self.purchases.left_at) {
            (None, _) => "registered",
            (Some(_), Some(_)) => "left",
            (Some(first), None) if self.until() - first.ordered_at < 90 * DAY => "new",
            _ => "active",
        }
    }
}

/// `cents` times a factor that is one on average.
pub(super) fn about(cents: i64, spread: f64, stream: &mut Stream) -> Cents {
    Cents(whole(float(cents) * between(stream, 1.0 - spread, 1.0 + spread)).max(1))
}
