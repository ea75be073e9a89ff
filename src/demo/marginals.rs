//! The world's marginals agree with the truth within sampling error.
//!
//! Errors are standard errors: of a share `p` among `n` draws `sqrt(p (1 - p) / n)` (binomial), of a
//! mean `s / sqrt(n)` with the sample's deviation `s` (normal), of a correlation `(1 - r^2) / sqrt(n)`.
//! Nothing may be off by more than four of them; one in 16,000 sound figures would be.

#![expect(clippy::cast_precision_loss, reason = "the numbers of a test are small")]

use std::collections::{BTreeMap, BTreeSet};

use super::constants::*;
use super::figures::*;
use super::history::DAY;
use super::purchases::purchases;
use super::streams::{Entity, stream};
use super::tests::{check_share, company};
use super::truths::CustomerTruth;
use super::*;

/// Asserts that the mean of `values` agrees with the one planted.
fn check_mean(what: &str, values: &[f64], planted: f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let error = (variance / count).sqrt();
    assert!((mean - planted).abs() <= 4.0 * error, "{what}: {mean} not {planted}, error {error}");
}

fn check_correlation(what: &str, pairs: &[(f64, f64)], planted: f64) {
    let count = pairs.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|it| it.0), mean(&|it| it.1));
    let (xx, yy) = (mean(&|it| (it.0 - x).powi(2)), mean(&|it| (it.1 - y).powi(2)));
    let found = mean(&|it| (it.0 - x) * (it.1 - y)) / (xx * yy).sqrt();
    let error = (1.0 - planted * planted) / count.sqrt();
    assert!((found - planted).abs() <= 4.0 * error, "{what}: {found} not {planted}, error {error}");
}

fn truths() -> &'static [CustomerTruth] {
    &company().1.records.customer_truths
}

fn each(get: impl Fn(&CustomerTruth) -> f64) -> Vec<f64> {
    truths().iter().map(get).collect()
}

#[test]
fn rates_and_dropout_are_as_bg_nbd_has_them_though_they_have_causes() {
    check_mean("rate", &each(|it| it.orders_per_day), RATE_SHAPE / RATE_ALPHA_DAYS);
    check_mean("dropout", &each(|it| it.dropout_chance), DROPOUT_A / (DROPOUT_A + DROPOUT_B));
    let squares = each(|it| it.orders_per_day.powi(2));
    check_mean("square of rate", &squares, RATE_SHAPE * (RATE_SHAPE + 1.0) / RATE_ALPHA_DAYS.powi(2));
    // Gamma-gamma: the mean over customers of the mean order is p gamma / (q - 1), in money.
    let planted = SPEND_P * SPEND_GAMMA / (SPEND_Q - 1.0) / 100.0;
    check_mean("mean order", &each(|it| it.mean_order_value), planted);
}

#[test]
fn a_cause_moves_what_it_causes_by_what_the_truth_says() {
    // The greater less the lesser of two gammas of shape r is 2 G(r + 1/2) / (sqrt(pi) G(r)) on
    // average: with G(1.1) = 0.951351 and G(0.6) = 1.489192 that is 0.720851 for r = 0.6.
    let difference = 0.720_851 / RATE_ALPHA_DAYS;
    for (at, strength) in [(0, BEHAVIOURS[0].2), (1, BEHAVIOURS[1].2)] {
        let met = |it: &CustomerTruth| if at == 0 { it.saves_recipes } else { it.activated_card };
        // Half met it: twice the rate with a sign has the difference of the two means as its mean.
        let signed = each(|it| if met(it) { 2.0 * it.orders_per_day } else { -2.0 * it.orders_per_day });
        check_mean("effect on the rate", &signed, strength * difference);
    }
    let noise = each(|it| if it.had_late_delivery { it.orders_per_day } else { -it.orders_per_day });
    check_mean("no effect on the rate", &noise, 0.0);
    let churn = |it: &CustomerTruth| if it.had_late_delivery { 1.0 } else { -1.0 };
    let signed = each(|it| churn(it) * it.dropout_chance);
    assert!(signed.iter().sum::<f64>() > 0.0, "who waited leaves sooner");
}

