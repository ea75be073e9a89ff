//! Cases that somebody worked on, and questionnaires from both sides.

use super::figures::{ASKED_AFTER_CASE, CASE_KINDS, CASE_SHARE, DRIVERS, JUDGED_SHARE, SERVICE, VALID_SHARE};
use super::history::DAY;
use super::life::{Records, Scene, later, next_id};
use super::profile::normal;
use super::records::{Case, Score, Survey};
use super::rows::{At, Cents};
use super::streams::{Stream, happens, pick, whole};
use rand::Rng;

/// What one questionnaire of customers asks: construct, aspect, item, how much of it is
/// satisfaction and how much attitude.
const QUESTIONS: [(&str, &str, &str, f64, f64); 17] = [
    ("satisfaction", "overall", "all_in_all", 1.4, 0.2),
    ("satisfaction", "overall", "against_ideal", 1.3, 0.2),
    ("expectation", "overall", "before_the_purchase", 0.2, 0.3),
    ("perceived_value", "overall", "worth_the_price", 1.0, 0.2),
    ("disconfirmation", "overall", "against_expectation", 1.1, 0.0),
    ("trust", "overall", "keeps_promises", 0.7, 0.6),
    ("commitment", "overall", "would_miss_us", 0.3, 1.0),
    ("repurchase", "overall", "will_buy_again", 0.7, 0.8),
    ("recommend", "overall", "will_recommend", 0.8, 0.8),
    ("attitude", "overall", "like_us", 0.0, 1.5),
    ("competitor_attitude", "overall", "like_the_others", 0.0, -0.5),
    ("solution", "overall", "solves_my_problem", 0.8, 0.2),
    ("cost", "overall", "costs_me_little", 0.6, 0.2),
    ("convenience", "overall", "is_easy_to_buy", 0.7, 0.2),
    ("communication", "overall", "understands_me", 0.7, 0.4),
    ("ideal", "overall", "close_to_ideal", 1.0, 0.4),
    ("brand_attention", "overall", "notices_our_offers", 0.0, 1.2),
];

/// At which price of a usual basket a product is what (van Westendorp), as shares of the usual price.
const PRICE_POINTS: [(&str, f64); 4] =
    [("too_cheap", 0.5), ("bargain", 0.8), ("getting_expensive", 1.15), ("too_expensive", 1.5)];
/// The price of a usual basket, in money, and the most a customer may name.
const USUAL_PRICE: (f64, f64) = (20.0, 1_000.0);

