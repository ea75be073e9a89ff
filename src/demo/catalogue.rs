//! What does not grow with the customers: needs products answer, budgets and costs of campaigns,
//! the market, expenses, representatives, targets.

use rand::Rng;

use super::campaigns::Campaign;
use super::chunk::Company;
use super::constants::{CATEGORIES, INDUSTRIES, REGIONS, SALES_REPS, Selection};
use super::figures::NEEDS;
use super::history::DAY;
use super::people::about;
use super::records::{
    Answer, CampaignCost, CampaignStep, Expense, MarketSegment, Promotion, SalesRep, Target,
};
use super::rows::{At, Cents, Day};
use super::streams::{Stream, float, happens, whole};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// By product and need.
    pub(super) answers: Vec<Answer>,
    /// By campaign and time.
    pub(super) steps: Vec<CampaignStep>,
    /// By campaign, day and item.
    pub(super) costs: Vec<CampaignCost>,
    /// By campaign and product.
    pub(super) promotions: Vec<Promotion>,
    /// By segment.
    pub(super) market: Vec<MarketSegment>,
    /// By month, department and item.
    pub(super) expenses: Vec<Expense>,
    /// By id.
    pub(super) reps: Vec<SalesRep>,
    /// By month and indicator.
    pub(super) targets: Vec<Target>,
}

impl Catalogue {
    /// That of `company`.
    pub(super) fn of(company: &Company, stream: &mut Stream) -> Self {
        let mut made = Self { answers: answers(company, stream), ..Self::default() };
        for campaign in &company.campaigns {
            made.budget(company, campaign, stream);
            made.promotions(company, campaign, stream);
        }
        made.market = market(company.customers);
        made.expenses = expenses(company, stream);
        made.reps = reps(company, stream);
        made.targets = targets(company);
        made
    }

    /// How the campaign was asked for, approved, run and settled, and what was paid for it beside
    /// the contacts, whose cost stands in `touches`.
    fn budget(&mut self, company: &Company, campaign: &Campaign, stream: &mut Stream) {
        let id = campaign.campaign_id;
        let contacts = expected_contacts(company, campaign);
        let per_contact = campaign.programme.map_or(0, |it| it.contact_cost);
        let items: &[(&'static str, &'static str, i64)] = match campaign.programme.map(|it| it.kind) {
            None => &[("agency_retainer", "shared", 250_000)],
            Some("advertising" | "web") => &[("media", "campaign", 60_000), ("creative", "campaign", 25_000)],
            Some("exhibition" | "seminar") => {
                &[("venue", "campaign", 90_000), ("catering", "campaign", 30_000)]
            }
            Some(_) => &[("creative", "campaign", 15_000)],
        };
        let size = (float(company.customers) / 10_000.0).sqrt();
        let costs = items
            .iter()
            .map(|(item, level, cents)| (*item, *level, about(whole(float(*cents) * size), 0.3, stream)));
        let costs = costs.collect::<Vec<_>>();
        let fixed = costs.iter().map(|(_, _, amount)| amount.0).sum::<i64>();
        let expected = fixed + per_contact * contacts;
        let budget = about(expected, 0.15, stream);
        let spent = about(expected, 0.1, stream);
        let owner = format!("manager_{}", 1 + id % 7);
        let ends = campaign.ends_at;
        let steps = [
            (campaign.started_at - 40 * DAY, "requested", about(budget.0, 0.2, stream)),
            (campaign.started_at - 25 * DAY, "approved", budget),
            (campaign.started_at, "running", budget),
            (ends, "closed", spent),
            (ends + 20 * DAY, "settled", spent),
        ];
        let past = steps.into_iter().filter(|(at, _, _)| *at < company.history.until());
        self.steps.extend(past.map(|(at, step, amount)| CampaignStep {
            campaign_id: id,
            changed_at: At(at),
            step,
            amount,
            owner: owner.clone(),
        }));
        for (item, level, amount) in costs {
            let days = (ends - campaign.started_at) / DAY;
            // Media is paid in monthly parts; what the last part lacks to the whole it takes.
            let parts = if item == "media" || level == "shared" { (days / 30).max(1) } else { 1 };
            for part in 0..parts {
                let day = campaign.started_at / DAY + part * 30;
                let share =
                    if part + 1 == parts { amount.0 - amount.0 / parts * part } else { amount.0 / parts };
                if day * DAY < company.history.until() {
                    let cost_date = Day(i32::try_from(day).unwrap_or_default());
                    self.costs.push(CampaignCost {
                        campaign_id: id,
                        cost_date,
                        item,
                        amount: Cents(share),
                        level,
                    });
                }
            }
        }
    }

