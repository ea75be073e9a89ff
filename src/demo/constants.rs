//! Every number the demo company is made of, in one place.
//!
//! Shares are of one, durations in days unless the name says otherwise, amounts in cents.
//! A test compares what is generated with these, so a change here moves the tests with it.

/// Customers at scale 1.
pub(super) const CUSTOMERS_AT_SCALE_1: f64 = 1_000_000.0;
/// The largest scale accepted: ids and sizes stay far from the limits of their types.
pub(super) const MAX_SCALE: f64 = 1_000.0;
/// Products at scale 1; the number grows with the square root of the scale.
pub(super) const PRODUCTS_AT_SCALE_1: f64 = 10_000.0;
/// The fewest products a company sells.
pub(super) const MIN_PRODUCTS: f64 = 100.0;
/// Years of history before `until`.
pub(super) const HISTORY_YEARS: i64 = 3;
/// Ids of orders, returns and touches set aside for each customer, so that no chunk has to
/// know how many another one used.
pub(super) const IDS_PER_CUSTOMER: i64 = 2_000;

/// Share of customers who arrive while the company opens.
pub(super) const OPENING_SHARE: f64 = 0.3;
/// Length of the opening.
pub(super) const OPENING_DAYS: i64 = 90;
/// Share of customers who register and never buy.
pub(super) const NEVER_BUYS: f64 = 0.04;
/// Share of customers who buy for a business.
pub(super) const BUSINESS_SHARE: f64 = 0.12;
/// Share of customers whom an earlier customer brought.
pub(super) const REFERRED_SHARE: f64 = 0.08;
/// Share of the referred who would have come anyway.
pub(super) const WOULD_HAVE_COME_ANYWAY: f64 = 0.35;
/// What a referrer gets.
pub(super) const REFERRAL_INCENTIVE: i64 = 1_000;
/// Share of the unreferred whom a campaign that was open on their day brought.
pub(super) const CAMPAIGN_ACQUIRED_SHARE: f64 = 0.4;
/// The least and the most a customer whom a campaign brought did cost.
pub(super) const ACQUISITION_COST: (i64, i64) = (300, 4_500);
/// Share of each consumer attribute the company never learned.
pub(super) const UNKNOWN_ATTRIBUTE: f64 = 0.05;
/// Share of business customers who are one more contact of the firm before them.
pub(super) const SAME_FIRM: f64 = 0.3;
/// Age at the end of the history: the youngest and the oldest consumer.
pub(super) const AGE_YEARS: (i32, i32) = (18, 84);
/// Regions and their shares of the customers.
pub(super) const REGIONS: &[(&str, f64)] = &[
    ("north", 0.16),
    ("north_east", 0.09),
    ("east", 0.12),
    ("south_east", 0.14),
    ("south", 0.19),
    ("south_west", 0.10),
    ("west", 0.13),
    ("north_west", 0.07),
];
/// Genders of consumers.
pub(super) const GENDERS: &[(&str, f64)] = &[("female", 0.52), ("male", 0.46), ("other", 0.02)];
/// Occupations of consumers.
pub(super) const OCCUPATIONS: &[(&str, f64)] = &[
    ("employee", 0.44),
    ("skilled_worker", 0.17),
    ("self_employed", 0.10),
    ("public_servant", 0.09),
    ("student", 0.07),
    ("retired", 0.13),
];
/// Income bands of consumers.
pub(super) const INCOME_BANDS: &[(&str, f64)] =
    &[("low", 0.18), ("lower_middle", 0.27), ("middle", 0.29), ("upper_middle", 0.18), ("high", 0.08)];
/// Persons in a consumer's household.
pub(super) const HOUSEHOLD_SIZES: &[(i32, f64)] = &[(1, 0.38), (2, 0.33), (3, 0.14), (4, 0.11), (5, 0.04)];
/// Industries of business customers.
pub(super) const INDUSTRIES: &[(&str, f64)] = &[
    ("retail", 0.24),
    ("hospitality", 0.18),
    ("crafts", 0.21),
    ("health", 0.12),
    ("education", 0.09),
    ("professional_services", 0.16),
];
/// Employees of business customers.
pub(super) const COMPANY_SIZES: &[(&str, f64)] =
    &[("1-9", 0.62), ("10-49", 0.25), ("50-249", 0.10), ("250+", 0.03)];

