//! Whom the campaigns reached, what happened, and the orders that came of it.
//!
//! A contact raises the customer's rate of orders by a share of it for as long as the campaign's
//! lookback: the orders it brings are a Poisson process beside the customer's own, and after each of
//! them, as after any other, the customer may leave for good. So all orders together are still
//! BG/NBD, at the rate the customer has with the contacts that come over an average one.

use rand::Rng;
use rand_distr::{Distribution, Exp1};

use super::campaigns::Campaign;
use super::chunk::Company;
use super::constants::{
    Audience, CLAIMED_SHARE, Direction, NEW_DAYS, Programme, RATINGS, SERVICE_CALL_SHARE, SILENT_DAYS,
    Selection, Step, VISIT_SHARE,
};
use super::customers::{Customer, Nature, Origin};
use super::figures::{CONTACT_DAYS, CONTACT_RESPONSE};
use super::history::{DAY, HOUR, History};
use super::purchases::{Purchase, Purchases, day_of, own_rate, purchase};
use super::streams::{Stream, between, float, happens, pick, whole};

/// A customer on the list of a campaign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// The campaign.
    pub(super) campaign_id: i64,
    /// The customer.
    pub(super) party_id: i64,
    /// `treatment` or `holdout`.
    pub(super) arm: &'static str,
    /// When the list was made.
    pub(super) assigned_at: i64,
    /// `new`, `regular` or `silent` on that day.
    pub(super) segment: &'static str,
}

/// One contact between the company and a customer.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "fields are named as the columns")]
pub(super) struct Touch {
    /// The id.
    pub(super) touch_id: i64,
    /// The campaign, if it belongs to one.
    pub(super) campaign_id: Option<i64>,
    /// The customer.
    pub(super) party_id: i64,
    /// The channel.
    pub(super) channel: &'static str,
    /// When.
    pub(super) touched_at: i64,
    /// Who began it.
    pub(super) direction: Direction,
    /// What for.
    pub(super) purpose: &'static str,
    /// What happened.
    pub(super) kind: &'static str,
    /// The rating, where one was given.
    pub(super) rating: Option<i32>,
    /// What it cost, in cents.
    pub(super) cost: i64,
    /// Whether it advertises.
    pub(super) is_commercial: bool,
    /// Who did it.
    pub(super) sales_rep_id: Option<i64>,
}

/// Contacts with one or more customers.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    /// By customer, then campaign.
    pub(super) members: Vec<Member>,
    /// By customer, then time.
    pub(super) touches: Vec<Touch>,
    /// Channels given up, and when.
    pub(super) unsubscribed: Vec<(&'static str, i64)>,
}

/// What a campaign did that nobody can see.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Contacts that may have brought an order.
    pub(super) treated: i64,
    /// Members who were not contacted.
    pub(super) held_out: i64,
    /// Orders that would not have been placed then.
    pub(super) orders: i64,
    /// What was paid for these, in cents, before returns.
    pub(super) sales: i64,
}

impl Tally {
    /// Adds `other`.
    pub(super) fn add(&mut self, other: &Self) {
        self.treated += other.treated;
        self.held_out += other.held_out;
        self.orders += other.orders;
        self.sales += other.sales;
    }
}

/// The tally of the campaign `campaign_id`; ids count from 1.
pub(super) fn tally(tallies: &mut [Tally], campaign_id: i64) -> Option<&mut Tally> {
    tallies.get_mut(usize::try_from(campaign_id - 1).ok()?)
}

/// One customer while the campaigns go by.
struct Walk<'a> {
    customer: &'a Customer,
    nature: &'a Nature,
    history: &'a History,
    orders: &'a mut Purchases,
    /// Channels not permitted, or given up.
    closed: Vec<&'static str>,
    unsubscribed: Vec<(&'static str, i64)>,
    treated_at: Vec<i64>,
    touches: Vec<Touch>,
    tallies: &'a mut [Tally],
}

