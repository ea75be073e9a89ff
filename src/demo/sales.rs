//! Parties before they are customers, and deals with firms.

use rand::Rng;

use super::baskets::Line;
use super::constants::Direction;
use super::contacts::Touch;
use super::customers::Origin;
use super::figures::{
    CONVERTED_SHARE, LEAD_SOURCES, OPPORTUNITY_SHARE, PROSPECT_CALL_COST, REFUSALS, REFUSING_SHARE,
    UNCONVERTED_SHARE, WON_SHARE,
};
use super::history::DAY;
use super::life::{Records, Scene, later, next_id};
use super::records::{Lead, LeadStatus, Link, Opportunity, Prospect, Stage};
use super::rows::{At, Cents};
use super::streams::{Stream, between, float, happens, pick, whole};

/// Where the ids of prospects begin: beyond those of customers at every scale.
const PROSPECTS_FROM: i64 = 1_000_000_000_000_000;

impl Scene<'_> {
    /// All of it; gives the contacts with prospects, without ids.
    pub(super) fn sales(&self, stream: &mut Stream, records: &mut Records) -> Vec<Touch> {
        if happens(stream, CONVERTED_SHARE) {
            self.converted(stream, records);
        }
        let unconverted = happens(stream, UNCONVERTED_SHARE);
        let touches = if unconverted { self.unconverted(stream, records) } else { Vec::new() };
        if self.customer.firm.is_some() {
            self.deals(stream, records);
        }
        touches
    }

    /// The prospect that the customer was.
    fn converted(&self, stream: &mut Stream, records: &mut Records) {
        let linked_at = self.customer.created_at;
        let days = stream.random_range(1..=60);
        let created_at = (linked_at - days * DAY).max(self.company.history.start());
        let party_id = PROSPECTS_FROM + next_id(self.first_id, &records.prospects);
        let need_match = between(stream, 0.4, 1.0);
        let can_pay = Some(true).filter(|_| !happens(stream, 0.2));
        records.prospects.push(Prospect {
            party_id,
            created_at: At(created_at),
            need_match,
            can_pay,
            refused_at: None,
            refusal_reason: None,
        });
        records.links.push(Link {
            party_id,
            customer_id: self.customer.customer_id,
            linked_at: At(linked_at),
        });
        let campaign_id = match self.customer.origin {
            Origin::Campaign { campaign_id, .. } => Some(campaign_id),
            _ => None,
        };
        let lead_id = self.lead(party_id, campaign_id, created_at, stream, records);
        let between = (linked_at - created_at).max(3);
        let steps =
            [(created_at, "new"), (created_at + between / 3, "contacted"), (linked_at + 1, "converted")];
        for (at, status) in steps {
            records.lead_statuses.push(LeadStatus { lead_id, changed_at: At(at), status });
        }
    }

    /// A prospect that never bought: it has nothing to do with the customer but the time.
    fn unconverted(&self, stream: &mut Stream, records: &mut Records) -> Vec<Touch> {
        let created_at = self.moment(stream);
        let party_id = PROSPECTS_FROM + next_id(self.first_id, &records.prospects);
        let refused_at = later(created_at, 40.0, stream);
        let refuses = happens(stream, REFUSING_SHARE) && refused_at < self.until();
        let reason = pick(stream, REFUSALS);
        let can_pay = Some(happens(stream, 0.6)).filter(|_| !happens(stream, 0.3));
        records.prospects.push(Prospect {
            party_id,
            created_at: At(created_at),
            need_match: between(stream, 0.0, 0.8),
            can_pay,
            refused_at: refuses.then_some(At(refused_at)),
            refusal_reason: refuses.then_some(reason).filter(|_| !happens(stream, 0.1)),
        });
        if !happens(stream, 0.5) {
            return Vec::new();
        }
        let lead_id = self.lead(party_id, None, created_at, stream, records);
        let mut status = |at, status| {
            if at < self.until() {
                records.lead_statuses.push(LeadStatus { lead_id, changed_at: At(at), status });
            }
        };
        status(created_at, "new");
        status(created_at + 2 * DAY, "contacted");
        let mut touches = vec![call(party_id, created_at + 2 * DAY, "called", Direction::Out)];
        if refuses && refused_at > created_at + 2 * DAY {
            status(refused_at, "lost");
            touches.push(call(party_id, refused_at, "refused", Direction::In));
        }
        touches.retain(|touch| touch.touched_at < self.until());
        touches
    }

    fn lead(
        &self,
        party_id: i64,
        campaign_id: Option<i64>,
        created_at: i64,
        stream: &mut Stream,
        records: &mut Records,
    ) -> i64 {
        let lead_id = next_id(self.first_id, &records.leads);
        let source = pick(stream, LEAD_SOURCES);
        records.leads.push(Lead { lead_id, campaign_id, party_id, created_at: At(created_at), source });
        lead_id
    }

    /// Orders of firms that began as deals, and the deals that were lost beside them.
    fn deals(&self, stream: &mut Stream, records: &mut Records) {
        for order in self.orders {
            if !happens(stream, OPPORTUNITY_SHARE / WON_SHARE) {
                continue;
            }
            let won = happens(stream, WON_SHARE);
            let days = stream.random_range(5..=45);
            let created_at = (order.ordered_at - days * DAY).max(self.customer.created_at);
            let value = self.lines.iter().filter(|line| line.order_id == order.order_id).map(Line::net);
            let amount = value.sum::<i64>();
            let opportunity_id = next_id(self.first_id, &records.opportunities);
            records.opportunities.push(Opportunity {
                opportunity_id,
                lead_id: None,
                party_id: self.customer.customer_id,
                campaign_id: None,
                created_at: At(created_at),
                sales_rep_id: self.customer.sales_rep_id(),
            });
            let span = (order.ordered_at - created_at).max(4);
            let end = if won { ("won", 1.0) } else { ("lost", 0.0) };
            let stages = [("qualified", 0.2), ("proposal", 0.45), ("negotiation", 0.7), end];
            for ((stage, probability), at) in stages.into_iter().zip(0..) {
                let is_end = at == 3;
                let share = between(stream, 0.9, 1.2);
                let expected = if is_end { amount } else { whole(float(amount) * share) };
                records.stages.push(Stage {
                    opportunity_id,
                    changed_at: At(created_at + span / 4 * at),
                    stage,
                    amount: Cents(expected.max(0)),
                    probability,
                    is_won: is_end.then_some(won),
                    order_id: (is_end && won).then_some(order.order_id),
                });
            }
        }
    }
}

/// A call between the company and a prospect; the id is left to the caller.
fn call(party_id: i64, touched_at: i64, kind: &'static str, direction: Direction) -> Touch {
    Touch {
        touch_id: 0,
        campaign_id: None,
        party_id,
        channel: "phone",
        touched_at,
        direction,
        purpose: "acquisition",
        kind,
        rating: None,
        cost: if direction == Direction::Out { PROSPECT_CALL_COST } else { 0 },
        is_commercial: direction == Direction::Out,
        sales_rep_id: None,
    }
}
