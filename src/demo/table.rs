//! The tables of a world: the canonical sources, and the truth behind them.

use arrow::datatypes::SchemaRef;

use super::rows::Row;
use super::{records as of, tables, truths as truth};

macro_rules! tables {
    ($($table:ident: $folder:ident / $name:literal = $schema:expr;)+) => {
        /// A table of a world.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Table {
            $($table),+
        }

        impl Table {
            /// All of them: sources in the order people read about them, then the truth.
            pub(super) const ALL: &'static [Self] = &[$(Self::$table),+];

            /// Its name, which is also its folder's.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$table => $name),+
                }
            }

            /// Where it belongs.
            pub(super) const fn side(self) -> Side {
                match self {
                    $(Self::$table => Side::$folder),+
                }
            }

            /// Its columns.
            pub(super) fn schema(self) -> SchemaRef {
                match self {
                    $(Self::$table => $schema),+
                }
            }
        }
    };
}

/// What the company has, and what it cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A source of the pipeline.
    Source,
    /// A truth beside them.
    Truth,
}

impl Side {
    /// The folder of such tables.
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Truth => "truth",
        }
    }

    /// Its tables.
    pub(super) fn tables(self) -> impl Iterator<Item = Table> {
        Table::ALL.iter().copied().filter(move |table| table.side() == self)
    }
}

tables! {
    Customers: Source / "customers" = tables::schema(Self::Customers);
    CustomerHistory: Source / "customer_history" = of::Attribute::schema();
    Consents: Source / "consents" = of::Consent::schema();
    Products: Source / "products" = tables::schema(Self::Products);
    ProductCosts: Source / "product_costs" = tables::schema(Self::ProductCosts);
    ProductNeeds: Source / "product_needs" = of::Answer::schema();
    Orders: Source / "orders" = tables::schema(Self::Orders);
    OrderStatus: Source / "order_status" = of::Status::schema();
    OrderLines: Source / "order_lines" = tables::schema(Self::OrderLines);
    Returns: Source / "returns" = tables::schema(Self::Returns);
    Contracts: Source / "contracts" = of::Contract::schema();
    Campaigns: Source / "campaigns" = tables::schema(Self::Campaigns);
    CampaignSteps: Source / "campaign_steps" = of::CampaignStep::schema();
    CampaignCosts: Source / "campaign_costs" = of::CampaignCost::schema();
    CampaignProducts: Source / "campaign_products" = of::Promotion::schema();
    CampaignMembers: Source / "campaign_members" = tables::schema(Self::CampaignMembers);
    Touches: Source / "touches" = tables::schema(Self::Touches);
    Leads: Source / "leads" = of::Lead::schema();
    LeadStatuses: Source / "lead_status" = of::LeadStatus::schema();
    Opportunities: Source / "opportunities" = of::Opportunity::schema();
    OpportunityStages: Source / "opportunity_stages" = of::Stage::schema();
    Prospects: Source / "prospects" = of::Prospect::schema();
    PartyLinks: Source / "party_links" = of::Link::schema();
    Market: Source / "market" = of::MarketSegment::schema();
    ServiceCases: Source / "service_cases" = of::Case::schema();
    Surveys: Source / "surveys" = of::Survey::schema();
    SurveyAnswers: Source / "survey_answers" = of::Score::schema();
    Wallet: Source / "wallet" = of::Spend::schema();
    Expenses: Source / "expenses" = of::Expense::schema();
    Events: Source / "events" = of::Event::schema();
    Needs: Source / "needs" = of::Need::schema();
    Assignments: Source / "assignments" = of::Assignment::schema();
    SalesReps: Source / "sales_reps" = of::SalesRep::schema();
    PlannedContacts: Source / "planned_contacts" = of::Planned::schema();
    Targets: Source / "targets" = of::Target::schema();
    TruthCustomers: Truth / "customers" = truth::CustomerTruth::schema();
    TruthContracts: Truth / "contracts" = truth::ContractTruth::schema();
    TruthCampaigns: Truth / "campaigns" = truth::CampaignTruth::schema();
    TruthChannels: Truth / "channels" = truth::ChannelTruth::schema();
    TruthRules: Truth / "copurchase_rules" = truth::RuleTruth::schema();
    TruthBehaviours: Truth / "behaviours" = truth::BehaviourTruth::schema();
    TruthContacts: Truth / "contact_response" = truth::ContactTruth::schema();
    TruthDrivers: Truth / "satisfaction_drivers" = truth::DriverTruth::schema();
    TruthBroken: Truth / "broken_rows" = truth::BrokenTruth::schema();
}