/// Purchase rates are gamma distributed: shape `r` of BG/NBD.
pub(super) const RATE_SHAPE: f64 = 0.6;
/// Purchase rates are gamma distributed: `alpha` of BG/NBD, in days.
pub(super) const RATE_ALPHA_DAYS: f64 = 60.0;
/// The chance to leave after a repeat purchase is beta distributed: `a` of BG/NBD.
pub(super) const DROPOUT_A: f64 = 0.7;
/// The chance to leave after a repeat purchase is beta distributed: `b` of BG/NBD.
pub(super) const DROPOUT_B: f64 = 4.0;
/// The most baseline orders of one customer; the rates above stay far below it.
pub(super) const MAX_ORDERS: usize = 600;
/// What is paid for an order, after discounts and coupons: shape `p` of gamma-gamma.
pub(super) const SPEND_P: f64 = 5.0;
/// Spread of spend levels between customers: `q` of gamma-gamma.
pub(super) const SPEND_Q: f64 = 4.0;
/// Scale of spend levels: `gamma` of gamma-gamma, in cents; the mean order is `p·gamma/(q-1)`.
pub(super) const SPEND_GAMMA: f64 = 4_200.0;
/// Lines of an order beyond the first: mean of a Poisson distribution.
pub(super) const EXTRA_LINES: f64 = 1.25;
/// The most lines of one order.
pub(super) const MAX_LINES: i32 = 30;
/// New customers on a day of each month after the opening, January first, against each other.
pub(super) const ARRIVAL_MONTH_WEIGHTS: [f64; 12] =
    [0.7, 0.6, 0.8, 0.9, 0.9, 0.8, 0.7, 0.7, 0.9, 1.1, 1.8, 2.1];
/// The category that is in season in each month, as a place in `CATEGORIES`, January first.
pub(super) const SEASONS: [usize; 12] = [6, 6, 4, 4, 4, 1, 1, 1, 5, 5, 7, 7];
/// Share of lines that come from the category in season.
pub(super) const SEASON_PULL: f64 = 0.15;
/// Trade on each day of the week against the average day, Monday first.
pub(super) const WEEKDAY_WEIGHTS: [f64; 7] = [0.92, 0.90, 0.93, 0.98, 1.14, 1.28, 0.85];
/// Trade in each hour of the day (UTC), midnight first.
pub(super) const HOUR_WEIGHTS: [f64; 24] = [
    1.0, 0.5, 0.3, 0.2, 0.2, 0.4, 1.0, 2.5, 4.5, 6.0, 7.0, 7.0, 6.5, 6.0, 6.0, 6.5, 7.5, 8.5, 9.0, 8.0, 6.0,
    4.0, 2.5, 1.5,
];
/// Sales channels and their shares of the orders.
pub(super) const SALES_CHANNELS: &[(&str, f64)] =
    &[("web", 0.46), ("store", 0.31), ("app", 0.15), ("phone", 0.08)];
/// Stores; a customer has one nearby.
pub(super) const STORES: i64 = 24;
/// Sales representatives; a business customer has one.
pub(super) const SALES_REPS: i64 = 20;
/// What fulfilling an order costs: in a store, and elsewhere.
pub(super) const FULFILMENT_COST: (i64, i64) = (60, 390);
/// What fulfilling each line adds.
pub(super) const FULFILMENT_COST_PER_LINE: i64 = 45;
/// What a payment costs: the fixed part.
pub(super) const PAYMENT_COST: i64 = 20;
/// What a payment costs: the part of the amount paid.
pub(super) const PAYMENT_COST_RATE: f64 = 0.012;

