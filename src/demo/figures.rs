//! The numbers behind what is not bought: people, service, sales, behaviour. As in `constants`,
//! shares are of one, durations in days, amounts in cents.

/// Channels a customer may permit, with the share that does on arrival.
pub(super) const PERMISSIONS: [(&str, f64); 3] = [("email", 0.92), ("mail", 0.9), ("phone", 0.85)];
/// Share of customers of whom one attribute changed since they arrived.
pub(super) const CHANGED_SHARE: f64 = 0.18;
/// Share of firms whose representative changed once.
pub(super) const REASSIGNED_SHARE: f64 = 0.15;
/// Share of customers who told what they need.
pub(super) const NEEDS_TOLD_SHARE: f64 = 0.25;
/// Share of the first needs told that are the main one.
pub(super) const MAIN_NEED_FIRST: f64 = 0.7;
/// Share of customers a planned campaign wants to contact.
pub(super) const PLANNED_SHARE: f64 = 0.12;
/// What products answer and people need; each category answers the two from its own number on.
pub(super) const NEEDS: [&str; 10] = [
    "freshness",
    "convenience",
    "low_price",
    "gentleness",
    "durability",
    "design",
    "comfort",
    "saving_time",
    "sustainability",
    "advice",
];

/// Share of customers whom the company knew as prospects before.
pub(super) const CONVERTED_SHARE: f64 = 0.25;
/// Prospects who did not become customers, for each customer.
pub(super) const UNCONVERTED_SHARE: f64 = 0.2;
/// What calling a prospect costs.
pub(super) const PROSPECT_CALL_COST: i64 = 450;
/// Share of prospects who refuse.
pub(super) const REFUSING_SHARE: f64 = 0.3;
/// Why prospects refuse.
pub(super) const REFUSALS: &[(&str, f64)] =
    &[("price", 0.4), ("range", 0.25), ("competitor", 0.2), ("no_need", 0.15)];
/// Where leads come from.
pub(super) const LEAD_SOURCES: &[(&str, f64)] =
    &[("web_form", 0.45), ("event", 0.2), ("phone", 0.2), ("partner", 0.15)];
/// Share of orders of firms that began as an opportunity.
pub(super) const OPPORTUNITY_SHARE: f64 = 0.08;
/// Share of opportunities that are won.
pub(super) const WON_SHARE: f64 = 0.4;

/// By which share contacts raise the orders of an average customer: what the programmes make of
/// it, as a test shows.
pub(super) const MEAN_UPLIFT: f64 = 0.048;
/// Share of orders that are mistaken, and cancelled within thirty hours.
pub(super) const CANCELLED_SHARE: f64 = 0.015;
/// Share of orders after which somebody has to work on a case.
pub(super) const CASE_SHARE: f64 = 0.03;
/// Kinds of cases.
pub(super) const CASE_KINDS: &[(&str, f64)] =
    &[("question", 0.45), ("complaint", 0.3), ("fault", 0.15), ("return", 0.1)];
/// Share of complaints, faults and returns where the customer was right.
pub(super) const VALID_SHARE: f64 = 0.7;
/// Share of closed cases after which the customer is asked, and what a case in which they were right
/// and one in which they were not add to the answer.
pub(super) const ASKED_AFTER_CASE: (f64, f64, f64) = (0.25, -1.5, -0.5);
/// What makes satisfaction, with the weight of each: all are standard normal.
pub(super) const DRIVERS: [(&str, f64); 4] =
    [("quality", 0.5), ("price", 0.3), ("service", 0.6), ("delivery", 0.2)];
/// Which of them is service.
pub(super) const SERVICE: usize = 2;
/// Share of firms that their representative judges each half-year.
pub(super) const JUDGED_SHARE: f64 = 0.25;

/// Share of customers in the wallet panel.
pub(super) const PANEL_SHARE: f64 = 0.04;
/// Share of consumers and of firms with a contract.
pub(super) const CONTRACT_SHARE: (f64, f64) = (0.04, 0.15);
/// The chance to cancel a contract in a month is beta distributed (shifted beta-geometric): a, b.
pub(super) const CONTRACT_CHURN: (f64, f64) = (1.2, 18.0);
/// Monthly amounts of contracts.
pub(super) const CONTRACT_AMOUNTS: &[(i64, f64)] = &[(990, 0.4), (1_490, 0.3), (2_990, 0.2), (9_900, 0.1)];

/// What an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Who does it buys more often because of it.
    CausesRepeat,
    /// Who meets it leaves sooner because of it.
    CausesChurn,
    /// It follows a repeat purchase and tells of it: a leak.
    FollowsRepeat,
    /// It follows the end and tells of it: a leak.
    FollowsChurn,
    /// It has nothing to do with anything.
    Noise,
}