    fn promotions(&mut self, company: &Company, campaign: &Campaign, stream: &mut Stream) {
        let sells = campaign.programme.is_some_and(|it| matches!(it.purpose, "cross_sell" | "up_sell"));
        if !sells {
            return;
        }
        let old = company.range.products().iter().filter(|it| it.launched_at < campaign.started_at);
        let old = old.map(|it| it.product_id).collect::<Vec<_>>();
        let mut chosen = std::collections::BTreeSet::new();
        for _ in 0..8 {
            chosen.extend(old.get(stream.random_range(0..old.len().max(1))));
        }
        let row = |product_id| Promotion { campaign_id: campaign.campaign_id, product_id };
        self.promotions.extend(chosen.into_iter().map(row));
    }
}

/// Contacts that a campaign counts on.
fn expected_contacts(company: &Company, campaign: &Campaign) -> i64 {
    let Some(programme) = campaign.programme else { return 0 };
    let since = float(campaign.started_at - company.history.start());
    let arrived = float(company.customers) * (0.3 + 0.7 * since / float(company.history.days() * DAY));
    let held = match programme.selection {
        Selection::Listed { holdout } => 1.0 - holdout,
        Selection::Open => 1.0,
    };
    whole(arrived * programme.reach * held * 0.5)
}

fn answers(company: &Company, stream: &mut Stream) -> Vec<Answer> {
    let mut found = Vec::new();
    for product in company.range.products() {
        let category = CATEGORIES.iter().position(|it| it.0 == product.category).unwrap_or_default();
        let mut places = vec![category % NEEDS.len(), (category + 1) % NEEDS.len()];
        if happens(stream, 0.3) {
            places.push((category + stream.random_range(2..NEEDS.len())) % NEEDS.len());
        }
        let names = places.into_iter().filter_map(|place| NEEDS.get(place));
        found.extend(names.map(|need| Answer { product_id: product.product_id, need }));
    }
    found
}

/// Twenty-five households for each customer of a region, and nine firms for each firm.
fn market(customers: i64) -> Vec<MarketSegment> {
    let customers = float(customers);
    let households = REGIONS.iter().map(|(region, share)| MarketSegment {
        segment: format!("region:{region}"),
        households: Some(whole(customers * share * 25.0)),
        firms: None,
    });
    let firms = INDUSTRIES.iter().map(|(industry, share)| MarketSegment {
        segment: format!("industry:{industry}"),
        households: None,
        firms: Some(whole(customers * share * 0.12 * 9.0)),
    });
    households.chain(firms).collect()
}

/// Departments, what they pay for, the kind of it, and cents a month at 10,000 customers.
const EXPENSES: [(&str, &str, &str, i64); 8] = [
    ("marketing", "staff", "marketing", 180_000),
    ("marketing", "tools", "marketing", 24_000),
    ("sales", "staff", "sales", 220_000),
    ("service", "staff", "service", 140_000),
    ("it", "crm_project", "crm_development", 60_000),
    ("it", "crm_licences", "crm_operation", 30_000),
    ("administration", "rent", "overhead", 80_000),
    ("administration", "staff", "overhead", 160_000),
];

fn expenses(company: &Company, stream: &mut Stream) -> Vec<Expense> {
    let size = float(company.customers) / 10_000.0;
    let mut found = Vec::new();
    for (month, at) in company.history.months().into_iter().zip(0_i32..) {
        let expense_month = Day(i32::try_from(month).unwrap_or_default());
        for (department, item, kind, cents) in EXPENSES {
            let rise = 1.0 + 0.0025 * f64::from(at);
            let amount = about(whole(float(cents) * size * rise), 0.05, stream);
            found.push(Expense { expense_month, department, item, amount, kind, is_saving: false });
        }
        // The new system saves work from the second year on.
        if at >= 12 {
            let amount = about(whole(18_000.0 * size), 0.2, stream);
            let (department, item, kind) = ("service", "hours_saved", "service");
            found.push(Expense { expense_month, department, item, amount, kind, is_saving: true });
        }
    }
    found
}

/// Those who care for customers, and three who left before.
fn reps(company: &Company, stream: &mut Stream) -> Vec<SalesRep> {
    let start = company.history.start();
    let rep = |sales_rep_id| {
        let joined = start - stream.random_range(30..2_000) * DAY;
        let left = start + stream.random_range(30..company.history.days() - 30) * DAY;
        let left_at = (sales_rep_id > SALES_REPS).then_some(At(left));
        SalesRep { sales_rep_id, joined_at: At(joined), left_at }
    };
    (1..=SALES_REPS + 3).map(rep).collect()
}

fn targets(company: &Company) -> Vec<Target> {
    let customers = float(company.customers);
    let monthly = [("net_sales", 11.0), ("orders", 0.125), ("new_customers", 0.02)];
    let target = |(month, at): (i64, i32)| {
        let growth = 1.0 + 0.01 * f64::from(at);
        let month = Day(i32::try_from(month).unwrap_or_default());
        monthly.map(|(indicator, each)| Target {
            month,
            indicator,
            value: (customers * each * growth).round(),
        })
    };
    company.history.months().into_iter().zip(0..).flat_map(target).collect()
}