/// Share of lines sold at a discount.
pub(super) const DISCOUNT_SHARE: f64 = 0.22;
/// Depths of a discount.
pub(super) const DISCOUNT_DEPTHS: &[(f64, f64)] = &[(0.05, 0.3), (0.1, 0.35), (0.2, 0.25), (0.3, 0.1)];
/// Share of lines of a campaign's order that redeem its coupon.
pub(super) const COUPON_SHARE: f64 = 0.6;
/// What a coupon takes off what is left after the discount.
pub(super) const COUPON_DEPTH: f64 = 0.1;
/// Share of orders taken back whole within three days.
pub(super) const ORDER_RETURN_SHARE: f64 = 0.012;
/// Share of lines of the other orders that come back, in part or whole.
pub(super) const LINE_RETURN_SHARE: f64 = 0.045;
/// Days after which a line comes back: the first and the last.
pub(super) const RETURN_DAYS: (f64, f64) = (3.0, 30.0);

/// Median list price.
pub(super) const PRICE_MEDIAN: f64 = 1_150.0;
/// Standard deviation of the logarithm of list prices.
pub(super) const PRICE_SIGMA: f64 = 0.85;
/// The lowest and the highest list price.
pub(super) const PRICE_RANGE: (i64, i64) = (49, 49_900);
/// Unit cost as a share of the list price: the least and the most.
pub(super) const COST_SHARE: (f64, f64) = (0.42, 0.78);
/// What prices rise each year of the history.
pub(super) const PRICE_RISE: f64 = 0.025;
/// What costs rise each year of the history.
pub(super) const COST_RISE: f64 = 0.035;
/// Share of products launched before the history begins.
pub(super) const ESTABLISHED_SHARE: f64 = 0.8;
/// Offset of the Zipf law of popularity: the product of rank k (from 0) has weight 1 / (k + offset).
pub(super) const POPULARITY_OFFSET: f64 = 10.0;
/// How many products a customer looks at to find one within the budget of the line.
pub(super) const LOOKS: u32 = 6;
/// How many a customer looks at to find one that leaves less than a hundredth of the budget over.
pub(super) const LAST_LOOKS: u32 = 60;
/// Units of the last product of an order beyond which another product is looked for.
pub(super) const MAX_UNITS: i64 = 12;
/// Categories: name, what a product is called, its share of the range, and whether it is durable.
pub(super) const CATEGORIES: &[(&str, &str, f64, Durable)] = &[
    ("groceries", "Pantry Box", 0.22, Durable::No),
    ("beverages", "Roast", 0.14, Durable::No),
    ("household", "Cleaner", 0.16, Durable::No),
    ("personal_care", "Balm", 0.13, Durable::No),
    ("garden", "Planter", 0.09, Durable::Yes),
    ("kitchen", "Pan", 0.12, Durable::Yes),
    ("textiles", "Throw", 0.08, Durable::Yes),
    ("electronics", "Lamp", 0.06, Durable::Yes),
];
/// Brands; the first is the company's own.
pub(super) const BRANDS: &[(&str, f64)] = &[
    ("Goodwill", 0.26),
    ("Alder", 0.16),
    ("Brightside", 0.14),
    ("Cobalt", 0.12),
    ("Dovetail", 0.10),
    ("Ember", 0.09),
    ("Fernhill", 0.07),
    ("Granary", 0.06),
];

/// Whether a product lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// It lasts for years.
    Yes,
    /// It is used up.
    No,
}

/// Share of web and app orders with a recorded visit before.
pub(super) const VISIT_SHARE: f64 = 0.5;
/// Share of orders after which the customer calls the service.
pub(super) const SERVICE_CALL_SHARE: f64 = 0.04;
/// Share of treated members' own orders in the lookback that name the campaign.
pub(super) const CLAIMED_SHARE: f64 = 0.12;
/// Days a customer counts as new in a campaign's segments.
pub(super) const NEW_DAYS: i64 = 90;
/// Days of silence after which a customer counts as silent in a campaign's segments.
pub(super) const SILENT_DAYS: i64 = 180;
/// Ratings people give.
pub(super) const RATINGS: &[(i32, f64)] = &[(1, 0.04), (2, 0.08), (3, 0.22), (4, 0.38), (5, 0.28)];