/// Leads `customer` through the campaigns of `company`, in order of start: gives members and
/// touches, and adds to `orders` those that a contact brought. Nobody is on a list whose channel
/// is among `closed`.
pub(super) fn contact(
    (company, customer, nature): (&Company, &Customer, &Nature),
    orders: &mut Purchases,
    closed: Vec<&'static str>,
    tallies: &mut [Tally],
    stream: &mut Stream,
) -> Contacts {
    let (campaigns, history) = (company.campaigns.as_slice(), &company.history);
    let mut walk = Walk {
        customer,
        nature,
        history,
        orders,
        closed,
        unsubscribed: Vec::new(),
        treated_at: Vec::new(),
        touches: Vec::new(),
        tallies,
    };
    let mut members = Vec::new();
    walk.acquisition(campaigns, stream);
    for campaign in campaigns {
        let Some(programme) = campaign.programme else { continue };
        match programme.selection {
            Selection::Listed { holdout } => {
                members.extend(walk.listed(campaign, programme, holdout, stream));
            }
            Selection::Open => walk.open(campaign, programme, stream),
        }
    }
    walk.count_brought();
    walk.service(stream);
    walk.touches.sort_by_key(|touch| touch.touched_at);
    Contacts { members, touches: walk.touches, unsubscribed: walk.unsubscribed }
}

