//! The truth that is one for all customers: parameters, effects, rules and counts.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use serde_json::{Value, json};

use super::behaviour::NOISE_NAMES;
use super::broken::Counts;
use super::chunk::Company;
use super::contacts::Tally;
use super::figures::{
    BEHAVIOURS, CANCELLED_SHARE, CLUSTERS, COMEBACK, CONTACT_RESPONSE, CONTRACT_CHURN, DRIVERS,
    EARLY_DROPOUT, ELASTICITY, EVEN_GAPS, MEAN_UPLIFT, Role, SPEND_OF_RATE, TWO_RATES,
};
use super::rows::{Cents, Row};
use super::table::{Side, Table};
use super::truths::{
    BehaviourTruth, BrokenTruth, CampaignTruth, ChannelTruth, ContactTruth, DriverTruth, RuleTruth,
};
use super::{Assumptions, World, constants as of};

/// The tables that are one for all customers.
pub(super) fn tables(
    company: &Company,
    tallies: &[Tally],
    counts: &Counts,
) -> Result<Vec<(Table, RecordBatch)>, (Table, ArrowError)> {
    let campaigns = campaigns(company, tallies);
    let batches = [
        (Table::TruthChannels, ChannelTruth::batch(&channels(&campaigns))),
        (Table::TruthCampaigns, CampaignTruth::batch(&campaigns)),
        (Table::TruthRules, RuleTruth::batch(&rules(company))),
        (Table::TruthBehaviours, BehaviourTruth::batch(&behaviours())),
        (Table::TruthContacts, ContactTruth::batch(&contacts())),
        (Table::TruthDrivers, DriverTruth::batch(&drivers())),
        (Table::TruthBroken, BrokenTruth::batch(&broken(counts))),
    ];
    batches.into_iter().map(|(table, batch)| Ok((table, batch.map_err(|cause| (table, cause))?))).collect()
}

fn campaigns(company: &Company, tallies: &[Tally]) -> Vec<CampaignTruth> {
    let truth = |(campaign, tally): (&super::campaigns::Campaign, &Tally)| {
        let programme = campaign.programme?;
        Some(CampaignTruth {
            campaign_id: campaign.campaign_id,
            channel: programme.channel,
            uplift: programme.uplift,
            treated: tally.treated,
            incremental_orders: tally.orders,
            incremental_sales: Cents(tally.sales),
            held_out: tally.held_out,
            held_out_incremental_orders: 0,
        })
    };
    company.campaigns.iter().zip(tallies).filter_map(truth).collect()
}

fn channels(campaigns: &[CampaignTruth]) -> Vec<ChannelTruth> {
    let mut found = BTreeMap::new();
    for campaign in campaigns {
        let channel = campaign.channel;
        let none = ChannelTruth { channel, treated: 0, incremental_orders: 0, incremental_sales: Cents(0) };
        let sum = found.entry(channel).or_insert(none);
        sum.treated += campaign.treated;
        sum.incremental_orders += campaign.incremental_orders;
        sum.incremental_sales = Cents(sum.incremental_sales.0 + campaign.incremental_sales.0);
    }
    found.into_values().collect()
}

fn rules(company: &Company) -> Vec<RuleTruth> {
    let id = |place: usize| Some(company.range.products().get(place)?.product_id);
    let rule = |rule: &super::products::Rule| {
        let (antecedent_id, consequent_id) = (id(rule.one)?, id(rule.other)?);
        Some(RuleTruth { antecedent_id, consequent_id, chance_of_next_line: rule.chance })
    };
    company.rules.iter().filter_map(rule).collect()
}

fn behaviours() -> Vec<BehaviourTruth> {
    let meaning =
        BEHAVIOURS.map(|(name, role, strength)| BehaviourTruth { name, role: role.name(), strength });
    let noise = NOISE_NAMES.iter();
    let noise = noise.map(|name| BehaviourTruth { name, role: Role::Noise.name(), strength: 0.0 });
    meaning.into_iter().chain(noise).collect()
}

