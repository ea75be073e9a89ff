//! Who the customers of a chunk are, and how each of them behaves.

use std::ops::Range;

use rand::Rng;
use rand_distr::{Beta, Distribution, Gamma};

use super::Assumptions;
use super::campaigns::Campaign;
use super::constants::{
    ACQUISITION_COST, AGE_YEARS, BUSINESS_SHARE, CAMPAIGN_ACQUIRED_SHARE, COMPANY_SIZES, DROPOUT_A,
    DROPOUT_B, GENDERS, HOUSEHOLD_SIZES, INCOME_BANDS, INDUSTRIES, NEVER_BUYS, OCCUPATIONS, RATE_ALPHA_DAYS,
    RATE_SHAPE, REFERRAL_INCENTIVE, REFERRED_SHARE, REGIONS, SALES_REPS, SAME_FIRM, SPEND_GAMMA, SPEND_Q,
    STORES, UNKNOWN_ATTRIBUTE, WOULD_HAVE_COME_ANYWAY,
};
use super::figures::{BEHAVIOURS, Role, SPEND_OF_RATE, TWO_RATES};
use super::history::History;
use super::profile::Profile;
use super::streams::{Stream, float, happens, pick};

/// One customer, as the company knows them.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_field_names, reason = "fields are named as the columns")]
pub(super) struct Customer {
    /// The id, from 1, in order of arrival.
    pub(super) customer_id: i64,
    /// When the customer arrived.
    pub(super) created_at: i64,
    /// What only consumers have.
    pub(super) person: Person,
    /// What only businesses have.
    pub(super) firm: Option<Firm>,
    /// Where the customer lives or has its seat.
    pub(super) region: &'static str,
    /// How the customer came.
    pub(super) origin: Origin,
}

/// What the company knows of a consumer; empty for a business.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    /// Year of birth.
    pub(super) birth_year: Option<i32>,
    /// Gender.
    pub(super) gender: Option<&'static str>,
    /// Occupation.
    pub(super) occupation: Option<&'static str>,
    /// Income band of the household.
    pub(super) income_band: Option<&'static str>,
    /// Persons in the household.
    pub(super) household_size: Option<i32>,
}

/// What the company knows of a business.
#[derive(Debug, Clone)]
pub(super) struct Firm {
    /// Industry.
    pub(super) industry: &'static str,
    /// Number of employees, as a band.
    pub(super) company_size: &'static str,
    /// The firm: the id of its first contact.
    pub(super) account_id: i64,
}

/// How a customer came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody knows.
    #[default]
    Unknown,
    /// An earlier customer told of the company.
    Referred {
        /// The earlier customer.
        referrer_id: i64,
        /// Whether the customer would have come without that.
        anyway: bool,
    },
    /// A campaign brought the customer.
    Campaign {
        /// The campaign.
        campaign_id: i64,
        /// What that cost, in cents.
        cost: i64,
    },
}

impl Origin {
    /// What the referrer got, in cents.
    pub(super) fn incentive(self) -> Option<i64> {
        matches!(self, Self::Referred { .. }).then_some(REFERRAL_INCENTIVE)
    }
}

impl Customer {
    /// `business` or `consumer`.
    pub(super) const fn kind(&self) -> &'static str {
        if self.firm.is_some() { "business" } else { "consumer" }
    }

    /// Who looks after the customer.
    pub(super) fn sales_rep_id(&self) -> Option<i64> {
        self.firm.as_ref().map(|firm| 1 + firm.account_id % SALES_REPS)
    }

    /// The store nearby.
    pub(super) const fn store_id(&self) -> i64 {
        1 + self.customer_id % STORES
    }
}

/// How a customer behaves: what the company would like to know and does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nature {
    /// Whether the customer ever buys.
    pub(super) buys: bool,
    /// Orders in an average day while the customer is one.
    pub(super) rate: f64,
    /// Chance to leave after a repeat purchase.
    pub(super) dropout: f64,
    /// Rate of the gamma distribution of the value of an order, per cent of money.
    pub(super) spend_rate: f64,
    /// What is behind it.
    pub(super) profile: Profile,
}

/// The distributions that natures come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Natures {
    rate: Gamma<f64>,
    dropout: Beta<f64>,
    spend: Gamma<f64>,
}