/// Whom a campaign may address on the day it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Every customer.
    Everyone,
    /// Customers who ordered in the last so many days.
    Active(i64),
    /// Customers who ordered once, but not in the last so many days.
    Silent(i64),
    /// Business customers.
    Business,
}

/// How a campaign finds its people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Selection {
    /// A list of members; the share `holdout` of them is not contacted.
    Listed {
        /// Share of members in the holdout arm.
        holdout: f64,
    },
    /// Whoever comes: no members and no arms.
    Open,
}

/// Who begins a touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The customer.
    In,
    /// The company.
    Out,
}

/// One link of the chain of touches a campaign causes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// The kind of touch.
    pub(super) kind: &'static str,
    /// Who begins it.
    pub(super) direction: Direction,
    /// The chance that it follows the link before.
    pub(super) chance: f64,
    /// It follows within so many hours.
    pub(super) within_hours: f64,
}

/// A campaign the company repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Programme {
    /// What people call it.
    pub(super) name: &'static str,
    /// The campaign's kind.
    pub(super) kind: &'static str,
    /// The campaign's purpose.
    pub(super) purpose: &'static str,
    /// The channel of the campaign and its touches.
    pub(super) channel: &'static str,
    /// Day of the history on which it first starts.
    pub(super) first_day: i64,
    /// Days between two starts.
    pub(super) every_days: i64,
    /// Days it lasts.
    pub(super) lasts_days: i64,
    /// Days in which an order may be its doing.
    pub(super) lookback_days: i32,
    /// Whom it may address.
    pub(super) audience: Audience,
    /// How it finds them.
    pub(super) selection: Selection,
    /// Share of the audience that is on the list, or comes.
    pub(super) reach: f64,
    /// By which share a contact raises the rate of orders for as long as the lookback.
    pub(super) uplift: f64,
    /// Cost of one contact.
    pub(super) contact_cost: i64,
    /// What a person who wants no more does after the first contact, and the chance of it.
    pub(super) refusal: (&'static str, f64),
    /// The chain of touches; it ends at the first link that does not follow.
    pub(super) steps: &'static [Step],
}

const fn out(kind: &'static str, chance: f64, within_hours: f64) -> Step {
    Step { kind, direction: Direction::Out, chance, within_hours }
}

const fn back(kind: &'static str, chance: f64, within_hours: f64) -> Step {
    Step { kind, direction: Direction::In, chance, within_hours }
}

const EMAIL: &[Step] = &[
    out("sent", 1.0, 10.0),
    out("delivered", 0.98, 0.1),
    back("opened", 0.32, 40.0),
    back("clicked", 0.16, 1.0),
    back("visited", 0.9, 0.1),
];
const LETTER: &[Step] = &[out("sent", 1.0, 24.0), out("delivered", 0.96, 96.0), back("replied", 0.03, 240.0)];
const CALL: &[Step] = &[out("called", 1.0, 240.0), back("replied", 0.3, 24.0)];
const MEETING: &[Step] = &[
    out("sent", 1.0, 24.0),
    back("replied", 0.3, 96.0),
    back("attended", 0.8, 120.0),
    back("rated", 0.5, 48.0),
];
const SURVEY: &[Step] = &[out("sent", 1.0, 24.0), out("delivered", 0.98, 0.1), back("rated", 0.18, 96.0)];
const VISIT: &[Step] = &[back("clicked", 1.0, 0.0), back("visited", 0.85, 0.1)];
const REGISTRATION: &[Step] = &[back("visited", 1.0, 0.0), back("replied", 0.4, 0.5)];

/// What every programme has unless it says otherwise.
const PLAIN: Programme = Programme {
    name: "",
    kind: "email",
    purpose: "retention",
    channel: "email",
    first_day: 20,
    every_days: 30,
    lasts_days: 7,
    lookback_days: 14,
    audience: Audience::Everyone,
    selection: Selection::Listed { holdout: 0.1 },
    reach: 0.1,
    uplift: 0.0,
    contact_cost: 1,
    refusal: ("unsubscribed", 0.004),
    steps: EMAIL,
};