impl Walk<'_> {
    /// The visit by which a campaign brought the customer.
    fn acquisition(&mut self, campaigns: &[Campaign], stream: &mut Stream) {
        let Origin::Campaign { campaign_id, .. } = self.customer.origin else { return };
        let brought = campaigns.iter().find(|campaign| campaign.campaign_id == campaign_id);
        let Some((campaign, programme)) = brought.and_then(|campaign| Some((campaign, campaign.programme?)))
        else {
            return;
        };
        let before = stream.random_range(30..1_800) * 1_000_000;
        let touched_at = (self.customer.created_at - before).max(campaign.started_at);
        let visit = Step { kind: "clicked", direction: Direction::In, chance: 1.0, within_hours: 0.0 };
        self.touches.push(Touch {
            cost: programme.contact_cost,
            ..self.touch(campaign, programme, &visit, touched_at)
        });
    }

    /// Puts the customer on the list of `campaign`, or not.
    fn listed(
        &mut self,
        campaign: &Campaign,
        programme: &Programme,
        holdout: f64,
        stream: &mut Stream,
    ) -> Option<Member> {
        let day = campaign.started_at;
        if day < self.customer.created_at || !self.is_in(programme.audience, day) {
            return None;
        }
        if self.closed.contains(&programme.channel) || !happens(stream, programme.reach) {
            return None;
        }
        let is_held_out = happens(stream, holdout);
        if is_held_out {
            if let Some(tally) = tally(self.tallies, campaign.campaign_id) {
                tally.held_out += 1;
            }
        } else {
            self.treat(campaign, programme, day, stream);
        }
        Some(Member {
            campaign_id: campaign.campaign_id,
            party_id: self.customer.customer_id,
            arm: if is_held_out { "holdout" } else { "treatment" },
            assigned_at: day,
            segment: self.segment(day),
        })
    }

    /// Lets the customer come across an open campaign, or not.
    fn open(&mut self, campaign: &Campaign, programme: &Programme, stream: &mut Stream) {
        let first = campaign.started_at.max(self.customer.created_at + HOUR);
        let last = campaign.ends_at.min(self.history.until());
        if first < last && happens(stream, programme.reach) {
            let day = stream.random_range(first..last) / 1_000_000 * 1_000_000;
            self.treat(campaign, programme, day.max(first), stream);
        }
    }

    /// The chain of touches from `start` on, and the orders that name the campaign.
    fn treat(&mut self, campaign: &Campaign, programme: &Programme, start: i64, stream: &mut Stream) {
        let mut at = start;
        for (link, step) in programme.steps.iter().enumerate() {
            at += hours(stream, step.within_hours);
            if !happens(stream, step.chance) || at >= self.history.until() {
                break;
            }
            let cost = if link == 0 { programme.contact_cost } else { 0 };
            let rating = (step.kind == "rated").then(|| pick(stream, RATINGS));
            self.touches.push(Touch { rating, cost, ..self.touch(campaign, programme, step, at) });
            if link == 0 && self.refuses(campaign, programme, at, stream) {
                break;
            }
        }
        self.sell(campaign, programme, start, stream);
    }

    /// Whether the customer wants no more; who unsubscribes is not contacted there again.
    fn refuses(&mut self, campaign: &Campaign, programme: &Programme, at: i64, stream: &mut Stream) -> bool {
        let (kind, chance) = programme.refusal;
        let at = at + hours(stream, 24.0);
        if !happens(stream, chance) || at >= self.history.until() {
            return false;
        }
        let step = Step { kind, direction: Direction::In, chance, within_hours: 24.0 };
        self.touches.push(self.touch(campaign, programme, &step, at));
        if kind == "unsubscribed" {
            self.closed.push(programme.channel);
            self.unsubscribed.push((programme.channel, at));
        }
        true
    }

    /// Adds the orders the contact brought, and lets own orders name the campaign.
    fn sell(&mut self, campaign: &Campaign, programme: &Programme, start: i64, stream: &mut Stream) {
        let until = start + i64::from(programme.lookback_days) * DAY;
        for order in &mut self.orders.made {
            let is_open = order.campaign_id.is_none() && (start..until).contains(&order.ordered_at);
            if is_open && happens(stream, CLAIMED_SHARE) {
                order.campaign_id = Some(campaign.campaign_id);
            }
        }
        if let Some(tally) = tally(self.tallies, campaign.campaign_id) {
            tally.treated += 1;
        }
        let rate = own_rate(self.nature) * programme.uplift * self.response(start);
        let end = self.history.trade_until(until.min(self.history.until()));
        let mut trade = self.history.trade_until(start);
        if rate <= 0.0 {
            return;
        }
        loop {
            let gap: f64 = Exp1.sample(stream);
            trade += gap / rate;
            let day = if trade < end { self.history.day_of_trade(trade) } else { None };
            let Some(day) = day else { break };
            let ordered_at = self.history.moment_in(day, stream).max(start + HOUR);
            self.bring(campaign, ordered_at, stream);
        }
    }

    /// Adds an order in `ordered_at`, or on the first day after it on which there is none, unless the
    /// customer has not begun to buy by then, or has left.
    fn bring(&mut self, campaign: &Campaign, ordered_at: i64, stream: &mut Stream) {
        let made = &mut self.orders.made;
        let mut ordered_at = ordered_at;
        while made.iter().any(|it| day_of(it.ordered_at) == day_of(ordered_at)) {
            ordered_at += DAY;
        }
        let order = purchase(ordered_at, Some(campaign.campaign_id), stream);
        let leaves = happens(stream, self.nature.dropout);
        let has_begun = made.first().is_some_and(|it| it.ordered_at < ordered_at);
        let has_left = self.orders.left_at.is_some_and(|left| left <= ordered_at);
        if !has_begun || has_left || ordered_at >= self.history.until() {
            return;
        }
        let place = made.partition_point(|it| it.ordered_at <= ordered_at);
        made.insert(place, Purchase { is_brought: true, ..order });
        if leaves {
            made.truncate(place + 1);
            self.orders.left_at = Some(ordered_at);
        }
    }

    /// Counts the orders that were brought, now that no later one makes the customer leave earlier.
    fn count_brought(&mut self) {
        for campaign in self.orders.made.iter().filter(|it| it.is_brought).filter_map(|it| it.campaign_id) {
            if let Some(tally) = tally(self.tallies, campaign) {
                tally.orders += 1;
            }
        }
    }

    /// What is left of an effect after the contacts of the last thirty days; counts one more.
    fn response(&mut self, at: i64) -> f64 {
        let recent = |before: &&i64| (at - CONTACT_DAYS * DAY..=at).contains(*before);
        let contacts = self.treated_at.iter().filter(recent).count();
        self.treated_at.push(at);
        CONTACT_RESPONSE.get(contacts).or(CONTACT_RESPONSE.last()).copied().unwrap_or(1.0)
    }

    /// Contacts that belong to no campaign: visits before orders, service calls after them.
    fn service(&mut self, stream: &mut Stream) {
        for order in self.orders.made.clone() {
            if order.sales_channel != "store" && order.sales_channel != "phone" {
                self.visit(order, stream);
            }
            let called_at = order.ordered_at + hours(stream, 120.0);
            if happens(stream, SERVICE_CALL_SHARE) && called_at < self.history.until() {
                self.own("phone", "service", "called", called_at);
            }
        }
    }

    fn visit(&mut self, order: Purchase, stream: &mut Stream) {
        let exponential: f64 = Exp1.sample(stream);
        let before = whole((exponential * 600.0).min(3_000.0)) + 20;
        let visited_at = order.ordered_at - before * 1_000_000;
        if happens(stream, VISIT_SHARE) && visited_at >= self.history.start() {
            self.own(order.sales_channel, "sales", "visited", visited_at);
        }
    }

    fn own(&mut self, channel: &'static str, purpose: &'static str, kind: &'static str, at: i64) {
        self.touches.push(Touch {
            touch_id: 0,
            campaign_id: None,
            party_id: self.customer.customer_id,
            channel,
            touched_at: at,
            direction: Direction::In,
            purpose,
            kind,
            rating: None,
            cost: 0,
            is_commercial: false,
            sales_rep_id: None,
        });
    }

    /// A touch of `campaign` that cost nothing.
    fn touch(&self, campaign: &Campaign, programme: &Programme, step: &Step, touched_at: i64) -> Touch {
        let by_person = matches!(step.kind, "called" | "attended");
        Touch {
            touch_id: 0,
            campaign_id: Some(campaign.campaign_id),
            party_id: self.customer.customer_id,
            channel: programme.channel,
            touched_at,
            direction: step.direction,
            purpose: programme.purpose,
            kind: step.kind,
            rating: None,
            cost: 0,
            is_commercial: step.direction == Direction::Out && programme.kind != "survey",
            sales_rep_id: self.customer.sales_rep_id().filter(|_| by_person),
        }
    }

    fn is_in(&self, audience: Audience, day: i64) -> bool {
        match audience {
            Audience::Everyone => true,
            Audience::Active(days) => self.silence(day).is_some_and(|silent| silent <= days * DAY),
            Audience::Silent(days) => self.silence(day).is_some_and(|silent| silent > days * DAY),
            Audience::Business => self.customer.firm.is_some(),
        }
    }

    fn segment(&self, day: i64) -> &'static str {
        match self.silence(day) {
            _ if day - self.customer.created_at < NEW_DAYS * DAY => "new",
            Some(silent) if silent <= SILENT_DAYS * DAY => "regular",
            _ => "silent",
        }
    }

    /// How long before `day` the last order was.
    fn silence(&self, day: i64) -> Option<i64> {
        let before = self.orders.made.partition_point(|order| order.ordered_at < day);
        let last = before.checked_sub(1).and_then(|last| self.orders.made.get(last))?;
        Some(day - last.ordered_at)
    }
}

/// A span of up to `most` hours, in whole seconds.
fn hours(stream: &mut Stream, most: f64) -> i64 {
    let seconds = between(stream, 0.0, most) * float(HOUR) / 1_000_000.0;
    whole(seconds) * 1_000_000
}