impl Natures {
    /// The distributions of the constants; `None` if one of those is not positive.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            rate: Gamma::new(RATE_SHAPE, 1.0 / RATE_ALPHA_DAYS).ok()?,
            dropout: Beta::new(DROPOUT_A, DROPOUT_B).ok()?,
            spend: Gamma::new(SPEND_Q, 1.0 / SPEND_GAMMA).ok()?,
        })
    }

    /// The next nature of `stream`, for a customer behind whom is `profile`.
    ///
    /// A cause that half of the customers meet leaves the distribution of all rates as it is:
    /// of two draws those who met it have the greater, the others the lesser. The densities
    /// `2Ff` and `2(1-F)f` are `f` on average, so what the methods assume of rates still holds.
    pub(super) fn draw(&self, assumptions: Assumptions, profile: Profile, stream: &mut Stream) -> Nature {
        let traits = profile.traits;
        let buys = !happens(stream, NEVER_BUYS);
        let repeat = cause(Role::CausesRepeat, [traits.saves_recipes, traits.activated_card], stream);
        let mut rate = caused(&self.rate, repeat, stream);
        let churn = cause(Role::CausesChurn, [traits.had_late_delivery, traits.had_open_complaint], stream);
        let dropout = caused(&self.dropout, churn, stream);
        let mut spend_rate = self.spend.sample(stream);
        if assumptions == Assumptions::Broken {
            rate *= if happens(stream, 0.5) { TWO_RATES.0 } else { TWO_RATES.1 };
            spend_rate *= (rate * RATE_ALPHA_DAYS / RATE_SHAPE).max(0.01).powf(SPEND_OF_RATE);
        }
        Nature { buys, rate, dropout, spend_rate, profile }
    }
}

/// Which of two causes a customer answers to, and whether they met it; `None` if to neither.
fn cause(role: Role, met: [bool; 2], stream: &mut Stream) -> Option<bool> {
    let mut left = stream.random::<f64>();
    let strengths = BEHAVIOURS.iter().filter(|(_, is, _)| *is == role).map(|(_, _, strength)| strength);
    strengths.zip(met).find_map(|(strength, met)| {
        left -= strength;
        (left < 0.0).then_some(met)
    })
}

fn caused(of: &impl Distribution<f64>, met: Option<bool>, stream: &mut Stream) -> f64 {
    let (one, other) = (of.sample(stream), of.sample(stream));
    match met {
        None => one,
        Some(true) => one.max(other),
        Some(false) => one.min(other),
    }
}

/// The customers at `places` (from 0) among `total`, in order of arrival.
pub(super) fn customers(
    places: Range<i64>,
    total: i64,
    history: &History,
    campaigns: &[Campaign],
    stream: &mut Stream,
) -> Vec<Customer> {
    let mut firm_before = None;
    let mut draw = |place: i64| {
        let position = (float(place) + stream.random::<f64>()) / float(total);
        let created_at = history.arrival(position);
        let customer_id = place + 1;
        let firm = firm(customer_id, firm_before.as_ref(), stream);
        if firm.is_some() {
            firm_before.clone_from(&firm);
        }
        Customer {
            customer_id,
            created_at,
            person: person(history, firm.is_some(), stream),
            firm,
            region: pick(stream, REGIONS),
            origin: origin(place, created_at, campaigns, stream),
        }
    };
    places.map(&mut draw).collect()
}

fn firm(customer_id: i64, before: Option<&Firm>, stream: &mut Stream) -> Option<Firm> {
    if !happens(stream, BUSINESS_SHARE) {
        return None;
    }
    match before {
        Some(before) if happens(stream, SAME_FIRM) => Some(before.clone()),
        _ => Some(Firm {
            industry: pick(stream, INDUSTRIES),
            company_size: pick(stream, COMPANY_SIZES),
            account_id: customer_id,
        }),
    }
}

fn person(history: &History, is_firm: bool, stream: &mut Stream) -> Person {
    if is_firm {
        return Person::default();
    }
    let year = i32::from(history.until_day().year());
    let age = stream.random_range(AGE_YEARS.0..=AGE_YEARS.1);
    let mut known = |share: f64| !happens(stream, share);
    let has: [bool; 5] = std::array::from_fn(|_| known(UNKNOWN_ATTRIBUTE));
    Person {
        birth_year: has[0].then_some(year - age),
        gender: Some(pick(stream, GENDERS)).filter(|_| has[1]),
        occupation: Some(pick(stream, OCCUPATIONS)).filter(|_| has[2]),
        income_band: Some(pick(stream, INCOME_BANDS)).filter(|_| has[3]),
        household_size: Some(pick(stream, HOUSEHOLD_SIZES)).filter(|_| has[4]),
    }
}

fn origin(place: i64, created_at: i64, campaigns: &[Campaign], stream: &mut Stream) -> Origin {
    if happens(stream, REFERRED_SHARE) {
        let anyway = happens(stream, WOULD_HAVE_COME_ANYWAY);
        // The first customer has nobody before them.
        return match place {
            0 => Origin::Unknown,
            _ => Origin::Referred { referrer_id: stream.random_range(1..=place), anyway },
        };
    }
    if !happens(stream, CAMPAIGN_ACQUIRED_SHARE) {
        return Origin::Unknown;
    }
    let mut open = campaigns.iter().filter(|campaign| {
        let acquires = campaign.programme.is_some_and(|is| is.purpose == "acquisition");
        acquires && (campaign.started_at..campaign.ends_at).contains(&created_at)
    });
    let cost = stream.random_range(ACQUISITION_COST.0..=ACQUISITION_COST.1);
    open.next_back()
        .map_or(Origin::Unknown, |campaign| Origin::Campaign { campaign_id: campaign.campaign_id, cost })
}