/// The programmes, most frequent first.
pub(super) const PROGRAMMES: &[Programme] = &[
    Programme { name: "Newsletter", first_day: 9, reach: 0.12, uplift: 0.1, ..PLAIN },
    Programme {
        name: "Goes well with",
        purpose: "cross_sell",
        audience: Audience::Active(365),
        reach: 0.15,
        uplift: 0.15,
        ..PLAIN
    },
    Programme {
        name: "We miss you",
        purpose: "win_back",
        first_day: 200,
        every_days: 60,
        lookback_days: 21,
        audience: Audience::Silent(SILENT_DAYS),
        selection: Selection::Listed { holdout: 0.2 },
        reach: 0.25,
        uplift: 0.4,
        ..PLAIN
    },
    Programme {
        name: "Catalogue",
        kind: "direct_mail",
        channel: "mail",
        purpose: "up_sell",
        first_day: 60,
        every_days: 91,
        lasts_days: 28,
        lookback_days: 30,
        audience: Audience::Active(365),
        reach: 0.25,
        uplift: 0.25,
        contact_cost: 85,
        refusal: ("refused", 0.002),
        steps: LETTER,
        ..PLAIN
    },
    Programme {
        name: "Account call",
        kind: "call",
        channel: "phone",
        first_day: 100,
        every_days: 122,
        lasts_days: 14,
        lookback_days: 30,
        audience: Audience::Business,
        reach: 0.3,
        uplift: 1.0,
        contact_cost: 450,
        refusal: ("refused", 0.12),
        steps: CALL,
        ..PLAIN
    },
    Programme {
        name: "Workshop",
        kind: "seminar",
        channel: "event",
        purpose: "cross_sell",
        first_day: 140,
        every_days: 182,
        lasts_days: 14,
        lookback_days: 45,
        audience: Audience::Active(365),
        reach: 0.04,
        uplift: 0.3,
        contact_cost: 900,
        refusal: ("refused", 0.05),
        steps: MEETING,
        ..PLAIN
    },
    Programme {
        name: "Trade fair",
        kind: "exhibition",
        channel: "event",
        purpose: "partner",
        first_day: 250,
        every_days: 365,
        lasts_days: 5,
        lookback_days: 60,
        audience: Audience::Business,
        reach: 0.2,
        uplift: 0.5,
        contact_cost: 1_200,
        refusal: ("refused", 0.05),
        steps: MEETING,
        ..PLAIN
    },
    Programme {
        name: "How are we doing",
        kind: "survey",
        first_day: 170,
        every_days: 182,
        lasts_days: 14,
        lookback_days: 14,
        audience: Audience::Active(180),
        reach: 0.3,
        contact_cost: 2,
        refusal: ("refused", 0.03),
        steps: SURVEY,
        ..PLAIN
    },
    Programme {
        name: "Season spots",
        kind: "advertising",
        channel: "display",
        purpose: "brand",
        first_day: 30,
        every_days: 122,
        lasts_days: 45,
        lookback_days: 30,
        selection: Selection::Open,
        reach: 0.08,
        uplift: 0.15,
        contact_cost: 22,
        refusal: ("refused", 0.0),
        steps: VISIT,
        ..PLAIN
    },
    Programme {
        name: "Search",
        kind: "web",
        channel: "search",
        purpose: "acquisition",
        first_day: 0,
        every_days: 91,
        lasts_days: 80,
        lookback_days: 30,
        selection: Selection::Open,
        reach: 0.08,
        uplift: 0.15,
        contact_cost: 48,
        refusal: ("refused", 0.0),
        steps: VISIT,
        ..PLAIN
    },
    Programme {
        name: "Club registration",
        kind: "registration",
        channel: "web",
        purpose: "acquisition",
        first_day: 45,
        every_days: 182,
        lasts_days: 30,
        lookback_days: 30,
        selection: Selection::Open,
        reach: 0.08,
        contact_cost: 0,
        refusal: ("refused", 0.0),
        steps: REGISTRATION,
        ..PLAIN
    },
];