#[test]
fn shares_of_people_agree_with_the_figures() {
    let count = truths().len();
    let share = |what: &str, is: &dyn Fn(&CustomerTruth) -> bool, planted: f64| {
        check_share(what, truths().iter().filter(|it| is(it)).count(), count, planted);
    };
    share("recipes", &|it| it.saves_recipes, CAUSE_SHARE);
    share("open complaints", &|it| it.had_open_complaint, CAUSE_SHARE);
    share("good attitude", &|it| it.attitude > 0.0, 0.5);
    share("main need", &|it| it.main_need == NEEDS[3], 0.1);
    for (at, (_, planted)) in CLUSTERS.iter().enumerate() {
        share("cluster", &|it| it.cluster == i32::try_from(at).unwrap(), *planted);
    }
    check_mean("elasticity", &each(|it| it.price_elasticity.ln()), ELASTICITY.0);
    let pairs = truths().iter().map(|it| (it.satisfaction, it.attitude)).collect::<Vec<_>>();
    check_correlation("satisfaction and attitude", &pairs, ATTITUDE_OF_SATISFACTION);
    // The logit of the share of wallet is 0.6 times the attitude and 0.8 of what else moves it.
    let logit = |share: f64| (share / (1.0 - share)).ln();
    let pairs = truths().iter().map(|it| (logit(it.wallet_share), it.attitude)).collect::<Vec<_>>();
    check_correlation("share of wallet and attitude", &pairs, 0.6);
    let (_, all) = company();
    for (channel, planted) in PERMISSIONS {
        // The first row of a customer and channel is that of the arrival.
        let mut first = BTreeMap::new();
        for consent in all.records.consents.iter().filter(|it| it.channel == channel) {
            first.entry(consent.customer_id).or_insert(consent.given);
        }
        check_share(channel, first.values().filter(|given| **given).count(), count, planted);
    }
    check_share("converted", all.records.links.len(), count, CONVERTED_SHARE);
    let churn = all.records.contract_truths.iter().map(|it| it.monthly_churn).collect::<Vec<_>>();
    check_mean("contract churn", &churn, CONTRACT_CHURN.0 / (CONTRACT_CHURN.0 + CONTRACT_CHURN.1));
}

#[test]
fn shares_of_orders_and_deals_agree_with_the_figures() {
    let (company, all) = company();
    let old = |at: i64| at < company.history.until() - 3 * DAY;
    let orders =
        all.orders.iter().filter(|it| old(it.ordered_at)).map(|it| it.order_id).collect::<BTreeSet<_>>();
    let cancelled = all.records.statuses.iter().filter(|it| it.status == "cancelled").map(|it| it.order_id);
    let cancelled = cancelled.collect::<BTreeSet<_>>();
    check_share("cancelled", cancelled.intersection(&orders).count(), orders.len(), CANCELLED_SHARE);
    assert!(all.returns.iter().all(|it| !cancelled.contains(&it.order_id)), "nothing comes back of those");
    let won = all.records.stages.iter().filter(|it| it.is_won == Some(true)).count();
    let ended = all.records.stages.iter().filter(|it| it.is_won.is_some()).count();
    check_share("won", won, ended, WON_SHARE);
    let redeemed = all.records.events.iter().filter(|it| it.name == "points_redeemed").count();
    let mut repeats = 0;
    let mut seen = BTreeSet::new();
    for order in &all.orders {
        repeats += usize::from(!seen.insert(order.customer_id) && old(order.ordered_at));
    }
    // Those of the last days may or may not have followed yet: at most three in a thousand.
    check_share("points", redeemed, repeats, BEHAVIOURS[4].2);
}

#[test]
fn what_campaigns_brought_is_what_the_customers_say() {
    let (company, all) = company();
    let brought = all.tallies.iter().map(|it| it.orders).sum::<i64>();
    assert_eq!(brought, truths().iter().map(|it| i64::from(it.brought_orders)).sum::<i64>());
    let own = truths().iter().map(|it| i64::from(it.own_orders)).sum::<i64>();
    let own_repeats = truths().iter().map(|it| i64::from((it.own_orders - 1).max(0))).sum::<i64>();
    // Poisson: the error of a count is its root; what an average customer gets beside the own repeats.
    let expected = own_repeats as f64 * MEAN_UPLIFT;
    assert!((brought as f64 - expected).abs() <= 4.0 * expected.sqrt(), "{brought} not {expected}");
    // The others were placed by mistake: binomial.
    let mistaken = all.orders.len() - usize::try_from(brought + own).unwrap();
    check_share("mistaken", mistaken, all.orders.len(), CANCELLED_SHARE);
    for (campaign, tally) in company.campaigns.iter().zip(&all.tallies) {
        let uplift = campaign.programme.map_or(0.0, |it| it.uplift);
        assert!(uplift > 0.0 || tally.orders == 0, "{}", campaign.name);
        assert!(tally.sales >= tally.orders && (tally.orders > 0 || tally.sales == 0));
        let held = all.contacts.members.iter();
        let held = held.filter(|it| it.campaign_id == campaign.campaign_id && it.arm == "holdout");
        assert_eq!(tally.held_out, i64::try_from(held.count()).unwrap());
    }
}

