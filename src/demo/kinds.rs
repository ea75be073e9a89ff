//! What can be wrong with a row, table by table.

use super::table::Table;

/// What is wrong with a broken row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrong {
    /// No value.
    Nothing,
    /// A text no list has.
    Text,
    /// A number below what is allowed.
    Low,
    /// No number at all.
    NotFinite,
    /// A day before 1970.
    Early,
    /// A key nobody has, in a row with a key of its own (a column's name) where the column is no
    /// part of it.
    Nobody(Option<&'static str>),
    /// Nothing: the row is there twice.
    Twice,
}

/// One kind of broken row of a table: rule, column, what is wrong.
pub(super) type Kind = (&'static str, &'static str, Wrong);

const MISSING: &str = "missing_key";
const VALUES: &str = "accepted_values";
const EARLY: &str = "impossible_date";
const TWICE: Kind = ("duplicate_key", "", Wrong::Twice);

const fn missing(column: &'static str) -> Kind {
    (MISSING, column, Wrong::Nothing)
}

const fn null(column: &'static str) -> Kind {
    ("not_null", column, Wrong::Nothing)
}

const fn value(column: &'static str) -> Kind {
    (VALUES, column, Wrong::Text)
}

const fn low(column: &'static str) -> Kind {
    ("range", column, Wrong::Low)
}

const fn early(column: &'static str) -> Kind {
    (EARLY, column, Wrong::Early)
}

const fn orphan(column: &'static str, key: Option<&'static str>) -> Kind {
    ("orphan", column, Wrong::Nobody(key))
}

const fn infinite(column: &'static str) -> Kind {
    ("not_finite", column, Wrong::NotFinite)
}

/// The kinds a table has, in the order in which they come: impossible dates last, as they are seen
/// from every day.
pub(super) fn kinds(table: Table) -> &'static [Kind] {
    KINDS.iter().find(|(of, _)| *of == table).map_or(&[], |(_, kinds)| *kinds)
}

const KINDS: &[(Table, &[Kind])] = &[
    (
        Table::Customers,
        &[
            TWICE,
            value("kind"),
            missing("customer_id"),
            low("household_size"),
            low("birth_year"),
            low("acquisition_cost"),
            low("referral_incentive"),
            null("kind"),
            early("created_at"),
        ],
    ),
    (
        Table::CustomerHistory,
        &[TWICE, orphan("customer_id", None), missing("attribute"), early("valid_from")],
    ),
    (
        Table::Consents,
        &[orphan("customer_id", None), TWICE, null("given"), missing("channel"), early("changed_at")],
    ),
    (Table::Products, &[low("list_price"), TWICE, missing("product_id"), early("launched_at")]),
    (
        Table::ProductCosts,
        &[low("unit_cost"), TWICE, null("unit_cost"), orphan("product_id", None), early("valid_from")],
    ),
    (Table::ProductNeeds, &[orphan("product_id", None), TWICE, missing("need")]),
    (
        Table::Orders,
        &[
            orphan("customer_id", Some("order_id")),
            TWICE,
            low("payment_cost"),
            missing("order_id"),
            null("customer_id"),
            low("fulfilment_cost"),
            early("ordered_at"),
        ],
    ),
    (
        Table::OrderStatus,
        &[
            value("status"),
            orphan("order_id", None),
            TWICE,
            missing("status"),
            missing("order_id"),
            early("changed_at"),
        ],
    ),
    (
        Table::OrderLines,
        &[
            low("quantity"),
            orphan("order_id", None),
            TWICE,
            missing("line_no"),
            low("unit_price"),
            low("discount_amount"),
            low("coupon_amount"),
            null("product_id"),
            null("quantity"),
            null("unit_price"),
            missing("order_id"),
        ],
    ),
    (
        Table::Returns,
        &[
            low("amount"),
            orphan("order_id", Some("return_id")),
            low("quantity"),
            TWICE,
            missing("return_id"),
            null("amount"),
            early("returned_at"),
        ],
    ),
    (
        Table::Contracts,
        &[
            low("amount_per_month"),
            TWICE,
            orphan("customer_id", Some("contract_id")),
            missing("contract_id"),
            early("started_at"),
        ],
    ),
    (
        Table::CampaignMembers,
        &[
            value("arm"),
            TWICE,
            orphan("campaign_id", None),
            null("arm"),
            missing("party_id"),
            early("assigned_at"),
        ],
    ),
    (
        Table::Touches,
        &[
            value("kind"),
            TWICE,
            low("cost"),
            value("direction"),
            missing("touch_id"),
            null("party_id"),
            null("kind"),
            early("touched_at"),
        ],
    ),
    (Table::Leads, &[null("party_id"), TWICE, missing("lead_id"), early("created_at")]),
    (Table::LeadStatuses, &[orphan("lead_id", None), TWICE, null("status"), early("changed_at")]),
    (Table::Opportunities, &[null("party_id"), TWICE, missing("opportunity_id"), early("created_at")]),
    (
        Table::OpportunityStages,
        &[low("probability"), low("amount"), orphan("opportunity_id", None), null("stage"), TWICE],
    ),
    (Table::Prospects, &[low("need_match"), TWICE, missing("party_id"), early("created_at")]),
    (Table::PartyLinks, &[orphan("customer_id", None), TWICE, missing("party_id"), early("linked_at")]),
    (
        Table::ServiceCases,
        &[
            value("kind"),
            orphan("customer_id", Some("case_id")),
            low("cost"),
            TWICE,
            missing("case_id"),
            early("opened_at"),
        ],
    ),
    (
        Table::Surveys,
        &[value("asked_by"), orphan("customer_id", Some("survey_id")), TWICE, early("answered_at")],
    ),
    (
        Table::SurveyAnswers,
        &[infinite("score"), orphan("survey_id", None), TWICE, missing("item"), infinite("scale_high")],
    ),
    (
        Table::Wallet,
        &[
            low("total_spend"),
            low("rank_of_us"),
            orphan("customer_id", None),
            TWICE,
            low("suppliers_used"),
            missing("category"),
        ],
    ),
    (
        Table::Events,
        &[
            null("name"),
            orphan("customer_id", Some("event_id")),
            TWICE,
            infinite("value"),
            missing("event_id"),
            early("occurred_at"),
        ],
    ),
    (Table::Needs, &[low("rank"), infinite("importance"), TWICE, missing("need"), early("stated_at")]),
    (Table::Assignments, &[orphan("customer_id", None), TWICE, early("valid_from")]),
    (
        Table::PlannedContacts,
        &[low("priority"), orphan("customer_id", None), null("channel"), TWICE, null("planned_at")],
    ),
];