fn contacts() -> Vec<ContactTruth> {
    let truth = |(contacts_in_30_days, multiplier)| ContactTruth { contacts_in_30_days, multiplier };
    (1..).zip(CONTACT_RESPONSE).map(truth).collect()
}

fn drivers() -> Vec<DriverTruth> {
    DRIVERS.map(|(driver, weight)| DriverTruth { driver, weight }).to_vec()
}

fn broken(counts: &Counts) -> Vec<BrokenTruth> {
    let row = |((source, rule, column), rows): (&(&'static str, &'static str, &'static str), &i64)| {
        BrokenTruth { source, rule, column, rows: *rows }
    };
    counts.iter().map(row).collect()
}

/// The parameters and the counts, for people and programs.
pub(super) fn document(
    world: &World,
    company: &Company,
    rows: &BTreeMap<Table, u64>,
    counts: &Counts,
) -> Value {
    let broken = broken(counts).into_iter();
    let broken =
        broken.map(|it| json!({"source": it.source, "rule": it.rule, "column": it.column, "rows": it.rows}));
    let sizes = rows.iter().filter(|(table, _)| table.side() == Side::Source);
    let sizes = sizes.map(|(table, rows)| (table.name().to_owned(), json!(rows)));
    json!({
        "seed": world.seed,
        "scale": world.scale,
        "until": world.until.to_string(),
        "assumptions": if world.assumptions == Assumptions::Held { "held" } else { "broken" },
        "customers": company.customers,
        "purchases": {
            "process": "BG/NBD in days: gaps are exponential, the chance to leave follows each repeat purchase",
            "seen_in": "all orders but cancelled ones, those of one day as one; age in whole days from the first order to the end",
            "rate": {"shape": of::RATE_SHAPE, "alpha_days": of::RATE_ALPHA_DAYS},
            "dropout": {"a": of::DROPOUT_A, "b": of::DROPOUT_B},
            "never_buys": of::NEVER_BUYS,
            "cancelled_share": CANCELLED_SHARE,
            "rate_includes_uplift_by_contacts": MEAN_UPLIFT,
            "if_assumptions_are_broken": {
                "gaps_are_sums_of_exponentials": EVEN_GAPS,
                "rates_times_one_of": [TWO_RATES.0, TWO_RATES.1],
                "first_repeats_with_other_dropout": EARLY_DROPOUT.0,
                "their_dropout_times": EARLY_DROPOUT.1,
                "comeback_share": COMEBACK.0,
                "comeback_average_days": [COMEBACK.1, COMEBACK.2],
                "spend_falls_with_rate_to_the_power": SPEND_OF_RATE,
            },
        },
        "spend": {
            "process": "gamma-gamma, what is paid for an order after discounts and coupons, before returns, in cents",
            "p": of::SPEND_P, "q": of::SPEND_Q, "gamma_cents": of::SPEND_GAMMA,
        },
        "contracts": {"process": "shifted beta-geometric, monthly", "a": CONTRACT_CHURN.0, "b": CONTRACT_CHURN.1},
        "price_elasticity": {"process": "log-normal", "mean_of_log": ELASTICITY.0, "deviation_of_log": ELASTICITY.1},
        "shares": {
            "businesses": of::BUSINESS_SHARE,
            "referred": of::REFERRED_SHARE,
            "would_have_come_anyway": of::WOULD_HAVE_COME_ANYWAY,
            "discounted_lines": of::DISCOUNT_SHARE,
            "whole_orders_returned": of::ORDER_RETURN_SHARE,
            "lines_returned": of::LINE_RETURN_SHARE,
            "own_orders_that_name_a_campaign": of::CLAIMED_SHARE,
        },
        "clusters": CLUSTERS.iter().enumerate().map(|(cluster, (category, share))| json!({
            "cluster": cluster,
            "favours": of::CATEGORIES.get(*category).map(|it| it.0),
            "share": share,
        })).collect::<Vec<_>>(),
        "rows": sizes.collect::<serde_json::Map<_, _>>(),
        "broken_rows": broken.collect::<Vec<_>>(),
    })
}