#[test]
fn a_contact_raises_the_orders_of_its_lookback_by_what_the_truth_says() {
    let (company, all) = company();
    let mut orders = BTreeMap::<i64, Vec<_>>::new();
    for order in &all.orders {
        orders.entry(order.customer_id).or_default().push(order);
    }
    let members = all.contacts.members.iter().filter(|it| it.arm != "holdout");
    let (mut found, mut expected, mut variance) = (0.0, 0.0, 0.0);
    for (campaign, tally) in company.campaigns.iter().zip(&all.tallies) {
        let Some(programme) = campaign.programme.filter(|it| it.selection != Selection::Open) else {
            continue;
        };
        let end = campaign.started_at + i64::from(programme.lookback_days) * DAY;
        let treated = members.clone().filter(|it| it.campaign_id == campaign.campaign_id);
        let orders = treated.filter_map(|it| orders.get(&it.party_id)).flatten();
        let within = orders.filter(|it| (campaign.started_at..end).contains(&it.ordered_at)).count();
        let brought = tally.orders as f64;
        let others = within as f64 - brought;
        found += brought;
        expected += programme.uplift * others;
        variance += brought + programme.uplift * programme.uplift * others;
    }
    // Of the effect is left what the contacts of the thirty days before leave: at most all. Most had
    // none or one of them, so that less than 0.8 were too little. Counts are Poisson.
    let error = 4.0 * variance.sqrt();
    assert!(found - expected <= error && 0.8 * expected - found <= error, "{found} not {expected}, {error}");
    assert!(error < 0.5 * expected, "{error} of {expected}");
}

#[test]
fn the_line_after_is_the_one_the_rule_says() {
    let (company, all) = company();
    assert_eq!(company.rules.len(), RULES);
    let id = |place: usize| company.range.products()[place].product_id;
    let rules = company.rules.iter().map(|it| (id(it.one), (id(it.other), it.chance)));
    let rules = rules.collect::<BTreeMap<_, _>>();
    let (mut hits, mut expected, mut variance) = (0.0, 0.0, 0.0);
    for pair in all.lines.windows(2).filter(|pair| pair[0].order_id == pair[1].order_id) {
        let Some((other, chance)) = rules.get(&pair[0].product_id) else { continue };
        hits += f64::from(u8::from(pair[1].product_id == *other));
        expected += chance;
        variance += chance * (1.0 - chance);
    }
    // By chance alone the second one comes in one of a hundred: within a third of an error here.
    assert!(variance > 100.0 && (hits - expected).abs() <= 4.0 * variance.sqrt(), "{hits} not {expected}");
}

#[test]
fn a_misspecified_world_has_gaps_too_even_for_poisson() {
    let (company, _) = company();
    let dispersion = |assumptions| {
        let mut stream = stream(17, Entity::Purchases, 0);
        let profile = profile::Profile::default();
        let nature = customers::Nature { buys: true, rate: 0.05, dropout: 0.0, spend_rate: 1.0, profile };
        let customer = customers::Customer { created_at: company.history.start(), ..Default::default() };
        let count = |_| {
            purchases(&customer, &nature, (&company.history, assumptions), &mut stream).made.len() as f64
                - 1.0
        };
        let counts = (0..2_000).map(count).collect::<Vec<_>>();
        let mean = counts.iter().sum::<f64>() / 2_000.0;
        counts.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 1_999.0 / mean
    };
    // Poisson counts have dispersion 1, with error sqrt(2 / n) = 0.032; sums of three: 1 / 3.
    assert!((dispersion(Assumptions::Held) - 1.0).abs() < 4.0 * 0.032);
    assert!((dispersion(Assumptions::Broken) - 1.0 / 3.0).abs() < 4.0 * 0.011 + 0.02);
}

#[test]
fn memory_is_for_one_part_at_every_scale() {
    let layout = |scale| generate::Layout::of(&World { scale, ..World::default() }).unwrap();
    let (one, ten) = (layout(1.0), layout(10.0));
    assert_eq!(
        (one.chunk_customers, one.part_chunks, one.threads),
        (ten.chunk_customers, ten.part_chunks, ten.threads)
    );
    assert_eq!(ten.customers, 10 * one.customers);
}