impl Role {
    /// The role in the truth.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CausesRepeat => "causes_repeat",
            Self::CausesChurn => "causes_churn",
            Self::FollowsRepeat => "follows_repeat",
            Self::FollowsChurn => "follows_churn",
            Self::Noise => "noise",
        }
    }
}

/// Events that mean something. The strength of a cause is the share of customers whose rate or
/// dropout answers to it; of a leak, the chance that it follows.
pub(super) const BEHAVIOURS: [(&str, Role, f64); 7] = [
    ("recipe_saved", Role::CausesRepeat, 0.4),
    ("store_card_activated", Role::CausesRepeat, 0.2),
    ("delivery_was_late", Role::CausesChurn, 0.35),
    ("complaint_left_open", Role::CausesChurn, 0.25),
    ("points_redeemed", Role::FollowsRepeat, 0.25),
    ("account_closing_page_opened", Role::FollowsChurn, 0.5),
    ("address_book_cleared", Role::FollowsChurn, 0.2),
];
/// Share of customers with each of the causes.
pub(super) const CAUSE_SHARE: f64 = 0.5;
/// Events of no meaning: what is done, and with what.
pub(super) const NOISE_VERBS: [&str; 12] = [
    "viewed",
    "searched",
    "shared",
    "rated",
    "compared",
    "bookmarked",
    "zoomed",
    "filtered",
    "sorted",
    "opened",
    "closed",
    "scrolled",
];
/// What the events of no meaning are about.
pub(super) const NOISE_THINGS: [&str; 20] = [
    "home",
    "recipe",
    "store_map",
    "brand_page",
    "review",
    "video",
    "basket",
    "wish_list",
    "gift_card",
    "faq",
    "blog",
    "banner",
    "category",
    "offer",
    "newsletter",
    "app_tour",
    "settings",
    "chat",
    "quiz",
    "calendar",
];
/// Events of no meaning for each customer: mean of a Poisson distribution.
pub(super) const NOISE_EVENTS: f64 = 3.0;

/// Clusters of customers: the place of the category they favour, and their share.
pub(super) const CLUSTERS: &[(usize, f64)] = &[(0, 0.35), (2, 0.25), (5, 0.22), (7, 0.18)];
/// Share of lines that come from the favoured category.
pub(super) const CLUSTER_PULL: f64 = 0.3;
/// Pairs of products of which the second one is bought after the first.
pub(super) const RULES: usize = 12;
/// The highest list price of both: few orders are too small for them.
pub(super) const RULE_PRICE: i64 = 1_500;
/// How far behind the first the second one is in popularity.
pub(super) const RULE_STEP: usize = 20;
/// Chance that the line after the first one is the second one.
pub(super) const RULE_CHANCES: [f64; 3] = [0.6, 0.4, 0.25];
/// Price elasticities are log-normal: mean and standard deviation of the logarithm.
pub(super) const ELASTICITY: (f64, f64) = (0.2, 0.4);
/// What is left of a campaign's effect at the n-th contact within thirty days.
pub(super) const CONTACT_RESPONSE: [f64; 6] = [1.0, 0.9, 0.7, 0.45, 0.25, 0.1];
/// Days after which a contact no longer tires.
pub(super) const CONTACT_DAYS: i64 = 30;
/// How much of the attitude is satisfaction; the rest is the customer's own.
pub(super) const ATTITUDE_OF_SATISFACTION: f64 = 0.6;

/// Without the assumptions: gaps between orders are sums of so many exponentials, so more even.
pub(super) const EVEN_GAPS: u32 = 3;
/// Without the assumptions: rates are of two kinds, this much slower and faster.
pub(super) const TWO_RATES: (f64, f64) = (0.25, 1.75);
/// Without the assumptions: the first repeats have so many times the chance to be the last.
pub(super) const EARLY_DROPOUT: (usize, f64) = (3, 2.0);
/// Without the assumptions: the share of those who left who come back, and after how many days.
pub(super) const COMEBACK: (f64, f64, f64) = (0.3, 120.0, 360.0);
/// Without the assumptions: spend falls with this power of the purchase rate.
pub(super) const SPEND_OF_RATE: f64 = 0.4;

/// Share of rows loaded days late.
pub(super) const LATE_SHARE: u64 = 50;
/// Broken rows among a thousand: below the 1 in 1,000 with which a run still publishes.
pub(super) const BROKEN_PER_THOUSAND: f64 = 0.7;
