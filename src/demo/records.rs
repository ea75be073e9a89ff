//! The rows of the sources that only have rows of their own kind: fields are the columns that
//! `sql/staging/sources.yml` describes, in its order.

#![expect(clippy::struct_field_names, reason = "fields are named as the columns")]

use super::rows::{At, Cents, Day, rows};

rows! {
    /// A value of an attribute that changed, from an instant on.
    Attribute of CustomerHistory { customer_id: i64, attribute: &'static str, valid_from: At, value: Option<String> }
    /// A permission given or withdrawn.
    Consent of Consents { customer_id: i64, channel: &'static str, changed_at: At, given: bool }
    /// A need that a product answers.
    Answer of ProductNeeds { product_id: i64, need: &'static str }
    /// What became of an order.
    Status of OrderStatus { order_id: i64, changed_at: At, status: &'static str, ingested_at: At }
    /// A contract with a monthly amount.
    Contract of Contracts {
        contract_id: i64,
        customer_id: i64,
        product_id: i64,
        started_at: At,
        ended_at: Option<At>,
        cancelled_at: Option<At>,
        amount_per_month: Cents,
    }
    /// How far a campaign's way through the company was.
    CampaignStep of CampaignSteps { campaign_id: i64, changed_at: At, step: &'static str, amount: Cents, owner: String }
    /// What was paid for a campaign.
    CampaignCost of CampaignCosts { campaign_id: i64, cost_date: Day, item: &'static str, amount: Cents, level: &'static str }
    /// A product that a campaign promoted.
    Promotion of CampaignProducts { campaign_id: i64, product_id: i64 }
    /// A party that showed interest.
    Lead of Leads { lead_id: i64, campaign_id: Option<i64>, party_id: i64, created_at: At, source: &'static str }
    /// What became of a lead.
    LeadStatus of LeadStatuses { lead_id: i64, changed_at: At, status: &'static str }
    /// A deal that may come about.
    Opportunity of Opportunities {
        opportunity_id: i64,
        lead_id: Option<i64>,
        party_id: i64,
        campaign_id: Option<i64>,
        created_at: At,
        sales_rep_id: Option<i64>,
    }
    /// How far a deal was.
    Stage of OpportunityStages {
        opportunity_id: i64,
        changed_at: At,
        stage: &'static str,
        amount: Cents,
        probability: f64,
        is_won: Option<bool>,
        order_id: Option<i64>,
    }
    /// A party that was no customer yet.
    Prospect of Prospects {
        party_id: i64,
        created_at: At,
        need_match: f64,
        can_pay: Option<bool>,
        refused_at: Option<At>,
        refusal_reason: Option<&'static str>,
    }
    /// A prospect who became a customer.
    Link of PartyLinks { party_id: i64, customer_id: i64, linked_at: At }
    /// How many households or firms there are in a region.
    MarketSegment of Market { segment: String, households: Option<i64>, firms: Option<i64> }
    /// A complaint, fault, question or return that somebody worked on.
    Case of ServiceCases {
        case_id: i64,
        customer_id: i64,
        opened_at: At,
        closed_at: Option<At>,
        kind: &'static str,
        is_valid: Option<bool>,
        severity: i32,
        cost: Option<Cents>,
        product_id: Option<i64>,
        touch_id: Option<i64>,
    }
    /// An answered questionnaire.
    Survey of Surveys {
        survey_id: i64,
        customer_id: i64,
        answered_at: At,
        asked_by: &'static str,
        touch_id: Option<i64>,
        case_id: Option<i64>,
    }
    /// One answer of a questionnaire.
    Score of SurveyAnswers {
        survey_id: i64,
        construct: &'static str,
        aspect: &'static str,
        item: &'static str,
        score: f64,
        scale_low: f64,
        scale_high: f64,
    }
    /// What a customer of the panel spends with all suppliers.
    Spend of Wallet {
        customer_id: i64,
        period_start: Day,
        category: &'static str,
        total_spend: Cents,
        rank_of_us: i32,
        suppliers_used: i32,
    }
    /// What a department spent in a month.
    Expense of Expenses {
        expense_month: Day,
        department: &'static str,
        item: &'static str,
        amount: Cents,
        kind: &'static str,
        is_saving: bool,
    }
    /// Something a customer did.
    Event of Events { event_id: i64, customer_id: i64, occurred_at: At, name: &'static str, value: Option<f64>, ingested_at: At }
    /// A need that a party stated.
    Need of Needs {
        party_id: i64,
        need: &'static str,
        stated_at: At,
        importance: Option<f64>,
        is_must_have: bool,
        rank: i32,
        is_satisfied: Option<bool>,
    }
    /// Who cares for a customer, from an instant on.
    Assignment of Assignments { customer_id: i64, valid_from: At, sales_rep_id: Option<i64> }
    /// A sales representative.
    SalesRep of SalesReps { sales_rep_id: i64, joined_at: At, left_at: Option<At> }
    /// A contact that is planned.
    Planned of PlannedContacts { campaign_id: i64, customer_id: i64, planned_at: At, channel: &'static str, priority: i32 }
    /// A figure to reach.
    Target of Targets { month: Day, indicator: &'static str, value: f64 }
}
