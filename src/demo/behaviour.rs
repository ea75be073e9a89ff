//! Contracts, what the wallet panel says, and everything else a customer does.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rand::Rng;
use rand_distr::{Beta, Distribution, Poisson};

use super::figures::{
    BEHAVIOURS, CONTRACT_AMOUNTS, CONTRACT_CHURN, CONTRACT_SHARE, NOISE_EVENTS, NOISE_THINGS, NOISE_VERBS,
    PANEL_SHARE, Role,
};
use super::history::DAY;
use super::life::{Records, Scene, later, loaded, next_id};
use super::records::{Contract, Event, Spend};
use super::rows::{At, Cents, Day};
use super::streams::{Stream, between, float, happens, pick, whole};
use super::truths::ContractTruth;

/// Names of events that mean nothing, some hundreds.
pub(super) static NOISE_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names =
        NOISE_VERBS.iter().flat_map(|verb| NOISE_THINGS.iter().map(move |thing| format!("{thing}_{verb}")));
    names.collect()
});

/// The distributions that behaviour comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behaviours {
    churn: Beta<f64>,
    noise: Poisson<f64>,
}

impl Behaviours {
    /// The distributions of the constants; `None` if one of those is not positive.
    pub(super) fn new() -> Option<Self> {
        let churn = Beta::new(CONTRACT_CHURN.0, CONTRACT_CHURN.1).ok()?;
        Some(Self { churn, noise: Poisson::new(NOISE_EVENTS).ok()? })
    }
}

impl Scene<'_> {
    /// All of it.
    pub(super) fn behaviour(&self, stream: &mut Stream, records: &mut Records) {
        self.contract(stream, records);
        if happens(stream, PANEL_SHARE) {
            self.wallet(stream, records);
        }
        self.causes(stream, records);
        self.leaks(stream, records);
        self.noise(stream, records);
    }

    /// A contract that is cancelled each month with one chance: shifted beta-geometric.
    fn contract(&self, stream: &mut Stream, records: &mut Records) {
        let share = if self.customer.firm.is_some() { CONTRACT_SHARE.1 } else { CONTRACT_SHARE.0 };
        let started_at = self.moment(stream);
        if !happens(stream, share) {
            return;
        }
        let monthly_churn = self.company.behaviours.churn.sample(stream);
        let mut months = 1;
        while months < 600 && !happens(stream, monthly_churn) {
            months += 1;
        }
        let cancelled_at = self.past(started_at + months * 30 * DAY);
        let contract_id = next_id(self.first_id, &records.contracts);
        let products = i64::try_from(self.company.range.products().len()).unwrap_or(1);
        records.contracts.push(Contract {
            contract_id,
            customer_id: self.customer.customer_id,
            product_id: stream.random_range(1..=products.max(1)),
            started_at: At(started_at),
            ended_at: cancelled_at.map(At),
            cancelled_at: cancelled_at.map(At),
            amount_per_month: Cents(pick(stream, CONTRACT_AMOUNTS)),
        });
        let customer_id = self.customer.customer_id;
        records.contract_truths.push(ContractTruth { contract_id, customer_id, monthly_churn });
    }

    /// Spend with all suppliers in each half-year and category the customer buys from us.
    fn wallet(&self, stream: &mut Stream, records: &mut Records) {
        let periods = self.company.history.half_years();
        let mut own: BTreeMap<(i64, &'static str), i64> = BTreeMap::new();
        let mut orders = self.orders.iter().peekable();
        for line in self.lines {
            while orders.next_if(|order| order.order_id < line.order_id).is_some() {}
            let Some(order) = orders.peek() else { break };
            let period = periods.iter().rfind(|first| **first * DAY <= order.ordered_at);
            if let (Some(period), Some(category)) = (period, self.category(line)) {
                *own.entry((*period, category)).or_default() += line.net();
            }
        }
        let share = self.nature.profile.wallet_share;
        for ((period, category), spent) in own {
            let here = (share * between(stream, 0.85, 1.15)).clamp(0.02, 1.0);
            let total = whole(float(spent) / here).max(spent);
            let others = if here > 0.97 { 0 } else { stream.random_range(1..=4) };
            let rank = 1 + i32::from(here < 0.5) + i32::from(here < 0.3) + i32::from(here < 0.15);
            records.wallet.push(Spend {
                customer_id: self.customer.customer_id,
                period_start: Day(i32::try_from(period).unwrap_or_default()),
                category,
                total_spend: Cents(total),
                rank_of_us: rank.min(others + 1),
                suppliers_used: others + 1,
            });
        }
    }

    /// What came over the customer in the first two weeks.
    fn causes(&self, stream: &mut Stream, records: &mut Records) {
        let traits = self.nature.profile.traits;
        let met = [
            traits.saves_recipes,
            traits.activated_card,
            traits.had_late_delivery,
            traits.had_open_complaint,
        ];
        for ((name, _, _), met) in BEHAVIOURS.iter().zip(met) {
            let at = later(self.customer.created_at + 1_000_000, 14.0, stream);
            if met {
                self.event(name, at, None, records);
            }
        }
    }

    /// What only follows a repeat purchase, or the end.
    fn leaks(&self, stream: &mut Stream, records: &mut Records) {
        for (name, role, chance) in &BEHAVIOURS {
            match role {
                Role::FollowsRepeat => {
                    for order in self.orders.iter().skip(1) {
                        if happens(stream, *chance) {
                            let points = between(stream, 10.0, 500.0).round();
                            self.event(name, later(order.ordered_at, 2.0, stream), Some(points), records);
                        }
                    }
                }
                Role::FollowsChurn => {
                    let Some(left_at) = self.purchases.left_at else { continue };
                    if happens(stream, *chance) {
                        self.event(name, later(left_at, 30.0, stream), None, records);
                    }
                }
                _ => {}
            }
        }
    }

    fn noise(&self, stream: &mut Stream, records: &mut Records) {
        for _ in 0..whole(self.company.behaviours.noise.sample(stream)) {
            let at = self.moment(stream);
            let place = stream.random_range(0..NOISE_NAMES.len());
            let value = Some(between(stream, 0.0, 100.0).round()).filter(|_| !happens(stream, 0.5));
            if let Some(name) = NOISE_NAMES.get(place) {
                self.event(name, at, value, records);
            }
        }
    }

    fn event(&self, name: &'static str, at: i64, value: Option<f64>, records: &mut Records) {
        if at < self.until() {
            let event_id = next_id(self.first_id, &records.events);
            let customer_id = self.customer.customer_id;
            let ingested_at = loaded(at, event_id);
            records.events.push(Event {
                event_id,
                customer_id,
                occurred_at: At(at),
                name,
                value,
                ingested_at,
            });
        }
    }
}