impl Scene<'_> {
    /// All of it.
    pub(super) fn service(&self, stream: &mut Stream, records: &mut Records) {
        let calls = self.touches.iter().filter(|it| it.kind == "called" && it.purpose == "service");
        let mut calls = calls.peekable();
        for order in self.orders {
            if happens(stream, CASE_SHARE) {
                let opened_at = later(order.ordered_at, 20.0, stream);
                self.case((order.order_id, opened_at, None), stream, records);
            }
            if let Some(call) = calls.next_if(|call| call.touched_at >= order.ordered_at) {
                self.case((order.order_id, call.touched_at, Some(call.touch_id)), stream, records);
            }
        }
        self.asked(stream, records);
        if self.customer.firm.is_some() {
            self.judged(stream, records);
        }
    }

    fn case(
        &self,
        (order_id, opened_at, touch_id): (i64, i64, Option<i64>),
        stream: &mut Stream,
        records: &mut Records,
    ) {
        let kind = pick(stream, CASE_KINDS);
        let right = happens(stream, VALID_SHARE);
        let severity = stream.random_range(1..=5);
        let cost = whole((1.0 + f64::from(severity)) * 150.0 * (0.4 * normal(stream)).exp());
        let closed_at = later(opened_at + 1_000_000, 6.0, stream);
        let has_cost = !happens(stream, 0.1);
        if opened_at >= self.until() {
            return;
        }
        let line = self.lines.iter().find(|line| line.order_id == order_id);
        records.cases.push(Case {
            case_id: next_id(self.first_id, &records.cases),
            customer_id: self.customer.customer_id,
            opened_at: At(opened_at),
            closed_at: self.past(closed_at).map(At),
            kind,
            is_valid: (kind != "question").then_some(right),
            severity,
            cost: has_cost.then_some(Cents(cost)),
            product_id: line.filter(|_| kind != "question").map(|line| line.product_id),
            touch_id,
        });
        let asked_at = later(closed_at, 3.0, stream);
        let (share, wronged, other) = ASKED_AFTER_CASE;
        if !happens(stream, share) || asked_at >= self.until() {
            return;
        }
        let case_id = records.cases.last().map(|case| case.case_id);
        let survey_id = self.survey(Survey { case_id, ..self.questionnaire(asked_at, "customer") }, records);
        let felt = self.nature.profile.drivers.get(SERVICE).copied().unwrap_or_default();
        let mood = if right && kind != "question" { wronged } else { other };
        let score = 6.5 + 1.6 * felt + mood + 0.8 * normal(stream);
        records.scores.push(answer(survey_id, "satisfaction", "service", "how_we_settled_it", score));
    }

    /// What the customer answers when a survey campaign asked and they rated.
    fn asked(&self, stream: &mut Stream, records: &mut Records) {
        let surveys = &self.company.surveys;
        for touch in self.touches {
            let is_survey = touch.campaign_id.is_some_and(|id| surveys.contains(&id));
            if touch.kind != "rated" || !is_survey {
                continue;
            }
            let touch_id = Some(touch.touch_id);
            let survey = Survey { touch_id, ..self.questionnaire(touch.touched_at, "customer") };
            let survey_id = self.survey(survey, records);
            let profile = &self.nature.profile;
            for ((driver, _), felt) in DRIVERS.into_iter().zip(profile.drivers) {
                let score = 6.5 + 1.6 * felt + 0.8 * normal(stream);
                records.scores.push(answer(survey_id, "satisfaction", driver, "how_was_it", score));
            }
            for (construct, aspect, item, satisfaction, attitude) in QUESTIONS {
                let felt = satisfaction * profile.satisfaction + attitude * profile.attitude;
                let score = 6.5 + felt + 0.8 * normal(stream);
                // One in thirty questions is left out.
                if !happens(stream, 1.0 / 30.0) {
                    records.scores.push(answer(survey_id, construct, aspect, item, score));
                }
            }
            self.price_points(survey_id, stream, records);
        }
    }

    /// Prices the customer names, each at least the one before: who minds prices names lower ones.
    fn price_points(&self, survey_id: i64, stream: &mut Stream, records: &mut Records) {
        let (usual, most) = USUAL_PRICE;
        let level = usual * (0.25 * normal(stream)).exp() / self.nature.profile.elasticity.sqrt();
        let mut least = 0.0_f64;
        for (item, share) in PRICE_POINTS {
            let price = level * share * (0.1 * normal(stream)).exp();
            least = least.max((price * 2.0).round() / 2.0);
            let (score, construct) = (least.min(most), "price_points");
            let (scale_low, scale_high) = (0.0, most);
            records.scores.push(Score {
                survey_id,
                construct,
                aspect: "basket",
                item,
                score,
                scale_low,
                scale_high,
            });
        }
    }

    /// What the representative thinks of a firm, each half-year.
    fn judged(&self, stream: &mut Stream, records: &mut Records) {
        let mut at = self.customer.created_at + 182 * DAY;
        while at < self.until() {
            if happens(stream, JUDGED_SHARE) {
                let survey_id = self.survey(self.questionnaire(at, "firm"), records);
                for (construct, item) in [("trust", "pays_on_time"), ("commitment", "plans_with_us")] {
                    let score = 6.0 + 1.2 * self.nature.profile.attitude + 1.2 * normal(stream);
                    records.scores.push(answer(survey_id, construct, "overall", item, score));
                }
            }
            at += 182 * DAY;
        }
    }

    /// One that is not about a contact or a case.
    fn questionnaire(&self, at: i64, asked_by: &'static str) -> Survey {
        let customer_id = self.customer.customer_id;
        Survey { survey_id: 0, customer_id, answered_at: At(at), asked_by, touch_id: None, case_id: None }
    }

    /// Gives `survey` the next id.
    fn survey(&self, mut survey: Survey, records: &mut Records) -> i64 {
        survey.survey_id = next_id(self.first_id, &records.surveys);
        let survey_id = survey.survey_id;
        records.surveys.push(survey);
        survey_id
    }
}

/// An answer from 1 to 10, in whole steps.
fn answer(
    survey_id: i64,
    construct: &'static str,
    aspect: &'static str,
    item: &'static str,
    score: f64,
) -> Score {
    let score = score.round().clamp(1.0, 10.0);
    Score { survey_id, construct, aspect, item, score, scale_low: 1.0, scale_high: 10.0 }
}
