//! The rows of the truth: what the company would like to know and can only estimate.

use super::rows::{At, Cents, rows};

rows! {
    /// How a customer is.
    CustomerTruth of TruthCustomers {
        customer_id: i64,
        buys: bool,
        orders_per_day: f64,
        dropout_chance: f64,
        left_at: Option<At>,
        own_orders: i32,
        brought_orders: i32,
        mean_order_value: f64,
        price_elasticity: f64,
        attitude: f64,
        wallet_share: f64,
        loyalty_class: &'static str,
        lifecycle_stage: &'static str,
        cluster: i32,
        satisfaction: f64,
        main_need: &'static str,
        saves_recipes: bool,
        activated_card: bool,
        had_late_delivery: bool,
        had_open_complaint: bool,
    }
    /// How likely the customer of a contract cancels in a month.
    ContractTruth of TruthContracts { contract_id: i64, customer_id: i64, monthly_churn: f64 }
    /// What a campaign brought that would not have been.
    CampaignTruth of TruthCampaigns {
        campaign_id: i64,
        channel: &'static str,
        uplift: f64,
        treated: i64,
        incremental_orders: i64,
        incremental_sales: Cents,
        held_out: i64,
        held_out_incremental_orders: i64,
    }
    /// What a channel brought that would not have been.
    ChannelTruth of TruthChannels { channel: &'static str, treated: i64, incremental_orders: i64, incremental_sales: Cents }
    /// A product that is bought because another one is in the basket.
    RuleTruth of TruthRules { antecedent_id: i64, consequent_id: i64, chance_of_next_line: f64 }
    /// What an event means.
    BehaviourTruth of TruthBehaviours { name: &'static str, role: &'static str, strength: f64 }
    /// What a contact does after so many others.
    ContactTruth of TruthContacts { contacts_in_30_days: i32, multiplier: f64 }
    /// What makes satisfaction.
    DriverTruth of TruthDrivers { driver: &'static str, weight: f64 }
    /// How many rows of a kind are broken.
    BrokenTruth of TruthBroken { source: &'static str, rule: &'static str, column: &'static str, rows: i64 }
}
